//! Signs records that are older than signatures, once, when an operator says so.
//!
//! It vouches for what the database holds at that moment, so it is not done unasked: whoever can write to the database
//! could take a signature away, and would be given a new one for what they wrote.

use yinyom_kernel::{BusinessId, Scope};

use super::proofs::{STEP, signatures};
use super::{Manager, Refused};
use crate::domain::Growth;
use crate::store::{StoreError, heads, ledger, tree};

/// Signs them, business by business, and puts them into the trees. Can be stopped at any time: what is done is done. A
/// ledger that cannot be signed is said in the log, and left.
pub async fn sign_earlier(manager: &Manager) -> Result<(), Refused> {
    let businesses = {
        let mut tx = manager.db.read_unscoped().await?;
        tree::unsigned_ledgers(&mut tx).await?
    };
    for business in businesses.into_iter().map(BusinessId::from) {
        // Named by the table of what is to be done (TRAPS 16).
        #[expect(clippy::disallowed_methods, reason = "work across businesses, one at a time")]
        let scope = Scope::assume(business);
        let mut records = 0;
        loop {
            match step(manager, scope).await {
                Ok(0) => {
                    tracing::info!(%business, records, "records from before signatures are signed");
                    break;
                }
                Ok(signed) => records += signed,
                Err(StoreError::Db(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::error!(%business, records, %error, "the ledger is not signed");
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Signs some more; how many.
async fn step(manager: &Manager, scope: Scope) -> Result<usize, StoreError> {
    let notary = manager.notary.clone();
    let unit = manager.db.write(scope, move |mut tx| async move {
        let end = heads::lock(&mut tx).await?;
        let next = i64::try_from(end.tree.size()).unwrap_or(i64::MAX);
        if next >= end.next_index {
            tree::all_signed(&mut tx).await?;
            return tx.done(0);
        }
        let records = ledger::stretch(&mut tx, next, end.next_index, STEP).await?;
        let mut expected = next..;
        for record in &records {
            let in_place = expected.next() == Some(record.ledger_index);
            if !in_place || record.change.leaf_hash() != record.leaf_hash {
                return Err(StoreError::Unreadable("it is not what was hashed"));
            }
        }
        if records.is_empty() {
            return Err(StoreError::Unreadable("it is not there"));
        }
        let signatures = signatures(&notary, &records).await;
        ledger::sign(&mut tx, &records, &signatures).await?;
        let growth = Growth::of(end.tree, records.iter().map(|record| record.leaf_hash));
        tree::keep(&mut tx, &growth.nodes).await?;
        heads::advance(&mut tx, 0, 0, Some(&growth.tree)).await?;
        tx.done::<_, StoreError>(records.len())
    });
    unit.await
}
