//! What is left of a contact when it is gone, and everything that has to go with one that is erased.
//!
//! Nothing here opens anything: who cannot be read any more can still be erased.

use jiff::Timestamp;
use prost::Message;
use uuid::Uuid;
use yinyom_consent::{ByChannel, ConsentState};
use yinyom_db::{DbError, Record, Rows, Tx};
use yinyom_kernel::{AccountId, ContactId, LeadId, from_micros};
use yinyom_proto::manager::v1 as pb;

use super::contacts::narrow;
use super::{StoreError, contacts, merges, refused};
use crate::domain::Consent;

/// What stands in the place of a text that was erased and may not be empty.
const NOTHING: &str = "-";
/// The most links of a kind that an erasure tells of.
const MOST_LINKED: i64 = 500;

/// A contact that is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasable {
    /// The number of its last change.
    pub consent_seq: i64,
    /// `None` if it was deleted already.
    pub consents: Option<ByChannel<Consent>>,
}

/// A contact that was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    pub contact: ContactId,
    /// Of the change that says so.
    pub seq: i64,
    pub at: Timestamp,
}

/// What an erasure met besides the contact itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    pub deleted_leads: Vec<LeadId>,
    /// Those that have another primary contact now.
    pub renamed_leads: Vec<LeadId>,
    /// Those that remain.
    pub leads: Vec<LeadId>,
    pub accounts: Vec<AccountId>,
}

#[derive(Record)]
struct ConsentsRow {
    consent_seq: i64,
    phone_state: i32,
    phone_expires_at: Option<i64>,
    phone_set_at: i64,
    phone_refused_before: bool,
    email_state: i32,
    email_expires_at: Option<i64>,
    email_set_at: i64,
    email_refused_before: bool,
}

/// The contact, there or deleted, locked.
pub async fn lock(tx: &mut Tx, contact: ContactId) -> Result<Option<Erasable>, StoreError> {
    let row = tx
        .scoped(
            "SELECT consent_seq, phone_state, phone_expires_at, phone_set_at, phone_refused_before,
                    email_state, email_expires_at, email_set_at, email_refused_before
             FROM contacts WHERE business_id = $1 AND contact_id = $2",
        )
        .bind(contact.uuid())
        .for_update()
        .fetch_optional::<ConsentsRow>()
        .await?;
    if let Some(row) = row {
        let consent = |state, expires_at: Option<i64>, set_at, refused_before| {
            Ok::<_, StoreError>(Consent {
                state: ConsentState::from_code(narrow(state))?,
                expires_at: expires_at.map(from_micros),
                updated_at: from_micros(set_at),
                refused_before,
            })
        };
        let phone = consent(
            row.phone_state,
            row.phone_expires_at,
            row.phone_set_at,
            row.phone_refused_before,
        )?;
        let email = consent(
            row.email_state,
            row.email_expires_at,
            row.email_set_at,
            row.email_refused_before,
        )?;
        let consents = Some(ByChannel { phone, email });
        return Ok(Some(Erasable { consent_seq: row.consent_seq, consents }));
    }
    let departed = tx
        .scoped(
            "SELECT consent_seq FROM departed_contacts WHERE business_id = $1 AND contact_id = $2",
        )
        .bind(contact.uuid())
        .for_update()
        .fetch_optional::<(i64,)>()
        .await?;
    Ok(departed.map(|(consent_seq,)| Erasable { consent_seq, consents: None }))
}

