//! Leads and their contacts.

use std::collections::HashMap;

use uuid::Uuid;
use yinyom_db::{DbError, Record, Rows, Tx};
use yinyom_kernel::{AccountId, ContactId, LeadId, from_micros};

use super::contacts::uuids;
use super::paging::{Bound, Listing, Source};
use crate::domain::contact::search_key;
use crate::domain::lead::Lead;
use crate::domain::order::{Cursor, CursorKey, Order, OrderKey, Page};

macro_rules! columns {
    () => {
        "l.lead_id, l.title, l.sort_title, l.source, l.primary_contact_id, l.account_id, l.revision, l.created_at,
         l.updated_at"
    };
}

/// Lists of leads.
pub const SOURCE: Source = Source {
    from: "leads l",
    columns: columns!(),
    id: "l.lead_id",
    name: "l.sort_title",
    created_at: "l.created_at",
    updated_at: "l.updated_at",
    business: "l.business_id",
};

const SELECT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM leads l WHERE l.business_id = $1 AND l.lead_id IN {list} ORDER BY l.lead_id",
);

#[derive(Debug, Record)]
struct LeadRow {
    lead_id: Uuid,
    title: String,
    sort_title: String,
    source: String,
    primary_contact_id: Uuid,
    account_id: Option<Uuid>,
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

impl From<LeadRow> for Lead {
    fn from(row: LeadRow) -> Self {
        Self {
            id: row.lead_id.into(),
            title: row.title,
            source: row.source,
            primary_contact: row.primary_contact_id.into(),
            account: row.account_id.map(AccountId::from),
            revision: row.revision,
            created_at: from_micros(row.created_at),
            updated_at: from_micros(row.updated_at),
        }
    }
}

/// The leads of those ids that the business has, by id.
pub async fn load(tx: &mut Tx, ids: &[LeadId]) -> Result<Vec<Lead>, DbError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = tx.scoped(SELECT).long_list(&ids).fetch_all::<LeadRow>().await?;
    Ok(rows.into_iter().map(Lead::from).collect())
}

/// The lead, if the business has it; nobody else changes it until this unit of work ends.
pub async fn lock(tx: &mut Tx, id: LeadId) -> Result<Option<Lead>, DbError> {
    let row = tx.scoped(SELECT).list(&[id.uuid()]).for_update().fetch_optional::<LeadRow>().await?;
    Ok(row.map(Lead::from))
}

/// Of which leads those contacts are the primary ones, among those that have one of the case-folded `titles`: contact,
/// case-folded title and source of each, `most` at most. Leads that differ in nothing of that count once.
pub async fn of_primary(
    tx: &mut Tx,
    contacts: &[ContactId],
    titles: &[String],
    most: i64,
) -> Result<Vec<(ContactId, String, String)>, DbError> {
    let found = tx
        .scoped(
            "SELECT DISTINCT primary_contact_id, sort_title, source FROM leads
             WHERE business_id = $1 AND primary_contact_id IN {list} AND sort_title IN {list} LIMIT $4",
        )
        .list(&uuids(contacts))
        .list(titles)
        .bind(most)
        .fetch_all::<(Uuid, String, String)>()
        .await?;
    Ok(found.into_iter().map(|(contact, title, source)| (contact.into(), title, source)).collect())
}

/// Whether a lead has that primary contact.
pub async fn has_primary(tx: &mut Tx, contact: ContactId) -> Result<bool, DbError> {
    tx.scoped(
        "SELECT EXISTS (SELECT 1 FROM leads WHERE business_id = $1 AND primary_contact_id = $2)",
    )
    .bind(contact.uuid())
    .scalar()
    .await
}

/// Stores new leads, each with its primary contact linked.
pub async fn insert(tx: &mut Tx, leads: &[&Lead]) -> Result<(), DbError> {
    if leads.is_empty() {
        return Ok(());
    }
    let sort_titles: Vec<_> = leads.iter().map(|lead| search_key(&lead.title)).collect();
    tx.scoped(
        "INSERT INTO leads (business_id, lead_id, title, sort_title, source, primary_contact_id, account_id,
             revision, created_at, updated_at)
         SELECT $1, lead_id, title, sort_title, source, primary_contact_id, account_id, revision, created_at,
             updated_at FROM {rows}",
    )
    .rows(
        Rows::new()
            .uuids("lead_id", leads.iter().map(|lead| lead.id.uuid()))
            .texts("title", leads.iter().map(|lead| &lead.title[..]))
            .texts("sort_title", sort_titles.iter().map(|title| &title[..]))
            .texts("source", leads.iter().map(|lead| &lead.source[..]))
            .uuids("primary_contact_id", leads.iter().map(|lead| lead.primary_contact.uuid()))
            .uuids("account_id", leads.iter().map(|lead| lead.account.map(AccountId::uuid)))
            .ints("revision", leads.iter().map(|lead| lead.revision))
            .ints("created_at", leads.iter().map(|lead| lead.created_at.as_microsecond()))
            .ints("updated_at", leads.iter().map(|lead| lead.updated_at.as_microsecond())),
    )
    .execute()
    .await?;
    let links: Vec<_> = leads.iter().map(|lead| (lead.id, lead.primary_contact)).collect();
    link(tx, &links).await.map(drop)
}

