//! A change of consent, on record: journal, request, answer, journal.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use tonic::Status;
use uuid::Uuid;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::batch_set_contact_consents_result::Result as Became;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;

use crate::Failure;
use crate::call::{Answer, Answered, Line, request};
use crate::clients::Clients;
use crate::facts::DENIED;
use crate::journal::{End, Entry, Expect, Row, RowEnd, What};
use crate::town::{Contact, Person};

/// A request, with everything that makes it the same one when it is sent again.
#[derive(Clone)]
pub enum Message {
    Set(dir::SetContactConsentsRequest),
    Withdraw(dir::WithdrawConsentRequest),
    Batch(dir::BatchSetContactConsentsRequest),
    Create(dir::CreateContactRequest),
}

/// A request that somebody makes, and what it says of whom.
pub struct Change<'a> {
    pub who: &'a Person,
    pub message: Message,
    pub rows: Vec<(&'a Contact, Row)>,
    pub expect: Expect,
}

impl Message {
    /// What it asks for.
    const fn method(&self) -> &'static str {
        match self {
            Self::Set(_) => "SetContactConsents",
            Self::Withdraw(_) => "WithdrawConsent",
            Self::Batch(_) => "BatchSetContactConsents",
            Self::Create(_) => "CreateContact",
        }
    }

    /// Its id.
    pub fn request_id(&self) -> &str {
        match self {
            Self::Set(set) => &set.request_id,
            Self::Withdraw(withdraw) => &withdraw.request_id,
            Self::Batch(batch) => &batch.request_id,
            Self::Create(create) => &create.request_id,
        }
    }

    async fn send(&self, line: Line, deadline: Duration) -> Result<End, Status> {
        let mut consents = ConsentServiceClient::new(line.clone());
        let at = |consents: Option<dir::ContactConsents>| {
            End::Said(vec![RowEnd::At(consents.unwrap_or_default().consent_seq)])
        };
        Ok(match self {
            Self::Set(set) => {
                let answer = consents.set_contact_consents(request(set.clone(), deadline)).await?;
                at(answer.into_inner().contact_consents)
            }
            Self::Withdraw(withdraw) => {
                let request = request(withdraw.clone(), deadline);
                at(consents.withdraw_consent(request).await?.into_inner().contact_consents)
            }
            Self::Batch(batch) => {
                let request = request(batch.clone(), deadline);
                let answer = consents.batch_set_contact_consents(request).await?.into_inner();
                End::Said(answer.results.into_iter().map(row_end).collect())
            }
            Self::Create(create) => {
                let mut contacts = ContactServiceClient::new(line);
                let answer = contacts.create_contact(request(create.clone(), deadline)).await?;
                End::Created(id_of(&answer.into_inner().contact.unwrap_or_default().name))
            }
        })
    }
}

fn row_end(result: dir::BatchSetContactConsentsResult) -> RowEnd {
    match result.result {
        Some(Became::ContactConsents(consents)) => RowEnd::At(consents.consent_seq),
        Some(Became::Refusal(refusal)) => RowEnd::Refused(refusal.reason),
        None => RowEnd::Refused("nothing was said of it".to_owned()),
    }
}

/// The last part of a name.
pub fn id_of(name: &str) -> Uuid {
    name.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or_default()
}

impl Clients {
    /// Sends a request until it is answered.
    async fn answered(
        &self,
        rng: &mut StdRng,
        who: &Person,
        message: &Message,
    ) -> Result<Answered<End>, Failure> {
        let attempt = |number, deadline| {
            message.send(self.town.lines.directory(number, &who.bearer), deadline)
        };
        self.calls.until_answered(rng, message.method(), attempt).await
    }