/// Notes that a contact was deleted, so that it can be erased later.
pub async fn depart(
    tx: &mut Tx,
    contact: ContactId,
    consent_seq: i64,
    now: i64,
) -> Result<(), DbError> {
    tx.scoped(
        "INSERT INTO departed_contacts (business_id, contact_id, consent_seq, departed_at)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(contact.uuid())
    .bind(consent_seq)
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// Whether, and when, a contact was erased.
pub async fn erased(tx: &mut Tx, contact: ContactId) -> Result<Option<Erased>, DbError> {
    let found = tx
        .scoped(
            "SELECT seq, created_at FROM erased_streams WHERE business_id = $1 AND stream_id = $2",
        )
        .bind(contact.uuid())
        .fetch_optional::<(i64, i64)>()
        .await?;
    Ok(found.map(|(seq, at)| Erased { contact, seq, at: from_micros(at) }))
}

/// Destroys everything of the contact that the business has, and notes that it was.
pub async fn destroy(tx: &mut Tx, erased: Erased) -> Result<Links, StoreError> {
    let contact = erased.contact;
    strip_events(tx, contact).await?;
    let links = unlink(tx, contact, erased.at.as_microsecond()).await?;
    refused::forget(tx, contact).await?;
    merges::forget(tx, contact).await?;
    blank_requests(tx, contact, &links).await?;
    // With it go its points, their hashes, its fingerprints, its links and its key.
    contacts::delete(tx, contact).await?;
    tx.scoped("DELETE FROM departed_contacts WHERE business_id = $1 AND contact_id = $2")
        .bind(contact.uuid())
        .execute()
        .await?;
    tx.scoped(
        "INSERT INTO erased_streams (business_id, stream_id, seq, created_at)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(contact.uuid())
    .bind(erased.seq)
    .bind(erased.at.as_microsecond())
    .execute()
    .await?;
    Ok(links)
}

/// Takes the evidence and the key out of what the ledger does not have yet: the leaf has a commitment to the evidence,
/// and needs no more.
async fn strip_events(tx: &mut Tx, contact: ContactId) -> Result<(), DbError> {
    // Whoever marks events as delivered passes over what is locked here, so neither waits for the other.
    let waiting = tx
        .scoped("SELECT seq FROM outbox WHERE business_id = $1 AND stream_id = $2 ORDER BY seq")
        .bind(contact.uuid())
        .for_update()
        .scalars::<i64>()
        .await?;
    if waiting.is_empty() {
        return Ok(());
    }
    let events = tx
        .scoped(
            "SELECT seq, payload FROM outbox_payloads WHERE business_id = $1 AND stream_id = $2",
        )
        .bind(contact.uuid())
        .fetch_all::<(i64, Vec<u8>)>()
        .await?;
    let stripped: Vec<(i64, Vec<u8>)> =
        (events.into_iter()).filter_map(|(seq, payload)| Some((seq, strip(&payload)?))).collect();
    if stripped.is_empty() {
        return Ok(());
    }
    tx.scoped(
        "UPDATE outbox_payloads SET payload = batch.payload FROM {rows}
         WHERE outbox_payloads.business_id = $1 AND outbox_payloads.stream_id = $2
           AND outbox_payloads.seq = batch.seq",
    )
    .bind(contact.uuid())
    .rows(
        Rows::new()
            .ints("seq", stripped.iter().map(|(seq, _)| *seq))
            .bytes("payload", stripped.iter().map(|(_, payload)| &payload[..])),
    )
    .execute()
    .await?;
    Ok(())
}

/// `None` if there is nothing to take out. What cannot be read cannot be sent either, and goes whole.
fn strip(payload: &[u8]) -> Option<Vec<u8>> {
    let Ok(mut change) = pb::ConsentChange::decode(payload) else { return Some(Vec::new()) };
    if change.sealed_evidence.is_empty() && change.subject_key.is_empty() {
        return None;
    }
    change.sealed_evidence.clear();
    change.subject_key.clear();
    Some(change.encode_to_vec())
}

/// Leads that have it as their primary contact get another one, or go.
async fn unlink(tx: &mut Tx, contact: ContactId, now: i64) -> Result<Links, DbError> {
    let deleted = tx
        .scoped(
            "DELETE FROM leads WHERE business_id = $1 AND primary_contact_id = $2
             AND NOT EXISTS (SELECT 1 FROM lead_contacts o WHERE o.business_id = $1
                 AND o.lead_id = leads.lead_id AND o.contact_id <> $2)
             RETURNING lead_id",
        )
        .bind(contact.uuid())
        .scalars::<Uuid>()
        .await?;
    let renamed = tx
        .scoped(
            "UPDATE leads SET title = $3, sort_title = $3, source = '', revision = revision + 1, updated_at = $4,
                 primary_contact_id = (SELECT o.contact_id FROM lead_contacts o
                     WHERE o.business_id = $1 AND o.lead_id = leads.lead_id AND o.contact_id <> $2
                     ORDER BY o.contact_id LIMIT 1)
             WHERE business_id = $1 AND primary_contact_id = $2 RETURNING lead_id",
        )
        .bind(contact.uuid())
        .bind(NOTHING)
        .bind(now)
        .scalars::<Uuid>()
        .await?;
    let leads = tx
        .scoped(
            "SELECT lead_id FROM lead_contacts WHERE business_id = $1 AND contact_id = $2
             ORDER BY lead_id LIMIT $3",
        )
        .bind(contact.uuid())
        .bind(MOST_LINKED)
        .scalars::<Uuid>()
        .await?;
    let accounts = tx
        .scoped(
            "SELECT account_id FROM account_contacts WHERE business_id = $1 AND contact_id = $2
             ORDER BY account_id LIMIT $3",
        )
        .bind(contact.uuid())
        .bind(MOST_LINKED)
        .scalars::<Uuid>()
        .await?;
    Ok(Links {
        deleted_leads: deleted.into_iter().map(LeadId::from).collect(),
        renamed_leads: renamed.into_iter().map(LeadId::from).collect(),
        leads: leads.into_iter().map(LeadId::from).collect(),
        accounts: accounts.into_iter().map(AccountId::from).collect(),
    })
}

/// Forgets what was in the requests whose outcome names the contact, or a lead of it. Their ids stay, so that none of them
/// makes the person anew when it is sent again: it is then refused as another request.
async fn blank_requests(tx: &mut Tx, contact: ContactId, links: &Links) -> Result<(), DbError> {
    let leads = links.deleted_leads.iter().chain(&links.renamed_leads).map(|lead| lead.uuid());
    let named: Vec<Uuid> = std::iter::once(contact.uuid()).chain(leads).collect();
    let sql = tx.dialect(
        "UPDATE requests SET fingerprint = x'' WHERE business_id = $1
         AND EXISTS (SELECT 1 FROM {rows} WHERE instr(requests.outcome, batch.named) > 0)",
        "UPDATE requests SET fingerprint = '' WHERE business_id = $1
         AND EXISTS (SELECT 1 FROM {rows} WHERE position(batch.named IN requests.outcome) > 0)",
    );
    let rows = Rows::new().bytes("named", named.iter().map(|id| &id.as_bytes()[..]));
    tx.scoped(sql).rows(rows).execute().await?;
    Ok(())
}

/// Drops what of the contact waits to be sent, and what is known of its stream: the ledger has it, or what replaces it.
pub async fn drop_events(tx: &mut Tx, contact: ContactId) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM outbox WHERE business_id = $1 AND stream_id = $2",
        "DELETE FROM outbox_payloads WHERE business_id = $1 AND stream_id = $2",
        "DELETE FROM outbox_stalls WHERE business_id = $1 AND stream_id = $2",
    ] {
        tx.scoped(sql).bind(contact.uuid()).execute().await?;
    }
    Ok(())
}

/// Whether anything of the contact waits to be sent.
pub async fn waits(tx: &mut Tx, contact: ContactId) -> Result<bool, DbError> {
    tx.scoped("SELECT EXISTS (SELECT 1 FROM outbox WHERE business_id = $1 AND stream_id = $2)")
        .bind(contact.uuid())
        .scalar()
        .await
}

/// Erased contacts of every business after that one, in order, that many at most.
pub async fn all(
    tx: &mut Tx,
    after: (Uuid, Uuid),
    most: i64,
) -> Result<Vec<(Uuid, Erased)>, DbError> {
    let found = tx
        .query(
            "SELECT business_id, stream_id, seq, created_at FROM erased_streams
             WHERE (business_id, stream_id) > ($1, $2) ORDER BY business_id, stream_id LIMIT $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(most)
        .fetch_all::<(Uuid, Uuid, i64, i64)>()
        .await?;
    Ok(found
        .into_iter()
        .map(|(business, contact, seq, at)| {
            (business, Erased { contact: contact.into(), seq, at: from_micros(at) })
        })
        .collect())
}

/// How many contacts were erased, whose erasure does not wait to be sent.
pub async fn count_told(tx: &mut Tx) -> Result<i64, DbError> {
    tx.query(
        "SELECT COUNT(*) FROM erased_streams e WHERE NOT EXISTS (
             SELECT 1 FROM outbox o WHERE o.business_id = e.business_id
               AND o.stream_id = e.stream_id AND o.seq = e.seq)",
    )
    .scalar()
    .await
}
