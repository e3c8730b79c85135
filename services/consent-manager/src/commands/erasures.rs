//! Erasure: what becomes of a contact's evidence at once, of the content of its changes after the retention period, and
//! what a legal hold puts off (TRAPS 10, 16, 20).
//!
//! The key goes in the unit of work that takes `ERASED`: from then on nobody reads the evidence. Ciphertext and, later,
//! content are overwritten by [`destroy_due`], in units of work that can be stopped anywhere and begun again. Of a record
//! then remain contact, number, leaf hash and signatures: the tree and every proof stay what they were.

use std::collections::HashSet;

use uuid::Uuid;
use yinyom_consent::{Actor, Cause};
use yinyom_db::Tx;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, ContactId, PageSize, RequestId, Scope};
use yinyom_privacy::DataKey;

use super::{Manager, Reading, Refused};
use crate::domain::{Batch, Erasure, NewRefused, Page, Recorded, RefusalReason, RequestKind, Told};
use crate::notary::Notary;
use crate::store::{StoreError, erasures as store, heads, retention, subjects};

/// Wakes whoever destroys.
pub(crate) const ERASURES: &str = "erasures";
/// Who records that a hold puts off an erasure.
const MANAGER: &str = "consent-manager";
/// Contacts, and records, of a unit of work.
const CONTACTS: i64 = 50;
const RECORDS: i64 = 200;
/// Businesses that are looked up at once, and units of work that one of them has before the next has its turn.
const BUSINESSES: i64 = 500;
const TURN: usize = 20;
/// Until a business is looked at again whose records are not all signed and counted yet.
const UNSIGNED: i64 = 60 * 60 * 1_000_000;

/// Takes the evidence out of what arrived after its contact's erasure: nobody sends such a thing but a directory that came
/// back from a backup. Its hash stays, since the record is signed with it.
pub(super) async fn strip(
    tx: &mut Tx,
    notary: &Notary,
    entries: &mut [Recorded],
) -> Result<HashSet<ContactId>, StoreError> {
    let with: Vec<Uuid> = (entries.iter())
        .filter(|entry| entry.sealed_evidence.is_some())
        .map(|entry| entry.change.contact.uuid())
        .collect();
    if with.is_empty() {
        return Ok(HashSet::new());
    }
    let before: HashSet<_> = store::among(tx, &with).await?.into_iter().collect();
    let mut erased = before.clone();
    for entry in entries {
        let (business, contact) = (entry.change.business, entry.change.contact);
        if entry.change.cause == Cause::Erased {
            erased.insert(contact);
        } else if erased.contains(&contact)
            && let Some(evidence) = entry.signed_evidence()
        {
            let (index, leaf) = (entry.ledger_index, entry.leaf_hash);
            let erasure = notary.sign_evidence_erasure(business, index, leaf, evidence);
            (entry.sealed_evidence, entry.evidence_erasure) = (None, Some(erasure));
        }
    }
    Ok(before)
}

/// Notes the erasures of a batch and destroys the keys that nothing holds. The keys of the batch that are to be kept.
pub(super) async fn take(
    tx: &mut Tx,
    batch: &Batch,
    erased_before: &HashSet<ContactId>,
    now: i64,
) -> Result<Vec<(ContactId, DataKey)>, StoreError> {
    let mut gone = erased_before.clone();
    if !batch.erased.is_empty() {
        let ids: Vec<Uuid> = batch.erased.iter().map(|told| told.contact.uuid()).collect();
        store::lock(tx).await?;
        store::note(tx, &batch.erased).await?;
        store::set_due(tx, now).await?;
        let held: HashSet<_> = store::held(tx, &ids).await?.into_iter().collect();
        for contact in &held {
            put_off(tx, *contact, now).await?;
        }
        gone.extend(batch.erased.iter().map(|told| told.contact));
        gone.retain(|contact| !held.contains(contact));
        let destroyed: Vec<Uuid> = gone.iter().map(|contact| contact.uuid()).collect();
        subjects::destroy(tx, &destroyed).await?;
        tx.announce(ERASURES);
    }
    Ok(batch.keys.iter().filter(|(contact, _)| !gone.contains(contact)).cloned().collect())
}

/// Records that a hold puts off an erasure (PDPA s.39).
async fn put_off(tx: &mut Tx, contact: ContactId, now: i64) -> Result<(), StoreError> {
    let actor = Actor::Service { name: MANAGER.to_owned() };
    let refused = NewRefused {
        kind: RequestKind::Erasure,
        contact,
        reason: RefusalReason::LegalClaim,
        text: None,
        request: RequestId::generate(),
    };
    let caller = format!("service:{MANAGER}");
    retention::add_refused(tx, &refused, Uuid::now_v7(), (&caller, &actor), now).await
}

