//! What a person is given in proof of what they said.

use std::collections::BTreeSet;

use uuid::Uuid;
use yinyom_consent::{Channel, merged_with};
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, ContactId, Language};
use yinyom_receipt::{Facts, Receipt};
use yinyom_transparency::Plan;

use super::{Manager, Reading, Refused};
use crate::store::{StoreError, heads, past, receipts as store, tree};

/// The most events of a receipt.
const MOST_EVENTS: i64 = 50;

/// Makes and signs a receipt of the consent of `contact` in `channel`, from the ledger alone, and its JWS. A contact that the
/// ledger never heard of, or not in this channel, is `NOT_FOUND`; one that was deleted or erased is not.
pub async fn receipt(
    manager: &Manager,
    caller: &Caller,
    (business, contact): (BusinessId, ContactId),
    channel: Channel,
    language: Language,
) -> Result<(Receipt, String), Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let time_zone = reading.policy().ok_or(Refused::PolicyUnavailable)?.time_zone.clone();
    let at = manager.clock.now();
    let mut tx = manager.db.snapshot(reading.scope()).await?;
    let tree = heads::tree(&mut tx).await?;
    let (found, all) = store::latest(&mut tx, contact, channel, MOST_EVENTS).await?;
    if found.is_empty() {
        return Err(NotFound.into());
    }
    let mut plans = Vec::with_capacity(found.len());
    let mut nodes = BTreeSet::new();
    for recorded in &found {
        let index = recorded.ledger_index.unsigned_abs();
        // Records from before signatures are in no tree yet.
        let plan = Plan::inclusion(index, tree.size()).map_err(|_| Refused::NotSigned)?;
        nodes.extend(plan.nodes());
        plans.push((index, plan));
    }
    let hashes = tree::hashes(&mut tx, &nodes).await?;
    let merged = merged_with(&past::merges(&mut tx, contact, i64::MAX).await?);
    drop(tx);
    let omitted = all - i64::try_from(found.len()).unwrap_or(i64::MAX);
    let mut changes = Vec::with_capacity(found.len());
    for (recorded, (index, plan)) in found.into_iter().zip(plans) {
        let proof = plan
            .hashes(|node| hashes.get(&node).copied())
            .map_err(|_| StoreError::Unreadable("a node of the tree is gone"))?;
        if recorded.change.leaf_hash() != recorded.leaf_hash {
            return Err(StoreError::Unreadable("a change is not what its leaf hash says").into());
        }
        changes.push((recorded.change, index, proof));
    }
    let receipt = Receipt::new(&Facts {
        id: Uuid::now_v7().to_string(),
        business,
        contact,
        channel,
        language,
        time_zone,
        at,
        changes: &changes,
        omitted: omitted.unsigned_abs(),
        merged: &merged,
        checkpoint: manager.notary.checkpoint(business, &tree),
        tree_size: tree.size(),
    });
    let jws = manager
        .notary
        .sign_receipt(&receipt)
        .map_err(|_| StoreError::Unreadable("a receipt cannot be written"))?;
    reading.close((receipt, jws)).await
}
