//! What is asked. Everything that is wrong with a question is said at once.

use jiff::Timestamp;
use yinyom_consent::wire::{optional, read_actor, read_timestamp, required};
use yinyom_consent::{Actor, CONTACTS, Cause, Channel, ConsentState, Surface};
use yinyom_kernel::{BusinessId, ContactId, InvalidInput, Name, PageSize, Text, Violations};
use yinyom_proto::manager::v1 as pb;
use yinyom_rpc::Call;

use crate::domain::{ChangeFilter, ConsentFilter, Granularity, Span, end_before_start};

/// The business of a `parent`.
pub(in crate::api) fn business(parent: &str) -> Result<BusinessId, InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(parent));
    wrong.finish(business)
}

/// Whose history.
pub(in crate::api) fn history(
    asked: &pb::GetContactHistoryRequest,
    call: &Call,
) -> Result<((BusinessId, ContactId), PageSize), InvalidInput> {
    let mut wrong = Violations::new();
    let contact = wrong.take("contact", CONTACTS.parse(&asked.contact));
    let size = wrong.merge(call.page_size(asked.page_size));
    wrong.finish(contact.zip(size))
}

/// Which current consents.
pub(in crate::api) fn consents(
    asked: &pb::ListConsentsRequest,
    call: &Call,
) -> Result<(BusinessId, ConsentFilter, PageSize), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let size = wrong.merge(call.page_size(asked.page_size));
    let (since, before) = period(&mut wrong, asked.start_time.as_ref(), asked.end_time.as_ref());
    let filter = ConsentFilter {
        channel: optional(&mut wrong, "channel", Channel::from_wire(asked.channel)).flatten(),
        state: optional(&mut wrong, "state", ConsentState::from_wire(asked.state)).flatten(),
        surface: optional(&mut wrong, "surface", Surface::from_wire(asked.surface)).flatten(),
        actor: actor(&mut wrong, business, &asked.actor),
        since,
        before,
    };
    let asked = business.zip(size).map(|(business, size)| (business, filter, size));
    wrong.finish(asked)
}

/// Which changes.
pub(in crate::api) fn changes(
    asked: &pb::ListConsentChangesRequest,
    call: &Call,
) -> Result<(BusinessId, ChangeFilter, PageSize), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let size = wrong.merge(call.page_size(asked.page_size));
    let (since, before) = period(&mut wrong, asked.start_time.as_ref(), asked.end_time.as_ref());
    let filter = ChangeFilter {
        channel: optional(&mut wrong, "channel", Channel::from_wire(asked.channel)).flatten(),
        state: optional(&mut wrong, "state", ConsentState::from_wire(asked.state)).flatten(),
        surface: optional(&mut wrong, "surface", Surface::from_wire(asked.surface)).flatten(),
        actor: actor(&mut wrong, business, &asked.actor),
        cause: optional(&mut wrong, "cause", Cause::from_wire(asked.cause)).flatten(),
        since,
        before,
    };
    let asked = business.zip(size).map(|(business, size)| (business, filter, size));
    wrong.finish(asked)
}

/// Which stretch of time.
pub(in crate::api) fn trend(
    asked: &pb::GetConsentTrendRequest,
) -> Result<(BusinessId, Span), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let granularity = required(&mut wrong, "granularity", granularity(asked.granularity));
    let (start, end) = period(&mut wrong, asked.start_time.as_ref(), asked.end_time.as_ref());
    let span = granularity.map(|granularity| Span { granularity, start, end });
    wrong.finish(business.zip(span))
}

fn granularity(number: i32) -> Result<Option<Granularity>, InvalidInput> {
    match pb::Granularity::try_from(number) {
        Ok(pb::Granularity::Unspecified) => Ok(None),
        Ok(pb::Granularity::Day) => Ok(Some(Granularity::Day)),
        Ok(pb::Granularity::Week) => Ok(Some(Granularity::Week)),
        Ok(pb::Granularity::Month) => Ok(Some(Granularity::Month)),
        // Only that it is unknown counts; `required` says it in its own words.
        Err(_) => Err(InvalidInput::one("", "UNKNOWN_VALUE", Text::new("", ""))),
    }
}

pub(super) fn period(
    wrong: &mut Violations,
    start: Option<&prost_types::Timestamp>,
    end: Option<&prost_types::Timestamp>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let start = read_timestamp(wrong, "start_time", start);
    let end = read_timestamp(wrong, "end_time", end);
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        wrong.merge::<()>(Err(end_before_start()));
    }
    (start, end)
}

/// Whose changes. Where the business cannot be read, neither can the actor; the one complaint is enough.
fn actor(wrong: &mut Violations, business: Option<BusinessId>, name: &str) -> Option<Actor> {
    if name.is_empty() {
        return None;
    }
    read_actor(wrong, business?, name, None)
}
