//! One pair: two businesses that differ in what the viewer may not see, and the same requests to both.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use yinyom_kernel::{BusinessId, MemberId};
use yinyom_proto::directory::v1 as dir;
use yinyom_tests::ask::{is_question, methods, service};
use yinyom_tests::wild::{self, Words};

use crate::pairs::house::House;
use crate::pairs::pointed::Guess;
use crate::pairs::side::{Answer, Side};
use crate::pairs::story::{Story, Viewer, method};

/// Requests of a pair.
const REQUESTS: usize = 25;

/// How often a method was asked, and how often each code was the answer, in both businesses alike.
#[derive(Debug, Default, Clone)]
pub struct Counts(pub BTreeMap<String, BTreeMap<i32, u64>>);

impl Counts {
    pub fn add(&mut self, other: Self) {
        for (method, codes) in other.0 {
            let of = self.0.entry(method).or_default();
            for (code, times) in codes {
                *of.entry(code).or_default() += times;
            }
        }
    }

    fn count(&mut self, method: &MethodDescriptor, code: i32) {
        let of = self.0.entry(method.name().to_owned()).or_default();
        *of.entry(code).or_default() += 1;
    }
}

/// What a pair came to.
pub enum Came {
    Alike,
    /// Told by hand what the two heard, and of which method.
    Different(String, String),
    /// The story itself led to other states: addresses that are somebody's count there.
    Untold,
}

/// A request to both.
struct Both {
    method: MethodDescriptor,
    requests: [DynamicMessage; 2],
}

pub struct Pair<'a> {
    house: &'a House,
    methods: Vec<MethodDescriptor>,
    /// Of these, what the viewer asks.
    asked: Vec<MethodDescriptor>,
    sides: [Side; 2],
    story: Story,
    dice: StdRng,
    listing: Option<Both>,
    write: Option<Both>,
}

impl<'a> Pair<'a> {
    pub fn new(house: &'a House, seed: u64, viewer: Viewer) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let story = Story::tell(&mut dice, viewer);
        let of_directory =
            |method: &MethodDescriptor| service(method.parent_service().full_name()) == "directory";
        let sides = [(); 2].map(|()| {
            let business = BusinessId::generate();
            let members = [(); 2].map(|()| MemberId::generate());
            let [owner, of_viewer] = members.map(|member| house.tokens.member(business, member));
            let of_viewer =
                if viewer == Viewer::Service { house.tokens.named("dashboard") } else { of_viewer };
            Side::new(business, members, owner, of_viewer)
        });
        let methods: Vec<_> = methods().into_iter().filter(of_directory).collect();
        let asked = methods.clone();
        Self { house, methods, asked, sides, story, dice, listing: None, write: None }
    }

    /// The viewer asks nothing else.
    pub fn asking(mut self, is_asked: impl Fn(&str) -> bool) -> Self {
        self.asked.retain(|method| is_asked(method.name()));
        self
    }

    /// Tells the story on both sides, and asks both the same.
    pub async fn run(mut self, counts: &mut Counts) -> Came {
        self.house.rule([0, 1].map(|side| self.story.policy(&self.sides[side]))).await;
        let [one, other] = [self.begin(0).await, self.begin(1).await];
        if one != other {
            return Came::Untold;
        }
        if self.story.viewer == Viewer::CutOff {
            self.house.cut_off();
        }
        for _ in 0..REQUESTS {
            let Some(both) = self.next().await else { continue };
            let asked = self.ask(both, counts).await;
            if let Err((method, told)) = asked {
                return Came::Different(method, told);
            }
        }
        Came::Alike
    }

    /// The owner's part on one side, and what came of it that everybody sees.
    async fn begin(&mut self, at: usize) -> Vec<(String, Vec<i32>)> {
        let (house, methods) = (self.house, self.methods.clone());
        let side = &mut self.sides[at];
        let owner = side.owner.clone();
        let file = self.story.file(at, &side.business).encode_to_vec();
        let results =
            side.call(&house.channel, &owner, &method(&methods, "ImportContacts"), &file).await;
        let results: Vec<_> = results.unwrap().iter().flat_map(read_results).collect();
        side.contacts = results.iter().map(|row| row.contact.clone()).collect();
        assert!(side.contacts.iter().all(|name| !name.is_empty()), "{results:?}");
        let gone = side.contacts.pop().unwrap();
        let (parent, names) = (side.business.clone(), side.contacts.clone());
        let delete = dir::DeleteContactRequest { name: gone, ..<_>::default() };
        // Whom an import made a lead's first contact stays.
        let leads = dir::ListLeadsRequest { parent: parent.clone(), ..<_>::default() };
        let accounts = dir::ListAccountsRequest { parent: parent.clone(), ..<_>::default() };
        let get = dir::BatchGetContactsRequest { parent, names };
        let mut answers = Vec::new();
        for (name, request) in [
            ("DeleteContact", delete.encode_to_vec()),
            ("ListLeads", leads.encode_to_vec()),
            ("ListAccounts", accounts.encode_to_vec()),
            ("BatchGetContacts", get.encode_to_vec()),
        ] {
            let answer = side.call(&house.channel, &owner, &method(&methods, name), &request).await;
            answers.push(answer.ok().map(|answers| answers[0].encode_to_vec()));
        }
        let leads = dir::ListLeadsResponse::decode(&answers[1].take().unwrap()[..]).unwrap();
        side.leads = leads.leads.into_iter().map(|lead| lead.name).collect();
        let accounts = dir::ListAccountsResponse::decode(&answers[2].take().unwrap()[..]).unwrap();
        side.accounts = accounts.accounts.into_iter().map(|account| account.name).collect();
        let people =
            dir::BatchGetContactsResponse::decode(&answers[3].take().unwrap()[..]).unwrap();
        let seen = people.contacts.into_iter().map(|contact| {
            let points = contact.phones.len() * 100 + contact.emails.len();
            let states = contact.consents.iter().map(|consent| consent.state);
            let states = states.chain([i32::try_from(points).unwrap()]).collect();
            (contact.etag, states)
        });
        seen.collect()
    }

