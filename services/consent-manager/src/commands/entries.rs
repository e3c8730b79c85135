//! Makes recorded changes ready for readers of the ledger: opens what identifies.

use std::collections::HashMap;

use uuid::Uuid;
use yinyom_consent::open_evidence;
use yinyom_db::Tx;
use yinyom_kernel::{ContactId, PageSize};
use yinyom_privacy::{DataKey, MasterKeys};

use crate::domain::{Entry, Evidence, Page, Recorded};
use crate::store::{StoreError, erasures, subjects};

/// The most evidence that one page carries, so that the answer stays below what a client takes.
const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// A page of changes with their evidence, as far as the contacts' keys are there.
pub(super) async fn open(
    tx: &mut Tx,
    masters: &MasterKeys,
    found: Vec<Recorded>,
    size: PageSize,
) -> Result<Page<Entry>, StoreError> {
    let sealed = |recorded: &Recorded| recorded.sealed_evidence.as_ref().map_or(0, Vec::len);
    let Page { items, more } = Page::cut_to(found, size, MAX_PAGE_BYTES, sealed);
    Ok(Page { items: open_all(tx, masters, items).await?, more })
}

/// All of these, whatever they weigh.
pub(super) async fn open_all(
    tx: &mut Tx,
    masters: &MasterKeys,
    items: Vec<Recorded>,
) -> Result<Vec<Entry>, StoreError> {
    let mut contacts: Vec<Uuid> = items
        .iter()
        .filter(|recorded| recorded.sealed_evidence.is_some())
        .map(|recorded| recorded.change.contact.uuid())
        .collect();
    contacts.sort_unstable();
    contacts.dedup();
    let keys = match contacts.as_slice() {
        [] => HashMap::new(),
        contacts => {
            if !erasures::is_confirmed(tx).await? {
                return Err(StoreError::Unconfirmed);
            }
            subjects::open(tx, masters, contacts).await?
        }
    };
    Ok(items
        .into_iter()
        .map(|recorded| Entry { evidence: evidence(&recorded, &keys), recorded })
        .collect())
}

fn evidence(recorded: &Recorded, keys: &HashMap<ContactId, DataKey>) -> Evidence {
    let change = &recorded.change;
    let (Some(sealed), Some(key)) = (&recorded.sealed_evidence, keys.get(&change.contact)) else {
        return Evidence::Nothing;
    };
    match open_evidence(key, change.business, change.contact, change.seq, sealed) {
        Ok(evidence) => Evidence::Opened(evidence),
        Err(error) => {
            let (business, contact, seq) = (change.business, change.contact, change.seq);
            tracing::error!(%business, %contact, seq, %error, "evidence is lost");
            Evidence::Nothing
        }
    }
}
