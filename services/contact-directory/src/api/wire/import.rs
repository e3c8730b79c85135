//! Rows of imports, and what became of them.

use yinyom_consent::wire::{optional, read_timestamp};
use yinyom_consent::{ByChannel, CONTACTS, Channel, ConsentState};
use yinyom_kernel::{BusinessId, ContactId, InvalidInput, Language, Violations};
use yinyom_proto::directory::v1 as pb;

use super::refusal::refusal;
use crate::commands::import::{Became, LeadOf, Line, Person, Refuser, RowResult};
use crate::domain::contact::{ContactName, ExternalId};
use crate::domain::import::Kept;
use crate::domain::lead::{read_source, read_title};
use crate::domain::points::read_addresses;

/// Reads rows, each by itself: a wrong one is no reason to refuse another.
pub fn lines(rows: &[pb::ImportRow]) -> Vec<Line> {
    rows.iter().map(line).collect()
}

fn line(row: &pb::ImportRow) -> Line {
    let mut wrong = Violations::new();
    let said_at = read_timestamp(&mut wrong, "consent_time", row.consent_time.as_ref());
    let (read, refuser) = person(&mut wrong, row);
    Line { person: wrong.finish(read), refuser, said_at }
}

/// Reads who a row is about; and who refuses by it, whatever else in it is wrong.
fn person(wrong: &mut Violations, row: &pb::ImportRow) -> (Option<Person>, Option<Refuser>) {
    let external_id = wrong.merge(ExternalId::read(&row.external_id));
    let name = wrong.merge(ContactName::read(&row.first_name, &row.last_name));
    let phones = wrong.merge(addresses(Channel::Phone, &row.phones));
    let emails = wrong.merge(addresses(Channel::Email, &row.emails));
    let account = wrong.merge(given("account", &row.account));
    let lead = wrong.merge(lead(row));
    let mut says = |field: &str, state| optional(wrong, field, ConsentState::from_wire(state));
    let phone = says("phone_consent", row.phone_consent);
    let email = says("email_consent", row.email_consent);
    let says = ByChannel { phone: phone.flatten(), email: email.flatten() };
    let addresses = phones.zip(emails).map(|(phones, emails)| [phones, emails].concat());
    let known_by = name.clone().zip(addresses.clone());
    // Without the key that it has, nobody knows whom a row is about.
    let refuser = external_id.clone().and_then(|id| Refuser::of(id, known_by, says));
    let person = (|| {
        let (external_id, name, addresses) = (external_id?, name?, addresses?);
        phone.and(email)?;
        Some(Person { external_id, name, addresses, account: account?, lead: lead?, says })
    })();
    (person, refuser)
}

fn addresses(
    channel: Channel,
    given: &[String],
) -> Result<Vec<yinyom_privacy::Address>, InvalidInput> {
    let given: Vec<_> = given.iter().map(String::as_str).collect();
    read_addresses(channel, &given)
}

/// A title or display name, unless the row has none.
fn given(field: &str, text: &str) -> Result<Option<String>, InvalidInput> {
    if text.trim().is_empty() { Ok(None) } else { read_title(field, text).map(Some) }
}

/// A lead, unless the row has none. A source is a lead's: without a title it would be lost without a word.
fn lead(row: &pb::ImportRow) -> Result<Option<LeadOf>, InvalidInput> {
    let mut wrong = Violations::new();
    let title = wrong.merge(given("lead_title", &row.lead_title));
    let source = wrong.merge(read_source("lead_source", &row.lead_source));
    if title == Some(None) && source.as_ref().is_some_and(|source| !source.is_empty()) {
        wrong.missing("lead_title");
    }
    let lead = title.zip(source);
    wrong.finish(lead.map(|(title, source)| title.map(|title| LeadOf { title, source })))
}

/// What became of a row, in the caller's language. A contact that is not there is not named.
pub fn result(
    business: BusinessId,
    row: &pb::ImportRow,
    result: RowResult,
    is_there: impl Fn(ContactId) -> bool,
    language: Language,
) -> pb::ImportRowResult {
    let row_number = row.row_number;
    let name = |contact: Option<ContactId>| {
        let there = contact.filter(|contact| is_there(*contact));
        there.map(|contact| CONTACTS.format(business, contact)).unwrap_or_default()
    };
    match result {
        RowResult::Rejected { wrong, refuser } => pb::ImportRowResult {
            row_number,
            outcome: pb::ImportOutcome::Rejected.into(),
            contact: name(refuser),
            refusal: Some(refusal(&wrong, language)),
            ..pb::ImportRowResult::default()
        },
        RowResult::Taken { became, contact, kept } => pb::ImportRowResult {
            row_number,
            outcome: outcome(became).into(),
            contact: name(Some(contact)),
            phone_consent_kept: why(kept.phone).into(),
            email_consent_kept: why(kept.email).into(),
            ..pb::ImportRowResult::default()
        },
    }
}

const fn outcome(became: Became) -> pb::ImportOutcome {
    match became {
        Became::Created => pb::ImportOutcome::Created,
        Became::Updated => pb::ImportOutcome::Updated,
        Became::Unchanged => pb::ImportOutcome::Unchanged,
    }
}

const fn why(kept: Option<Kept>) -> pb::ImportConsentKept {
    match kept {
        None => pb::ImportConsentKept::Unspecified,
        Some(Kept::Denied) => pb::ImportConsentKept::Denied,
        Some(Kept::Granted) => pb::ImportConsentKept::Granted,
        Some(Kept::RefusedBefore) => pb::ImportConsentKept::RefusedBefore,
    }
}
