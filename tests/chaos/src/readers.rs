//! Members without privilege who read all the time, and see nothing that was taken from them.
//!
//! Before a read is sent the reader notes what is certain; when the answer is there it looks whether that still
//! stands. If it does, the answer must heed it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use prost::Message;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tonic::Status;
use yinyom_privacy::{EMAIL_MASK, PHONE_MASK};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;

use crate::Failure;
use crate::call::{Line, request};
use crate::changes::id_of;
use crate::clients::Clients;
use crate::facts::CHANNELS;
use crate::journal::Entry;
use crate::town::{Contact, Firm, Person, Use};

/// How long a reader waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many contacts are read at once.
const SEVERAL: usize = 6;

/// What a reader asks.
#[derive(Debug, Clone, Copy)]
enum Question {
    Get,
    Several,
    List,
    Phone,
    Email,
}

/// What was certain of a contact when a read was sent. Numbers of moments: what is equal afterwards stood all along.
struct Noted<'a> {
    contact: &'a Contact,
    /// Since when the channel must be hidden.
    hidden: [Option<Moments>; CHANNELS],
    /// Since when the channel is in this state.
    settled: [Option<(u64, i32)>; CHANNELS],
}

/// All that a mask rests on.
type Moments = [u64; 4];

impl<'a> Noted<'a> {
    fn now(firm: &Firm, viewer: &Person, contact: &'a Contact) -> Self {
        let consent = &contact.consent;
        let settled = |channel: usize| {
            let since = consent.settled[channel].since()?;
            // A grant that runs out changes its state by itself.
            (contact.kept != Use::Contested).then(|| (since, consent.state(channel)))
        };
        Self {
            contact,
            hidden: std::array::from_fn(|channel| hidden(firm, viewer, contact, channel)),
            settled: std::array::from_fn(settled),
        }
    }

    /// The addresses that must not be in the answer.
    fn secrets(&self, firm: &Firm, viewer: &Person) -> impl Iterator<Item = (usize, &'a str)> {
        let addresses = [&self.contact.phone, &self.contact.email];
        let still = move |channel: usize| {
            let before = self.hidden[channel]?;
            (hidden(firm, viewer, self.contact, channel) == Some(before))
                .then_some((channel, addresses[channel].as_str()))
        };
        (0..CHANNELS).filter_map(still).collect::<Vec<_>>().into_iter()
    }

    /// The states that the answer must tell.
    fn states(&self) -> impl Iterator<Item = (usize, i32)> + '_ {
        self.settled.iter().enumerate().filter_map(|(channel, settled)| {
            let (since, state) = (*settled)?;
            (self.contact.consent.settled[channel].since() == Some(since))
                .then_some((channel, state))
        })
    }
}

/// Since when a channel is hidden from a viewer; `None` if it need not be.
fn hidden(firm: &Firm, viewer: &Person, contact: &Contact, channel: usize) -> Option<Moments> {
    let (enforced, plain) = (firm.enforced.since()?, viewer.plain.since()?);
    let rest = match contact.kept {
        Use::NotSet => [firm.not_set_masked.since()?, 0],
        _ => [0, contact.consent.denied[channel].since()?],
    };
    Some([enforced, plain, rest[0], rest[1]])
}

impl Clients {
    /// Reads from one replica until it is enough.
    pub async fn keep_reading(&self, mut rng: StdRng, replica: usize) -> Result<(), Failure> {
        let rng = &mut rng;
        while self.going() {
            let firm = self.town.firms.choose(rng).ok_or(Failure::GivenUp)?;
            let viewers = [&firm.listed, &firm.admin, &firm.user, &firm.guest, &firm.service];
            let viewer = viewers[rng.random_range(0..viewers.len())];
            let question = [
                Question::Get,
                Question::Get,
                Question::Several,
                Question::List,
                Question::Phone,
                Question::Email,
            ][rng.random_range(0..6)];
            self.read(rng, replica, firm, viewer, question).await?;
            tokio::time::sleep(Duration::from_millis(rng.random_range(1..8))).await;
        }
        Ok(())
    }

    /// Asks every replica for what `viewer` must not see any more: the moment after a right was taken away is the
    /// one in which a copy of the rules that is behind would show.
    pub async fn look_at_once(&self, firm: &Firm, viewer: &Person) -> Result<(), Failure> {
        let untouched = [Use::Denied, Use::NotSet].map(|kept| firm.of(kept).next());
        let untouched: Vec<_> = untouched.into_iter().flatten().collect();
        let at = |replica| self.ask(replica, firm, viewer, &untouched, Question::Several);
        tokio::try_join!(at(0), at(1), at(2)).map(drop)
    }

    async fn read(
        &self,
        rng: &mut StdRng,
        replica: usize,
        firm: &Firm,
        viewer: &Person,
        question: Question,
    ) -> Result<(), Failure> {
        let about: Vec<_> = match question {
            Question::List => firm.contacts.iter().collect(),
            Question::Several => firm.contacts.choose_multiple(rng, SEVERAL).collect(),
            Question::Get | Question::Phone | Question::Email => {
                firm.contacts.choose(rng).into_iter().collect()
            }
        };
        self.ask(replica, firm, viewer, &about, question).await
    }

