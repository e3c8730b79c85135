//! Whether a receipt is what was signed, and says what the ledger has. Believes nothing but the keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use yinyom_consent::{
    Cause, Channel, ConsentChange, ConsentState, SurfaceParent, merged_into, merged_with,
};
use yinyom_kernel::Language;
use yinyom_transparency::{
    Checkpoint, CheckpointError, Hash, Jws, JwsError, PublicKey, PublicKeys, verify_inclusion,
};

use crate::page::signed_part;
use crate::record::{FIRST, event, record};
use crate::{Receipt, TYPE, words};

/// What is wrong with a receipt.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error("this is neither a signed receipt nor a page that holds one")]
    NoReceipt,
    #[error("the signature: {0}")]
    Signature(#[from] JwsError),
    #[error("what was signed is no receipt")]
    Payload(#[source] serde_json::Error),
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the checkpoint is of another business, or of another size than the receipt says")]
    OtherCheckpoint,
    #[error("event {0}: its content is no change of this contact and channel")]
    Content(usize),
    #[error("event {0}: it is not what the ledger's content says")]
    Event(usize),
    #[error("event {0}: no proof that the ledger has it at index {1}")]
    Proof(usize, u64),
    #[error("event {0}: it is not older than the one before it")]
    Order(usize),
    #[error("the state is not what the newest event made")]
    State,
    #[error("who was merged into whom is not what the events say")]
    Merged,
    #[error("the page does not show what was signed")]
    Page,
}

/// What a sound receipt says, and who signed it.
#[derive(Debug)]
pub struct Said {
    pub receipt: Receipt,
    pub key: PublicKey,
}

/// Verifies the text of a file: a compact JWS, or a page.
pub fn verify(text: &str, keys: &PublicKeys) -> Result<Said, ReceiptError> {
    let is_page = text.trim_start().starts_with('<');
    let jws = if is_page { signed_part(text).ok_or(ReceiptError::NoReceipt)? } else { text.trim() };
    let Jws { payload, key } = Jws::open(jws, TYPE, keys)?;
    let receipt: Receipt = serde_json::from_slice(&payload).map_err(ReceiptError::Payload)?;
    let head = Checkpoint::open(&receipt.ledger.checkpoint, keys)?;
    let (contact, channel) = about(&receipt).ok_or(ReceiptError::OtherCheckpoint)?;
    let business = contact.split("/contacts/").next().unwrap_or_default();
    let of_business = head.origin.ends_with(&format!("/{business}"));
    if !of_business || head.size != receipt.ledger.tree_size {
        return Err(ReceiptError::OtherCheckpoint);
    }
    let mut newer = i64::MAX;
    let mut changes = Vec::with_capacity(receipt.events.len());
    for (at, told) in receipt.events.iter().enumerate() {
        let change = STANDARD.decode(&told.ledger.content).ok();
        let change = change.and_then(|bytes| ConsentChange::from_canonical(&bytes));
        let change = change.ok_or(ReceiptError::Content(at))?;
        let name = yinyom_consent::CONTACTS.format(change.business, change.contact);
        if name != contact {
            return Err(ReceiptError::Content(at));
        }
        let proof = hashes(&told.ledger.inclusion_proof).ok_or(ReceiptError::Event(at))?;
        if event(&change, channel, told.ledger.index, &proof) != *told {
            return Err(ReceiptError::Event(at));
        }
        verify_inclusion(&change.leaf_hash(), told.ledger.index, head.size, &proof, &head.root)
            .map_err(|_| ReceiptError::Proof(at, told.ledger.index))?;
        if std::mem::replace(&mut newer, change.seq) <= change.seq {
            return Err(ReceiptError::Order(at));
        }
        changes.push(change);
    }
    stands(&receipt)?;
    merged(&receipt, changes, channel)?;
    if is_page && receipt.page(jws).as_deref() != Some(text) {
        return Err(ReceiptError::Page);
    }
    Ok(Said { receipt, key })
}

/// Contact and channel.
fn about(receipt: &Receipt) -> Option<(&str, Channel)> {
    let purpose = receipt.pii_processing.purposes.first()?;
    let channel = words::find(Channel::ALL, words::channel, &purpose.channel)?;
    let contact = receipt.pii_principal_id.as_str();
    let record = format!("{contact}/consents/{}", purpose.channel);
    (record == receipt.record_id).then_some((contact, channel))
}

/// Whether the state is the newest event's; a grant that has run out by the time of issue is none.
fn stands(receipt: &Receipt) -> Result<(), ReceiptError> {
    let (Some(purpose), Some(newest)) =
        (receipt.pii_processing.purposes.first(), receipt.events.first())
    else {
        return Err(ReceiptError::State);
    };
    let granted = words::state(ConsentState::Granted).code;
    let ran_out = newest.event_state.as_deref() == Some(granted)
        && newest.expire_time.is_some_and(|at| at <= receipt.issue_time);
    let expected = if ran_out {
        Some(words::state(ConsentState::NotSet).code)
    } else {
        newest.event_state.as_deref()
    };
    if purpose.state.as_deref() == expected { Ok(()) } else { Err(ReceiptError::State) }
}

/// Whether the receipt names whom its events, newest first, tell to be merged: a merge and its undo are of both channels. Of
/// older events that are not in it, it may know more.
fn merged(
    receipt: &Receipt,
    mut changes: Vec<ConsentChange>,
    channel: Channel,
) -> Result<(), ReceiptError> {
    let told = if receipt.schema_version == FIRST {
        receipt.merged_records.is_empty() && receipt.merged_into_record.is_none()
    } else {
        let Some(newest) = changes.first() else { return Err(ReceiptError::State) };
        let business = newest.business;
        let record = |contact| record(business, contact, channel);
        let into = merged_into(newest).map(record);
        changes.reverse();
        let named = &receipt.merged_records;
        let shown: Vec<_> = merged_with(&changes).into_iter().map(record).collect();
        let older = named.len().checked_sub(shown.len()).map(|older| named.split_at(older));
        let agree = older.is_some_and(|(older, newer)| {
            let unseen = |name: &String| !changes.iter().any(|it| is_with(it, name, record));
            newer == shown && older.iter().all(unseen)
        });
        let more = receipt.events_omitted > 0 || named.len() == shown.len();
        into == receipt.merged_into_record && agree && more
    };
    if told { Ok(()) } else { Err(ReceiptError::Merged) }
}

/// Whether the change is a merge with the contact of that record, or its undo.
fn is_with(
    change: &ConsentChange,
    name: &str,
    record: impl Fn(yinyom_kernel::ContactId) -> String,
) -> bool {
    let merges = matches!(change.cause, Cause::Merged | Cause::MergeUndone);
    let Some(SurfaceParent::Contact(other)) = change.surface_parent else { return false };
    merges && record(other) == name
}

fn hashes(proof: &[String]) -> Option<Vec<Hash>> {
    proof.iter().map(|hash| hex::decode(hash).ok()?.try_into().ok()).collect()
}

/// The language of a receipt.
pub(crate) fn language(receipt: &Receipt) -> Language {
    Language::negotiate(Some(&receipt.language))
}
