//! The canary through every method there is, by everybody, well and badly.

use std::collections::BTreeSet;

use prost::Message;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tonic::{Request, Status};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::ask::{About, methods, path};
use yinyom_tests::wild::{self, Words};
use yinyom_tests::{House, Person, TestBusiness, Things, raw};

use crate::needles::Canary;

/// Random requests of each method by each caller.
const ROUNDS: u64 = 2;

/// What names are made of is kept as it is, so that contacts can be sorted: an address in one is nobody's secret.
const NAMES: [&str; 11] = [
    "display_name",
    "owner_display_name",
    "title",
    "first_name",
    "last_name",
    "source",
    "external_id",
    "new_account_display_name",
    "lead_title",
    "lead_source",
    "account",
];

/// What came back.
#[derive(Default)]
pub struct Heard {
    /// The bytes of all refusals.
    pub errors: Vec<u8>,
    pub answered: BTreeSet<String>,
    pub refused: BTreeSet<String>,
}

impl Heard {
    fn take(&mut self, method: &str, answer: Result<Vec<Vec<u8>>, Status>) {
        match answer {
            Ok(_) => drop(self.answered.insert(method.to_owned())),
            Err(status) => {
                self.refused.insert(method.to_owned());
                let (_, text, details, metadata) = raw::bytes(&status);
                self.errors.extend(text.into_bytes());
                self.errors.extend(details);
                for (key, value) in metadata {
                    self.errors.extend(key.into_bytes());
                    self.errors.extend(value);
                }
            }
        }
    }
}

/// Everything, in a house of its own.
pub async fn all(house: &House, heard: &mut Heard) {
    let business = house.found().await;
    let canary = &Canary::HIDDEN;
    let (phones, emails) = (canary.phones(), canary.emails());
    let things = Things::make(house, &business).await;
    let contact = said(&business, &phones, &emails).await;
    let texts = ["ก".to_owned(), "สมชาย".to_owned()];
    let callers = [
        (business.owner.clone(), 4),
        (business.user.clone(), 4),
        (house.named("mailer"), 6),
        (house.named("vendor"), 6),
    ];
    let now = house.clock.now().as_second();
    for method in methods() {
        let name = method.full_name();
        for (who, surface) in &callers {
            let words = Words {
                business: &business.name,
                contacts: &[contact.name.clone(), things.contact.clone()],
                leads: std::slice::from_ref(&things.lead),
                accounts: std::slice::from_ref(&things.account),
                merges: std::slice::from_ref(&things.merge),
                members: std::slice::from_ref(&things.member),
                operations: std::slice::from_ref(&things.operation),
                points: &contact.phones.iter().map(|point| point.id.clone()).collect::<Vec<_>>(),
                phones: &phones,
                emails: &emails,
                texts: &texts,
                surface: *surface,
                now,
            };
            for round in 0..ROUNDS {
                let mut dice = StdRng::seed_from_u64(round);
                let request = wild::request(&mut dice, &method, words);
                heard.take(name, send(house, who, &path(&method), request.encode_to_vec()).await);
            }
            for address in [&phones[1], &phones[5], &emails[2]] {
                for request in instead(&About::member(&things).request(&method), address) {
                    heard.take(name, send(house, who, &path(&method), request).await);
                }
                // What is no message at all.
                let bytes = [b"\x0a\xff", address.as_bytes()].concat();
                heard.take(name, send(house, who, &path(&method), bytes).await);
            }
        }
        let mut nobody = Request::new(vec![Vec::new()]);
        let token = format!("Bearer {}", emails[2]).parse().unwrap();
        nobody.metadata_mut().insert("authorization", token);
        nobody.metadata_mut().insert("x-request-id", phones[1].parse().unwrap());
        nobody.metadata_mut().insert("traceparent", emails[2].parse().unwrap());
        heard.take(name, house.call(&path(&method), nobody).await);
    }
}

/// A contact with all of it, of whom something was said, and evidence that must not be taken.
async fn said(business: &TestBusiness, phones: &[String], emails: &[String]) -> dir::Contact {
    let contact = business.contact(&[&phones[5]], &[&emails[2]]).await;
    for state in [ConsentState::Granted, ConsentState::Denied] {
        business.say(&contact.name, Channel::Phone, state).await;
        business.say(&contact.name, Channel::Email, state).await;
    }
    contact
}

/// The request with `address` in one of its texts after the other, where it does not belong.
fn instead(request: &DynamicMessage, address: &str) -> Vec<Vec<u8>> {
    let mut wrong = Vec::new();
    for field in request.descriptor().fields() {
        match field.kind() {
            Kind::String if !NAMES.contains(&field.name()) => {
                let mut request = request.clone();
                let text = Value::String(address.to_owned());
                let value = if field.is_list() { Value::List(vec![text]) } else { text };
                request.set_field(&field, value);
                wrong.push(request.encode_to_vec());
            }
            Kind::Message(_) if !field.is_list() && request.has_field(&field) => {
                let inner = request.get_field(&field).as_message().cloned().unwrap();
                for bytes in instead(&inner, address) {
                    let mut request = request.clone();
                    let inner = DynamicMessage::decode(inner.descriptor(), &*bytes).unwrap();
                    request.set_field(&field, Value::Message(inner));
                    wrong.push(request.encode_to_vec());
                }
            }
            _ => {}
        }
    }
    wrong
}

async fn send(
    house: &House,
    who: &Person,
    path: &str,
    request: Vec<u8>,
) -> Result<Vec<Vec<u8>>, Status> {
    house.call(path, who.bearer.request(vec![request])).await
}
