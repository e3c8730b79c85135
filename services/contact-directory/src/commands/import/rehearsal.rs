//! A dry run: what would become of the rows of a stream, with nothing stored.
//!
//! It is planned by the code that plans an import, over a read of the store with the batches before laid over it:
//! what a unit of work that is rolled back would tell, without its locks. Whoever wants to know what a file would do
//! keeps nobody waiting, least of all a customer who withdraws.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use yinyom_consent::Surface;
use yinyom_identity::Caller;
use yinyom_kernel::{
    AccountId, BusinessId, Code, ContactId, Fault, InvalidInput, Text, Violations,
};
use yinyom_privacy::Address;

use super::load::{LeadKey, Purpose};
use super::opt_outs::{OptOut, OptOutResult};
use super::plan::Plan;
use super::{Line, RowResult, opt_outs, planned};
use crate::commands::contacts::change_of;
use crate::commands::{Change, Directory, Error, Session};
use crate::domain::Contact;
use crate::domain::contact::ExternalId;
use crate::domain::delete::keeps_refusal;
use crate::domain::points::channel_of;
use crate::domain::viewer::may_import;
use crate::store::BusinessKeys;

/// The most rows of one dry run: what they would have made stays in memory until it ends.
pub const MOST_ROWS: usize = 50_000;

/// The most rows of all dry runs that a process has under way.
const MOST_ROWS_OF_ALL: usize = 2 * MOST_ROWS;

/// The rows of dry runs that still have room in this process.
pub struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_ROWS_OF_ALL)))
    }
}

/// Other dry runs have all the room that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many rows are in dry runs")]
pub struct TooManyRehearsals;

impl Fault for TooManyRehearsals {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn reason(&self) -> &'static str {
        "TOO_MANY_DRY_RUNS"
    }

    fn text(&self) -> Text {
        Text::new(
            "Too many dry runs of imports are under way. Try again later.",
            "มีการทดลองนำเข้าพร้อมกันมากเกินไป กรุณาลองอีกครั้งภายหลัง",
        )
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }
}

/// One stream's dry run: what its batches would have made so far.
#[derive(Default)]
pub struct Rehearsal {
    /// Of the first batch: a business that has no keys gets none by this.
    keys: Option<Arc<BusinessKeys>>,
    overlay: Overlay,
    opt_outs: opt_outs::Overlay,
    rows: usize,
    room: Vec<OwnedSemaphorePermit>,
}

impl Rehearsal {
    /// Whether the contact is one that only the dry run has made.
    pub fn made(&self, contact: ContactId) -> bool {
        self.overlay.created.contains(&contact)
    }

    fn admit(&mut self, rows: usize, room: &Room) -> Result<(), Error> {
        self.rows += rows;
        if self.rows > MOST_ROWS {
            return Err(too_many().into());
        }
        let permits = u32::try_from(rows).unwrap_or(u32::MAX);
        let taken = Arc::clone(&room.0).try_acquire_many_owned(permits);
        self.room.push(taken.map_err(|_| TooManyRehearsals)?);
        Ok(())
    }
}

fn too_many() -> InvalidInput {
    let mut wrong = Violations::new();
    wrong.push(
        "rows",
        "TOO_MANY",
        Text::new(
            format!("must be {MOST_ROWS} at most in all batches of a dry run together."),
            format!("การทดลองนำเข้าหนึ่งครั้งต้องมีไม่เกิน {MOST_ROWS} แถว"),
        ),
    );
    let Err(wrong) = wrong.finish::<std::convert::Infallible>(None);
    wrong
}

