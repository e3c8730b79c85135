//! What customers said.

use jiff::Timestamp;
use yinyom_consent::wire::{optional, read_timestamp, required};
use yinyom_consent::{ACCOUNTS, CONTACTS, Channel, ConsentState, EvidenceMethod, LEADS, Surface};
use yinyom_kernel::{BusinessId, Etag, InvalidInput, Language, Violations};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::types::v1 as types;

use super::{contacts, read, refusal};
use crate::commands::Written;
use crate::commands::consents::{Row, Saying, Word};
use crate::domain::Contact;
use crate::domain::check::Check;
use crate::domain::evidence::{Evidence, EvidenceInput};
use crate::domain::set::{AssignmentInput, Assignments, Withdrawal};
use crate::domain::surface::Place;

/// The consent of a contact.
pub fn consents(business: BusinessId, contact: &Contact, now: Timestamp) -> pb::ContactConsents {
    pb::ContactConsents {
        contact: CONTACTS.format(business, contact.id),
        consents: contacts::consents(contact, now),
        consent_seq: contact.consent_seq,
        etag: contact.etag().to_string(),
    }
}

/// What was written. A repeated request has the number and the etag that it had.
pub fn written(
    business: BusinessId,
    written: &Written<Contact>,
    now: Timestamp,
) -> pb::ContactConsents {
    let receipt = written.receipt;
    pb::ContactConsents {
        contact: CONTACTS.format(business, receipt.id),
        consent_seq: receipt.consent_seq,
        etag: Etag::of(receipt.revision).to_string(),
        ..written.now.as_ref().map(|c| consents(business, c, now)).unwrap_or_default()
    }
}

/// What became of a row.
pub fn row(
    business: BusinessId,
    row: Row,
    language: Language,
    now: Timestamp,
) -> pb::BatchSetContactConsentsResult {
    use pb::batch_set_contact_consents_result::Result as Became;
    let became = match row {
        Row::Recorded(recorded) => Became::ContactConsents(written(business, &recorded, now)),
        Row::Refused(error) => Became::Refusal(refusal::refusal(&error, language)),
        Row::RefusedBefore(code, reason) => Became::Refusal(refusal::repeated(code, reason)),
    };
    pb::BatchSetContactConsentsResult { result: Some(became) }
}

/// Reads what was said, and of whose contact.
pub fn saying(
    given: &pb::SetContactConsentsRequest,
    now: Timestamp,
) -> Result<(BusinessId, Saying), InvalidInput> {
    let mut wrong = Violations::new();
    let contact = wrong.take("contact", CONTACTS.parse(&given.contact));
    let business = contact.map(|(business, _)| business);
    let place = place(&mut wrong, business, given.surface, &given.lead, &given.account);
    let inputs: Vec<_> = given
        .assignments
        .iter()
        .enumerate()
        .map(|(i, assignment)| assignment_input(&mut wrong, i, assignment))
        .collect();
    let unread = inputs.iter().any(Option::is_none);
    let inputs: Vec<_> = inputs.into_iter().flatten().collect();
    let assignments = if unread { None } else { wrong.merge(Assignments::read(&inputs, now)) };
    let evidence = evidence(&mut wrong, given.evidence.as_ref(), now);
    let saying = (|| {
        let (business, contact) = contact?;
        let word = Word::Set(assignments?);
        let etag = given.etag.clone();
        Some((business, Saying { contact, place: place?, word, evidence: evidence?, etag }))
    })();
    wrong.finish(saying)
}

