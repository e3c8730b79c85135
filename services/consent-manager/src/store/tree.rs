//! The nodes of the tree over the ledger's records. Leaves are in the ledger.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;
use yinyom_db::{Rows, Tx};
use yinyom_transparency::{Hash, Node};

use super::StoreError;
use super::ledger::hash;

/// Keeps nodes that have become complete. Each is complete once.
pub async fn keep(tx: &mut Tx, nodes: &[(Node, Hash)]) -> Result<(), StoreError> {
    if nodes.is_empty() {
        return Ok(());
    }
    tx.scoped(
        "INSERT INTO tree_nodes (business_id, level, node_index, hash)
         SELECT $1, level, node_index, hash FROM {rows}",
    )
    .rows(
        Rows::new()
            .ints("level", nodes.iter().map(|(node, _)| i64::from(node.level)))
            .ints("node_index", nodes.iter().map(|(node, _)| signed(node.index)))
            .bytes("hash", nodes.iter().map(|(_, hash)| &hash[..])),
    )
    .execute()
    .await?;
    Ok(())
}

/// The hashes of nodes and leaves, as far as they are there.
pub async fn hashes(
    tx: &mut Tx,
    nodes: &BTreeSet<Node>,
) -> Result<HashMap<Node, Hash>, StoreError> {
    let (leaves, nodes): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| node.level == 0);
    let mut found = HashMap::with_capacity(leaves.len() + nodes.len());
    // On PostgreSQL one by one, by the key, as in `consents::of`. `CROSS JOIN` keeps SQLite from starting at the tree.
    if !leaves.is_empty() {
        let sql = tx.dialect(
            "SELECT l.ledger_index, l.leaf_hash FROM {rows} CROSS JOIN ledger l
             WHERE l.business_id = $1 AND l.ledger_index = batch.ledger_index",
            "SELECT l.* FROM {rows} CROSS JOIN LATERAL (
                 SELECT ledger_index, leaf_hash FROM ledger
                 WHERE business_id = $1 AND ledger_index = batch.ledger_index OFFSET 0
             ) AS l",
        );
        let rows = Rows::new().ints("ledger_index", leaves.iter().map(|leaf| signed(leaf.index)));
        for (index, leaf) in tx.scoped(sql).rows(rows).fetch_all::<(i64, Vec<u8>)>().await? {
            found.insert(Node { level: 0, index: unsigned(index)? }, hash(&leaf)?);
        }
    }
    if !nodes.is_empty() {
        let sql = tx.dialect(
            "SELECT n.level, n.node_index, n.hash FROM {rows} CROSS JOIN tree_nodes n
             WHERE n.business_id = $1 AND n.level = batch.level AND n.node_index = batch.node_index",
            "SELECT n.* FROM {rows} CROSS JOIN LATERAL (
                 SELECT level, node_index, hash FROM tree_nodes
                 WHERE business_id = $1 AND level = batch.level
                   AND node_index = batch.node_index OFFSET 0
             ) AS n",
        );
        let rows = Rows::new()
            .ints("level", nodes.iter().map(|node| i64::from(node.level)))
            .ints("node_index", nodes.iter().map(|node| signed(node.index)));
        for (level, index, of) in
            tx.scoped(sql).rows(rows).fetch_all::<(i32, i64, Vec<u8>)>().await?
        {
            let level = u32::try_from(level).map_err(|_| StoreError::Unreadable("no level"))?;
            found.insert(Node { level, index: unsigned(index)? }, hash(&of)?);
        }
    }
    Ok(found)
}

/// The leaf hash of the record at `index`, if there is one.
pub async fn leaf(tx: &mut Tx, index: i64) -> Result<Option<Hash>, StoreError> {
    let found: Option<Vec<u8>> = tx
        .scoped("SELECT leaf_hash FROM ledger WHERE business_id = $1 AND ledger_index = $2")
        .bind(index)
        .scalar_optional()
        .await?;
    found.as_deref().map(hash).transpose()
}

/// Businesses with records from before signatures. Read across businesses.
pub async fn unsigned_ledgers(tx: &mut Tx) -> Result<Vec<Uuid>, StoreError> {
    Ok(tx.query("SELECT business_id FROM unsigned_ledgers ORDER BY business_id").scalars().await?)
}

/// All records of the business are signed now.
pub async fn all_signed(tx: &mut Tx) -> Result<(), StoreError> {
    tx.scoped("DELETE FROM unsigned_ledgers WHERE business_id = $1").execute().await?;
    Ok(())
}

/// As the database counts.
pub(super) fn signed(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(index: i64) -> Result<u64, StoreError> {
    u64::try_from(index).map_err(|_| StoreError::Unreadable("no index"))
}
