//! Contacts: create, read, list, change, delete.

use std::convert::identity;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use yinyom_consent::{Actor, ByChannel, Surface};
use yinyom_db::Tx;
use yinyom_identity::NotFound;
use yinyom_kernel::{ContactId, PointId};
use yinyom_outbox::{Event, enqueue};
use yinyom_privacy::{Address, DataKey};

use super::points::Points;
use super::request::{Receipt, Request, Written, again, begin, finish};
use super::{Change, Directory, Error, Session, record};
use crate::domain::carry::start;
use crate::domain::contact::{ContactName, ExternalId};
use crate::domain::order::{Cursor, Order, Page};
use crate::domain::points::{Point, WantedPoint, channel_of};
use crate::domain::{Contact, Outcome, delete, expiry, guard, import, surface};
use crate::store::find::Wanted;
use crate::store::{
    BusinessKeys, aliases, contacts, erase, find, leads, merges, opt_outs, refused,
};

/// Who records what nobody said.
pub(crate) static DIRECTORY: LazyLock<Actor> =
    LazyLock::new(|| Actor::Service { name: "contact-directory".to_owned() });

/// Who a new contact shall be.
#[derive(Debug, Clone)]
pub struct NewContact {
    pub external_id: Option<ExternalId>,
    pub name: ContactName,
    pub addresses: Vec<Address>,
}

/// What shall change; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ContactPatch {
    pub external_id: Option<Option<ExternalId>>,
    pub name: Option<NamePatch>,
    pub points: ByChannel<Option<Vec<WantedPoint>>>,
}

/// The parts of a name that shall change, as they were written.
#[derive(Debug, Clone, Default)]
pub struct NamePatch {
    pub first: Option<String>,
    pub last: Option<String>,
}

impl Directory {
    pub(crate) async fn keys_of(&self, session: &Session) -> Result<Arc<BusinessKeys>, Error> {
        Ok(self.keys.of(&self.db, session.scope, self.now().as_microsecond()).await?)
    }

    /// One contact.
    pub async fn contact(&self, session: &Session, id: ContactId) -> Result<Contact, Error> {
        let keys = self.keys_of(session).await?;
        let mut tx = self.db.read(session.scope).await?;
        Ok(contacts::find(&mut tx, &keys, id).await?.ok_or(NotFound)?)
    }

    /// Several contacts in the order of `ids`, all or none.
    pub async fn contacts(
        &self,
        session: &Session,
        ids: &[ContactId],
    ) -> Result<Vec<Contact>, Error> {
        let keys = self.keys_of(session).await?;
        let found = contacts::load(&mut self.db.snapshot(session.scope).await?, &keys, ids).await?;
        in_order(found, ids)
    }

