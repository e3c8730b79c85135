//! Leads: create, read, list, change, delete; their contacts; turning one into an account.

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_db::Tx;
use yinyom_identity::NotFound;
use yinyom_kernel::{AccountId, ContactId, Etag, LeadId};

use super::accounts::{self as account, account_receipt, new_account};
use super::request::{Receipt, Request, Written, begin, finish};
use super::{Directory, Error, Session};
use crate::domain::Contact;
use crate::domain::lead::{Account, Lead};
use crate::domain::order::{Cursor, CursorKey, Order, Page};
use crate::store::leads::Wanted;
use crate::store::{accounts, contacts, leads};

/// What a new lead shall be.
#[derive(Debug, Clone)]
pub struct NewLead {
    pub title: String,
    pub source: String,
    pub primary_contact: ContactId,
}

/// What shall change; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct LeadPatch {
    pub title: Option<String>,
    pub source: Option<String>,
    pub primary_contact: Option<ContactId>,
}

/// What a lead is turned into.
#[derive(Debug, Clone)]
pub enum Target {
    Existing(AccountId),
    New { display_name: String },
}

/// Contacts that come to a parent or leave it.
#[derive(Debug, Clone)]
pub enum Link {
    Add(Vec<ContactId>),
    Remove(Vec<ContactId>),
}

impl Directory {
    /// One lead.
    pub async fn lead(&self, session: &Session, id: LeadId) -> Result<Lead, Error> {
        Ok(self.leads(session, &[id]).await?.pop().ok_or(NotFound)?)
    }

    /// Several leads in the order of `ids`, all or none.
    pub async fn leads(&self, session: &Session, ids: &[LeadId]) -> Result<Vec<Lead>, Error> {
        let found = leads::load(&mut self.db.read(session.scope).await?, ids).await?;
        let by_id: std::collections::HashMap<_, _> = found.into_iter().map(|l| (l.id, l)).collect();
        ids.iter().map(|id| by_id.get(id).cloned().ok_or_else(|| NotFound.into())).collect()
    }

