//! What customers said: set, withdraw, in batches, and read.

mod together;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use yinyom_consent::SurfaceParent;
use yinyom_db::Tx;
use yinyom_identity::NotFound;
use yinyom_kernel::{AccountId, ContactId, Fault, InvalidInput, LeadId};
use yinyom_outbox::{Event, enqueue};

use super::contacts::{change_of, receipt, settle};
use super::request::{Receipt, Request, Written, again, begin, finish};
use super::{Change, Directory, Error, Session, record};
use crate::domain::evidence::Evidence;
use crate::domain::set::{Assignments, Withdrawal, set, withdraw};
use crate::domain::surface::{Facts, Place};
use crate::domain::{Contact, NotRead, Outcome, View};
use crate::store::{BusinessKeys, accounts, contacts, leads};

pub use together::Together;

/// What a customer said of one contact.
#[derive(Debug, Clone)]
pub struct Saying {
    pub contact: ContactId,
    pub place: Place,
    pub word: Word,
    pub evidence: Evidence,
    /// Must be the contact's, unless it is empty.
    pub etag: String,
    /// What is wrong with it by the clock alone. It was not so when a request came first that is sent again.
    pub untimely: Option<InvalidInput>,
}

/// A contact of whom something is said.
pub type Heard = Contact<NotRead>;

/// A saying, who brings it, and how that is known when it is brought again.
struct Said {
    session: Session,
    saying: Saying,
    request: Option<Request>,
}

/// What was said.
#[derive(Debug, Clone)]
pub enum Word {
    /// Each of one or both channels shall be something.
    Set(Assignments),
    /// No, for one or both channels.
    Withdraw(Withdrawal),
}

/// What became of a row of a batch, as its record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum RowReceipt {
    #[n(0)]
    Recorded(#[n(0)] Receipt),
    /// Refused again when it is repeated: the gRPC code, and the reason.
    #[n(1)]
    Refused(#[n(0)] i32, #[n(1)] String),
}

/// What became of a row of a batch.
#[derive(Debug)]
pub enum Row {
    Recorded(Box<Written<Heard>>),
    Refused(Error),
    /// It was refused before, with this code and reason.
    RefusedBefore(i32, String),
}

impl Directory {
    /// What one contact allows. Its addresses stay closed.
    pub async fn consents(&self, session: &Session, id: ContactId) -> Result<Heard, Error> {
        let mut tx = self.db.read(session.scope).await?;
        Ok(contacts::find_without_points(&mut tx, id).await?.ok_or(NotFound)?)
    }

    /// Records what a customer said, as one change: both channels or neither. Together with what is said meanwhile, if
    /// nobody has locked the contact.
    pub async fn say(
        &self,
        session: &Session,
        saying: Saying,
        request: Option<Request>,
    ) -> Result<Written<Heard>, Error> {
        let said = Arc::new(Said { session: session.clone(), saying, request });
        let written = match together::say(self, &said).await {
            Some(heard) => heard?,
            None => self.say_alone(&said).await?,
        };
        self.settled(session, written, Contact::without_points).await
    }

    async fn say_alone(&self, said: &Arc<Said>) -> Result<Written<Heard>, Error> {
        again(|| self.say_once(Arc::clone(said))).await
    }

    async fn say_once(&self, said: Arc<Said>) -> Result<Written<Heard>, Error> {
        let keys = self.keys_of(&said.session).await?;
        let now = self.now();
        self.db
            .write(said.session.scope, move |mut tx| async move {
                let Said { session, saying, request } = &*said;
                let micros = now.as_microsecond();
                // The contact first and the request then, as in a unit of many: two replicas that are sent the same would
                // else wait for each other.
                let locked = contacts::lock_to_hear(&mut tx, &[saying.contact]).await?;
                let before = begin(&mut tx, &keys, session, request.as_ref(), micros).await?;
                if let Some(receipt) = before {
                    return tx.done(Written { receipt, now: None });
                }
                let mut hearing =
                    Hearing::open(&mut tx, &keys, locked, std::iter::once(saying), now).await?;
                let written = hearing.hear(session, saying)?;
                hearing.close(&mut tx).await?;
                finish(&mut tx, session, request.as_ref(), &written.receipt).await?;
                tx.done::<_, Error>(written)
            })
            .await
    }

    /// Records what several customers said, each by itself, in one unit of work.
    pub async fn say_all(
        &self,
        session: &Session,
        sayings: Vec<Result<Saying, Error>>,
        request: Option<Request>,
    ) -> Result<Vec<Row>, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        let rows = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before: Option<Vec<RowReceipt>> =
                    begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some(receipts) = before {
                    return tx.done(receipts.into_iter().map(Row::from).collect());
                }
                let rows = say_each(&mut tx, &owned, &keys, sayings, now).await?;
                let receipts: Vec<_> = rows.iter().map(RowReceipt::from).collect();
                finish(&mut tx, &owned, request.as_ref(), &receipts).await?;
                tx.done::<Vec<Row>, Error>(rows)
            })
            .await?;
        self.settled_rows(session, rows).await
    }

    async fn settled_rows(&self, session: &Session, rows: Vec<Row>) -> Result<Vec<Row>, Error> {
        let changed = rows.iter().filter_map(|row| match row {
            Row::Recorded(written) => written.now.as_ref().map(|contact| contact.id),
            Row::Refused(_) | Row::RefusedBefore(..) => None,
        });
        self.publish(session.business(), changed.collect::<Vec<_>>());
        self.current_rows(session, rows).await
    }
}