    /// A page of contacts. Whoever wants them by address is counted.
    pub async fn find_contacts(
        &self,
        session: &Session,
        wanted: &Wanted,
        order: Order,
        cursor: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<Contact>, Error> {
        if !wanted.addresses.is_empty() {
            self.lookups.take(session.business(), &session.caller_key)?;
        }
        let keys = self.keys_of(session).await?;
        let mut tx = self.db.snapshot(session.scope).await?;
        let at = find::At { order, cursor, rows, now: self.now().as_microsecond() };
        Ok(find::page(&mut tx, &keys, wanted, session.view(), at).await?)
    }

    /// Creates a contact. Its channels start `NOT_SET`, or `DENIED` where an address was refused.
    pub async fn create_contact(
        &self,
        session: &Session,
        new: NewContact,
        request: Option<Request>,
    ) -> Result<Written<Contact>, Error> {
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
                refuse_taken(&mut tx, &keys, new.external_id.as_ref(), None).await?;
                let addresses: Vec<_> = new.addresses.iter().collect();
                if !addresses.is_empty() {
                    opt_outs::wait_for_lists(&mut tx).await?;
                }
                let refused = refused::refused(&mut tx, &keys, &addresses).await?;
                let refused = ByChannel::from_fn(|channel| {
                    refused.iter().any(|address| channel_of(address) == channel)
                });
                let mut contact = fresh(&keys, new, now);
                let change = change_of(&owned, &keys, now);
                let event = record(&change, &mut contact, start(refused, now))?;
                contact.revision = 1;
                contacts::insert(&mut tx, &keys, &[&contact]).await?;
                keep_fingerprint(&mut tx, &keys, &contact).await?;
                enqueue(&mut tx, &[event]).await?;
                let receipt = receipt(&contact);
                finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(Written { receipt, now: Some(contact) })
            })
            .await?;
        self.settled(session, written, identity).await
    }

    /// Changes a contact.
    pub async fn update_contact(
        &self,
        session: &Session,
        id: ContactId,
        patch: ContactPatch,
        etag: String,
        request: Option<Request>,
    ) -> Result<Written<Contact>, Error> {
        let once = || self.update_once(session, id, patch.clone(), etag.clone(), request.clone());
        let written = again(once).await?;
        self.settled(session, written, identity).await
    }

    async fn update_once(
        &self,
        session: &Session,
        id: ContactId,
        patch: ContactPatch,
        etag: String,
        request: Option<Request>,
    ) -> Result<Written<Contact>, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        self.db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before = begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some(receipt) = before {
                    return tx.done(Written { receipt, now: None });
                }
                if patch.points.iter().any(|(_, wanted)| wanted.is_some()) {
                    opt_outs::wait_for_lists(&mut tx).await?;
                }
                let mut contact = locked(&mut tx, &keys, id).await?;
                contact.etag().check(&etag)?;
                let mut events = Vec::new();
                let change = change_of(&owned, &keys, now);
                if let Some(external_id) = patch.external_id {
                    // Whoever could shift the key of a refused contact could have its address imported anew.
                    let has_address = contact.has_address();
                    guard::refuse_masked(owned.view(), &contact.consents, has_address, now)?;
                    refuse_taken(&mut tx, &keys, external_id.as_ref(), Some(id)).await?;
                    contact.external_id = external_id;
                }
                if let Some(name) = patch.name {
                    contact.name = name.apply(&contact.name)?;
                }
                let points = Points { change: &change, view: owned.view(), wanted: patch.points };
                points.apply(&mut tx, &mut contact, &mut events).await?;
                contact.revision += 1;
                contact.updated_at = now;
                contacts::update(&mut tx, &[&contact]).await?;
                keep_fingerprint(&mut tx, &keys, &contact).await?;
                enqueue(&mut tx, &events).await?;
                let receipt = receipt(&contact);
                finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(Written { receipt, now: Some(contact) })
            })
            .await
    }

    /// Deletes a contact. What it refused is kept as keyed hashes.
    pub async fn delete_contact(
        &self,
        session: &Session,
        id: ContactId,
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
                let mut contact = locked(&mut tx, &keys, id).await?;
                contact.etag().check(&etag)?;
                if leads::has_primary(&mut tx, id).await? {
                    return Err(Error::PrimaryContact);
                }
                let change = change_of(&owned, &keys, now);
                let mut events = settle(&change, &mut contact)?;
                let has_address = contact.has_address();
                let deletion = delete::delete(owned.view(), &contact.consents, has_address, now)?;
                let kept: Vec<_> = (contact.points.iter().map(|point| &point.address))
                    .filter(|address| *deletion.keeps_refusal.get(channel_of(address)))
                    .collect();
                refused::keep(&mut tx, &keys, id, &kept, micros).await?;
                let gone = Outcome {
                    cause: deletion.cause,
                    consents: contact.consents,
                    changes: deletion.changes,
                };
                events.push(record(&change, &mut contact, gone)?);
                contacts::delete(&mut tx, id).await?;
                erase::depart(&mut tx, id, contact.consent_seq, micros).await?;
                // They cannot come out of it any more.
                let predecessors = merges::predecessors(&mut tx, id).await?;
                merges::forget_records(&mut tx, &predecessors).await?;
                enqueue(&mut tx, &events).await?;
                finish(&mut tx, &owned, request.as_ref(), &receipt(&contact)).await?;
                tx.done(())
            })
            .await?;
        self.publish(session.business(), [id]);
        Ok(())
    }

    /// Publishes what was written, or reads what is there now for a request that was repeated: as much of it as `part` takes.
    pub(crate) async fn settled<P>(
        &self,
        session: &Session,
        mut written: Written<Contact<P>>,
        part: fn(Contact) -> Contact<P>,
    ) -> Result<Written<Contact<P>>, Error> {
        let id = written.receipt.id.into();
        if written.now.is_some() {
            self.publish(session.business(), [id]);
        } else {
            written.now = match self.contact(session, id).await {
                Ok(contact) => Some(part(contact)),
                Err(Error::NotFound(_)) => None,
                Err(error) => return Err(error),
            };
        }
        Ok(written)
    }
}