    async fn ask(
        &self,
        replica: usize,
        firm: &Firm,
        viewer: &Person,
        about: &[&Contact],
        question: Question,
    ) -> Result<(), Failure> {
        let noted: Vec<_> = about.iter().map(|contact| Noted::now(firm, viewer, contact)).collect();
        let line = self.town.lines.directory(replica, &viewer.bearer);
        let answer = tokio::time::timeout(PATIENCE, answer(line, firm, about, question)).await;
        match answer {
            Ok(Ok(contacts)) => {
                self.reads.answered.fetch_add(1, Ordering::Relaxed);
                for noted in &noted {
                    self.judge(firm, viewer, noted, &contacts, (replica, question)).await?;
                }
            }
            Ok(Err(status)) => {
                // «Not found» is an answer: to somebody who was removed.
                let answered = status.code() == tonic::Code::NotFound;
                let count = if answered { &self.reads.answered } else { &self.reads.unanswered };
                count.fetch_add(1, Ordering::Relaxed);
                let said = [status.message().as_bytes(), status.details()].concat();
                for noted in &noted {
                    for (_, secret) in noted.secrets(firm, viewer) {
                        if holds(&said, secret) {
                            self.revealed(noted, "in an error").await?;
                        }
                    }
                }
            }
            Err(_) => {
                self.reads.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    async fn judge(
        &self,
        firm: &Firm,
        viewer: &Person,
        noted: &Noted<'_>,
        contacts: &[dir::Contact],
        (replica, question): (usize, Question),
    ) -> Result<(), Failure> {
        let id = noted.contact.id;
        let told = contacts.iter().find(|told| id_of(&told.name) == id);
        let bytes = told.map(Message::encode_to_vec).unwrap_or_default();
        let how = || format!("{question:?} by {} at directory {}", viewer.name, replica + 1);
        for (channel, secret) in noted.secrets(firm, viewer) {
            self.reads.hidden.fetch_add(1, Ordering::Relaxed);
            // To be found by an address is to have it revealed.
            let found = match question {
                Question::Phone => channel == 0 && told.is_some(),
                Question::Email => channel == 1 && told.is_some(),
                _ => false,
            };
            if found || holds(&bytes, secret) {
                self.revealed(noted, &how()).await?;
            }
        }
        let Some(told) = told else { return Ok(()) };
        let points = told.phones.iter().chain(&told.emails);
        let shown = points.filter(|p| p.value != PHONE_MASK && p.value != EMAIL_MASK).count();
        self.reads.shown.fetch_add(shown as u64, Ordering::Relaxed);
        for (channel, state) in noted.states() {
            self.reads.settled.fetch_add(1, Ordering::Relaxed);
            let consent =
                told.consents.iter().find(|c| usize::try_from(c.channel - 1) == Ok(channel));
            let seen = consent.map(|consent| consent.state);
            if seen != Some(state) {
                let how = format!("{}: {seen:?} and not {state}", how());
                self.journal.write(Entry::Stale { contact: id, how }).await?;
            }
        }
        Ok(())
    }

    async fn revealed(&self, noted: &Noted<'_>, how: &str) -> Result<(), Failure> {
        let entry = Entry::Revealed { contact: noted.contact.id, how: how.to_owned() };
        self.journal.write(entry).await
    }
}

async fn answer(
    line: Line,
    firm: &Firm,
    about: &[&Contact],
    question: Question,
) -> Result<Vec<dir::Contact>, Status> {
    let mut client = ContactServiceClient::new(line);
    let parent = firm.name.clone();
    Ok(match question {
        Question::Get => {
            let name = about[0].name.clone();
            let get = request(dir::GetContactRequest { name }, PATIENCE);
            client.get_contact(get).await?.into_inner().contact.into_iter().collect()
        }
        Question::Several => {
            let names = about.iter().map(|contact| contact.name.clone()).collect();
            let get = request(dir::BatchGetContactsRequest { parent, names }, PATIENCE);
            client.batch_get_contacts(get).await?.into_inner().contacts
        }
        Question::List => {
            let page_size = i32::try_from(about.len()).unwrap_or(i32::MAX);
            let list = dir::ListContactsRequest { parent, page_size, ..Default::default() };
            client.list_contacts(request(list, PATIENCE)).await?.into_inner().contacts
        }
        Question::Phone | Question::Email => {
            let (phone, email) = match question {
                Question::Phone => (about[0].phone.clone(), String::new()),
                _ => (String::new(), about[0].email.clone()),
            };
            let search = dir::SearchContactsRequest { parent, phone, email, ..Default::default() };
            client.search_contacts(request(search, PATIENCE)).await?.into_inner().contacts
        }
    })
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}