impl Directory {
    /// Reads what is there now, for rows of a batch that was repeated.
    async fn current_rows(&self, session: &Session, mut rows: Vec<Row>) -> Result<Vec<Row>, Error> {
        let repeated = rows.iter_mut().filter_map(|row| match row {
            Row::Recorded(written) if written.now.is_none() => Some(written),
            _ => None,
        });
        let mut repeated: Vec<_> = repeated.collect();
        if repeated.is_empty() {
            return Ok(rows);
        }
        let ids: Vec<_> = repeated.iter().map(|w| ContactId::from(w.receipt.id)).collect();
        let mut tx = self.db.read(session.scope).await?;
        let found = contacts::load_without_points(&mut tx, &ids).await?;
        let found: HashMap<_, _> = found.into_iter().map(|c| (c.id, c)).collect();
        for written in &mut repeated {
            written.now = found.get(&ContactId::from(written.receipt.id)).cloned();
        }
        Ok(rows)
    }
}

pub(super) async fn say_each(
    tx: &mut Tx,
    session: &Session,
    keys: &BusinessKeys,
    sayings: Vec<Result<Saying, Error>>,
    now: Timestamp,
) -> Result<Vec<Row>, Error> {
    let ids: Vec<_> = sayings.iter().flatten().map(|saying| saying.contact).collect();
    let locked = contacts::lock_to_hear(tx, &ids).await?;
    let mut hearing = Hearing::open(tx, keys, locked, sayings.iter().flatten(), now).await?;
    let mut rows = Vec::with_capacity(sayings.len());
    for saying in sayings {
        rows.push(match saying {
            Err(error) => Row::Refused(error),
            Ok(saying) => match hearing.hear(session, &saying) {
                Ok(written) => Row::Recorded(Box::new(written)),
                Err(error) if is_row(&error) => Row::Refused(error),
                Err(error) => return Err(error),
            },
        });
    }
    hearing.close(tx).await?;
    Ok(rows)
}

/// What is said of contacts in one unit of work, which has locked them.
struct Hearing<'k> {
    keys: &'k BusinessKeys,
    now: Timestamp,
    contacts: HashMap<ContactId, Heard>,
    pages: Pages,
    changed: HashSet<ContactId>,
    events: Vec<Event>,
}

impl<'k> Hearing<'k> {
    /// Of these contacts, and of the pages that the sayings name.
    async fn open<'a>(
        tx: &mut Tx,
        keys: &'k BusinessKeys,
        locked: Vec<Heard>,
        sayings: impl Iterator<Item = &'a Saying> + Clone,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let contacts = locked.into_iter().map(|contact| (contact.id, contact)).collect();
        let (changed, events) = (HashSet::new(), Vec::new());
        let pages = Pages::of(tx, sayings).await?;
        Ok(Self { keys, now, contacts, pages, changed, events })
    }

    /// Makes a saying the contact's consent. Refused, it leaves the contact as it was.
    fn hear(&mut self, session: &Session, saying: &Saying) -> Result<Written<Heard>, Error> {
        let contact = self.contacts.get_mut(&saying.contact).ok_or(NotFound)?;
        let facts = self.pages.facts(saying);
        self.events.extend(apply(session, self.keys, saying, facts, contact, self.now)?);
        self.changed.insert(contact.id);
        Ok(Written { receipt: receipt(contact), now: Some(contact.clone()) })
    }

    /// Saves what was heard.
    async fn close(self, tx: &mut Tx) -> Result<(), Error> {
        let changed = self.contacts.values().filter(|contact| self.changed.contains(&contact.id));
        contacts::update(tx, &changed.collect::<Vec<_>>()).await?;
        Ok(enqueue(tx, &self.events).await?)
    }
}

