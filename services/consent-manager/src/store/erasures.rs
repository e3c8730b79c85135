//! Erased contacts, and the destruction of what the ledger has of them. Hashes and signatures stay.
//!
//! Who sets or releases a hold, notes an erasure or destroys holds the business's row in `due_work` ([`lock`]): so nothing is
//! destroyed that is held, whoever comes first.

use uuid::Uuid;
use yinyom_db::{Record, Rows, Tx};
use yinyom_kernel::{ContactId, PageSize, from_micros};

use super::StoreError;
use super::rows::instant;
use crate::domain::{Erasure, RetentionPeriod, Told, evidence_hash};
use crate::notary::Notary;

/// The work, in `due_work`.
const KIND: &str = "erasures";
/// Nothing is due.
pub const NEVER: i64 = i64::MAX;

macro_rules! held {
    () => {
        "EXISTS (SELECT 1 FROM legal_holds h WHERE h.business_id = $1 AND h.released_at IS NULL
             AND (h.contact_id IS NULL OR h.contact_id = e.contact_id))"
    };
}

/// A record whose content is to be destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    pub index: i64,
    pub hash: [u8; 32],
}

/// Holds the business's row to the end of the transaction.
pub async fn lock(tx: &mut Tx) -> Result<(), StoreError> {
    tx.scoped(
        "INSERT INTO due_work (business_id, kind, due_at) VALUES ($1, $2, $3)
         ON CONFLICT (business_id, kind) DO UPDATE SET due_at = due_work.due_at",
    )
    .bind(KIND)
    .bind(NEVER)
    .execute()
    .await?;
    Ok(())
}

/// Businesses with something to destroy at `now`, the longest due first. Read across businesses.
pub async fn due(tx: &mut Tx, now: i64, most: i64) -> Result<Vec<Uuid>, StoreError> {
    Ok(tx
        .query(
            "SELECT business_id FROM due_work WHERE kind = $1 AND due_at <= $2
             ORDER BY due_at, business_id LIMIT $3",
        )
        .bind(KIND)
        .bind(now)
        .bind(most)
        .scalars()
        .await?)
}

/// There is something to destroy at `at`.
pub async fn set_due(tx: &mut Tx, at: i64) -> Result<(), StoreError> {
    tx.scoped("UPDATE due_work SET due_at = $3 WHERE business_id = $1 AND kind = $2")
        .bind(KIND)
        .bind(at)
        .execute()
        .await?;
    Ok(())
}

/// Notes that contacts are erased; the row of the business is held.
pub async fn note(tx: &mut Tx, told: &[Told]) -> Result<(), StoreError> {
    let at = || told.iter().map(|told| told.at.as_microsecond());
    let ids = || told.iter().map(|told| told.contact.uuid());
    tx.scoped(
        "INSERT INTO erased_streams (business_id, stream_id, seq, created_at)
         SELECT $1, stream_id, seq, created_at FROM {rows} WHERE true
         ON CONFLICT (business_id, stream_id) DO NOTHING",
    )
    .rows(
        Rows::new()
            .uuids("stream_id", ids())
            .ints("seq", told.iter().map(|told| told.seq))
            .ints("created_at", at()),
    )
    .execute()
    .await?;
    tx.scoped(
        "INSERT INTO erasures (business_id, contact_id, erased_at)
         SELECT $1, contact_id, erased_at FROM {rows} WHERE true
         ON CONFLICT (business_id, contact_id) DO NOTHING",
    )
    .rows(Rows::new().uuids("contact_id", ids()).ints("erased_at", at()))
    .execute()
    .await?;
    Ok(())
}

/// Which of these contacts are erased.
pub async fn among(tx: &mut Tx, contacts: &[Uuid]) -> Result<Vec<ContactId>, StoreError> {
    let found = tx
        .scoped("SELECT contact_id FROM erasures WHERE business_id = $1 AND contact_id IN {list}")
        .list(contacts)
        .scalars::<Uuid>()
        .await?;
    Ok(found.into_iter().map(ContactId::from).collect())
}

/// Erased contacts whose evidence is still to be destroyed and is not held.
pub async fn evidence_due(tx: &mut Tx, most: i64) -> Result<Vec<Uuid>, StoreError> {
    Ok(tx
        .scoped(concat!(
            "SELECT e.contact_id FROM erasures e
             WHERE e.business_id = $1 AND e.evidence_destroyed_at IS NULL AND NOT ",
            held!(),
            " ORDER BY e.contact_id LIMIT $2"
        ))
        .bind(most)
        .scalars()
        .await?)
}

