//! The ledger by contact: all changes of one, and what was the last change of many at a past moment.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::ConsentChange;
use yinyom_db::{Rows, Tx};
use yinyom_kernel::{ContactId, PageSize};

use super::StoreError;
use super::ledger::{self, LedgerRow, select};
use crate::domain::Recorded;

/// The last changes of a contact that had been recorded by some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasts {
    /// Of all.
    pub seq: i64,
    /// Of those up to that one which carry the phone.
    pub phone: Option<i64>,
    /// The same for e-mail.
    pub email: Option<i64>,
}

/// All changes of a contact, in their order.
pub async fn all_of(tx: &mut Tx, contact: ContactId) -> Result<Vec<ConsentChange>, StoreError> {
    let found = up_to(tx, contact, i64::MAX).await?;
    Ok(found.into_iter().map(|recorded| recorded.change).collect())
}

/// The changes of a contact up to number `last`, in their order.
pub async fn up_to(
    tx: &mut Tx,
    contact: ContactId,
    last: i64,
) -> Result<Vec<Recorded>, StoreError> {
    let rows: Vec<LedgerRow> = tx
        .scoped(select!("contact_id = $2 AND seq <= $3 ORDER BY seq"))
        .bind(contact.uuid())
        .bind(last)
        .fetch_all()
        .await?;
    ledger::read(tx, rows)
}

/// Of how many contacts the content is destroyed: what they did can be counted by nobody any more.
pub async fn destroyed(tx: &mut Tx) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM erasures
               WHERE business_id = $1 AND content_destroyed_at IS NOT NULL";
    Ok(tx.scoped(sql).scalar().await?)
}

/// Contacts that the ledger has ever heard of, after `after`.
pub async fn contacts(
    tx: &mut Tx,
    after: Option<ContactId>,
    most: i64,
) -> Result<Vec<ContactId>, StoreError> {
    let found: Vec<Uuid> = tx
        .scoped(
            "SELECT contact_id FROM streams WHERE business_id = $1 AND contact_id > $2
             ORDER BY contact_id LIMIT $3",
        )
        .bind(after.map_or(Uuid::nil(), ContactId::uuid))
        .bind(most)
        .scalars()
        .await?;
    Ok(found.into_iter().map(ContactId::from).collect())
}

/// What was the last of each contact's changes at `at`; contacts that had none, or whose content is destroyed, are left out. Contact by contact, by the
/// key: what it costs follows the number of contacts, and of changes since.
pub async fn lasts(
    tx: &mut Tx,
    contacts: &[ContactId],
    at: Timestamp,
) -> Result<HashMap<ContactId, Lasts>, StoreError> {
    let found = tx
        .scoped(
            // Materialized, so that the last one is looked for once.
            "WITH l AS MATERIALIZED (
                 SELECT batch.contact_id,
                     (SELECT a.seq FROM ledger a
                      WHERE a.business_id = $1 AND a.contact_id = batch.contact_id
                        AND a.recorded_at <= $2 AND a.erasure IS NULL
                      ORDER BY a.seq DESC LIMIT 1) AS seq
                 FROM {rows})
             SELECT l.contact_id, l.seq,
                 (SELECT p.seq FROM ledger p
                  WHERE p.business_id = $1 AND p.contact_id = l.contact_id AND p.seq <= l.seq
                    AND p.phone_changed ORDER BY p.seq DESC LIMIT 1) AS phone,
                 (SELECT e.seq FROM ledger e
                  WHERE e.business_id = $1 AND e.contact_id = l.contact_id AND e.seq <= l.seq
                    AND e.email_changed ORDER BY e.seq DESC LIMIT 1) AS email
             FROM l WHERE l.seq IS NOT NULL",
        )
        .bind(at.as_microsecond())
        .rows(Rows::new().uuids("contact_id", contacts.iter().map(|contact| contact.uuid())))
        .fetch_all::<(Uuid, i64, Option<i64>, Option<i64>)>()
        .await?;
    let lasts = found.into_iter().map(|(contact, seq, phone, email)| {
        (ContactId::from(contact), Lasts { seq, phone, email })
    });
    Ok(lasts.collect())
}

