//! What customers said.

use jiff::Timestamp;
use yinyom_consent::wire::{optional, read_timestamp, required};
use yinyom_consent::{ACCOUNTS, CONTACTS, Channel, ConsentState, EvidenceMethod, LEADS, Surface};
use yinyom_kernel::{BusinessId, Etag, Fault, InvalidInput, Language, Violations};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::types::v1 as types;

use super::{contacts, read, refusal};
use crate::commands::Written;
use crate::commands::bulk::Said;
use crate::commands::consents::{Heard, Row, Saying, Word};
use crate::domain::Contact;
use crate::domain::check::Check;
use crate::domain::evidence::{Evidence, EvidenceInput, is_future, refuse_future};
use crate::domain::set::{AssignmentInput, Assignments, Withdrawal, refuse_past};
use crate::domain::surface::Place;

/// The consent of a contact.
pub fn consents<P>(
    business: BusinessId,
    contact: &Contact<P>,
    now: Timestamp,
) -> pb::ContactConsents {
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
    written: &Written<Heard>,
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
    let mut too_late = Violations::new();
    let assignments = assignments(&mut wrong, &mut too_late, &given.assignments, now);
    let evidence = evidence(&mut wrong, &mut too_late, given.evidence.as_ref(), now);
    let untimely = untimely(&mut wrong, too_late);
    let saying = (|| {
        let (business, contact) = contact?;
        let word = Word::Set(assignments?);
        let (place, evidence, etag) = (place?, evidence?, given.etag.clone());
        Some((business, Saying { contact, place, word, evidence, etag, untimely }))
    })();
    wrong.finish(saying)
}

/// Reads what is said of many contacts of `business`, and what is wrong with it by the clock alone.
pub fn said(
    business: Option<BusinessId>,
    given: &pb::BulkSetContactConsentsRequest,
    now: Timestamp,
) -> Result<(Said, Option<InvalidInput>), InvalidInput> {
    let mut wrong = Violations::new();
    let place = place(&mut wrong, business, given.surface, &given.lead, &given.account);
    let mut too_late = Violations::new();
    let assignments = assignments(&mut wrong, &mut too_late, &given.assignments, now);
    let evidence = evidence(&mut wrong, &mut too_late, given.evidence.as_ref(), now);
    let untimely = untimely(&mut wrong, too_late);
    let said = (|| {
        let (place, assignments, evidence) = (place?, assignments?, evidence?);
        Some((Said { place, assignments, evidence }, untimely))
    })();
    wrong.finish(said)
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
    let withdrawal = channels(&mut wrong, &given.channels);
    let mut too_early = Violations::new();
    let evidence = evidence(&mut wrong, &mut too_early, given.evidence.as_ref(), now);
    let untimely = untimely(&mut wrong, too_early);
    let saying = (|| {
        let (business, contact) = contact?;
        let word = Word::Withdraw(withdrawal?);
        let (place, evidence, etag) = (place?, evidence?, String::new());
        Some((business, Saying { contact, place, word, evidence, etag, untimely }))
    })();
    wrong.finish(saying)
}

/// What is wrong by the clock alone, if that is all: a request that is sent again is not refused for it. Else it
/// is told with the rest.
fn untimely(wrong: &mut Violations, by_clock: Violations) -> Option<InvalidInput> {
    let untimely = by_clock.finish(Some(())).err()?;
    if wrong.is_empty() {
        return Some(untimely);
    }
    wrong.merge::<()>(Err(untimely));
    None
}

/// Reads what each channel shall be. A number that no enum has is told as that, and not as missing.
fn assignments(
    wrong: &mut Violations,
    by_clock: &mut Violations,
    given: &[pb::ConsentAssignment],
    now: Timestamp,
) -> Option<Assignments> {
    let mut unknown = Violations::new();
    let inputs: Vec<_> = given
        .iter()
        .enumerate()
        .map(|(i, assignment)| assignment_input(&mut unknown, i, assignment))
        .collect();
    refuse_past(by_clock, &inputs, now);
    merge_unknown(wrong, unknown, Assignments::read(&inputs))
}

/// Reads the channels of a refusal, in the same way.
fn channels(wrong: &mut Violations, given: &[i32]) -> Option<Withdrawal> {
    let mut unknown = Violations::new();
    let mut read = |i, channel| {
        optional(&mut unknown, &format!("channels[{i}]"), Channel::from_wire(channel)).flatten()
    };
    let channels: Vec<_> = (0..).zip(given).map(|(i, channel)| read(i, *channel)).collect();
    merge_unknown(wrong, unknown, Withdrawal::read(&channels))
}

/// Takes over what is wrong with something that was read with its `unknown` numbers left unset.
fn merge_unknown<T>(
    wrong: &mut Violations,
    unknown: Violations,
    read: Result<T, InvalidInput>,
) -> Option<T> {
    let unknown = unknown.into_inner();
    let is_unknown = |field: &str| unknown.iter().any(|violation| violation.field == field);
    for violation in read.as_ref().err().map(Fault::violations).unwrap_or_default() {
        if !is_unknown(&violation.field) {
            wrong.push(violation.field.clone(), violation.reason, violation.text.clone());
        }
    }
    for violation in unknown {
        wrong.push(violation.field, violation.reason, violation.text);
    }
    read.ok()
}

fn assignment_input(
    wrong: &mut Violations,
    i: usize,
    given: &pb::ConsentAssignment,
) -> AssignmentInput {
    let at = |field: &str| format!("assignments[{i}].{field}");
    let channel = optional(wrong, &at("channel"), Channel::from_wire(given.channel));
    let state = optional(wrong, &at("state"), ConsentState::from_wire(given.state));
    let expires_at = read_timestamp(wrong, &at("expire_time"), given.expire_time.as_ref());
    AssignmentInput { channel: channel.flatten(), state: state.flatten(), expires_at }
}

fn place(
    wrong: &mut Violations,
    business: Option<BusinessId>,
    surface: i32,
    lead: &str,
    account: &str,
) -> Option<Place> {
    let surface = required(wrong, "surface", Surface::from_wire(surface));
    let lead = wrong.merge(read::optional_name("lead", LEADS, business, lead));
    let account = wrong.merge(read::optional_name("account", ACCOUNTS, business, account));
    wrong.merge(Place::read(Some(surface?), lead?, account?))
}

/// Reads evidence; none is as good as empty evidence.
fn evidence(
    wrong: &mut Violations,
    by_clock: &mut Violations,
    given: Option<&types::Evidence>,
    now: Timestamp,
) -> Option<Evidence> {
    let Some(given) = given else {
        return Some(Evidence::default());
    };
    let method = optional(wrong, "evidence.method", EvidenceMethod::from_wire(given.method));
    let claimed_at = read_timestamp(wrong, "evidence.claimed_time", given.claimed_time.as_ref());
    if claimed_at.is_some_and(|at| is_future(at, now)) {
        refuse_future(by_clock, "evidence.claimed_time");
    }
    let input = EvidenceInput {
        method: method.flatten(),
        notice_version: &given.notice_version,
        reference: &given.reference,
        note: &given.note,
        claimed_at,
    };
    let read = wrong.nest("evidence", Evidence::read(&input));
    // The rest was read for what else is wrong.
    method.and(read)
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
