//! What customers said: set, withdraw, in batches, and read.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use yinyom_consent::SurfaceParent;
use yinyom_db::Tx;
use yinyom_identity::NotFound;
use yinyom_kernel::{AccountId, ContactId, Fault, InvalidInput, LeadId};
use yinyom_outbox::{Event, enqueue};

use super::contacts::{change_of, locked, receipt, settle};
use super::request::{Receipt, Request, Written, begin, finish};
use super::{Change, Directory, Error, Session, record};
use crate::domain::evidence::Evidence;
use crate::domain::set::{Assignments, Withdrawal, set, withdraw};
use crate::domain::surface::{Facts, Place};
use crate::domain::{Contact, Outcome, View};
use crate::store::{BusinessKeys, accounts, contacts, leads};

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
    Recorded(Box<Written<Contact>>),
    Refused(Error),
    /// It was refused before, with this code and reason.
    RefusedBefore(i32, String),
}

impl Directory {
    /// Records what a customer said, as one change: both channels or neither.
    pub async fn say(
        &self,
        session: &Session,
        saying: Saying,
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
                let mut contact = locked(&mut tx, &keys, saying.contact).await?;
                let pages = Pages::of(&mut tx, std::iter::once(&saying)).await?;
                let facts = pages.facts(&saying);
                let events = apply(&owned, &keys, &saying, facts, &mut contact, now)?;
                contacts::update(&mut tx, &[&contact]).await?;
                enqueue(&mut tx, &events).await?;
                let receipt = receipt(&contact);
                finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(Written { receipt, now: Some(contact) })
            })
            .await?;
        self.settled(session, written).await
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
        let keys = self.keys_of(session).await?;
        let ids: Vec<_> = repeated.iter().map(|w| ContactId::from(w.receipt.id)).collect();
        let mut tx = self.db.snapshot(session.scope).await?;
        let found = contacts::load(&mut tx, &keys, &ids).await?;
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
    let locked = contacts::lock(tx, keys, &ids).await?;
    let mut found: HashMap<_, _> = locked.into_iter().map(|c| (c.id, c)).collect();
    let pages = Pages::of(tx, sayings.iter().flatten()).await?;
    let (mut rows, mut events) = (Vec::with_capacity(sayings.len()), Vec::new());
    for saying in sayings {
        rows.push(match saying {
            Err(error) => Row::Refused(error),
            Ok(saying) => match found.get_mut(&saying.contact) {
                None => Row::Refused(NotFound.into()),
                Some(contact) => {
                    match apply(session, keys, &saying, pages.facts(&saying), contact, now) {
                        Ok(recorded) => {
                            events.extend(recorded);
                            let receipt = receipt(contact);
                            Row::Recorded(Box::new(Written { receipt, now: Some(contact.clone()) }))
                        }
                        Err(error) if is_row(&error) => Row::Refused(error),
                        Err(error) => return Err(error),
                    }
                }
            },
        });
    }
    let changed: Vec<_> = found.values().filter(|c| c.updated_at == now).collect();
    contacts::update(tx, &changed).await?;
    enqueue(tx, &events).await?;
    Ok(rows)
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
    contact: &mut Contact,
    now: Timestamp,
) -> Result<Vec<Event>, Error> {
    if let Some(untimely) = &saying.untimely {
        return Err(untimely.clone().into());
    }
    saying.place.check(session.kind, facts)?;
    let outcome_of = |contact: &Contact, view: &View| -> Result<Outcome, Error> {
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