impl Directory {
    /// What would become of a batch of rows, after the batches before it. Refused as
    /// [`import`](Self::import) is.
    pub async fn rehearse(
        &self,
        caller: &Caller,
        business: BusinessId,
        lines: Vec<Line>,
        rehearsal: &mut Rehearsal,
    ) -> Result<Vec<RowResult>, Error> {
        let session = self.rehearsing(caller, business, lines.len(), rehearsal).await?;
        let (now, keys) = (self.now(), self.rehearsal_keys(&session, rehearsal).await?);
        let mut tx = self.db.snapshot(session.scope).await?;
        let change = Change { surface: Surface::Import, ..change_of(&session, &keys, now) };
        let over = Purpose::Telling(&rehearsal.overlay);
        let (plan, results) = planned(&mut tx, &session, change, lines, over).await?;
        drop(tx);
        let made = Made::of(plan);
        rehearsal.overlay.lay(made);
        may_import(session.look(self, caller).await?.viewer())?;
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// What would become of a batch of opt-outs, after the batches before it.
    pub async fn rehearse_opt_outs(
        &self,
        caller: &Caller,
        business: BusinessId,
        rows: Vec<OptOut>,
        rehearsal: &mut Rehearsal,
    ) -> Result<Vec<OptOutResult>, Error> {
        let session = self.rehearsing(caller, business, rows.len(), rehearsal).await?;
        let (now, keys) = (self.now(), self.rehearsal_keys(&session, rehearsal).await?);
        let mut tx = self.db.snapshot(session.scope).await?;
        let known = opt_outs::Known::read(&mut tx, &keys, &rows).await?;
        drop(tx);
        let results = rehearsal.opt_outs.take(rows, &known, now);
        may_import(session.look(self, caller).await?.viewer())?;
        Ok(results)
    }

    async fn rehearsing(
        &self,
        caller: &Caller,
        business: BusinessId,
        rows: usize,
        rehearsal: &mut Rehearsal,
    ) -> Result<Session, Error> {
        let session = Session::open(self, caller, business).await?;
        may_import(session.view().viewer())?;
        rehearsal.admit(rows, &self.rehearsals)?;
        Ok(session)
    }

    async fn rehearsal_keys(
        &self,
        session: &Session,
        rehearsal: &mut Rehearsal,
    ) -> Result<Arc<BusinessKeys>, Error> {
        let stored = self.keys.known(&self.db, session.scope, self.now().as_microsecond()).await?;
        let passing = || Arc::new(BusinessKeys::passing(session.business()));
        // The hashes of the batches before are under the keys of then.
        let keys = rehearsal.keys.take().filter(|keys| keys.is_passing()).or(stored);
        Ok(Arc::clone(rehearsal.keys.insert(keys.unwrap_or_else(passing))))
    }
}

/// What a batch would have stored, as far as rows after it can meet it.
struct Made {
    contacts: Vec<Contact>,
    created: Vec<ContactId>,
    fingerprints: Vec<([u8; 32], ContactId)>,
    accounts: Vec<(String, AccountId)>,
    links: Vec<(AccountId, ContactId)>,
    leads: Vec<(ContactId, LeadKey)>,
    renamed: Vec<(ContactId, String)>,
}

impl Made {
    fn of(plan: Plan<'_>) -> Self {
        let created = plan.created().iter().map(|contact| contact.id).collect();
        let contacts = plan.created().into_iter().chain(plan.updated()).cloned().collect();
        let name = |account: &crate::domain::lead::Account| {
            (crate::domain::contact::search_key(&account.display_name), account.id)
        };
        let lead = |lead: &crate::domain::lead::Lead| {
            let of = lead.primary_contact;
            (of, LeadKey::of(of, &lead.title, &lead.source))
        };
        Self {
            created,
            contacts,
            accounts: plan.accounts.iter().map(name).collect(),
            leads: plan.leads.iter().map(lead).collect(),
            fingerprints: plan.fingerprints,
            renamed: plan.renamed,
            links: plan.links,
        }
    }
}

/// What batches would have stored, laid over what is stored.
#[derive(Default)]
pub struct Overlay {
    /// Created or changed.
    contacts: HashMap<ContactId, Contact>,
    created: HashSet<ContactId>,
    external_ids: HashMap<ExternalId, ContactId>,
    /// The first contact that has one keeps it, after those that are stored.
    fingerprints: HashMap<[u8; 32], ContactId>,
    /// By case-folded name: those that were called so at some time.
    named: HashMap<String, HashSet<ContactId>>,
    accounts: HashMap<String, AccountId>,
    links: HashMap<ContactId, Vec<AccountId>>,
    leads: HashMap<ContactId, Vec<LeadKey>>,
    /// What contacts are stored under and would not be called any more.
    renamed: HashSet<(ContactId, String)>,
}

impl Overlay {
    fn lay(&mut self, made: Made) {
        self.created.extend(made.created);
        for contact in made.contacts {
            if let Some(external_id) = &contact.external_id {
                self.external_ids.insert(external_id.clone(), contact.id);
            }
            let name = contact.name.sort_key().into_inner();
            self.named.entry(name).or_default().insert(contact.id);
            self.contacts.insert(contact.id, contact);
        }
        for (fingerprint, contact) in made.fingerprints {
            self.fingerprints.entry(fingerprint).or_insert(contact);
        }
        self.accounts.extend(made.accounts);
        for (account, contact) in made.links {
            self.links.entry(contact).or_default().push(account);
        }
        for (contact, lead) in made.leads {
            self.leads.entry(contact).or_default().push(lead);
        }
        self.renamed.extend(made.renamed);
    }

