//! Use cases over the store: what they do, and that they do all of it or nothing.

mod accounts;
mod batch;
mod bulk;
mod contacts;
mod counts;
mod deletion;
mod erasure;
mod expiries;
mod gate;
mod leads;
mod listed;
mod lookups;
mod merged_erasure;
mod merged_property;
mod merges;
mod nothing;
mod outbox;
mod points;
mod race;
mod reach;
mod renewal;
mod replay;
mod say;
mod shared;
mod together;
mod unmerge;
mod withdraw;

use std::time::Duration;

use contact_directory::commands::consents::{Heard, Saying, Word};
use contact_directory::commands::contacts::{ContactPatch, NewContact};
use contact_directory::commands::{Error, Request, Session, Written};
use contact_directory::domain::Contact;
use contact_directory::domain::contact::{ContactName, ExternalId};
use contact_directory::domain::evidence::{Evidence, EvidenceInput};
use contact_directory::domain::points::{WantedPoint, channel_of};
use contact_directory::domain::set::{AssignmentInput, Assignments, Withdrawal};
use contact_directory::domain::surface::Place;
use yinyom_consent::{ByChannel, Cause, Channel, ConsentState};
use yinyom_identity::Caller;
use yinyom_kernel::{Clock, Code, ContactId, Fault, PointId, RequestId};
use yinyom_privacy::{Address, Email, Phone};

use crate::support::House;

const PHONE: Channel = Channel::Phone;
const EMAIL: Channel = Channel::Email;
const NOT_SET: ConsentState = ConsentState::NotSet;
const GRANTED: ConsentState = ConsentState::Granted;
const DENIED: ConsentState = ConsentState::Denied;

const ONE: &str = "0812345671";
const TWO: &str = "0812345672";
const MAIL: &str = "one@example.com";

const NOTE: &str = "ลูกค้าแจ้งที่เคาน์เตอร์ สาขาสีลม";

fn address(text: &str) -> Address {
    match Email::parse(text) {
        Ok(email) => Address::Email(email),
        Err(_) => Address::Phone(Phone::parse(text).unwrap()),
    }
}

fn new(first: &str, addresses: &[&str]) -> NewContact {
    NewContact {
        external_id: None,
        name: ContactName::read(first, "").unwrap(),
        addresses: addresses.iter().map(|text| address(text)).collect(),
    }
}

fn number(text: &str) -> Option<ExternalId> {
    ExternalId::read(text).unwrap()
}

/// A contact that the owner creates.
async fn create(house: &House, first: &str, addresses: &[&str]) -> Contact {
    let session = house.session(&house.owner).await;
    house
        .directory
        .create_contact(&session, new(first, addresses), None)
        .await
        .unwrap()
        .now
        .unwrap()
}

/// A contact of whose channels the owner said that.
async fn saying(house: &House, addresses: &[&str], states: &[(Channel, ConsentState)]) -> Contact {
    let contact = create(house, "Somchai", addresses).await;
    set(house, &house.owner, contact.id, states).await.unwrap();
    read(house, contact.id).await
}

async fn say(house: &House, by: &Caller, saying: Saying) -> Result<Written<Heard>, Error> {
    house.directory.say(&house.session(by).await, saying, None).await
}

async fn set(
    house: &House,
    by: &Caller,
    contact: ContactId,
    states: &[(Channel, ConsentState)],
) -> Result<Written<Heard>, Error> {
    say(house, by, word(contact, set_to(states))).await
}

/// The owner grants it for that long.
async fn grant_for(house: &House, contact: ContactId, channel: Channel, time: Duration) -> Contact {
    let now = house.clock.now();
    let given = AssignmentInput {
        channel: Some(channel),
        state: Some(GRANTED),
        expires_at: Some(now + time),
    };
    let grant = Word::Set(Assignments::read(&[given]).unwrap());
    say(house, &house.owner, word(contact, grant)).await.unwrap();
    read(house, contact).await
}

fn set_to(states: &[(Channel, ConsentState)]) -> Word {
    let given: Vec<_> = (states.iter())
        .map(|(channel, state)| AssignmentInput {
            channel: Some(*channel),
            state: Some(*state),
            expires_at: None,
        })
        .collect();
    Word::Set(Assignments::read(&given).unwrap())
}

fn withdrawal(channels: &[Channel]) -> Word {
    let channels: Vec<_> = channels.iter().copied().map(Some).collect();
    Word::Withdraw(Withdrawal::read(&channels).unwrap())
}

/// Something said in the contacts menu.
fn word(contact: ContactId, word: Word) -> Saying {
    let (evidence, etag) = (Evidence::default(), String::new());
    Saying { contact, place: Place::Contacts, word, evidence, etag, untimely: None }
}