/// Puts found contacts in the order that was asked for. One that is missing refuses all.
fn in_order(found: Vec<Contact>, ids: &[ContactId]) -> Result<Vec<Contact>, Error> {
    let by_id: std::collections::HashMap<_, _> = found.into_iter().map(|c| (c.id, c)).collect();
    ids.iter().map(|id| by_id.get(id).cloned().ok_or_else(|| NotFound.into())).collect()
}

/// The contact, locked.
pub(crate) async fn locked(
    tx: &mut Tx,
    keys: &BusinessKeys,
    id: ContactId,
) -> Result<Contact, Error> {
    Ok(contacts::lock(tx, keys, &[id]).await?.pop().ok_or(NotFound)?)
}

/// A contact that is in no store yet.
pub(crate) fn fresh(keys: &BusinessKeys, new: NewContact, now: Timestamp) -> Contact {
    let id = ContactId::generate();
    let mut points: Vec<_> = (new.addresses.into_iter())
        .map(|address| Point { id: PointId::generate(), address })
        .collect();
    points.sort_unstable_by_key(|point| point.id);
    Contact {
        id,
        external_id: new.external_id,
        name: new.name,
        points,
        consents: ByChannel::from_fn(|_| crate::domain::Consent::not_asked(now)),
        consent_seq: 0,
        revision: 0,
        merges: 0,
        subject_key: keys.wrap_subject(id, &DataKey::generate()),
        created_at: now,
        updated_at: now,
    }
}

/// A change that is not a customer's word but follows from what somebody did to the contact. On which page
/// that was is not said: a member's is the contacts menu.
pub(crate) fn change_of<'a>(
    session: &'a Session,
    keys: &'a BusinessKeys,
    now: Timestamp,
) -> Change<'a> {
    let surface = match session.kind {
        surface::By::Member => Surface::Contacts,
        surface::By::Service => Surface::Api,
    };
    let Session { scope, actor, .. } = session;
    Change { scope: *scope, keys, actor, surface, parent: None, evidence: None, now }
}

/// Records grants that have run out, so that what follows starts from what counts.
pub(crate) fn settle<P>(
    change: &Change<'_>,
    contact: &mut Contact<P>,
) -> Result<Vec<Event>, Error> {
    match expiry::settle(&contact.consents, change.now) {
        None => Ok(Vec::new()),
        Some(outcome) => {
            // Nobody said this: it happened by itself, and whoever comes next only finds it.
            let change = Change {
                actor: &DIRECTORY,
                surface: Surface::Api,
                evidence: None,
                parent: None,
                ..change.clone()
            };
            Ok(vec![record(&change, contact, outcome)?])
        }
    }
}

/// What a write of a contact came to.
pub(crate) const fn receipt<P>(contact: &Contact<P>) -> Receipt {
    Receipt { id: contact.id.uuid(), revision: contact.revision, consent_seq: contact.consent_seq }
}

/// Keeps what an import will find this contact by.
pub(crate) async fn keep_fingerprint(
    tx: &mut Tx,
    keys: &BusinessKeys,
    contact: &Contact,
) -> Result<(), Error> {
    let addresses: Vec<_> = contact.points.iter().map(|point| point.address.clone()).collect();
    let fingerprint = import::identity(keys.index(), &contact.name, &addresses);
    Ok(refused::keep_fingerprints(tx, &[(fingerprint, contact.id)]).await?)
}

/// Refuses an external id that another contact has, or had before it was merged into another.
async fn refuse_taken(
    tx: &mut Tx,
    keys: &BusinessKeys,
    external_id: Option<&ExternalId>,
    but: Option<ContactId>,
) -> Result<(), Error> {
    let Some(external_id) = external_id else {
        return Ok(());
    };
    let wanted = [external_id.text().expose().clone()];
    // In this order: one that is being merged is seen as one or the other.
    let mut taken = contacts::by_external_id(tx, &wanted).await?;
    taken.extend(aliases::by_external_id(tx, keys, &wanted).await?);
    if taken.iter().any(|(_, id)| Some(*id) != but) { Err(Error::ExternalIdTaken) } else { Ok(()) }
}

impl NamePatch {
    /// `name` with the parts that shall change.
    fn apply(self, name: &ContactName) -> Result<ContactName, Error> {
        let part = |new: Option<String>, old: Option<&yinyom_privacy::Personal>| {
            new.unwrap_or_else(|| old.map(|old| old.expose().clone()).unwrap_or_default())
        };
        let (first, last) = (part(self.first, name.first()), part(self.last, name.last()));
        let mut wrong = yinyom_kernel::Violations::new();
        let read = wrong.nest("contact", ContactName::read(&first, &last));
        Ok(wrong.finish(read)?)
    }
}
