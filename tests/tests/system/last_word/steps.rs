//! What people do, at random: few contacts and few addresses, so that everything meets everything.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tonic::{Code, Status};
use yinyom_kernel::{Clock, ManualClock};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};
use yinyom_tests::{House, Person, TestBusiness, assign, mask};

use crate::last_word::bulk::{Bulk, Going};
use crate::last_word::witness::{CHANNELS, Witness, Word, addresses, canonical};

/// About so many contacts are there.
const CROWD: usize = 6;

/// Somebody, and what they are.
pub struct Somebody {
    pub person: Person,
    pub is_service: bool,
    /// Neither owner, nor admin, nor listed: a refusal is masked to them.
    pub is_user: bool,
}

pub struct Town<'a> {
    house: &'a House,
    clock: &'a Arc<ManualClock>,
    pub business: &'a TestBusiness,
    pub people: Vec<Somebody>,
    pub dice: StdRng,
    witness: Witness,
    /// What the answers of this step have told.
    pub heard: Vec<Word>,
    /// An operation that somebody began and left.
    pub going: Option<Going>,
    pub all: Vec<dir::Contact>,
    leads: Vec<String>,
    /// Looks at which an operation had gone on beside a step.
    pub beside: u64,
    pub done: u64,
    pub refused: u64,
}

/// Everybody who is there, as the owner sees them.
pub async fn all(business: &TestBusiness) -> Vec<dir::Contact> {
    let parent = business.name.clone();
    let request = dir::ListContactsRequest { parent, page_size: 1_000, ..Default::default() };
    business.owner.contacts.clone().list_contacts(request).await.unwrap().into_inner().contacts
}

impl<'a> Town<'a> {
    pub async fn new(
        house: &'a House,
        clock: &'a Arc<ManualClock>,
        business: &'a TestBusiness,
        dice: StdRng,
    ) -> Self {
        let members = business.people().into_iter().map(|(role, person)| {
            let is_user = matches!(role, "user" | "officer");
            Somebody { person, is_service: false, is_user }
        });
        let services = ["mailer", "dashboard"].map(|name| Somebody {
            person: house.named(name),
            is_service: true,
            is_user: false,
        });
        let people = members.chain(services).collect();
        let (witness, leads, all) = <_>::default();
        let (heard, going, beside, done, refused) = <_>::default();
        let mut town = Self {
            house,
            clock,
            business,
            people,
            dice,
            witness,
            heard,
            going,
            all,
            leads,
            beside,
            done,
            refused,
        };
        for _ in 0..3 {
            town.create(0).await.unwrap();
        }
        town.look(false).await;
        town
    }

    /// Does something, and looks whether anybody has a consent who must not.
    pub async fn step(&mut self) {
        let who = self.dice.random_range(0..self.people.len());
        let what = self.dice.random_range(0..36);
        let moved = matches!(what, 22..=25);
        let done = match what {
            0..=1 if self.all.len() < CROWD => self.create(who).await,
            0..=7 => self.set(who).await,
            8..=9 => self.withdraw(who).await,
            10..=14 => self.import(who, false).await,
            15 => self.import(who, true).await,
            16 => self.list(who).await,
            17..=19 => self.address(who).await,
            20..=21 => self.delete(who).await,
            22..=23 => self.merge(who).await,
            24..=25 => self.undo(who).await,
            26 => self.lead(who).await,
            27 => self.convert(who).await,
            28..=29 => self.pass().await,
            30..=31 => self.bulk(who, Bulk::Waited).await,
            32..=33 => self.bulk(who, Bulk::Cancelled).await,
            _ => self.bulk(who, Bulk::Left).await,
        };
        // Told if the test fails.
        println!("{what} by {who}: {:?}", done.as_ref().map_err(Status::message));
        match done {
            Ok(()) => self.done += 1,
            Err(status) => {
                let internal = matches!(status.code(), Code::Internal | Code::Unknown);
                assert!(!internal, "{what}: {status:?}");
                self.refused += 1;
            }
        }
        self.look(moved).await;
    }

    pub async fn look(&mut self, moved: bool) {
        let (all, meanwhile) = self.see().await;
        self.all = all;
        if !meanwhile.is_empty() {
            println!("  meanwhile {meanwhile:?}");
            self.beside += 1;
        }
        for of in &self.all {
            let states: Vec<_> = of.consents.iter().map(|of| of.state().as_str_name()).collect();
            println!("  {} {states:?} {:?}", of.name, addresses(of).collect::<Vec<_>>());
        }
        self.witness.after(&std::mem::take(&mut self.heard), &meanwhile, &self.all, moved);
    }

    fn anybody(&mut self) -> Result<dir::Contact, Status> {
        let nobody = || Status::not_found("nobody is there");
        self.all.choose(&mut self.dice).cloned().ok_or_else(nobody)
    }