/// Changes by contact and number.
pub async fn changes(
    tx: &mut Tx,
    wanted: &[(ContactId, i64)],
) -> Result<HashMap<(ContactId, i64), Recorded>, StoreError> {
    let rows: Vec<LedgerRow> = if tx.is_postgres() {
        tx.scoped(concat!(
            "SELECT l.* FROM {rows} CROSS JOIN LATERAL (",
            select!("contact_id = batch.contact_id AND seq = batch.seq OFFSET 0"),
            ") AS l"
        ))
    } else {
        tx.scoped(select!("(contact_id, seq) IN (SELECT contact_id, seq FROM {rows})"))
    }
    .rows(
        Rows::new()
            .uuids("contact_id", wanted.iter().map(|(contact, _)| contact.uuid()))
            .ints("seq", wanted.iter().map(|(_, seq)| *seq)),
    )
    .fetch_all()
    .await?;
    let found = ledger::read(tx, rows)?;
    Ok(found.into_iter().map(|it| ((it.change.contact, it.change.seq), it)).collect())
}

/// The merges of a contact with others, and their undoing, up to number `last`, in order.
pub async fn merges(
    tx: &mut Tx,
    contact: ContactId,
    last: i64,
) -> Result<Vec<ConsentChange>, StoreError> {
    // 3 is a contact.
    let rows: Vec<LedgerRow> = tx
        .scoped(select!("contact_id = $2 AND seq <= $3 AND parent_kind = 3 ORDER BY seq"))
        .bind(contact.uuid())
        .bind(last)
        .fetch_all()
        .await?;
    let found = ledger::read(tx, rows)?;
    Ok(found.into_iter().map(|recorded| recorded.change).collect())
}

/// Changes of a contact up to its number `last`, newest first, before the one of that index.
pub async fn before(
    tx: &mut Tx,
    (contact, last): (ContactId, i64),
    index: Option<i64>,
    size: PageSize,
) -> Result<Vec<Recorded>, StoreError> {
    let rows: Vec<LedgerRow> = tx
        .scoped(select!(
            "contact_id = $2 AND seq <= $3 AND ledger_index < $4 ORDER BY seq DESC LIMIT $5"
        ))
        .bind(contact.uuid())
        .bind(last)
        .bind(index.unwrap_or(i64::MAX))
        .bind(size.fetch())
        .fetch_all()
        .await?;
    ledger::read(tx, rows)
}

/// The index of a contact's change.
pub async fn index_of(
    tx: &mut Tx,
    contact: ContactId,
    seq: i64,
) -> Result<Option<i64>, StoreError> {
    let sql =
        "SELECT ledger_index FROM ledger WHERE business_id = $1 AND contact_id = $2 AND seq = $3";
    Ok(tx.scoped(sql).bind(contact.uuid()).bind(seq).scalar_optional().await?)
}

/// The number after that of the contact's last change before that index.
pub async fn number_before(tx: &mut Tx, contact: ContactId, index: i64) -> Result<i64, StoreError> {
    let last = tx
        .scoped(
            "SELECT seq FROM ledger WHERE business_id = $1 AND contact_id = $2 AND ledger_index < $3
             ORDER BY seq DESC LIMIT 1",
        )
        .bind(contact.uuid())
        .bind(index)
        .scalar_optional::<i64>()
        .await?;
    Ok(last.unwrap_or(0) + 1)
}

/// Changes of a contact up to number `last`, newest first, before the one of number `before`.
pub async fn history(
    tx: &mut Tx,
    contact: ContactId,
    last: i64,
    before: Option<i64>,
    size: PageSize,
) -> Result<Vec<Recorded>, StoreError> {
    let before = before.unwrap_or(i64::MAX).min(last.saturating_add(1));
    ledger::history(tx, contact, Some(before), size).await
}