/// Destroys some of the sealed evidence of these contacts, and keeps its hash; whether that was all of it.
pub async fn destroy_evidence(
    tx: &mut Tx,
    notary: &Notary,
    contacts: &[Uuid],
    most: i64,
    now: i64,
) -> Result<bool, StoreError> {
    let business = tx.scope()?.business();
    let sealed = tx
        .scoped(
            "SELECT ledger_index, leaf_hash, sealed_evidence FROM ledger
             WHERE business_id = $1 AND contact_id IN {list} AND sealed_evidence IS NOT NULL
             ORDER BY ledger_index LIMIT $3",
        )
        .list(contacts)
        .bind(most)
        .fetch_all::<(i64, Vec<u8>, Vec<u8>)>()
        .await?;
    let mut erasures = Vec::with_capacity(sealed.len());
    for (index, leaf, sealed) in &sealed {
        let leaf = super::ledger::hash(leaf)?;
        let evidence = evidence_hash(sealed);
        erasures.push((*index, notary.sign_evidence_erasure(business, *index, leaf, evidence)));
    }
    if !erasures.is_empty() {
        tx.scoped(
            "UPDATE ledger SET sealed_evidence = NULL, evidence_erasure = batch.evidence_erasure FROM {rows}
             WHERE ledger.business_id = $1 AND ledger.ledger_index = batch.ledger_index",
        )
        .rows(
            Rows::new()
                .ints("ledger_index", erasures.iter().map(|(index, _)| *index))
                .bytes("evidence_erasure", erasures.iter().map(|(_, erasure)| &erasure[..])),
        )
        .execute()
        .await?;
    }
    let all = i64::try_from(erasures.len()).unwrap_or(i64::MAX) < most;
    if all {
        tx.scoped(
            "UPDATE erasures SET evidence_destroyed_at = $3
             WHERE business_id = $1 AND contact_id IN {list}",
        )
        .list(contacts)
        .bind(now)
        .execute()
        .await?;
    }
    Ok(all)
}

/// Erased contacts whose content is to be destroyed by `now` and is not held.
pub async fn content_due(
    tx: &mut Tx,
    period: RetentionPeriod,
    now: i64,
    most: i64,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(tx
        .scoped(concat!(
            "SELECT e.contact_id FROM erasures e
             WHERE e.business_id = $1 AND e.content_destroyed_at IS NULL
               AND e.evidence_destroyed_at IS NOT NULL AND e.erased_at <= $2 AND NOT ",
            held!(),
            " ORDER BY e.contact_id LIMIT $3"
        ))
        .bind(now.saturating_sub(period.micros()))
        .bind(most)
        .scalars()
        .await?)
}

/// Some of the records of these contacts that still have content.
pub async fn with_content(
    tx: &mut Tx,
    contacts: &[Uuid],
    most: i64,
) -> Result<Vec<Leaf>, StoreError> {
    let found = tx
        .scoped(
            "SELECT ledger_index, leaf_hash FROM ledger
             WHERE business_id = $1 AND contact_id IN {list} AND erasure IS NULL
             ORDER BY ledger_index LIMIT $3",
        )
        .list(contacts)
        .bind(most)
        .fetch_all::<(i64, Vec<u8>)>()
        .await?;
    found
        .into_iter()
        .map(|(index, hash)| Ok(Leaf { index, hash: super::ledger::hash(&hash)? }))
        .collect()
}

/// Destroys the content of these records, and keeps, for each, what says so.
pub async fn destroy_content(
    tx: &mut Tx,
    leaves: &[Leaf],
    erasures: &[Vec<u8>],
) -> Result<(), StoreError> {
    tx.scoped(
        "UPDATE ledger SET erasure = batch.erasure, recorded_at = 0, cause = 0, surface = 0, parent_kind = NULL,
             parent_id = NULL, actor_kind = 0, actor_id = NULL, actor_name = NULL, actor_role = NULL,
             method = NULL, notice_version = NULL, claimed_at = NULL, evidence_commitment = NULL,
             phone_changed = FALSE, phone_from = NULL, phone_to = NULL, phone_expires_at = NULL,
             email_changed = FALSE, email_from = NULL, email_to = NULL, email_expires_at = NULL
         FROM {rows}
         WHERE ledger.business_id = $1 AND ledger.ledger_index = batch.ledger_index",
    )
    .rows(
        Rows::new()
            .ints("ledger_index", leaves.iter().map(|leaf| leaf.index))
            .bytes("erasure", erasures.iter().map(|erasure| &erasure[..])),
    )
    .execute()
    .await?;
    Ok(())
}

