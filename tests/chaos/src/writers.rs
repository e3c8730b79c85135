//! Clients that change consent, all at once and of the same contacts.

use std::collections::VecDeque;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use uuid::Uuid;
use yinyom_kernel::{Clock, SystemClock};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1 as types;

use crate::Failure;
use crate::changes::{Change, Message, evidence, set_request};
use crate::clients::Clients;
use crate::facts::DENIED;
use crate::journal::{End, Expect, Row};
use crate::town::{Contact, Firm, Person, Use};

/// How many earlier requests a writer remembers, to repeat one.
const REMEMBERED: usize = 20;

/// What was answered, and by whom it was asked.
struct Remembered<'a> {
    op: u64,
    who: &'a Person,
    message: Message,
}

impl Clients {
    /// Changes consent until it is enough.
    pub async fn keep_changing(&self, mut rng: StdRng) -> Result<(), Failure> {
        let rng = &mut rng;
        let mut remembered = VecDeque::new();
        while self.going() {
            let firm = self.town.firms.choose(rng).ok_or(Failure::GivenUp)?;
            let change = match rng.random_range(0..100) {
                0..42 => Some(self.say(firm, moving(self, firm, rng), rng)),
                42..64 => Some(self.withdraw(firm, moving(self, firm, rng), rng)),
                64..73 => self.contest(firm, rng),
                73..79 => Some(self.batch(firm, rng)),
                79..85 => Some(self.false_surface(firm, moving(self, firm, rng), rng)),
                85..88 => Some(self.create(firm)),
                88..95 => {
                    let before: Option<&Remembered<'_>> = remembered.iter().choose(rng);
                    if let Some(before) = before {
                        self.repeat(rng, before.who, (before.op, &before.message)).await?;
                    }
                    continue;
                }
                _ => match remembered.iter().choose(rng) {
                    Some(before) => self.reuse(firm, before),
                    None => continue,
                },
            };
            let Some(change) = change else { continue };
            let (op, end) = self.change(rng, &change).await?;
            if matches!(end, End::Said(_) | End::Created(_)) {
                remembered.push_back(Remembered { op, who: change.who, message: change.message });
                if remembered.len() > REMEMBERED {
                    remembered.pop_front();
                }
            }
        }
        Ok(())
    }

    /// The owner says anything.
    fn say<'a>(&self, firm: &'a Firm, on: &'a Contact, rng: &mut StdRng) -> Change<'a> {
        let row = self.words(on, rng);
        let message = Message::Set(identified(set_request(on, &row)));
        Change { who: &firm.owner, message, rows: vec![(on, row)], expect: Expect::Any }
    }

    /// Anybody says no.
    fn withdraw<'a>(&self, firm: &'a Firm, on: &'a Contact, rng: &mut StdRng) -> Change<'a> {
        let people = [&firm.owner, &firm.listed, &firm.admin, &firm.user, &firm.service];
        let who = people[rng.random_range(0..people.len())];
        let by_service = who.name.is_empty();
        let row = self.refusal(on, rng);
        let channels = [(types::Channel::Phone, row.phone), (types::Channel::Email, row.email)];
        let channels = channels.into_iter().filter(|(_, said)| said.is_some());
        let surface = if by_service { types::Surface::Api } else { types::Surface::Contacts };
        let message = Message::Withdraw(dir::WithdrawConsentRequest {
            contact: on.name.clone(),
            channels: channels.map(|(channel, _)| channel.into()).collect(),
            surface: surface.into(),
            evidence: Some(evidence(&row)),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        });
        Change { who, message, rows: vec![(on, row)], expect: Expect::Taken }
    }