/// Destroys what is due, in every business, one at a time. What fails is tried again the next time, and holds up no other
/// business.
pub async fn destroy_due(manager: &Manager) -> Result<(), StoreError> {
    loop {
        let now = manager.clock.now().as_microsecond();
        let mut tx = manager.db.read_unscoped().await?;
        let due = store::due(&mut tx, now, BUSINESSES).await?;
        drop(tx);
        let mut moved = false;
        for business in due {
            for _ in 0..TURN {
                match step(manager, about(business)).await {
                    Ok(Step::More) => moved = true,
                    Ok(Step::Nothing) => {
                        moved = true;
                        break;
                    }
                    Err(error) => {
                        tracing::error!(%business, %error, "what was erased is not destroyed yet");
                        break;
                    }
                }
            }
        }
        if !moved {
            return Ok(());
        }
        // What was destroyed is overwritten in a file; its journal still has it until it is written back.
        manager.db.write_back_journal().await?;
    }
}

enum Step {
    More,
    /// Nothing is due now; when it is next is noted.
    Nothing,
}

/// By the right of the retention, which reads a table without anything personal and enters one business at a time.
#[expect(clippy::disallowed_methods, reason = "destruction has no caller (TRAPS 16)")]
fn about(business: Uuid) -> Scope {
    Scope::assume(business.into())
}

/// Destroys some of what is due in a business.
async fn step(manager: &Manager, scope: Scope) -> Result<Step, StoreError> {
    let notary = manager.notary.clone();
    let now = manager.clock.now().as_microsecond();
    let unit = manager.db.write(scope, move |mut tx| async move {
        store::lock(&mut tx).await?;
        let contacts = store::evidence_due(&mut tx, CONTACTS).await?;
        if !contacts.is_empty() {
            subjects::destroy(&mut tx, &contacts).await?;
            store::destroy_evidence(&mut tx, &notary, &contacts, RECORDS, now).await?;
            return tx.done(Step::More);
        }
        let period = retention::period(&mut tx).await?.period;
        let contacts = store::content_due(&mut tx, period, now, CONTACTS).await?;
        if !contacts.is_empty() {
            // What is not signed, or not counted by time yet, is needed for that first.
            if store::has_unsigned(&mut tx).await? || !heads::is_counted(&mut tx).await? {
                store::set_due(&mut tx, now.saturating_add(UNSIGNED)).await?;
                return tx.done(Step::Nothing);
            }
            let leaves = store::with_content(&mut tx, &contacts, RECORDS).await?;
            let business = scope.business();
            let erasures: Vec<_> = (leaves.iter())
                .map(|leaf| notary.sign_erasure(business, leaf.index, leaf.hash))
                .collect();
            if !leaves.is_empty() {
                store::destroy_content(&mut tx, &leaves, &erasures).await?;
            }
            if i64::try_from(leaves.len()).unwrap_or(i64::MAX) < RECORDS {
                store::content_destroyed(&mut tx, &contacts, now).await?;
            }
            return tx.done(Step::More);
        }
        let next = store::next_due(&mut tx, period).await?;
        store::set_due(&mut tx, next).await?;
        tx.done::<_, StoreError>(Step::Nothing)
    });
    unit.await
}

/// Notes whether an erasure may be missing in this database. While one may be, no evidence is opened.
pub async fn confirm(manager: &Manager, confirmed: bool) -> Result<(), StoreError> {
    let unit = manager.db.write_unscoped(move |mut tx| async move {
        store::confirm(&mut tx, confirmed).await?;
        tx.done::<_, StoreError>(())
    });
    unit.await
}

/// Erased contacts of a business by id, after that one, and how many there are.
pub async fn erasures(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    after: Option<ContactId>,
    size: PageSize,
) -> Result<(Page<Erasure>, i64), Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let mut tx = manager.db.read(reading.scope()).await?;
    let found = store::page(&mut tx, after.map(ContactId::uuid), size).await?;
    let all = store::count(&mut tx).await?;
    drop(tx);
    reading.close((Page::cut(found, size), all)).await
}

/// Erased contacts of all businesses, and how many there are: for services that open every business, who know `known` of
/// them. If they know no more than the manager, it was not restored from before an erasure.
pub async fn erasures_across(
    manager: &Manager,
    caller: &Caller,
    after: Option<(BusinessId, ContactId)>,
    known: i64,
    size: PageSize,
) -> Result<(Page<(BusinessId, Told)>, i64), Refused> {
    if caller.member().is_some() || !caller.opens_every_business() {
        return Err(NotFound.into());
    }
    let mut tx = manager.db.read_unscoped().await?;
    let after = after.map(|(business, contact)| (business.uuid(), contact.uuid()));
    let found = store::across(&mut tx, after, size).await?;
    let all = store::count_across(&mut tx).await?;
    let (was, is) = (store::is_confirmed(&mut tx).await?, known <= all);
    drop(tx);
    if !is {
        tracing::error!(
            known,
            all,
            "erasures are missing: was the database restored from a backup?"
        );
    }
    if was != is {
        confirm(manager, is).await?;
    }
    let found = found.into_iter().map(|(business, told)| (business.into(), told)).collect();
    Ok((Page::cut(found, size), all))
}