    /// The contacts that are wanted, as they would be by now.
    pub fn over(&self, wanted: &[ContactId], stored: Vec<Contact>) -> Vec<Contact> {
        let untouched =
            stored.into_iter().filter(|contact| !self.contacts.contains_key(&contact.id));
        let touched = wanted.iter().filter_map(|id| self.contacts.get(id)).cloned();
        touched.chain(untouched).collect()
    }

    /// Which of the names and addresses would be refused by a contact that has them.
    pub fn over_refusals(
        &self,
        named: &[(String, &Address)],
        aliases: &[(String, ContactId)],
        stored: impl Iterator<Item = (String, Address, ContactId)>,
        now: Timestamp,
    ) -> HashSet<(String, Address)> {
        // No row takes a refusal back: who refuses does so still, unless under another name.
        let still = stored.filter(|(name, _, of)| !self.renamed.contains(&(*of, name.clone())));
        let touched = named.iter().filter(|(name, address)| {
            let own = self.named.get(name).into_iter().flatten().filter_map(|id| {
                self.contacts.get(id).filter(|of| of.name.sort_key().expose() == name)
            });
            let merged = aliases.iter().filter(|(alias, _)| alias == name);
            let merged = merged.filter_map(|(_, id)| self.contacts.get(id));
            own.chain(merged).any(|contact| {
                contact.points.iter().any(|point| point.address == **address)
                    && keeps_refusal(contact.consents.get(channel_of(address)), now)
            })
        });
        let touched = touched.map(|(name, address)| (name.clone(), (*address).clone()));
        still.map(|(name, address, _)| (name, address)).chain(touched).collect()
    }

    pub fn by_external_id(&self, wanted: &[String]) -> Vec<(String, ContactId)> {
        let find = |text: &String| {
            let id = self.external_ids.get(&ExternalId::restore(text.clone().into()))?;
            Some((text.clone(), *id))
        };
        wanted.iter().filter_map(find).collect()
    }

    pub fn by_fingerprint(&self, wanted: &[[u8; 32]]) -> Vec<([u8; 32], ContactId)> {
        let find = |of: &[u8; 32]| Some((*of, *self.fingerprints.get(of)?));
        wanted.iter().filter_map(find).collect()
    }

    pub fn accounts(&self, wanted: &[String]) -> Vec<(String, AccountId)> {
        let find = |name: &String| Some((name.clone(), *self.accounts.get(name)?));
        wanted.iter().filter_map(find).collect()
    }

    pub fn links(&self, contacts: &[ContactId]) -> Vec<(AccountId, ContactId)> {
        let of = |id: &ContactId| self.links.get(id).map(|of| (*id, of));
        let found = contacts.iter().filter_map(of);
        found.flat_map(|(contact, of)| of.iter().map(move |account| (*account, contact))).collect()
    }

    pub fn leads(&self, contacts: &[ContactId]) -> Vec<LeadKey> {
        contacts.iter().filter_map(|id| self.leads.get(id)).flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_a_dry_run_remembers_has_an_end() {
        let (room, mut one) = (Room::default(), Rehearsal::default());
        for _ in 0..MOST_ROWS / 500 {
            one.admit(500, &room).unwrap();
        }
        let more = one.admit(1, &room).unwrap_err();
        assert_eq!((more.code(), more.violations()[0].reason), (Code::InvalidArgument, "TOO_MANY"));
    }

    #[test]
    fn dry_runs_share_the_room_and_leave_it() {
        let room = Room::default();
        let mut others = [Rehearsal::default(), Rehearsal::default()];
        for other in &mut others {
            other.admit(MOST_ROWS, &room).unwrap();
        }
        let mut late = Rehearsal::default();
        let refused = late.admit(1, &room).unwrap_err();
        let told = (refused.code(), refused.reason(), refused.retry_after().is_some());
        assert_eq!(told, (Code::ResourceExhausted, "TOO_MANY_DRY_RUNS", true));
        drop(others);
        Rehearsal::default().admit(500, &room).unwrap();
    }
}