    /// Somebody who may not lift a mask says anything, or the owner says yes for a moment.
    fn contest<'a>(&self, firm: &'a Firm, rng: &mut StdRng) -> Option<Change<'a>> {
        let on = firm.of(Use::Contested).choose(rng)?;
        let row = self.words(on, rng);
        let mut request = identified(set_request(on, &row));
        let who = [&firm.user, &firm.owner][rng.random_range(0..2)];
        for assignment in &mut request.assignments {
            if assignment.state() == types::ConsentState::Granted && rng.random_ratio(1, 2) {
                let soon = SystemClock.now().as_millisecond() + rng.random_range(1_000..4_000);
                assignment.expire_time = Some(prost_types::Timestamp {
                    seconds: soon.div_euclid(1_000),
                    nanos: i32::try_from(soon.rem_euclid(1_000)).unwrap_or_default() * 1_000_000,
                });
            }
        }
        let message = Message::Set(request);
        Some(Change { who, message, rows: vec![(on, row)], expect: Expect::Any })
    }

    /// The owner says anything of several at once.
    fn batch<'a>(&self, firm: &'a Firm, rng: &mut StdRng) -> Change<'a> {
        let count = rng.random_range(2..6);
        let on = firm.of(Use::Moving).choose_multiple(rng, count);
        let rows: Vec<_> =
            on.into_iter().map(|contact| (contact, self.words(contact, rng))).collect();
        let message = Message::Batch(dir::BatchSetContactConsentsRequest {
            parent: firm.name.clone(),
            requests: rows.iter().map(|(contact, row)| set_request(contact, row)).collect(),
            request_id: Uuid::new_v4().to_string(),
        });
        Change { who: &firm.owner, message, rows, expect: Expect::Any }
    }

    /// The owner names the page of a lead that the contact has nothing to do with.
    fn false_surface<'a>(&self, firm: &'a Firm, on: &'a Contact, rng: &mut StdRng) -> Change<'a> {
        let row = self.words(on, rng);
        let message = Message::Set(dir::SetContactConsentsRequest {
            surface: types::Surface::LeadContacts.into(),
            lead: format!("{}/leads/{}", firm.name, Uuid::new_v4()),
            ..identified(set_request(on, &row))
        });
        Change { who: &firm.owner, message, rows: vec![(on, row)], expect: Expect::Refused }
    }

    /// The owner makes a contact that nobody else touches.
    fn create<'a>(&self, firm: &'a Firm) -> Change<'a> {
        let row = self.row(Uuid::nil());
        let message = Message::Create(create_request(firm, &row.mark, "", ""));
        Change { who: &firm.owner, message, rows: Vec::new(), expect: Expect::Taken }
    }

    /// Somebody takes the id of an earlier request for another one.
    fn reuse<'a>(&self, firm: &'a Firm, before: &Remembered<'a>) -> Option<Change<'a>> {
        let Message::Set(set) = &before.message else { return None };
        let on = firm.contacts.iter().find(|contact| contact.name == set.contact)?;
        let mut row = self.row(on.id);
        row.email = Some(DENIED);
        let message = Message::Set(dir::SetContactConsentsRequest {
            request_id: before.message.request_id().to_owned(),
            ..set_request(on, &row)
        });
        Some(Change { who: before.who, message, rows: vec![(on, row)], expect: Expect::Refused })
    }

    fn words(&self, on: &Contact, rng: &mut StdRng) -> Row {
        let mut row = self.row(on.id);
        let which = rng.random_range(0..3);
        row.phone = (which != 1).then(|| rng.random_range(1..=3));
        row.email = (which != 0).then(|| rng.random_range(1..=3));
        row
    }

    fn refusal(&self, on: &Contact, rng: &mut StdRng) -> Row {
        let mut row = self.words(on, rng);
        row.phone = row.phone.map(|_| DENIED);
        row.email = row.email.map(|_| DENIED);
        row
    }

    /// Makes the population, and the refusals that are left alone.
    pub async fn populate(&mut self, rng: &mut StdRng) -> Result<(), Failure> {
        for firm in 0..self.town.firms.len() {
            for i in 0..self.town.firms[firm].contacts.len() {
                let of = &self.town.firms[firm];
                let contact = &of.contacts[i];
                let mark = self.row(Uuid::nil()).mark;
                let request = create_request(of, &mark, &contact.phone, &contact.email);
                let message = Message::Create(request);
                let change =
                    Change { who: &of.owner, message, rows: Vec::new(), expect: Expect::Taken };
                let (_, End::Created(id)) = self.change(rng, &change).await? else {
                    return Err(Failure::Setup("a contact was refused".into()));
                };
                let name = format!("{}/contacts/{id}", of.name);
                let contact = &mut self.town.firms[firm].contacts[i];
                (contact.id, contact.name) = (id, name);
            }
            let of = &self.town.firms[firm];
            for contact in of.of(Use::Denied) {
                let row = Row { phone: Some(DENIED), email: Some(DENIED), ..self.row(contact.id) };
                let message = Message::Set(identified(set_request(contact, &row)));
                let rows = vec![(contact, row)];
                self.change(rng, &Change { who: &of.owner, message, rows, expect: Expect::Taken })
                    .await?;
            }
        }
        Ok(())
    }
}

/// A contact to change: now and then the one that everybody changes.
fn moving<'a>(clients: &'a Clients, firm: &'a Firm, rng: &mut StdRng) -> &'a Contact {
    let hot = clients.town.firms[0].of(Use::Moving).next();
    let same = std::ptr::eq(firm, &raw const clients.town.firms[0]);
    if same
        && rng.random_ratio(1, 3)
        && let Some(hot) = hot
    {
        return hot;
    }
    firm.of(Use::Moving).choose(rng).unwrap_or(&firm.contacts[0])
}

fn identified(request: dir::SetContactConsentsRequest) -> dir::SetContactConsentsRequest {
    dir::SetContactConsentsRequest { request_id: Uuid::new_v4().to_string(), ..request }
}

fn create_request(firm: &Firm, mark: &str, phone: &str, email: &str) -> dir::CreateContactRequest {
    let point = |value: &str| {
        let value = value.to_owned();
        (!value.is_empty()).then(|| dir::ContactPoint { value, ..Default::default() })
    };
    dir::CreateContactRequest {
        parent: firm.name.clone(),
        contact: Some(dir::Contact {
            first_name: "สมหญิง".to_owned(),
            last_name: mark.to_owned(),
            phones: point(phone).into_iter().collect(),
            emails: point(email).into_iter().collect(),
            ..Default::default()
        }),
        request_id: Uuid::new_v4().to_string(),
    }
}