/// Whether an error is about one row; another one ends the whole batch.
const fn is_row(error: &Error) -> bool {
    matches!(error, Error::NotFound(_) | Error::Refused(_) | Error::Etag(_))
}

/// Makes a saying the contact's consent. Refused, it leaves the contact as it was.
fn apply(
    session: &Session,
    keys: &BusinessKeys,
    saying: &Saying,
    facts: Facts,
    contact: &mut Heard,
    now: Timestamp,
) -> Result<Vec<Event>, Error> {
    if let Some(untimely) = &saying.untimely {
        return Err(untimely.clone().into());
    }
    saying.place.check(session.kind, facts)?;
    let outcome_of = |contact: &Heard, view: &View| -> Result<Outcome, Error> {
        Ok(match &saying.word {
            Word::Set(assignments) => {
                contact.etag().check(&saying.etag)?;
                set(view, &contact.consents, assignments, now)?
            }
            Word::Withdraw(withdrawal) => withdraw(&contact.consents, *withdrawal, now),
        })
    };
    // Whether it is refused is known before anything is touched.
    outcome_of(contact, session.view())?;
    let change = Change {
        surface: saying.place.surface(),
        parent: saying.place.parent(),
        evidence: Some(&saying.evidence),
        ..change_of(session, keys, now)
    };
    let mut events = settle(&change, contact)?;
    let outcome = outcome_of(contact, session.view())?;
    events.push(record(&change, contact, outcome)?);
    contact.revision += 1;
    contact.updated_at = now;
    Ok(events)
}

/// How contacts stand to the pages that are named.
struct Pages {
    /// Whether the contact is the lead's primary one.
    leads: HashMap<(LeadId, ContactId), bool>,
    accounts: HashSet<(AccountId, ContactId)>,
}

impl Pages {
    /// Those of all sayings at once.
    async fn of<'a>(
        tx: &mut Tx,
        sayings: impl Iterator<Item = &'a Saying> + Clone,
    ) -> Result<Self, Error> {
        let pages = sayings.map(|saying| (saying.place.parent(), saying.contact));
        let leads: Vec<_> = (pages.clone())
            .filter_map(|(page, contact)| match page? {
                SurfaceParent::Lead(lead) => Some((lead, contact)),
                SurfaceParent::Account(_) | SurfaceParent::Contact(_) => None,
            })
            .collect();
        let accounts: Vec<_> = pages
            .filter_map(|(page, contact)| match page? {
                SurfaceParent::Lead(_) | SurfaceParent::Contact(_) => None,
                SurfaceParent::Account(account) => Some((account, contact)),
            })
            .collect();
        let leads = leads::linked(tx, &leads).await?;
        Ok(Self { leads, accounts: accounts::linked(tx, &accounts).await? })
    }

    fn facts(&self, saying: &Saying) -> Facts {
        match saying.place.parent() {
            None | Some(SurfaceParent::Contact(_)) => Facts::default(),
            Some(SurfaceParent::Lead(lead)) => {
                let linked = self.leads.get(&(lead, saying.contact));
                Facts {
                    primary_contact_of_lead: linked == Some(&true),
                    contact_of_lead: linked.is_some(),
                    contact_of_account: false,
                }
            }
            Some(SurfaceParent::Account(account)) => Facts {
                contact_of_account: self.accounts.contains(&(account, saying.contact)),
                ..Facts::default()
            },
        }
    }
}

impl From<&Row> for RowReceipt {
    fn from(row: &Row) -> Self {
        match row {
            Row::Recorded(written) => Self::Recorded(written.receipt),
            Row::Refused(error) => Self::Refused(error.code().number(), error.reason().to_owned()),
            Row::RefusedBefore(code, reason) => Self::Refused(*code, reason.clone()),
        }
    }
}

impl From<RowReceipt> for Row {
    fn from(receipt: RowReceipt) -> Self {
        match receipt {
            RowReceipt::Recorded(receipt) => {
                Self::Recorded(Box::new(Written { receipt, now: None }))
            }
            RowReceipt::Refused(code, reason) => Self::RefusedBefore(code, reason),
        }
    }
}