    /// An address of a few, however it is written.
    fn any_address(&mut self, channel: Channel) -> String {
        let n = self.dice.random_range(0..5);
        match (channel, self.dice.random::<bool>()) {
            (Channel::Phone, true) => format!("081-234-567{n}"),
            (Channel::Phone, false) => format!("+6681234567{n}"),
            (_, true) => format!("person{n}@example.com"),
            (_, false) => format!("PERSON{n}@example.com"),
        }
    }

    fn any_points(&mut self, channel: Channel) -> Vec<dir::ContactPoint> {
        let mut points = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..self.dice.random_range(0..3) {
            let value = self.any_address(channel);
            if seen.insert(canonical(channel, &value)) {
                points.push(dir::ContactPoint { value, ..Default::default() });
            }
        }
        points
    }

    pub fn any_state(&mut self) -> ConsentState {
        let states = [ConsentState::NotSet, ConsentState::Granted, ConsentState::Denied];
        *states.choose(&mut self.dice).unwrap()
    }

    pub fn any_channels(&mut self) -> Vec<Channel> {
        let channels = [&CHANNELS[..1], &CHANNELS[1..], &CHANNELS];
        channels.choose(&mut self.dice).unwrap().to_vec()
    }

    async fn create(&mut self, who: usize) -> Result<(), Status> {
        let contact = dir::Contact {
            first_name: format!("Person {}", self.dice.random_range(0..3)),
            phones: self.any_points(Channel::Phone),
            emails: self.any_points(Channel::Email),
            ..Default::default()
        };
        let (parent, contact) = (self.business.name.clone(), Some(contact));
        let request = dir::CreateContactRequest { parent, contact, ..Default::default() };
        self.people[who].person.contacts.create_contact(request).await.map(drop)
    }

    async fn set(&mut self, who: usize) -> Result<(), Status> {
        let contact = self.anybody()?;
        let mut words = Vec::new();
        for channel in self.any_channels() {
            words.push((channel, self.any_state()));
        }
        let mut request = assign(&contact.name, &words);
        if self.people[who].is_service {
            request.surface = Surface::Api.into();
        }
        let end = self.clock.now().as_second() + self.dice.random_range(1..7_200);
        for word in &mut request.assignments {
            if word.state() == ConsentState::Granted && self.dice.random_bool(0.3) {
                word.expire_time = Some(prost_types::Timestamp { seconds: end, nanos: 0 });
            }
        }
        println!("{} {words:?}", contact.name);
        self.people[who].person.consents.set_contact_consents(request).await?;
        for (channel, state) in words {
            // Who saw it beforehand need not have seen the last of it while an operation goes on.
            if state == ConsentState::Granted && self.going.is_none() {
                let of = contact.consents.iter().find(|of| of.channel() == channel).unwrap();
                let masked = self.people[who].is_user && of.state() == ConsentState::Denied;
                assert!(!masked, "nobody lifts a mask from themself");
            }
            self.heard.extend(Word::of(&contact.name, channel, state));
        }
        Ok(())
    }

    async fn withdraw(&mut self, who: usize) -> Result<(), Status> {
        let (contact, channels) = (self.anybody()?.name, self.any_channels());
        let is_service = self.people[who].is_service;
        let surface = if is_service { Surface::Api } else { Surface::Contacts };
        let request = dir::WithdrawConsentRequest {
            contact: contact.clone(),
            channels: channels.iter().map(|channel| (*channel).into()).collect(),
            surface: surface.into(),
            ..Default::default()
        };
        let said = self.people[who].person.consents.withdraw_consent(request).await;
        said.expect("withdrawing is for everybody, from every state");
        for channel in channels {
            self.heard.push(Word::Refuses(contact.clone(), channel));
        }
        Ok(())
    }

    fn any_row(&mut self) -> dir::ImportRow {
        let texts =
            |points: Vec<dir::ContactPoint>| points.into_iter().map(|of| of.value).collect();
        let mut phones: Vec<String> = texts(self.any_points(Channel::Phone));
        if self.dice.random_bool(0.1) {
            phones.push("12".to_owned());
        }
        let external_id = self.dice.random_range(0..6);
        dir::ImportRow {
            external_id: if external_id < 4 { format!("C-{external_id}") } else { String::new() },
            first_name: format!("Person {}", self.dice.random_range(0..3)),
            phones,
            emails: texts(self.any_points(Channel::Email)),
            phone_consent: self.dice.random_range(0..4),
            email_consent: self.dice.random_range(0..4),
            ..Default::default()
        }
    }

    async fn send(
        &mut self,
        who: usize,
        request: dir::ImportContactsRequest,
    ) -> Result<Vec<dir::ImportRowResult>, Status> {
        println!("{:?}", request.rows);
        let sent = futures::stream::iter([request]);
        let mut answers = self.people[who].person.imports.import_contacts(sent).await?.into_inner();
        let answer = answers.message().await?;
        Ok(answer.map(|answer| answer.results).unwrap_or_default())
    }

