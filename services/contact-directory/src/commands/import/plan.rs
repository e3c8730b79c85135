//! What the rows of a batch make of what is there, one row after the other, in memory.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Channel, ConsentState};
use yinyom_kernel::{AccountId, ContactId, LeadId, PointId};
use yinyom_outbox::Event;
use yinyom_privacy::Address;

use super::load::{Known, LeadKey};
use super::result::{Became, Receipt, Rejection};
use super::{LeadOf, Person, RefusingRow, Row};
use crate::commands::accounts::new_account;
use crate::commands::contacts::{NewContact, fresh};
use crate::commands::{Change, record};
use crate::domain::carry::Coming;
use crate::domain::contact::{ContactName, ExternalId, search_key};
use crate::domain::delete::keeps_refusal;
use crate::domain::evidence::Evidence;
use crate::domain::import::{Says, Weighed, Word, identity, is_word, known_contact, new_contact};
use crate::domain::lead::{Account, Lead};
use crate::domain::points::{MAX_POINTS, Point, channel_of};
use crate::domain::{Contact, Outcome};
use crate::store::StoreError;

/// A batch under way: what is to be saved.
pub struct Plan<'a> {
    change: Change<'a>,
    /// When a grant of a row runs out.
    granted_until: Option<Timestamp>,
    known: Known,
    created: HashSet<ContactId>,
    updated: HashSet<ContactId>,
    /// Points of contacts that were there before.
    pub points: Vec<(ContactId, Point)>,
    pub fingerprints: Vec<([u8; 32], ContactId)>,
    pub accounts: Vec<Account>,
    pub links: Vec<(AccountId, ContactId)>,
    pub leads: Vec<Lead>,
    /// What rows refuse of merged contacts, whether or not it is so already.
    pub heard: HashMap<ContactId, ByChannel<bool>>,
    /// Who was called otherwise before, with that case-folded name.
    pub renamed: Vec<(ContactId, String)>,
    pub events: Vec<Event>,
}