/// Evidence with something that identifies in it.
fn evidence() -> Evidence {
    let input = EvidenceInput { note: NOTE, reference: "A-17", ..EvidenceInput::default() };
    Evidence::read(&input).unwrap()
}

async fn update(
    house: &House,
    by: &Caller,
    contact: ContactId,
    patch: ContactPatch,
) -> Result<Contact, Error> {
    let session = house.session(by).await;
    let written = house.directory.update_contact(&session, contact, patch, String::new(), None);
    Ok(written.await?.now.unwrap())
}

/// The addresses that a channel shall have, each with the point that it shall be.
fn points(wanted: &[(Option<PointId>, &str)]) -> ContactPatch {
    let wanted: Vec<_> =
        wanted.iter().map(|(id, text)| WantedPoint { id: *id, address: address(text) }).collect();
    let channel = channel_of(&wanted[0].address);
    let mut patch = ContactPatch::default();
    *patch.points.get_mut(channel) = Some(wanted);
    patch
}

/// A channel without any address.
fn no_points(channel: Channel) -> ContactPatch {
    let points = ByChannel::from_fn(|of| (of == channel).then(Vec::new));
    ContactPatch { points, ..ContactPatch::default() }
}

async fn delete(house: &House, by: &Caller, contact: ContactId) -> Result<(), Error> {
    let session = house.session(by).await;
    house.directory.delete_contact(&session, contact, String::new(), None).await
}

/// What counts now.
fn states<P>(house: &House, contact: &Contact<P>) -> (ConsentState, ConsentState) {
    let now = house.clock.now();
    (contact.consents.phone.state_at(now), contact.consents.email.state_at(now))
}

async fn read(house: &House, id: ContactId) -> Contact {
    house.directory.contact(&house.session(&house.owner).await, id).await.unwrap()
}

/// The causes of a contact's changes, in order.
async fn causes(house: &House, id: ContactId) -> Vec<Cause> {
    let ledger = house.ledger().await;
    ledger.iter().filter(|change| change.contact == id).map(|change| change.cause).collect()
}

fn request(rpc: &str, body: &[u8]) -> Request {
    Request { rpc: rpc.to_owned(), id: RequestId::generate(), body: body.to_vec() }
}

/// Why it was not done.
fn why<T>(result: Result<T, Error>) -> (Code, &'static str) {
    match result {
        Ok(_) => panic!("it was done"),
        Err(error) => (error.code(), error.reason()),
    }
}

const ABSENT: (Code, &str) = (Code::NotFound, "NOT_FOUND");

/// Everything that the business has, as far as a change of it shows.
pub async fn everything(house: &House) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    for sql in [
        "SELECT first_name, revision FROM contacts WHERE business_id = $1 ORDER BY contact_id",
        "SELECT last_name, consent_seq FROM contacts WHERE business_id = $1 ORDER BY contact_id",
        "SELECT 'updated', updated_at FROM contacts WHERE business_id = $1 ORDER BY contact_id",
        "SELECT 'phone', CAST(phone_state AS BIGINT) FROM contacts WHERE business_id = $1 ORDER BY contact_id",
        "SELECT 'email', CAST(email_state AS BIGINT) FROM contacts WHERE business_id = $1 ORDER BY contact_id",
        "SELECT 'points', COUNT(*) FROM contact_points WHERE business_id = $1",
        "SELECT 'addresses', COUNT(DISTINCT blind_index) FROM contact_points WHERE business_id = $1",
        "SELECT 'fingerprints', COUNT(*) FROM contact_fingerprints WHERE business_id = $1",
        "SELECT 'refused', COUNT(*) FROM refused_addresses WHERE business_id = $1",
        "SELECT display_name, revision FROM accounts WHERE business_id = $1 ORDER BY account_id",
        "SELECT title, revision FROM leads WHERE business_id = $1 ORDER BY lead_id",
        "SELECT 'converted', COUNT(*) FROM leads WHERE business_id = $1 AND account_id IS NOT NULL",
        "SELECT 'of accounts', COUNT(*) FROM account_contacts WHERE business_id = $1",
        "SELECT 'of leads', COUNT(*) FROM lead_contacts WHERE business_id = $1",
        "SELECT 'outbox', seq FROM outbox WHERE business_id = $1 ORDER BY stream_id, seq",
        "SELECT 'requests', COUNT(*) FROM requests WHERE business_id = $1",
    ] {
        all.extend(house.rows::<(String, i64)>(sql).await);
    }
    all
}

/// A member of another business who names this one's contact in their own.
async fn stranger(house: &House) -> Session {
    house.neighbour().await
}