    /// Makes a change; its number in the journal, and what came of it.
    pub async fn change(
        &self,
        rng: &mut StdRng,
        change: &Change<'_>,
    ) -> Result<(u64, End), Failure> {
        let what = match &change.message {
            Message::Create(create) => {
                let contact = create.contact.as_ref();
                What::Create { mark: contact.map(|c| c.last_name.clone()).unwrap_or_default() }
            }
            _ => What::Say {
                rows: change.rows.iter().map(|(_, row)| row.clone()).collect(),
                expect: change.expect,
            },
        };
        let op = self.number();
        self.journal.write(Entry::Intent { op, what }).await?;
        let facts = change.expect != Expect::Refused;
        if facts {
            change.rows.iter().for_each(|(contact, row)| contact.consent.begin(row));
        }
        let mut answered = self.answered(rng, change.who, &change.message).await?;
        if answered.loose && change.expect == Expect::Any {
            answered = self.made_sure(rng, change, answered).await?;
        }
        let end = match answered.answer {
            Answer::Taken(end) => end,
            Answer::Refused(reason) => End::Refused(reason),
        };
        self.journal.write(Entry::Outcome { op, end: end.clone() }).await?;
        self.acknowledged.fetch_add(taken(&end), Ordering::Relaxed);
        if facts {
            settle(&change.rows, &end);
        }
        Ok((op, end))
    }

    /// Sends a request that was answered once more.
    pub async fn repeat(
        &self,
        rng: &mut StdRng,
        who: &Person,
        (op, message): (u64, &Message),
    ) -> Result<(), Failure> {
        let end = match self.answered(rng, who, message).await?.answer {
            Answer::Taken(end) => end,
            Answer::Refused(reason) => End::Refused(reason),
        };
        self.journal.write(Entry::Repeat { op, end }).await
    }

    /// After a refusal, with an earlier attempt of the same request perhaps still on its way: uses up the request's
    /// id with something else, which is always taken. Then the earlier attempt cannot take effect any more; or it
    /// did already, and the request is told its outcome.
    async fn made_sure(
        &self,
        rng: &mut StdRng,
        change: &Change<'_>,
        answered: Answered<End>,
    ) -> Result<Answered<End>, Failure> {
        let (Answer::Refused(_), Message::Set(set), [(contact, _)]) =
            (&answered.answer, &change.message, &change.rows[..])
        else {
            return Ok(answered);
        };
        let mut row = self.row(contact.id);
        row.phone = Some(DENIED);
        let message = Message::Set(dir::SetContactConsentsRequest {
            request_id: set.request_id.clone(),
            ..set_request(contact, &row)
        });
        let op = self.number();
        let what = What::Say { rows: vec![row.clone()], expect: Expect::Any };
        self.journal.write(Entry::Intent { op, what }).await?;
        contact.consent.begin(&row);
        let fence = match self.answered(rng, change.who, &message).await?.answer {
            Answer::Taken(end) => end,
            Answer::Refused(reason) => End::Refused(reason),
        };
        self.journal.write(Entry::Outcome { op, end: fence.clone() }).await?;
        settle(&[(*contact, row)], &fence);
        self.acknowledged.fetch_add(taken(&fence), Ordering::Relaxed);
        match fence {
            End::Refused(_) => self.answered(rng, change.who, &change.message).await,
            _ => Ok(answered),
        }
    }
}

/// How many changes an answer acknowledges.
fn taken(end: &End) -> u64 {
    match end {
        End::Said(rows) => rows.iter().filter(|row| matches!(row, RowEnd::At(_))).count() as u64,
        End::Created(_) => 1,
        End::Kept | End::Refused(_) => 0,
    }
}

fn settle(rows: &[(&Contact, Row)], end: &End) {
    for (i, (contact, row)) in rows.iter().enumerate() {
        let end = match end {
            End::Said(ends) => ends.get(i).cloned(),
            _ => None,
        };
        contact.consent.end(row, &end.unwrap_or(RowEnd::Refused(String::new())));
    }
}

/// What a row says, set on the contacts menu.
pub fn set_request(contact: &Contact, row: &Row) -> dir::SetContactConsentsRequest {
    use yinyom_proto::types::v1 as types;
    let channels = [(types::Channel::Phone, row.phone), (types::Channel::Email, row.email)];
    let assignments = channels.into_iter().filter_map(|(channel, state)| {
        Some(dir::ConsentAssignment { channel: channel.into(), state: state?, expire_time: None })
    });
    dir::SetContactConsentsRequest {
        contact: contact.name.clone(),
        surface: types::Surface::Contacts.into(),
        assignments: assignments.collect(),
        evidence: Some(evidence(row)),
        ..Default::default()
    }
}

/// Evidence that carries the mark.
pub fn evidence(row: &Row) -> yinyom_proto::types::v1::Evidence {
    yinyom_proto::types::v1::Evidence { notice_version: row.mark.clone(), ..Default::default() }
}