/// Notes that nothing is left of the content of these contacts.
pub async fn content_destroyed(tx: &mut Tx, contacts: &[Uuid], now: i64) -> Result<(), StoreError> {
    tx.scoped(
        "UPDATE erasures SET content_destroyed_at = $3
         WHERE business_id = $1 AND contact_id IN {list}",
    )
    .list(contacts)
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// When content is next to be destroyed that is not held; [`NEVER`] if there is none.
pub async fn next_due(tx: &mut Tx, period: RetentionPeriod) -> Result<i64, StoreError> {
    let first = tx
        .scoped(concat!(
            "SELECT e.erased_at FROM erasures e
             WHERE e.business_id = $1 AND e.content_destroyed_at IS NULL AND NOT ",
            held!(),
            " ORDER BY e.erased_at LIMIT 1"
        ))
        .scalar_optional::<i64>()
        .await?;
    Ok(first.map_or(NEVER, |first| first.saturating_add(period.micros())))
}

/// Whether the business has records from before signatures: what is not signed is not destroyed.
pub async fn has_unsigned(tx: &mut Tx) -> Result<bool, StoreError> {
    let found = tx
        .scoped("SELECT business_id FROM unsigned_ledgers WHERE business_id = $1")
        .scalar_optional::<Uuid>()
        .await?;
    Ok(found.is_some())
}

/// Which of these contacts are held.
pub async fn held(tx: &mut Tx, contacts: &[Uuid]) -> Result<Vec<ContactId>, StoreError> {
    let found = tx
        .scoped(concat!(
            "SELECT e.contact_id FROM erasures e
             WHERE e.business_id = $1 AND e.contact_id IN {list} AND ",
            held!()
        ))
        .list(contacts)
        .scalars::<Uuid>()
        .await?;
    Ok(found.into_iter().map(ContactId::from).collect())
}

#[derive(Record)]
struct Row {
    contact_id: Uuid,
    seq: i64,
    erased_at: i64,
    evidence_destroyed_at: Option<i64>,
    content_destroyed_at: Option<i64>,
    held: bool,
}

/// Erased contacts by id, after that one.
pub async fn page(
    tx: &mut Tx,
    after: Option<Uuid>,
    size: PageSize,
) -> Result<Vec<Erasure>, StoreError> {
    let rows = tx
        .scoped(concat!(
            "SELECT e.contact_id, s.seq, e.erased_at, e.evidence_destroyed_at, e.content_destroyed_at,
                    e.content_destroyed_at IS NULL AND ",
            held!(),
            " AS held
             FROM erasures e JOIN erased_streams s
               ON s.business_id = $1 AND s.stream_id = e.contact_id
             WHERE e.business_id = $1 AND e.contact_id > $2 ORDER BY e.contact_id LIMIT $3"
        ))
        .bind(after.unwrap_or_default())
        .bind(size.fetch())
        .fetch_all::<Row>()
        .await?;
    let read = |row: Row| Erasure {
        contact: row.contact_id.into(),
        seq: row.seq,
        at: from_micros(row.erased_at),
        evidence_destroyed_at: instant(row.evidence_destroyed_at),
        content_destroyed_at: instant(row.content_destroyed_at),
        held: row.held,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// How many contacts of the business are erased.
pub async fn count(tx: &mut Tx) -> Result<i64, StoreError> {
    Ok(tx.scoped("SELECT COUNT(*) FROM erasures WHERE business_id = $1").scalar().await?)
}

/// Erased contacts of all businesses, by business and id, after that one. Read across businesses.
pub async fn across(
    tx: &mut Tx,
    after: Option<(Uuid, Uuid)>,
    size: PageSize,
) -> Result<Vec<(Uuid, Told)>, StoreError> {
    let (business, contact) = after.unwrap_or_default();
    let rows = tx
        .query(
            "SELECT business_id, stream_id, seq, created_at FROM erased_streams
             WHERE (business_id, stream_id) > ($1, $2) ORDER BY business_id, stream_id LIMIT $3",
        )
        .bind(business)
        .bind(contact)
        .bind(size.fetch())
        .fetch_all::<(Uuid, Uuid, i64, i64)>()
        .await?;
    Ok(rows
        .into_iter()
        .map(|(business, contact, seq, at)| {
            (business, Told { contact: contact.into(), seq, at: from_micros(at) })
        })
        .collect())
}

/// Whether no erasure is missing here, as far as is known.
pub async fn is_confirmed(tx: &mut Tx) -> Result<bool, StoreError> {
    let confirmed = tx.query("SELECT confirmed FROM erasure_checks WHERE id = 1").scalar_optional();
    Ok(confirmed.await?.unwrap_or(true))
}

/// Notes whether an erasure may be missing here.
pub async fn confirm(tx: &mut Tx, confirmed: bool) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO erasure_checks (id, confirmed) VALUES (1, $1)
         ON CONFLICT (id) DO UPDATE SET confirmed = excluded.confirmed",
    )
    .bind(confirmed)
    .execute()
    .await?;
    Ok(())
}

/// How many contacts are erased. Read across businesses.
pub async fn count_across(tx: &mut Tx) -> Result<i64, StoreError> {
    Ok(tx.query("SELECT COUNT(*) FROM erased_streams").scalar().await?)
}