    /// What is asked next. Sometimes the owner does something first, or time passes.
    async fn next(&mut self) -> Option<Both> {
        match self.dice.random_range(0..100) {
            0..6 => self.owner_withdraws().await,
            6..12 => {
                let minutes = self.dice.random_range(1..=45);
                self.house.pass(Duration::from_mins(minutes)).await;
            }
            12..30 => {
                if let Some(mut both) = self.listing.take() {
                    for (request, side) in both.requests.iter_mut().zip(&self.sides) {
                        let token = Value::String(side.page_token.clone());
                        request.set_field_by_name("page_token", token);
                    }
                    return Some(both);
                }
            }
            30..38 => {
                if let Some(both) = self.write.take() {
                    return Some(both);
                }
            }
            38..58 => return self.guess(),
            _ => {}
        }
        let method = self.asked[self.dice.random_range(0..self.asked.len())].clone();
        let seed: u64 = self.dice.random();
        let now = self.house.now();
        let surface = if self.story.viewer == Viewer::Service { 6 } else { 4 };
        let requests = self.sides.each_ref().map(|side| {
            let words = Words {
                business: &side.business,
                contacts: &side.contacts,
                leads: &side.leads,
                accounts: &side.accounts,
                merges: &side.merges,
                members: &side.names,
                operations: &side.operations,
                points: &side.points,
                phones: &self.story.phones,
                emails: &self.story.emails,
                texts: &self.story.texts,
                surface,
                now,
            };
            wild::request(&mut StdRng::seed_from_u64(seed), &method, words)
        });
        Some(Both { method, requests })
    }

    fn guess(&mut self) -> Option<Both> {
        let guess = Guess::roll(&mut self.dice, &self.story);
        let [(name, one), (_, other)] = self.sides.each_ref().map(|side| guess.of(side));
        let method = self.asked.iter().find(|method| method.name() == name)?.clone();
        let requests =
            [one, other].map(|asked| DynamicMessage::decode(method.input(), &asked[..]).unwrap());
        Some(Both { method, requests })
    }

    async fn owner_withdraws(&mut self) {
        let withdraw = method(&self.methods, "WithdrawConsent");
        let (of, channel) = (self.dice.random::<u32>() as usize, self.dice.random_range(1..=2));
        for side in &self.sides {
            let contact = side.contacts[of % side.contacts.len()].clone();
            let channels = vec![channel];
            let said =
                dir::WithdrawConsentRequest { contact, channels, surface: 4, ..<_>::default() };
            let said = said.encode_to_vec();
            let _ = side.call(&self.house.channel, &side.owner, &withdraw, &said).await;
        }
    }

    async fn ask(&mut self, both: Both, counts: &mut Counts) -> Result<(), (String, String)> {
        let bytes = both.requests.each_ref().map(Message::encode_to_vec);
        let [one, other] = &mut self.sides;
        one.page_token.clear();
        other.page_token.clear();
        let channel = &self.house.channel;
        let heard: [Answer; 2] = [
            one.ask(channel, &both.method, &bytes[0]).await,
            other.ask(channel, &both.method, &bytes[1]).await,
        ];
        if heard[0] != heard[1] {
            let told = format!(
                "{:?} {}\n  {}\n  {}\n  {}\n  {}",
                self.story.viewer,
                both.method.full_name(),
                words(&both.requests[0]),
                words(&both.requests[1]),
                told(&both.method, &heard[0]),
                told(&both.method, &heard[1]),
            );
            return Err((both.method.name().to_owned(), told));
        }
        if both.method.name() == "BulkSetContactConsents" {
            self.house.go_on().await;
        }
        counts.count(&both.method, heard[0].as_ref().err().map_or(0, |status| status.0));
        if !one.page_token.is_empty() {
            self.listing = Some(both);
        } else if !is_question(&both.method) && heard[0].is_ok() {
            self.write = Some(both);
        }
        Ok(())
    }
}

fn read_results(answer: &DynamicMessage) -> Vec<dir::ImportRowResult> {
    dir::ImportContactsResponse::decode(&answer.encode_to_vec()[..]).unwrap().results
}

fn told(method: &MethodDescriptor, answer: &Answer) -> String {
    match answer {
        Err((code, message, details, metadata)) => {
            format!("{code} {message} {} {metadata:?}", String::from_utf8_lossy(details))
        }
        Ok(answers) => {
            let read = |(bytes, order): &(Vec<u8>, String)| {
                let message = DynamicMessage::decode(method.output(), &bytes[..]).unwrap();
                format!("{} {order}", words(&message))
            };
            answers.iter().map(read).collect::<Vec<_>>().join(" | ")
        }
    }
}

/// A message for who reads it.
fn words(message: &DynamicMessage) -> String {
    let fields =
        message.fields().map(|(field, value)| format!("{}: {}", field.name(), said(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

fn said(value: &Value) -> String {
    match value {
        Value::Message(message) => words(message),
        Value::List(items) => {
            format!("[{}]", items.iter().map(said).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}
