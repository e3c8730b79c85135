//! Accounts (ทะเบียนลูกค้า) and their contacts.

use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_db::{DbError, Record, Rows, Tx};
use yinyom_kernel::{AccountId, ContactId, from_micros};

use super::contacts::uuids;
use super::paging::{Bound, Listing, Source};
use crate::domain::contact::search_key;
use crate::domain::lead::Account;
use crate::domain::order::{Cursor, CursorKey, Order, OrderKey, Page};

macro_rules! columns {
    () => {
        "a.account_id, a.display_name, a.sort_name, a.revision, a.created_at, a.updated_at"
    };
}

/// Lists of accounts.
pub const SOURCE: Source = Source {
    from: "accounts a",
    columns: columns!(),
    id: "a.account_id",
    name: "a.sort_name",
    created_at: "a.created_at",
    updated_at: "a.updated_at",
    business: "a.business_id",
};

const SELECT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM accounts a WHERE a.business_id = $1 AND a.account_id IN {list} ORDER BY a.account_id",
);

/// One for each name, however many have it.
const OLDEST_NAMED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM accounts a WHERE a.business_id = $1 AND a.account_id IN (
         SELECT (SELECT o.account_id FROM accounts o WHERE o.business_id = $1 AND o.sort_name = batch.sort_name
                 ORDER BY o.account_id LIMIT 1)
         FROM {rows}
     ) ORDER BY a.account_id",
);

#[derive(Debug, Record)]
struct AccountRow {
    account_id: Uuid,
    display_name: String,
    sort_name: String,
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self {
            id: row.account_id.into(),
            display_name: row.display_name,
            revision: row.revision,
            created_at: from_micros(row.created_at),
            updated_at: from_micros(row.updated_at),
        }
    }
}

/// The accounts of those ids that the business has, by id.
pub async fn load(tx: &mut Tx, ids: &[AccountId]) -> Result<Vec<Account>, DbError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = tx.scoped(SELECT).long_list(&ids).fetch_all::<AccountRow>().await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// The account, if the business has it; nobody else changes it until this unit of work ends.
pub async fn lock(tx: &mut Tx, id: AccountId) -> Result<Option<Account>, DbError> {
    let row =
        tx.scoped(SELECT).list(&[id.uuid()]).for_update().fetch_optional::<AccountRow>().await?;
    Ok(row.map(Account::from))
}

/// The oldest account of each of those case-folded names, by id.
pub async fn named(tx: &mut Tx, keys: &[String]) -> Result<Vec<Account>, DbError> {
    let names = Rows::new().texts("sort_name", keys.iter().map(|name| &name[..]));
    let rows = tx.scoped(OLDEST_NAMED).rows(names).fetch_all::<AccountRow>().await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// Like [`named`], and nobody else changes or deletes them until this unit of work ends.
pub async fn lock_named(tx: &mut Tx, keys: &[String]) -> Result<Vec<Account>, DbError> {
    let names = Rows::new().texts("sort_name", keys.iter().map(|name| &name[..]));
    let rows = tx.scoped(OLDEST_NAMED).rows(names).for_update().fetch_all::<AccountRow>().await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// Stores new accounts.
pub async fn insert(tx: &mut Tx, accounts: &[&Account]) -> Result<(), DbError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let sort_names: Vec<_> = accounts.iter().map(|a| search_key(&a.display_name)).collect();
    tx.scoped(
        "INSERT INTO accounts (business_id, account_id, display_name, sort_name, revision, created_at, updated_at)
         SELECT $1, account_id, display_name, sort_name, revision, created_at, updated_at FROM {rows}",
    )
    .rows(
        Rows::new()
            .uuids("account_id", accounts.iter().map(|account| account.id.uuid()))
            .texts("display_name", accounts.iter().map(|account| &account.display_name[..]))
            .texts("sort_name", sort_names.iter().map(|name| &name[..]))
            .ints("revision", accounts.iter().map(|account| account.revision))
            .ints("created_at", accounts.iter().map(|a| a.created_at.as_microsecond()))
            .ints("updated_at", accounts.iter().map(|a| a.updated_at.as_microsecond())),
    )
    .execute()
    .await?;
    Ok(())
}

/// Stores an account that was locked and changed.
pub async fn update(tx: &mut Tx, account: &Account) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE accounts SET display_name = $3, sort_name = $4, revision = $5, updated_at = $6
         WHERE business_id = $1 AND account_id = $2",
    )
    .bind(account.id.uuid())
    .bind(&*account.display_name)
    .bind(search_key(&account.display_name))
    .bind(account.revision)
    .bind(account.updated_at.as_microsecond())
    .execute()
    .await?;
    Ok(())
}

/// Deletes an account with its links. Leads that became it are open again.
pub async fn delete(tx: &mut Tx, account: AccountId, now: Timestamp) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE leads SET account_id = NULL, revision = revision + 1, updated_at = $3
         WHERE business_id = $1 AND account_id = $2",
    )
    .bind(account.uuid())
    .bind(now.as_microsecond())
    .execute()
    .await?;
    tx.scoped("DELETE FROM accounts WHERE business_id = $1 AND account_id = $2")
        .bind(account.uuid())
        .execute()
        .await?;
    Ok(())
}

