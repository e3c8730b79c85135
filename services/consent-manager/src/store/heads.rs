//! The ends: of the business's ledger, and of each contact's stream.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_db::{Record, Rows, Tx};
use yinyom_kernel::ContactId;
use yinyom_transparency::Frontier;

use super::StoreError;
use super::rows::instant;
use super::tree::{signed, unsigned};
use crate::domain::StreamEnd;

/// The end of a business's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Record)]
pub struct Head {
    /// Index of the next change; also how many changes there are.
    pub next_index: i64,
    /// How many contacts there are.
    pub contacts: i64,
}

/// The end of a ledger, locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Index of the next change.
    pub next_index: i64,
    /// The right edge of the tree over the ledger's records. It is smaller than the ledger while there are records from
    /// before signatures.
    pub tree: Frontier,
    /// Up to which contact changes are counted by time; `None` if all are.
    pub counted_to: Option<ContactId>,
}

/// Locks the end of the ledger to the end of the transaction, and makes it if there is none. Whoever appends does this
/// first: it is what puts the batches of one business one after another.
pub async fn lock(tx: &mut Tx) -> Result<End, StoreError> {
    let (next_index, size, frontier, counted_to) = tx
        .scoped(
            "INSERT INTO ledger_heads (business_id, next_index, contacts) VALUES ($1, 0, 0)
             ON CONFLICT (business_id) DO UPDATE SET next_index = ledger_heads.next_index
             RETURNING next_index, tree_size, frontier, counted_to",
        )
        .fetch_one::<(i64, i64, Vec<u8>, Option<Uuid>)>()
        .await?;
    let tree = edge(size, &frontier)?;
    Ok(End { next_index, tree, counted_to: counted_to.map(ContactId::from) })
}

/// The right edge of the tree over the ledger's records.
pub async fn tree(tx: &mut Tx) -> Result<Frontier, StoreError> {
    let found = tx
        .scoped("SELECT tree_size, frontier FROM ledger_heads WHERE business_id = $1")
        .fetch_optional::<(i64, Vec<u8>)>()
        .await?;
    found.map_or_else(|| Ok(Frontier::default()), |(size, frontier)| edge(size, &frontier))
}

fn edge(size: i64, frontier: &[u8]) -> Result<Frontier, StoreError> {
    let edge = Frontier::from_bytes(unsigned(size)?, frontier);
    edge.map_err(|_| StoreError::Unreadable("no edge of a tree"))
}

/// The end of the ledger, if the business has ever sent a change.
pub async fn read(tx: &mut Tx) -> Result<Option<Head>, StoreError> {
    let head = tx
        .scoped("SELECT next_index, contacts FROM ledger_heads WHERE business_id = $1")
        .fetch_optional()
        .await?;
    Ok(head)
}

/// Whether all changes of the business are counted by time.
pub async fn is_counted(tx: &mut Tx) -> Result<bool, StoreError> {
    let counting = tx
        .scoped("SELECT 1 FROM ledger_heads WHERE business_id = $1 AND counted_to IS NOT NULL")
        .scalar_optional::<i32>()
        .await?;
    Ok(counting.is_none())
}

/// Up to which contact changes are counted by time from now on.
pub async fn counted(tx: &mut Tx, to: Option<ContactId>) -> Result<(), StoreError> {
    tx.scoped("UPDATE ledger_heads SET counted_to = $2 WHERE business_id = $1")
        .bind(to.map(ContactId::uuid))
        .execute()
        .await?;
    if to.is_none() {
        tx.scoped("DELETE FROM uncounted_ledgers WHERE business_id = $1").execute().await?;
    }
    Ok(())
}

/// Businesses with changes that are not counted by time yet. Read across businesses.
pub async fn uncounted_ledgers(tx: &mut Tx) -> Result<Vec<Uuid>, StoreError> {
    let sql = "SELECT business_id FROM uncounted_ledgers ORDER BY business_id";
    Ok(tx.query(sql).scalars().await?)
}

/// Corrects how many contacts there are.
pub async fn correct_contacts(tx: &mut Tx, contacts: i64) -> Result<(), StoreError> {
    tx.scoped("UPDATE ledger_heads SET contacts = $2 WHERE business_id = $1")
        .bind(contacts)
        .execute()
        .await?;
    Ok(())
}

/// Moves the end of the ledger on, and that of its tree, if it has grown.
pub async fn advance(
    tx: &mut Tx,
    changes: i64,
    contacts: i64,
    tree: Option<&Frontier>,
) -> Result<(), StoreError> {
    tx.scoped(
        "UPDATE ledger_heads SET next_index = next_index + $2, contacts = contacts + $3,
             tree_size = COALESCE($4, tree_size), frontier = COALESCE($5, frontier)
         WHERE business_id = $1",
    )
    .bind(changes)
    .bind(contacts)
    .bind(tree.map(|tree| signed(tree.size())))
    .bind(tree.map(Frontier::to_bytes))
    .execute()
    .await?;
    Ok(())
}

/// The last number of each of these streams, and when that change was recorded, if that is known; a stream that has not begun is
/// left out. Who moves streams holds the ledger's end locked, and so needs no lock of theirs.
pub async fn streams(
    tx: &mut Tx,
    contacts: &[Uuid],
) -> Result<HashMap<ContactId, (i64, Option<Timestamp>)>, StoreError> {
    let rows = tx
        .scoped(
            "SELECT contact_id, last_seq, last_at FROM streams
             WHERE business_id = $1 AND contact_id IN {list}",
        )
        .list(contacts)
        .fetch_all::<(Uuid, i64, Option<i64>)>()
        .await?;
    let ends = rows.into_iter().map(|(contact, last, at)| (contact.into(), (last, instant(at))));
    Ok(ends.collect())
}

/// The last number of a contact's stream; `None` is a contact that the ledger never heard of.
pub async fn last_seq(tx: &mut Tx, contact: ContactId) -> Result<Option<i64>, StoreError> {
    let last = tx
        .scoped("SELECT last_seq FROM streams WHERE business_id = $1 AND contact_id = $2")
        .bind(contact.uuid())
        .scalar_optional()
        .await?;
    Ok(last)
}

macro_rules! insert {
    ($rest:literal) => {
        concat!(
            "INSERT INTO streams (business_id, contact_id, last_seq, last_at)
             SELECT $1, contact_id, last_seq, last_at FROM {rows} WHERE true",
            $rest
        )
    };
}

/// Begins streams that have not begun. That costs half of what it costs to look for them, too.
pub async fn begin_streams(tx: &mut Tx, streams: &[StreamEnd]) -> Result<(), StoreError> {
    write(tx, insert!(""), streams).await
}

/// Moves streams on.
pub async fn advance_streams(tx: &mut Tx, streams: &[StreamEnd]) -> Result<(), StoreError> {
    let sql = insert!(
        " ON CONFLICT (business_id, contact_id)
          DO UPDATE SET last_seq = excluded.last_seq, last_at = excluded.last_at"
    );
    write(tx, sql, streams).await
}

async fn write(tx: &mut Tx, sql: &'static str, streams: &[StreamEnd]) -> Result<(), StoreError> {
    if streams.is_empty() {
        return Ok(());
    }
    let rows = Rows::new()
        .uuids("contact_id", streams.iter().map(|end| end.contact.uuid()))
        .ints("last_seq", streams.iter().map(|end| end.seq))
        .ints("last_at", streams.iter().map(|end| end.at.as_microsecond()));
    tx.scoped(sql).rows(rows).execute().await?;
    Ok(())
}