impl<'a> Plan<'a> {
    /// Nothing planned yet. `change` rests on no evidence.
    pub fn new(change: Change<'a>, granted_until: Option<Timestamp>, known: Known) -> Self {
        Self {
            change,
            granted_until,
            known,
            created: HashSet::new(),
            updated: HashSet::new(),
            points: Vec::new(),
            fingerprints: Vec::new(),
            accounts: Vec::new(),
            links: Vec::new(),
            leads: Vec::new(),
            heard: HashMap::new(),
            renamed: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Contacts to insert, with their points.
    pub fn created(&self) -> Vec<&Contact> {
        self.created.iter().filter_map(|id| self.known.contacts.get(id)).collect()
    }

    /// Contacts to update, without their points.
    pub fn updated(&self) -> Vec<&Contact> {
        self.updated.iter().filter_map(|id| self.known.contacts.get(id)).collect()
    }

    /// The contacts whose consent was recorded.
    pub fn changed(&self) -> Vec<ContactId> {
        let streams: HashSet<_> = self.events.iter().map(|event| event.stream).collect();
        streams.into_iter().map(ContactId::from).collect()
    }

    /// Takes one row. One that is rejected leaves nothing behind but its refusal.
    pub fn take(&mut self, row: Row) -> Result<Receipt, StoreError> {
        let Row { person, said_at, fingerprint } = row;
        let matched = self.matched(person.external_id.as_ref(), Some(&fingerprint));
        let (mut became, id, words) = match matched {
            None => self.create(&person, said_at)?,
            Some(contact) => {
                let added = added(&contact, &person);
                if let Some(rejection) = no_room(&contact, &added) {
                    let refuser = RefusingRow {
                        external_id: person.external_id,
                        fingerprint: Some(fingerprint),
                        refuses: person.says.map(|_, says| says == Some(ConsentState::Denied)),
                        said_at,
                    };
                    return Ok(Receipt::Rejected(self.reject(rejection, Some(refuser))?));
                }
                self.update(contact, added, &person, said_at)?
            }
        };
        self.keep_fingerprint(fingerprint, id);
        self.keep_refusals(id);
        let linked = person.account.is_some_and(|account| self.link(account, id));
        let led = person.lead.is_some_and(|lead| self.lead(lead, id));
        if became == Became::Unchanged && (linked || led) {
            became = Became::Updated;
        }
        Ok(Receipt::taken(became, id, words))
    }

    /// Takes of a row that is rejected what a file may always say: that a contact who is known refuses.
    pub fn reject(
        &mut self,
        rejection: Rejection,
        refuser: Option<RefusingRow>,
    ) -> Result<Rejection, StoreError> {
        let Some(RefusingRow { external_id, fingerprint, refuses, said_at }) = refuser else {
            return Ok(rejection);
        };
        let matched = self.matched(external_id.as_ref(), fingerprint.as_ref());
        let (Some(mut contact), true) = (matched, refuses.phone || refuses.email) else {
            return Ok(rejection);
        };
        let (id, now) = (contact.id, self.change.now);
        self.hear(&contact, refuses);
        let says = refuses.map(|_, refuses| refuses.then_some(ConsentState::Denied));
        let weighed = known_contact(&contact.consents, ByChannel::default(), says, now);
        if !weighed.outcomes.is_empty() {
            self.record(&mut contact, weighed.outcomes, said_at)?;
            contact.revision += 1;
            contact.updated_at = now;
            self.known.contacts.insert(id, contact);
            if !self.created.contains(&id) {
                self.updated.insert(id);
            }
            self.keep_refusals(id);
        }
        Ok(rejection.of_refuser(id))
    }

    /// Whom a row is about: by the business's own key if it has one, else by name and addresses together.
    fn matched(
        &self,
        external_id: Option<&ExternalId>,
        fingerprint: Option<&[u8; 32]>,
    ) -> Option<Contact> {
        let id = match external_id {
            Some(external_id) => self.known.by_external_id.get(external_id),
            None => self.known.by_fingerprint.get(fingerprint?),
        };
        self.known.contacts.get(id?).cloned()
    }

    fn create(&mut self, person: &Person, said_at: Option<Timestamp>) -> Result<Taken, StoreError> {
        let new = NewContact {
            external_id: person.external_id.clone(),
            name: person.name.clone(),
            addresses: person.addresses.clone(),
        };
        let mut contact = fresh(self.change.keys, new, self.change.now);
        contact.revision = 1;
        let refused =
            ByChannel::from_fn(|channel| self.refused(&person.name, &person.addresses, channel));
        let says = Says { states: person.says, granted_until: self.granted_until };
        let Weighed { words, outcomes } = new_contact(refused, says, self.change.now);
        self.record(&mut contact, outcomes, said_at)?;
        let id = contact.id;
        if let Some(external_id) = contact.external_id.clone() {
            self.known.by_external_id.insert(external_id, id);
        }
        self.created.insert(id);
        self.known.contacts.insert(id, contact);
        Ok((Became::Created, id, words))
    }

    fn update(
        &mut self,
        mut contact: Contact,
        added: Vec<Address>,
        person: &Person,
        said_at: Option<Timestamp>,
    ) -> Result<Taken, StoreError> {
        let id = contact.id;
        self.hear(&contact, person.says.map(|_, says| says == Some(ConsentState::Denied)));
        let coming = ByChannel::from_fn(|channel| Coming {
            any: added.iter().any(|address| channel_of(address) == channel),
            refused: self.refused(&contact.name, &added, channel),
        });
        let now = self.change.now;
        let says = Says { states: person.says, granted_until: self.granted_until };
        let Weighed { words, outcomes } = known_contact(&contact.consents, coming, says, now);
        // A fingerprint holds the name: a row that was matched by it has nothing new to say of that. If the
        // contact is called otherwise, somebody has mended it since, or the row writes it in another case.
        // A part that the row leaves empty says nothing; nor does a row whose key is that of a merged predecessor.
        let first = person.name.first().or(contact.name.first()).cloned();
        let last = person.name.last().or(contact.name.last()).cloned();
        let name = ContactName::restore(first, last);
        let is_own = person.external_id.is_some() && person.external_id == contact.external_id;
        let renames = is_own && contact.name != name;
        if !renames && added.is_empty() && outcomes.is_empty() {
            return Ok((Became::Unchanged, id, words));
        }
        if renames {
            self.renamed.push((id, contact.name.sort_key().into_inner()));
            contact.name = name;
        }
        self.record(&mut contact, outcomes, said_at)?;
        let is_new = self.created.contains(&id);
        for address in added {
            let point = Point { id: PointId::generate(), address };
            if !is_new {
                self.points.push((id, point.clone()));
            }
            contact.points.push(point);
        }
        contact.points.sort_unstable_by_key(|point| point.id);
        contact.revision += 1;
        contact.updated_at = now;
        if !is_new {
            self.updated.insert(id);
        }
        let addresses: Vec<_> = contact.points.iter().map(|point| point.address.clone()).collect();
        let whole = identity(self.change.keys.index(), &contact.name, &addresses);
        self.known.contacts.insert(id, contact);
        self.keep_fingerprint(whole, id);
        Ok((Became::Updated, id, words))
    }

    /// Whose refusal it is of those who were merged, nobody can tell, and if they part it is each one's. That it is no
    /// change while they are one takes nothing from that.
    fn hear(&mut self, contact: &Contact, refuses: ByChannel<bool>) {
        if contact.merges > 0 {
            let heard = self.heard.entry(contact.id).or_default();
            *heard = heard.map(|channel, heard| heard || *refuses.get(channel));
        }
    }

    /// Whether a deleted contact refused one of `addresses` in that channel, or one of the same name did: that is the
    /// same person under another key, whose refusal a file must not get around.
    fn refused(&self, name: &ContactName, addresses: &[Address], channel: Channel) -> bool {
        let name = name.sort_key().into_inner();
        addresses.iter().filter(|address| channel_of(address) == channel).any(|address| {
            self.known.refused.contains(address)
                || self.known.refused_by_namesakes.contains(&(name.clone(), address.clone()))
        })
    }

    /// Remembers what a contact refuses by now, for the rows that follow.
    fn keep_refusals(&mut self, id: ContactId) {
        let Some(contact) = self.known.contacts.get(&id) else { return };
        let name = contact.name.sort_key().into_inner();
        let kept: Vec<_> = (contact.points.iter())
            .filter(|point| {
                let consent = contact.consents.get(channel_of(&point.address));
                keeps_refusal(consent, self.change.now)
            })
            .map(|point| (name.clone(), point.address.clone()))
            .collect();
        self.known.refused_by_namesakes.extend(kept);
    }

    /// What the row says rests on what it claims; what merely follows from it rests on nothing.
    fn record(
        &mut self,
        contact: &mut Contact,
        outcomes: Vec<Outcome>,
        said_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let said = Evidence { claimed_at: said_at, ..Evidence::default() };
        for outcome in outcomes {
            let claims = said_at.is_some() && is_word(&outcome);
            let change = Change { evidence: claims.then_some(&said), ..self.change.clone() };
            self.events.push(record(&change, contact, outcome)?);
        }
        Ok(())
    }

    /// The first contact that has a fingerprint keeps it, as long as it is there.
    fn keep_fingerprint(&mut self, fingerprint: [u8; 32], id: ContactId) {
        let kept = self.known.by_fingerprint.get(&fingerprint);
        if kept.is_none_or(|kept| !self.known.contacts.contains_key(kept)) {
            self.known.by_fingerprint.insert(fingerprint, id);
            self.fingerprints.push((fingerprint, id));
        }
    }

    /// Makes the contact one of the account's; whether it was not.
    fn link(&mut self, name: String, contact: ContactId) -> bool {
        let account = match self.known.accounts.entry(search_key(&name)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                let account = new_account(name, self.change.now);
                let id = *unknown.insert(account.id);
                self.accounts.push(account);
                id
            }
        };
        let is_new = self.known.links.insert((account, contact));
        if is_new {
            self.links.push((account, contact));
        }
        is_new
    }

    /// Makes the contact a lead's primary one; whether there was no such lead.
    fn lead(&mut self, lead: LeadOf, contact: ContactId) -> bool {
        let LeadOf { title, source } = lead;
        let is_new = self.known.leads.insert(LeadKey::of(contact, &title, &source));
        if is_new {
            self.leads.push(Lead {
                id: LeadId::generate(),
                title,
                source,
                primary_contact: contact,
                account: None,
                revision: 1,
                created_at: self.change.now,
                updated_at: self.change.now,
            });
        }
        is_new
    }
}

/// The addresses of a row that its contact does not have.
fn added(contact: &Contact, person: &Person) -> Vec<Address> {
    let has = |address: &Address| contact.points.iter().any(|point| point.address == *address);
    person.addresses.iter().filter(|address| !has(address)).cloned().collect()
}

/// Why a contact cannot take those addresses.
fn no_room(contact: &Contact, added: &[Address]) -> Option<Rejection> {
    let too_many = ByChannel::from_fn(|channel| {
        let more = added.iter().filter(|address| channel_of(address) == channel).count();
        more > 0 && contact.points_of(channel).count() + more > MAX_POINTS
    });
    (too_many.phone || too_many.email).then(|| Rejection::of_number(too_many))
}

/// What became of a row, of whom, and which of its words were taken.
type Taken = (Became, ContactId, ByChannel<Word>);
