//! What an import asks of the store beyond the aggregates: its turn, and which links are there already.

use uuid::Uuid;
use yinyom_db::{DbError, Tx};
use yinyom_kernel::{AccountId, ContactId};

use super::contacts::uuids;

/// Waits until no other import into this business, and no merge in it, is under way, and keeps others out until this
/// unit of work ends.
///
/// Two files with the same rows would otherwise both find nobody and both create: what is not there cannot be
/// locked. So imports of a business queue at the one row that every business has, its key, and merges with them: what a
/// row is about does not change under it. Nothing else locks it so but a key rotation; whoever seals under the key
/// waits for nobody. SQLite has one unit of work at a time anyhow.
pub async fn take_turn(tx: &mut Tx) -> Result<(), DbError> {
    let sql = tx.dialect(
        "SELECT purpose FROM business_keys WHERE business_id = $1 ORDER BY purpose",
        "SELECT purpose FROM business_keys WHERE business_id = $1 ORDER BY purpose FOR NO KEY UPDATE",
    );
    tx.scoped(sql).scalars::<i32>().await.map(drop)
}

/// Which of `contacts` are of which of `accounts`.
pub async fn links(
    tx: &mut Tx,
    accounts: &[AccountId],
    contacts: &[ContactId],
) -> Result<Vec<(AccountId, ContactId)>, DbError> {
    if accounts.is_empty() || contacts.is_empty() {
        return Ok(Vec::new());
    }
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.uuid()).collect();
    let found = tx
        .scoped(
            "SELECT account_id, contact_id FROM account_contacts
             WHERE business_id = $1 AND account_id IN {list} AND contact_id IN {list}",
        )
        .list(&accounts)
        .list(&uuids(contacts))
        .fetch_all::<(Uuid, Uuid)>()
        .await?;
    Ok(found.into_iter().map(|(account, contact)| (account.into(), contact.into())).collect())
}