/// Stores a lead that was locked and changed.
pub async fn update(tx: &mut Tx, lead: &Lead) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE leads SET title = $3, sort_title = $4, source = $5, primary_contact_id = $6, account_id = $7,
             revision = $8, updated_at = $9
         WHERE business_id = $1 AND lead_id = $2",
    )
    .bind(lead.id.uuid())
    .bind(&*lead.title)
    .bind(search_key(&lead.title))
    .bind(&*lead.source)
    .bind(lead.primary_contact.uuid())
    .bind(lead.account.map(AccountId::uuid))
    .bind(lead.revision)
    .bind(lead.updated_at.as_microsecond())
    .execute()
    .await?;
    Ok(())
}

/// Deletes a lead with its links.
pub async fn delete(tx: &mut Tx, lead: LeadId) -> Result<(), DbError> {
    tx.scoped("DELETE FROM leads WHERE business_id = $1 AND lead_id = $2")
        .bind(lead.uuid())
        .execute()
        .await?;
    Ok(())
}

/// Links contacts to leads; how many were not linked yet.
pub async fn link(tx: &mut Tx, links: &[(LeadId, ContactId)]) -> Result<u64, DbError> {
    if links.is_empty() {
        return Ok(0);
    }
    tx.scoped(
        "INSERT INTO lead_contacts (business_id, lead_id, contact_id)
         SELECT $1, lead_id, contact_id FROM {rows} WHERE true
         ON CONFLICT (business_id, lead_id, contact_id) DO NOTHING",
    )
    .rows(
        Rows::new()
            .uuids("lead_id", links.iter().map(|(lead, _)| lead.uuid()))
            .uuids("contact_id", links.iter().map(|(_, contact)| contact.uuid())),
    )
    .execute()
    .await
}

/// Unlinks contacts from a lead; how many were linked.
pub async fn unlink(tx: &mut Tx, lead: LeadId, contacts: &[ContactId]) -> Result<u64, DbError> {
    tx.scoped(
        "DELETE FROM lead_contacts WHERE business_id = $1 AND lead_id = $2 AND contact_id IN {list}",
    )
    .bind(lead.uuid())
    .list(&uuids(contacts))
    .execute()
    .await
}

/// The contacts of a lead after `after`, by id.
pub async fn contacts(
    tx: &mut Tx,
    lead: LeadId,
    after: Uuid,
    fetch: i64,
) -> Result<Vec<Uuid>, DbError> {
    tx.scoped(
        "SELECT contact_id FROM lead_contacts
         WHERE business_id = $1 AND lead_id = $2 AND contact_id > $3 ORDER BY contact_id LIMIT $4",
    )
    .bind(lead.uuid())
    .bind(after)
    .bind(fetch)
    .scalars()
    .await
}

/// Which of `pairs` are a lead and one of its contacts, and whether that is its primary one.
pub async fn linked(
    tx: &mut Tx,
    pairs: &[(LeadId, ContactId)],
) -> Result<HashMap<(LeadId, ContactId), bool>, DbError> {
    if pairs.is_empty() {
        return Ok(HashMap::new());
    }
    let found = tx
        .scoped(
            "SELECT x.lead_id, x.contact_id, l.primary_contact_id FROM {rows}
             CROSS JOIN lead_contacts x
             CROSS JOIN leads l
             WHERE x.business_id = $1 AND x.lead_id = batch.lead_id AND x.contact_id = batch.contact_id
               AND l.business_id = $1 AND l.lead_id = x.lead_id",
        )
        .rows(
            Rows::new()
                .uuids("lead_id", pairs.iter().map(|(lead, _)| lead.uuid()))
                .uuids("contact_id", pairs.iter().map(|(_, contact)| contact.uuid())),
        )
        .fetch_all::<(Uuid, Uuid, Uuid)>()
        .await?;
    let found = found.into_iter();
    Ok(found
        .map(|(lead, contact, primary)| ((lead.into(), contact.into()), contact == primary))
        .collect())
}

/// What leads are looked for; everything that is set must be so.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Case-folded start of the title.
    pub title_prefix: Option<String>,
    pub source: Option<String>,
    pub contact: Option<ContactId>,
}

/// A page of leads.
pub async fn page(
    tx: &mut Tx,
    wanted: &Wanted,
    order: Order,
    cursor: Option<&Cursor>,
    rows: usize,
) -> Result<Page<Lead>, DbError> {
    let mut listing = Listing::of(SOURCE);
    if let Some(prefix) = &wanted.title_prefix {
        listing = listing.starting_with(&["l.sort_title"], prefix);
    }
    if let Some(source) = &wanted.source {
        listing = listing.and("l.source = ?", [Bound::Text(source.clone())]);
    }
    if let Some(contact) = wanted.contact {
        listing = listing.and(
            "l.lead_id IN (SELECT x.lead_id FROM lead_contacts x
             WHERE x.business_id = $1 AND x.contact_id = ?)",
            [Bound::Id(contact.uuid())],
        );
    }
    let fetch = i64::try_from(rows).unwrap_or(i64::MAX - 1) + 1;
    let found: Vec<LeadRow> = listing.fetch(tx, order, cursor, fetch).await?;
    let page = Page::cut(found, rows, |row| Cursor {
        key: match order.key {
            OrderKey::Name => CursorKey::Text(row.sort_title.clone()),
            OrderKey::CreateTime => CursorKey::Time(row.created_at),
            OrderKey::UpdateTime => CursorKey::Time(row.updated_at),
        },
        id: row.lead_id,
    });
    Ok(page.map(Lead::from))
}