/// Reads a refusal, and of whose contact.
pub fn withdrawal(
    given: &pb::WithdrawConsentRequest,
    now: Timestamp,
) -> Result<(BusinessId, Saying), InvalidInput> {
    let mut wrong = Violations::new();
    let contact = wrong.take("contact", CONTACTS.parse(&given.contact));
    let business = contact.map(|(business, _)| business);
    let place = place(&mut wrong, business, given.surface, &given.lead, &given.account);
    let channels: Vec<_> = given
        .channels
        .iter()
        .enumerate()
        .map(|(i, channel)| {
            optional(&mut wrong, &format!("channels[{i}]"), Channel::from_wire(*channel))
        })
        .collect();
    let channels: Option<Vec<_>> = channels.into_iter().collect();
    let withdrawal = channels.and_then(|channels| wrong.merge(Withdrawal::read(&channels)));
    let evidence = evidence(&mut wrong, given.evidence.as_ref(), now);
    let saying = (|| {
        let (business, contact) = contact?;
        let word = Word::Withdraw(withdrawal?);
        let etag = String::new();
        Some((business, Saying { contact, place: place?, word, evidence: evidence?, etag }))
    })();
    wrong.finish(saying)
}

/// The outer `None` is an assignment that holds a number that no enum has.
fn assignment_input(
    wrong: &mut Violations,
    i: usize,
    given: &pb::ConsentAssignment,
) -> Option<AssignmentInput> {
    let at = |field: &str| format!("assignments[{i}].{field}");
    let channel = optional(wrong, &at("channel"), Channel::from_wire(given.channel));
    let state = optional(wrong, &at("state"), ConsentState::from_wire(given.state));
    let expires_at = read_timestamp(wrong, &at("expire_time"), given.expire_time.as_ref());
    Some(AssignmentInput { channel: channel?, state: state?, expires_at })
}

fn place(
    wrong: &mut Violations,
    business: Option<BusinessId>,
    surface: i32,
    lead: &str,
    account: &str,
) -> Option<Place> {
    let surface = required(wrong, "surface", Surface::from_wire(surface));
    let lead = wrong.merge(parent("lead", LEADS, business, lead));
    let account = wrong.merge(parent("account", ACCOUNTS, business, account));
    wrong.merge(Place::read(Some(surface?), lead?, account?))
}

/// Reads the page's owner. Whose it must be is not known where the contact's name could not be read.
fn parent<T: std::str::FromStr<Err = yinyom_kernel::InvalidId>>(
    field: &str,
    of: yinyom_kernel::Name,
    business: Option<BusinessId>,
    given: &str,
) -> Result<Option<T>, InvalidInput> {
    match business {
        Some(business) => read::optional_name(field, of, business, given),
        None if given.is_empty() => Ok(None),
        None => read::name(field, of, given).map(|(_, id)| Some(id)),
    }
}

/// Reads evidence; none is as good as empty evidence.
fn evidence(
    wrong: &mut Violations,
    given: Option<&types::Evidence>,
    now: Timestamp,
) -> Option<Evidence> {
    let Some(given) = given else {
        return Some(Evidence::default());
    };
    let method = optional(wrong, "evidence.method", EvidenceMethod::from_wire(given.method));
    let claimed_at = read_timestamp(wrong, "evidence.claimed_time", given.claimed_time.as_ref());
    let input = EvidenceInput {
        method: method?,
        notice_version: &given.notice_version,
        reference: &given.reference,
        note: &given.note,
        claimed_at,
    };
    wrong.nest("evidence", Evidence::read(&input, now))
}

/// Whether marketing may use a channel of a contact.
pub fn check(contact: String, check: Option<Check>) -> pb::ConsentCheck {
    let reason = match check {
        None => pb::CheckReason::NotFound,
        Some(Check::Allowed) => pb::CheckReason::Allowed,
        Some(Check::NoAddress) => pb::CheckReason::NoAddress,
        Some(Check::Denied) => pb::CheckReason::Denied,
        Some(Check::SharedAddressDenied) => pb::CheckReason::SharedAddressDenied,
        Some(Check::Expired) => pb::CheckReason::Expired,
        Some(Check::NotSet) => pb::CheckReason::NotSet,
    };
    pb::ConsentCheck { contact, allowed: check.is_some_and(Check::allowed), reason: reason.into() }
}
