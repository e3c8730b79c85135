//! Everything that one contact is linked to.

use uuid::Uuid;
use yinyom_db::{DbError, Tx};
use yinyom_kernel::{AccountId, ContactId, LeadId};

use super::{accounts, leads};

/// Leads and accounts, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    pub leads: Vec<LeadId>,
    pub accounts: Vec<AccountId>,
}

impl Links {
    /// Those that are not among `others`.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self {
            leads: (self.leads.iter().filter(|id| !others.leads.contains(id)).copied()).collect(),
            accounts: (self.accounts.iter().filter(|id| !others.accounts.contains(id)).copied())
                .collect(),
        }
    }

    /// Those that are among `others`, too.
    #[must_use]
    pub fn within(&self, others: &Self) -> Self {
        self.without(&self.without(others))
    }
}

/// What the contact is linked to.
pub async fn of(tx: &mut Tx, contact: ContactId) -> Result<Links, DbError> {
    let leads = tx
        .scoped(
            "SELECT lead_id FROM lead_contacts WHERE business_id = $1 AND contact_id = $2
             ORDER BY lead_id",
        )
        .bind(contact.uuid())
        .scalars::<Uuid>()
        .await?;
    let accounts = tx
        .scoped(
            "SELECT account_id FROM account_contacts WHERE business_id = $1 AND contact_id = $2
             ORDER BY account_id",
        )
        .bind(contact.uuid())
        .scalars::<Uuid>()
        .await?;
    Ok(Links {
        leads: leads.into_iter().map(LeadId::from).collect(),
        accounts: accounts.into_iter().map(AccountId::from).collect(),
    })
}

/// Of which of its leads the contact is the primary one.
pub async fn led_by(tx: &mut Tx, contact: ContactId) -> Result<Vec<LeadId>, DbError> {
    let found = tx
        .scoped(
            "SELECT lead_id FROM leads WHERE business_id = $1 AND primary_contact_id = $2
             ORDER BY lead_id",
        )
        .bind(contact.uuid())
        .scalars::<Uuid>()
        .await?;
    Ok(found.into_iter().map(LeadId::from).collect())
}

/// Keeps others from changing these, or who is linked to them, until this unit of work ends. Come here before any contact
/// is locked: so do all who link.
pub async fn lock(tx: &mut Tx, links: &Links) -> Result<(), DbError> {
    tx.scoped(
        "SELECT lead_id FROM leads WHERE business_id = $1 AND lead_id IN {list} ORDER BY lead_id",
    )
    .list(&lead_ids(&links.leads))
    .for_update()
    .scalars::<Uuid>()
    .await?;
    let accounts: Vec<Uuid> = links.accounts.iter().map(|id| id.uuid()).collect();
    tx.scoped(
        "SELECT account_id FROM accounts WHERE business_id = $1 AND account_id IN {list}
         ORDER BY account_id",
    )
    .list(&accounts)
    .for_update()
    .scalars::<Uuid>()
    .await?;
    Ok(())
}

/// Links the contact to all of these, which are there.
pub async fn add(tx: &mut Tx, contact: ContactId, links: &Links) -> Result<(), DbError> {
    let to_leads: Vec<_> = links.leads.iter().map(|lead| (*lead, contact)).collect();
    leads::link(tx, &to_leads).await?;
    let to_accounts: Vec<_> = links.accounts.iter().map(|account| (*account, contact)).collect();
    accounts::link(tx, &to_accounts).await?;
    Ok(())
}

/// Unlinks the contact from all of these. It is the primary one of none of the leads.
pub async fn remove(tx: &mut Tx, contact: ContactId, links: &Links) -> Result<(), DbError> {
    tx.scoped(
        "DELETE FROM lead_contacts WHERE business_id = $1 AND contact_id = $2 AND lead_id IN {list}",
    )
    .bind(contact.uuid())
    .list(&lead_ids(&links.leads))
    .execute()
    .await?;
    let accounts: Vec<Uuid> = links.accounts.iter().map(|id| id.uuid()).collect();
    tx.scoped(
        "DELETE FROM account_contacts
         WHERE business_id = $1 AND contact_id = $2 AND account_id IN {list}",
    )
    .bind(contact.uuid())
    .list(&accounts)
    .execute()
    .await?;
    Ok(())
}

/// Makes the contact the primary one of these leads, to which it is linked.
pub async fn lead(
    tx: &mut Tx,
    contact: ContactId,
    leads: &[LeadId],
    now: i64,
) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE leads SET primary_contact_id = $2, revision = revision + 1, updated_at = $3
         WHERE business_id = $1 AND lead_id IN {list}",
    )
    .bind(contact.uuid())
    .bind(now)
    .list(&lead_ids(leads))
    .execute()
    .await?;
    Ok(())
}

fn lead_ids(leads: &[LeadId]) -> Vec<Uuid> {
    leads.iter().map(|id| id.uuid()).collect()
}
