//! The ends: of the business's ledger, and of each contact's stream.

use std::collections::HashMap;

use uuid::Uuid;
use yinyom_db::{Rows, Tx};
use yinyom_kernel::ContactId;
use yinyom_transparency::Frontier;

use super::StoreError;
use super::tree::{signed, unsigned};

/// The end of a business's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
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
}

/// Locks the end of the ledger to the end of the transaction, and makes it if there is none. Whoever appends does this
/// first: it is what puts the batches of one business one after another.
pub async fn lock(tx: &mut Tx) -> Result<End, StoreError> {
    let (next_index, size, frontier) = tx
        .scoped(
            "INSERT INTO ledger_heads (business_id, next_index, contacts) VALUES ($1, 0, 0)
             ON CONFLICT (business_id) DO UPDATE SET next_index = ledger_heads.next_index
             RETURNING next_index, tree_size, frontier",
        )
        .fetch_one::<(i64, i64, Vec<u8>)>()
        .await?;
    Ok(End { next_index, tree: edge(size, &frontier)? })
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

/// The last number of each of these streams; a stream that has not begun is left out. Locks them: the lock on the
/// ledger's end keeps other batches away already, and this keeps away whatever else will come to need a stream.
pub async fn lock_streams(
    tx: &mut Tx,
    contacts: &[Uuid],
) -> Result<HashMap<ContactId, i64>, StoreError> {
    let rows = tx
        .scoped(
            "SELECT contact_id, last_seq FROM streams
             WHERE business_id = $1 AND contact_id IN {list} ORDER BY contact_id",
        )
        .list(contacts)
        .for_update()
        .fetch_all::<(Uuid, i64)>()
        .await?;
    Ok(rows.into_iter().map(|(contact, last)| (contact.into(), last)).collect())
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

/// Moves streams on.
pub async fn advance_streams(tx: &mut Tx, streams: &[(ContactId, i64)]) -> Result<(), StoreError> {
    tx.scoped(
        "INSERT INTO streams (business_id, contact_id, last_seq)
         SELECT $1, contact_id, last_seq FROM {rows} WHERE true
         ON CONFLICT (business_id, contact_id) DO UPDATE SET last_seq = excluded.last_seq",
    )
    .rows(
        Rows::new()
            .uuids("contact_id", streams.iter().map(|(contact, _)| contact.uuid()))
            .ints("last_seq", streams.iter().map(|(_, last)| *last)),
    )
    .execute()
    .await?;
    Ok(())
}