    /// A page of leads.
    pub async fn find_leads(
        &self,
        session: &Session,
        wanted: &Wanted,
        order: Order,
        cursor: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<Lead>, Error> {
        let mut tx = self.db.read(session.scope).await?;
        Ok(leads::page(&mut tx, wanted, order, cursor, rows).await?)
    }

    /// Creates a lead with its primary contact.
    pub async fn create_lead(
        &self,
        session: &Session,
        new: NewLead,
        request: Option<Request>,
    ) -> Result<Written<Lead>, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        let written = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before = begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some(receipt) = before {
                    return tx.done(Written { receipt, now: None });
                }
                refuse_absent(&mut tx, &[new.primary_contact]).await?;
                let lead = Lead {
                    id: LeadId::generate(),
                    title: new.title,
                    source: new.source,
                    primary_contact: new.primary_contact,
                    account: None,
                    revision: 1,
                    created_at: now,
                    updated_at: now,
                };
                leads::insert(&mut tx, &[&lead]).await?;
                let receipt = lead_receipt(&lead);
                finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(Written { receipt, now: Some(lead) })
            })
            .await?;
        self.current_lead(session, written).await
    }

    /// Changes a lead. A new primary contact is linked, too.
    pub async fn update_lead(
        &self,
        session: &Session,
        id: LeadId,
        patch: LeadPatch,
        etag: String,
        request: Option<Request>,
    ) -> Result<Written<Lead>, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        let written = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before = begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some(receipt) = before {
                    return tx.done(Written { receipt, now: None });
                }
                let mut lead = locked(&mut tx, id).await?;
                Etag::of(lead.revision).check(&etag)?;
                lead.title = patch.title.unwrap_or(lead.title);
                lead.source = patch.source.unwrap_or(lead.source);
                if let Some(contact) = patch.primary_contact {
                    refuse_absent(&mut tx, &[contact]).await?;
                    leads::link(&mut tx, &[(id, contact)]).await?;
                    lead.primary_contact = contact;
                }
                let lead = save(&mut tx, lead, now).await?;
                let receipt = lead_receipt(&lead);
                finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(Written { receipt, now: Some(lead) })
            })
            .await?;
        self.current_lead(session, written).await
    }

    /// Deletes a lead. Its contacts stay.
    pub async fn delete_lead(
        &self,
        session: &Session,
        id: LeadId,
        etag: String,
        request: Option<Request>,
    ) -> Result<(), Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        self.db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before: Option<Receipt> =
                    begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if before.is_some() {
                    return tx.done(());
                }
                let lead = locked(&mut tx, id).await?;
                Etag::of(lead.revision).check(&etag)?;
                leads::delete(&mut tx, id).await?;
                finish(&mut tx, &owned, request.as_ref(), &lead_receipt(&lead)).await?;
                tx.done::<_, Error>(())
            })
            .await
    }

    /// Links contacts to a lead or unlinks them, all or none.
    pub async fn link_lead_contacts(
        &self,
        session: &Session,
        id: LeadId,
        link: Link,
        request: Option<Request>,
    ) -> Result<Written<Lead>, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        let written = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before = begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some(receipt) = before {
                    return tx.done(Written { receipt, now: None });
                }
                let mut lead = locked(&mut tx, id).await?;
                let changed = match link {
                    Link::Add(ids) => {
                        refuse_absent(&mut tx, &ids).await?;
                        let links: Vec<_> = ids.into_iter().map(|contact| (id, contact)).collect();
                        leads::link(&mut tx, &links).await?
                    }
                    Link::Remove(ids) if ids.contains(&lead.primary_contact) => {
                        return Err(Error::PrimaryContact);
                    }
                    Link::Remove(ids) => leads::unlink(&mut tx, id, &ids).await?,
                };
                if changed > 0 {
                    lead = save(&mut tx, lead, now).await?;
                }
                let receipt = lead_receipt(&lead);
                finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(Written { receipt, now: Some(lead) })
            })
            .await?;
        self.current_lead(session, written).await
    }

    /// A page of the contacts of a lead, by id.
    pub async fn contacts_of_lead(
        &self,
        session: &Session,
        id: LeadId,
        after: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<Contact>, Error> {
        let keys = self.keys_of(session).await?;
        let mut tx = self.db.snapshot(session.scope).await?;
        if leads::load(&mut tx, &[id]).await?.is_empty() {
            return Err(NotFound.into());
        }
        let found = leads::contacts(&mut tx, id, after_id(after), fetch(rows)).await?;
        let page = page_of_ids(found, rows);
        let ids: Vec<_> = page.items.iter().map(|id| ContactId::from(*id)).collect();
        Ok(Page { items: contacts::load(&mut tx, &keys, &ids).await?, next: page.next })
    }

    /// Turns a lead into an account. Its contacts become the account's and keep their consents.
    pub async fn convert_lead(
        &self,
        session: &Session,
        id: LeadId,
        target: Target,
        etag: String,
        request: Option<Request>,
    ) -> Result<(Written<Lead>, Written<Account>), Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        let (written, account) = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before: Option<(Receipt, Receipt)> =
                    begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some((lead, account)) = before {
                    let lead = Written { receipt: lead, now: None };
                    return tx.done((lead, Written { receipt: account, now: None }));
                }
                let mut lead = locked(&mut tx, id).await?;
                Etag::of(lead.revision).check(&etag)?;
                if lead.account.is_some() {
                    return Err(Error::AlreadyConverted);
                }
                let (mut account, is_new) = match target {
                    Target::Existing(account) => {
                        (accounts::lock(&mut tx, account).await?.ok_or(NotFound)?, false)
                    }
                    Target::New { display_name } => {
                        let account = new_account(display_name, now);
                        accounts::insert(&mut tx, &[&account]).await?;
                        (account, true)
                    }
                };
                let linked = accounts::link_contacts_of_lead(&mut tx, account.id, id).await?;
                if linked > 0 && !is_new {
                    account = account::save(&mut tx, account, now).await?;
                }
                lead.account = Some(account.id);
                let lead = save(&mut tx, lead, now).await?;
                let receipts = (lead_receipt(&lead), account_receipt(&account));
                finish(&mut tx, &owned, request.as_ref(), &receipts).await?;
                let written = Written { receipt: receipts.0, now: Some(lead) };
                let account = Written { receipt: receipts.1, now: Some(account) };
                tx.done::<_, Error>((written, account))
            })
            .await?;
        let written = self.current_lead(session, written).await?;
        Ok((written, self.current_account(session, account).await?))
    }

    async fn current_lead(
        &self,
        session: &Session,
        mut written: Written<Lead>,
    ) -> Result<Written<Lead>, Error> {
        if written.now.is_none() {
            let id = [LeadId::from(written.receipt.id)];
            written.now = leads::load(&mut self.db.read(session.scope).await?, &id).await?.pop();
        }
        Ok(written)
    }
}

async fn locked(tx: &mut Tx, id: LeadId) -> Result<Lead, Error> {
    Ok(leads::lock(tx, id).await?.ok_or(NotFound)?)
}

async fn save(tx: &mut Tx, mut lead: Lead, now: Timestamp) -> Result<Lead, Error> {
    lead.revision += 1;
    lead.updated_at = now;
    leads::update(tx, &lead).await?;
    Ok(lead)
}

/// Refuses contacts that the business does not have. Those that it has stay until this unit of work ends.
pub(super) async fn refuse_absent(tx: &mut Tx, ids: &[ContactId]) -> Result<(), Error> {
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    let found = contacts::hold(tx, ids).await?;
    if found.len() == distinct.len() { Ok(()) } else { Err(NotFound.into()) }
}

const fn lead_receipt(lead: &Lead) -> Receipt {
    Receipt { id: lead.id.uuid(), revision: lead.revision, consent_seq: 0 }
}

pub(super) fn after_id(after: Option<&Cursor>) -> Uuid {
    after.map_or(Uuid::nil(), |cursor| cursor.id)
}

pub(super) fn fetch(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX - 1) + 1
}

/// A page that is ordered by id alone.
pub(super) fn page_of_ids(ids: Vec<Uuid>, rows: usize) -> Page<Uuid> {
    Page::cut(ids, rows, |id| Cursor { key: CursorKey::Time(0), id: *id })
}
