//! The ledger by contact, for exports.

use uuid::Uuid;
use yinyom_db::Tx;

use super::StoreError;
use super::ledger::{self, select};
use crate::domain::Recorded;

/// Changes with an index before `end`, by contact and number, after the one that is named.
pub async fn by_contact(
    tx: &mut Tx,
    (contact, seq): (Uuid, i64),
    end: i64,
    most: i64,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = tx
        .scoped(select!(
            "(contact_id, seq) > ($2, $3) AND ledger_index < $4 ORDER BY contact_id, seq LIMIT $5"
        ))
        .bind(contact)
        .bind(seq)
        .bind(end)
        .bind(most)
        .fetch_all()
        .await?;
    ledger::read(tx, rows)
}