/// Links contacts to accounts; how many were not linked yet.
pub async fn link(tx: &mut Tx, links: &[(AccountId, ContactId)]) -> Result<u64, DbError> {
    if links.is_empty() {
        return Ok(0);
    }
    tx.scoped(
        "INSERT INTO account_contacts (business_id, account_id, contact_id)
         SELECT $1, account_id, contact_id FROM {rows} WHERE true
         ON CONFLICT (business_id, account_id, contact_id) DO NOTHING",
    )
    .rows(
        Rows::new()
            .uuids("account_id", links.iter().map(|(account, _)| account.uuid()))
            .uuids("contact_id", links.iter().map(|(_, contact)| contact.uuid())),
    )
    .execute()
    .await
}

/// Links every contact of a lead to an account; how many were not linked yet. None of them is deleted until this
/// unit of work ends.
pub async fn link_contacts_of_lead(
    tx: &mut Tx,
    account: AccountId,
    lead: yinyom_kernel::LeadId,
) -> Result<u64, DbError> {
    tx.scoped(
        "SELECT contact_id FROM contacts
         WHERE business_id = $1 AND contact_id IN
             (SELECT x.contact_id FROM lead_contacts x WHERE x.business_id = $1 AND x.lead_id = $2)
         ORDER BY contact_id",
    )
    .bind(lead.uuid())
    .for_update()
    .scalars::<Uuid>()
    .await?;
    tx.scoped(
        "INSERT INTO account_contacts (business_id, account_id, contact_id)
         SELECT business_id, $2, contact_id FROM lead_contacts WHERE business_id = $1 AND lead_id = $3
         ON CONFLICT (business_id, account_id, contact_id) DO NOTHING",
    )
    .bind(account.uuid())
    .bind(lead.uuid())
    .execute()
    .await
}

/// Unlinks contacts from an account; how many were linked.
pub async fn unlink(
    tx: &mut Tx,
    account: AccountId,
    contacts: &[ContactId],
) -> Result<u64, DbError> {
    tx.scoped(
        "DELETE FROM account_contacts
         WHERE business_id = $1 AND account_id = $2 AND contact_id IN {list}",
    )
    .bind(account.uuid())
    .list(&uuids(contacts))
    .execute()
    .await
}

/// The contacts of an account after `after`, by id.
pub async fn contacts(
    tx: &mut Tx,
    account: AccountId,
    after: Uuid,
    fetch: i64,
) -> Result<Vec<Uuid>, DbError> {
    tx.scoped(
        "SELECT contact_id FROM account_contacts
         WHERE business_id = $1 AND account_id = $2 AND contact_id > $3 ORDER BY contact_id LIMIT $4",
    )
    .bind(account.uuid())
    .bind(after)
    .bind(fetch)
    .scalars()
    .await
}

/// Which of `pairs` are an account and one of its contacts.
pub async fn linked(
    tx: &mut Tx,
    pairs: &[(AccountId, ContactId)],
) -> Result<HashSet<(AccountId, ContactId)>, DbError> {
    if pairs.is_empty() {
        return Ok(HashSet::new());
    }
    let found = tx
        .scoped(
            "SELECT x.account_id, x.contact_id FROM {rows}
             CROSS JOIN account_contacts x
             WHERE x.business_id = $1 AND x.account_id = batch.account_id AND x.contact_id = batch.contact_id",
        )
        .rows(
            Rows::new()
                .uuids("account_id", pairs.iter().map(|(account, _)| account.uuid()))
                .uuids("contact_id", pairs.iter().map(|(_, contact)| contact.uuid())),
        )
        .fetch_all::<(Uuid, Uuid)>()
        .await?;
    Ok(found.into_iter().map(|(account, contact)| (account.into(), contact.into())).collect())
}

/// What accounts are looked for; everything that is set must be so.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Case-folded start of the display name.
    pub name_prefix: Option<String>,
    pub contact: Option<ContactId>,
}

/// A page of accounts.
pub async fn page(
    tx: &mut Tx,
    wanted: &Wanted,
    order: Order,
    cursor: Option<&Cursor>,
    rows: usize,
) -> Result<Page<Account>, DbError> {
    let mut listing = Listing::of(SOURCE);
    if let Some(prefix) = &wanted.name_prefix {
        listing = listing.starting_with(&["a.sort_name"], prefix);
    }
    if let Some(contact) = wanted.contact {
        listing = listing.and(
            "a.account_id IN (SELECT x.account_id FROM account_contacts x
             WHERE x.business_id = $1 AND x.contact_id = ?)",
            [Bound::Id(contact.uuid())],
        );
    }
    let fetch = i64::try_from(rows).unwrap_or(i64::MAX - 1) + 1;
    let found: Vec<AccountRow> = listing.fetch(tx, order, cursor, fetch).await?;
    let page = Page::cut(found, rows, |row| Cursor {
        key: match order.key {
            OrderKey::Name => CursorKey::Text(row.sort_name.clone()),
            OrderKey::CreateTime => CursorKey::Time(row.created_at),
            OrderKey::UpdateTime => CursorKey::Time(row.updated_at),
        },
        id: row.account_id,
    });
    Ok(page.map(Account::from))
}
