//! What is asked. Everything that is wrong with a question is said at once.

use jiff::Timestamp;
use yinyom_consent::wire::{
    of_business, optional, read_actor, read_parent, read_timestamp, required,
};
use yinyom_consent::{
    Actor, CONTACTS, Cause, Channel, ConsentState, EvidenceMethod, Role, Surface, SurfaceParent,
};
use yinyom_kernel::{
    BusinessId, ContactId, InvalidInput, Name, PageSize, Text, Violations, one_line,
};
use yinyom_proto::manager::v1 as pb;
use yinyom_rpc::Call;

use crate::domain::{ChangeFilter, ConsentFilter, Dimension, Granularity, Span, end_before_start};

/// What a notice version can have.
const MAX_NOTICE_CHARS: usize = 200;

/// From when to when.
pub(super) type Ends = (Option<Timestamp>, Option<Timestamp>);

/// The business of a `parent`.
pub(in crate::api) fn business(parent: &str) -> Result<BusinessId, InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(parent));
    wrong.finish(business)
}

/// A contact, as of when, and how much of its history.
type OfContact = ((BusinessId, ContactId), Option<Timestamp>, PageSize);

/// Whose history.
pub(in crate::api) fn history(
    asked: &pb::GetContactHistoryRequest,
    call: &Call,
) -> Result<OfContact, InvalidInput> {
    let mut wrong = Violations::new();
    let contact = wrong.take("contact", CONTACTS.parse(&asked.contact));
    let as_of = read_timestamp(&mut wrong, "as_of_time", asked.as_of_time.as_ref());
    let size = wrong.merge(call.page_size(asked.page_size));
    wrong.finish(contact.zip(size).map(|(contact, size)| (contact, as_of, size)))
}

/// Whose summary, and of when.
pub(in crate::api) fn summary(
    asked: &pb::GetConsentSummaryRequest,
) -> Result<(BusinessId, Option<Timestamp>), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let as_of = read_timestamp(&mut wrong, "as_of_time", asked.as_of_time.as_ref());
    wrong.finish(business.map(|business| (business, as_of)))
}

/// By what, and from when to when.
pub(in crate::api) fn breakdown(
    asked: &pb::GetConsentBreakdownRequest,
    call: &Call,
) -> Result<(BusinessId, Dimension, Ends, PageSize), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let dimension = required(&mut wrong, "dimension", dimension(asked.dimension));
    let ends = period(&mut wrong, asked.start_time.as_ref(), asked.end_time.as_ref());
    let size = wrong.merge(call.page_size(asked.page_size));
    let asked = business.zip(dimension).zip(size);
    wrong.finish(asked.map(|((business, dimension), size)| (business, dimension, ends, size)))
}

fn dimension(number: i32) -> Result<Option<Dimension>, InvalidInput> {
    match pb::BreakdownDimension::try_from(number) {
        Ok(pb::BreakdownDimension::Unspecified) => Ok(None),
        Ok(pb::BreakdownDimension::Surface) => Ok(Some(Dimension::Surface)),
        Ok(pb::BreakdownDimension::Actor) => Ok(Some(Dimension::Actor)),
        Ok(pb::BreakdownDimension::EvidenceMethod) => Ok(Some(Dimension::Method)),
        Err(_) => Err(unknown()),
    }
}