    async fn import(&mut self, who: usize, validate_only: bool) -> Result<(), Status> {
        let number = if self.all.len() < 2 * CROWD { 3 } else { 1 };
        let rows: Vec<_> = (0..number).map(|_| self.any_row()).collect();
        let (parent, of) = (self.business.name.clone(), rows.clone());
        let request =
            dir::ImportContactsRequest { parent, rows, validate_only, ..Default::default() };
        let results = self.send(who, request).await?;
        for (row, result) in of.iter().zip(results).filter(|_| !validate_only) {
            let says =
                [(Channel::Phone, row.phone_consent()), (Channel::Email, row.email_consent())];
            for (channel, _) in says.iter().filter(|(_, says)| *says == ConsentState::Denied) {
                if !result.contact.is_empty() {
                    self.heard.push(Word::Refuses(result.contact.clone(), *channel));
                }
            }
        }
        Ok(())
    }

    /// Another tool's suppression list.
    async fn list(&mut self, who: usize) -> Result<(), Status> {
        let mut row = dir::ImportRow::default();
        let channel = *CHANNELS.choose(&mut self.dice).unwrap();
        let address = self.any_address(channel);
        match channel {
            Channel::Phone => {
                row.phones.push(address.clone());
                row.phone_consent = ConsentState::Denied.into();
            }
            _ => {
                row.emails.push(address.clone());
                row.email_consent = ConsentState::Denied.into();
            }
        }
        let (parent, rows, opt_outs_only) = (self.business.name.clone(), vec![row], true);
        let request =
            dir::ImportContactsRequest { parent, rows, opt_outs_only, ..Default::default() };
        self.send(who, request).await?;
        self.heard.push(Word::Lists(channel, canonical(channel, &address)));
        Ok(())
    }

    async fn address(&mut self, who: usize) -> Result<(), Status> {
        let name = self.anybody()?.name;
        let channel = *CHANNELS.choose(&mut self.dice).unwrap();
        let points = self.any_points(channel);
        let (contact, path) = match channel {
            Channel::Phone => {
                (dir::Contact { name, phones: points, ..Default::default() }, "phones")
            }
            _ => (dir::Contact { name, emails: points, ..Default::default() }, "emails"),
        };
        let (contact, update_mask) = (Some(contact), Some(mask(&[path])));
        let request = dir::UpdateContactRequest { contact, update_mask, ..Default::default() };
        self.people[who].person.contacts.update_contact(request).await.map(drop)
    }

    async fn delete(&mut self, who: usize) -> Result<(), Status> {
        let name = self.anybody()?.name;
        let request = dir::DeleteContactRequest { name, ..Default::default() };
        self.people[who].person.contacts.delete_contact(request).await.map(drop)
    }

    async fn merge(&mut self, who: usize) -> Result<(), Status> {
        let (survivor, absorbed) = (self.anybody()?.name, self.anybody()?.name);
        let request = dir::MergeContactsRequest {
            parent: self.business.name.clone(),
            survivor: survivor.clone(),
            absorbed: absorbed.clone(),
            ..Default::default()
        };
        let merged = self.people[who].person.merges.merge_contacts(request).await?.into_inner();
        println!("{survivor} has {absorbed}");
        let merge = merged.merge.unwrap().name;
        self.heard.push(Word::Merges { merge, survivor, absorbed });
        Ok(())
    }

    async fn undo(&mut self, who: usize) -> Result<(), Status> {
        let merges = self.witness.undoable();
        let Some(name) = merges.choose(&mut self.dice).cloned() else { return Ok(()) };
        let request = dir::UndoMergeRequest { name: name.clone(), ..Default::default() };
        self.people[who].person.merges.undo_merge(request).await?;
        self.heard.push(Word::Undoes(name));
        Ok(())
    }

    async fn lead(&mut self, who: usize) -> Result<(), Status> {
        let (title, primary_contact) = ("Garden".to_owned(), self.anybody()?.name);
        let lead = dir::Lead { title, primary_contact, ..Default::default() };
        let (parent, lead) = (self.business.name.clone(), Some(lead));
        let request = dir::CreateLeadRequest { parent, lead, ..Default::default() };
        let made = self.people[who].person.leads.create_lead(request).await?.into_inner();
        self.leads.push(made.lead.unwrap().name);
        Ok(())
    }

    /// Whether it can be, or was already.
    async fn convert(&mut self, who: usize) -> Result<(), Status> {
        let Some(name) = self.leads.choose(&mut self.dice).cloned() else { return Ok(()) };
        let target = dir::convert_lead_request::Target::NewAccountDisplayName("Shop".to_owned());
        let target = Some(target);
        let request = dir::ConvertLeadRequest { name, target, ..Default::default() };
        self.people[who].person.leads.convert_lead(request).await.map(drop)
    }

    async fn pass(&mut self) -> Result<(), Status> {
        let time = Duration::from_secs(self.dice.random_range(1..3_600));
        self.let_pass(time).await;
        Ok(())
    }

    pub async fn let_pass(&mut self, time: Duration) {
        self.clock.advance(time);
        for replica in [&self.house.directories[0], &self.house.managers[0]] {
            replica.policies().renew().await.expect("settings answers");
        }
    }
}
