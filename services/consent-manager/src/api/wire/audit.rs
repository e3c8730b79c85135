//! The audit record: batches of events, questions, answers.

use std::collections::HashMap;

use uuid::Uuid;
use yinyom_audit::{Actor, FieldChange, Reveal, wire};
use yinyom_consent::wire::timestamp;
use yinyom_consent::{CONTACTS, MEMBERS};
use yinyom_kernel::{BusinessId, InvalidId, InvalidInput, Name, PageSize, Text, Violations};
use yinyom_proto::manager::v1 as pb;
use yinyom_rpc::Call;

use super::batch::outcome;
use super::questions::period;
use crate::domain::{AuditFilter, AuditKind, AuditStream, Audited, StreamResult};

const REVEALS: Name = Name::of("reveals");
const SETTINGS_CHANGES: Name = Name::of("settingsChanges");

/// The most events that one batch holds.
const MAX_EVENTS: usize = 1_000;

/// Reads a batch, stream by stream, each in the order in which it was sent. An event that cannot be read spoils its own
/// stream only.
pub(in crate::api) fn batch(
    request: &pb::RecordAuditEventsRequest,
) -> Result<(BusinessId, Vec<AuditStream>), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&request.parent));
    match request.events.len() {
        1..=MAX_EVENTS => {}
        0 => wrong.missing("events"),
        _ => wrong.push(
            "events",
            "TOO_MANY",
            Text::new(
                format!("holds more than {MAX_EVENTS} events."),
                format!("มีรายการเกิน {MAX_EVENTS} รายการ"),
            ),
        ),
    }
    let business = wrong.finish(business)?;
    let mut streams: Vec<AuditStream> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for sent in &request.events {
        let place = *places.entry(&sent.stream).or_insert_with(|| {
            streams.push(AuditStream {
                name: sent.stream.clone(),
                stream: canonical(&sent.stream),
                events: Ok(Vec::new()),
            });
            streams.len() - 1
        });
        let Some(stream) = streams.get_mut(place) else { continue };
        if let (Some(id), Ok(events)) = (stream.stream, &mut stream.events) {
            match wire::read(business, id, sent) {
                Ok(event) => events.push(event),
                Err(invalid) => stream.events = Err(invalid),
            }
        }
    }
    Ok((business, streams))
}

/// Two spellings of one stream would be two streams.
fn canonical(stream: &str) -> Option<Uuid> {
    Uuid::try_parse(stream).ok().filter(|id| id.to_string() == stream)
}

/// What became of a stream.
pub(in crate::api) fn result(result: StreamResult) -> pb::AuditStreamResult {
    let last_seq = result.last_seq;
    pb::AuditStreamResult { stream: result.name, outcome: outcome(result.outcome).into(), last_seq }
}

type Asked = (BusinessId, AuditFilter, PageSize);

/// Which reveals.
pub(in crate::api) fn reveals(
    asked: &pb::ListRevealsRequest,
    call: &Call,
) -> Result<Asked, InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let size = wrong.merge(call.page_size(asked.page_size));
    let (since, before) = period(&mut wrong, asked.start_time.as_ref(), asked.end_time.as_ref());
    let filter = AuditFilter {
        kind: AuditKind::Reveals,
        actor: actor(&mut wrong, business, &asked.actor),
        subject: subject(&mut wrong, business, "contact", CONTACTS, &asked.contact),
        since,
        before,
    };
    wrong.finish(business.zip(size).map(|(business, size)| (business, filter, size)))
}

/// Which changes of settings.
pub(in crate::api) fn settings_changes(
    asked: &pb::ListSettingsChangesRequest,
    call: &Call,
) -> Result<Asked, InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let size = wrong.merge(call.page_size(asked.page_size));
    let (since, before) = period(&mut wrong, asked.start_time.as_ref(), asked.end_time.as_ref());
    let filter = AuditFilter {
        kind: AuditKind::SettingsChanges,
        actor: actor(&mut wrong, business, &asked.actor),
        subject: subject(&mut wrong, business, "member", MEMBERS, &asked.member),
        since,
        before,
    };
    wrong.finish(business.zip(size).map(|(business, size)| (business, filter, size)))
}

/// Whose acts. Where the business cannot be read, neither can the actor; the one complaint is enough.
fn actor(wrong: &mut Violations, business: Option<BusinessId>, name: &str) -> Option<Actor> {
    if name.is_empty() {
        return None;
    }
    wire::read_actor(wrong, business?, name, None)
}

/// Whom they are about.
fn subject(
    wrong: &mut Violations,
    business: Option<BusinessId>,
    field: &str,
    names: Name,
    name: &str,
) -> Option<Uuid> {
    if name.is_empty() {
        return None;
    }
    let (owner, Id(id)) = wrong.take(field, names.parse(name))?;
    if business.is_some_and(|business| business != owner) {
        let text = Text::new("is of another business than the request.", "ไม่ได้อยู่ในธุรกิจเดียวกับคำขอ");
        wrong.push(field, "OTHER_BUSINESS", text);
        return None;
    }
    Some(id)
}

/// A contact's or a member's.
struct Id(Uuid);

impl std::str::FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        canonical(text).map(Self).ok_or(InvalidId)
    }
}

/// A reveal.
pub(in crate::api) fn reveal(
    business: BusinessId,
    audited: &Audited,
    reveal: &Reveal,
) -> pb::Reveal {
    pb::Reveal {
        name: REVEALS.format(business, audited.index),
        ingest_time: Some(timestamp(audited.ingested_at)),
        ..wire::reveal(business, &audited.act, reveal)
    }
}

/// A change of settings.
pub(in crate::api) fn settings_change(
    business: BusinessId,
    audited: &Audited,
    changes: &[FieldChange],
) -> pb::SettingsChange {
    pb::SettingsChange {
        name: SETTINGS_CHANGES.format(business, audited.index),
        ingest_time: Some(timestamp(audited.ingested_at)),
        ..wire::settings_change(business, &audited.act, changes)
    }
}