/// Which current consents.
pub(in crate::api) fn consents(
    asked: &pb::ListConsentsRequest,
    call: &Call,
) -> Result<(BusinessId, ConsentFilter, Option<Timestamp>, PageSize), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let size = wrong.merge(call.page_size(asked.page_size));
    let (since, before) = period(&mut wrong, asked.start_time.as_ref(), asked.end_time.as_ref());
    let as_of = read_timestamp(&mut wrong, "as_of_time", asked.as_of_time.as_ref());
    let (expires_since, expires_before) =
        window(&mut wrong, asked.expire_start_time.as_ref(), asked.expire_end_time.as_ref());
    let filter = ConsentFilter {
        contact: contact(&mut wrong, business, &asked.contact),
        expires_since,
        expires_before,
        surface_parent: parent(&mut wrong, business, &asked.surface_parent),
        actor_role: optional(&mut wrong, "actor_role", Role::from_wire(asked.actor_role)).flatten(),
        cause: optional(&mut wrong, "cause", Cause::from_wire(asked.cause)).flatten(),
        method: method(&mut wrong, asked.evidence_method),
        notice_version: notice_version(&mut wrong, &asked.notice_version),
        channel: optional(&mut wrong, "channel", Channel::from_wire(asked.channel)).flatten(),
        state: optional(&mut wrong, "state", ConsentState::from_wire(asked.state)).flatten(),
        surface: optional(&mut wrong, "surface", Surface::from_wire(asked.surface)).flatten(),
        actor: actor(&mut wrong, business, &asked.actor),
        since,
        before,
    };
    let asked = business.zip(size).map(|(business, size)| (business, filter, as_of, size));
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
    let (expires_since, expires_before) =
        window(&mut wrong, asked.expire_start_time.as_ref(), asked.expire_end_time.as_ref());
    let from_state = ConsentState::from_wire(asked.from_state);
    let filter = ChangeFilter {
        contact: contact(&mut wrong, business, &asked.contact),
        from_state: optional(&mut wrong, "from_state", from_state).flatten(),
        expires_since,
        expires_before,
        surface_parent: parent(&mut wrong, business, &asked.surface_parent),
        actor_role: optional(&mut wrong, "actor_role", Role::from_wire(asked.actor_role)).flatten(),
        method: method(&mut wrong, asked.evidence_method),
        notice_version: notice_version(&mut wrong, &asked.notice_version),
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
        Err(_) => Err(unknown()),
    }
}

/// Only that it is unknown counts; `required` says it in its own words.
fn unknown() -> InvalidInput {
    InvalidInput::one("", "UNKNOWN_VALUE", Text::new("", ""))
}

pub(super) fn period(
    wrong: &mut Violations,
    start: Option<&prost_types::Timestamp>,
    end: Option<&prost_types::Timestamp>,
) -> Ends {
    let start = read_timestamp(wrong, "start_time", start);
    let end = read_timestamp(wrong, "end_time", end);
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        wrong.merge::<()>(Err(end_before_start()));
    }
    (start, end)
}

/// When grants run out.
fn window(
    wrong: &mut Violations,
    start: Option<&prost_types::Timestamp>,
    end: Option<&prost_types::Timestamp>,
) -> Ends {
    let start = read_timestamp(wrong, "expire_start_time", start);
    let end = read_timestamp(wrong, "expire_end_time", end);
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        let text =
            Text::new("must not be before expire_start_time.", "ต้องไม่มาก่อน expire_start_time");
        wrong.push("expire_end_time", "END_BEFORE_START", text);
    }
    (start, end)
}

/// Which contact, of this business.
fn contact(wrong: &mut Violations, business: Option<BusinessId>, name: &str) -> Option<ContactId> {
    if name.is_empty() {
        return None;
    }
    let business = business?;
    let (owner, contact) = wrong.take("contact", CONTACTS.parse(name))?;
    of_business(wrong, "contact", business, owner, contact)
}

/// On whose page.
fn parent(
    wrong: &mut Violations,
    business: Option<BusinessId>,
    name: &str,
) -> Option<SurfaceParent> {
    read_parent(wrong, business?, name)
}

fn method(wrong: &mut Violations, number: i32) -> Option<EvidenceMethod> {
    optional(wrong, "evidence_method", EvidenceMethod::from_wire(number)).flatten()
}

fn notice_version(wrong: &mut Violations, text: &str) -> Option<String> {
    wrong.merge(one_line("notice_version", text, MAX_NOTICE_CHARS)).flatten()
}

/// Whose changes. Where the business cannot be read, neither can the actor; the one complaint is enough.
fn actor(wrong: &mut Violations, business: Option<BusinessId>, name: &str) -> Option<Actor> {
    if name.is_empty() {
        return None;
    }
    read_actor(wrong, business?, name, None)
}
