//! What customers said: set, withdraw, in batches, and read.

use std::collections::HashMap;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use yinyom_db::Tx;
use yinyom_identity::NotFound;
use yinyom_kernel::{ContactId, Fault};
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
    Recorded(Written<Contact>),
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
                let facts = facts(&mut tx, saying.place, saying.contact).await?;
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
        let mut settled = Vec::with_capacity(rows.len());
        for row in rows {
            settled.push(match row {
                Row::Recorded(written) if written.now.is_none() => {
                    Row::Recorded(self.settled(session, written).await?)
                }
                row => row,
            });
        }
        Ok(settled)
    }
}

async fn say_each(
    tx: &mut Tx,
    session: &Session,
    keys: &BusinessKeys,
    sayings: Vec<Result<Saying, Error>>,
    now: Timestamp,
) -> Result<Vec<Row>, Error> {
    let ids: Vec<_> = sayings.iter().flatten().map(|saying| saying.contact).collect();
    let locked = contacts::lock(tx, keys, &ids).await?;
    let mut found: HashMap<_, _> = locked.into_iter().map(|c| (c.id, c)).collect();
    let (mut rows, mut events) = (Vec::with_capacity(sayings.len()), Vec::new());
    for saying in sayings {
        rows.push(match saying {
            Err(error) => Row::Refused(error),
            Ok(saying) => match found.get_mut(&saying.contact) {
                None => Row::Refused(NotFound.into()),
                Some(contact) => {
                    let facts = facts(tx, saying.place, saying.contact).await?;
                    match apply(session, keys, &saying, facts, contact, now) {
                        Ok(recorded) => {
                            events.extend(recorded);
                            let receipt = receipt(contact);
                            Row::Recorded(Written { receipt, now: Some(contact.clone()) })
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

/// How the contact stands to the page that is named.
async fn facts(tx: &mut Tx, place: Place, contact: ContactId) -> Result<Facts, Error> {
    Ok(match place {
        Place::Lead(lead) | Place::LeadContacts(lead) => leads::facts(tx, lead, contact).await?,
        Place::AccountContacts(account) => Facts {
            contact_of_account: accounts::has_contact(tx, account, contact).await?,
            ..Facts::default()
        },
        Place::Contacts | Place::Api | Place::Import => Facts::default(),
    })
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
            RowReceipt::Recorded(receipt) => Self::Recorded(Written { receipt, now: None }),
            RowReceipt::Refused(code, reason) => Self::RefusedBefore(code, reason),
        }
    }
}
