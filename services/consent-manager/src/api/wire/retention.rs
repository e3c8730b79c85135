//! Retention, legal holds, refused requests and erasures, as asked and as answered.

use uuid::Uuid;
use yinyom_consent::wire::{actor_name, timestamp};
use yinyom_consent::{Actor, CONTACTS, MEMBERS, Role};
use yinyom_kernel::{
    BusinessId, ContactId, InvalidInput, Name, PageSize, RequestId, Text, Violations,
};
use yinyom_proto::manager::v1 as pb;
use yinyom_rpc::Call;

use crate::commands::WantedHolds;
use crate::domain::{
    Erasure, Hold, NewHold, NewRefused, RefusalReason, RefusedRequest, RequestKind, Retention,
    RetentionPeriod, Told, read_words,
};

const RETENTION: Name = Name::of("retention");
const HOLDS: Name = Name::of("legalHolds");
const REFUSED: Name = Name::of("refusedRequests");

/// All businesses (AIP-159).
const EVERY: &str = "businesses/-";

/// Whose retention.
pub(in crate::api) fn retention_name(field: &str, name: &str) -> Result<BusinessId, InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take(field, RETENTION.parse_singleton(name));
    wrong.finish(business)
}

/// What it shall be.
pub(in crate::api) fn new_retention(
    asked: &pb::UpdateRetentionRequest,
) -> Result<(BusinessId, RetentionPeriod), InvalidInput> {
    let mut wrong = Violations::new();
    let Some(wanted) = &asked.retention else {
        wrong.missing("retention");
        return wrong.finish(None);
    };
    let business = wrong.merge(retention_name("retention.name", &wanted.name));
    let field = "retention.days_after_erasure";
    let period = wrong.merge(RetentionPeriod::read(field, wanted.days_after_erasure));
    wrong.finish(business.zip(period))
}

/// How long what is kept.
pub(in crate::api) fn retention(business: BusinessId, found: Retention) -> pb::Retention {
    let (at, actor) = found.set.unzip();
    pb::Retention {
        name: RETENTION.format_singleton(business),
        days_after_erasure: found.period.days(),
        update_time: at.map(timestamp),
        actor: actor.map(|actor| MEMBERS.format(business, actor)).unwrap_or_default(),
    }
}

/// A hold that is wanted.
pub(in crate::api) fn new_hold(
    asked: &pb::SetLegalHoldRequest,
) -> Result<(BusinessId, NewHold), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let contact = contact(&mut wrong, "contact", business, &asked.contact);
    let reason = wrong.merge(read_words("reason", &asked.reason));
    if reason == Some(None) {
        wrong.missing("reason");
    }
    let request = request_id(&mut wrong, &asked.request_id);
    let asked = || {
        let (business, reason, request) = (business?, reason??, request?);
        Some((business, NewHold { contact, reason, request }))
    };
    wrong.finish(asked())
}

/// Which hold.
pub(in crate::api) fn hold_name(name: &str) -> Result<(BusinessId, Uuid), InvalidInput> {
    let mut wrong = Violations::new();
    // Any id will do: it is looked up.
    let found = wrong.take("name", HOLDS.parse::<RequestId>(name));
    wrong.finish(found.map(|(business, id)| (business, id.uuid())))
}

/// A hold.
pub(in crate::api) fn hold(business: BusinessId, hold: Hold) -> pb::LegalHold {
    let (released_at, released_by) = hold.released.unzip();
    pb::LegalHold {
        name: HOLDS.format(business, hold.id),
        contact: hold.contact.map(|of| CONTACTS.format(business, of)).unwrap_or_default(),
        reason: hold.reason,
        set_time: Some(timestamp(hold.set_at)),
        actor: MEMBERS.format(business, hold.actor),
        release_time: released_at.map(timestamp),
        release_actor: released_by.map(|by| MEMBERS.format(business, by)).unwrap_or_default(),
    }
}

/// Which holds.
pub(in crate::api) fn holds(
    asked: &pb::ListLegalHoldsRequest,
    call: &Call,
) -> Result<(BusinessId, WantedHolds, PageSize), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let size = wrong.merge(call.page_size(asked.page_size));
    let contact = contact(&mut wrong, "contact", business, &asked.contact);
    let wanted = WantedHolds { contact, released_too: asked.show_released };
    let asked = business.zip(size).map(|(business, size)| (business, wanted, size));
    wrong.finish(asked)
}

/// A refused request, to be recorded.
pub(in crate::api) fn new_refused(
    asked: &pb::RecordRefusedRequestRequest,
) -> Result<(BusinessId, NewRefused), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let request = request_id(&mut wrong, &asked.request_id);
    let Some(given) = &asked.refused_request else {
        wrong.missing("refused_request");
        return wrong.finish(None);
    };
    let kind = word(&mut wrong, "refused_request.kind", given.kind, RequestKind::from_code);
    let reason = word(&mut wrong, "refused_request.reason", given.reason, RefusalReason::from_code);
    if given.contact.is_empty() {
        wrong.missing("refused_request.contact");
    }
    let contact = contact(&mut wrong, "refused_request.contact", business, &given.contact);
    let text = wrong.merge(read_words("refused_request.text", &given.text));
    if reason == Some(RefusalReason::Other) && text == Some(None) {
        wrong.missing("refused_request.text");
    }
    let asked = || {
        let (business, kind, contact) = (business?, kind?, contact?);
        let (reason, text, request) = (reason?, text?, request?);
        Some((business, NewRefused { kind, contact, reason, text, request }))
    };
    wrong.finish(asked())
}

/// A refused request.
pub(in crate::api) fn refused(business: BusinessId, of: RefusedRequest) -> pb::RefusedRequest {
    let actor_role = match &of.actor {
        Actor::Member { role: Some(role), .. } => Role::to_wire(*role),
        Actor::Member { role: None, .. } | Actor::Service { .. } => 0,
    };
    pb::RefusedRequest {
        name: REFUSED.format(business, of.id),
        kind: of.kind.code(),
        contact: CONTACTS.format(business, of.contact),
        reason: of.reason.code(),
        text: of.text.unwrap_or_default(),
        record_time: Some(timestamp(of.recorded_at)),
        actor: actor_name(business, &of.actor),
        actor_role,
    }
}

type WantedRefused = (Option<ContactId>, Option<RequestKind>);

/// Which refused requests.
pub(in crate::api) fn refused_requests(
    asked: &pb::ListRefusedRequestsRequest,
    call: &Call,
) -> Result<(BusinessId, WantedRefused, PageSize), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let size = wrong.merge(call.page_size(asked.page_size));
    let contact = contact(&mut wrong, "contact", business, &asked.contact);
    let kind = match asked.kind {
        0 => None,
        code => word(&mut wrong, "kind", code, RequestKind::from_code),
    };
    let asked = business.zip(size).map(|(business, size)| (business, (contact, kind), size));
    wrong.finish(asked)
}

/// Of which business; `None` is of all.
pub(in crate::api) fn erasures(
    asked: &pb::ListErasuresRequest,
    call: &Call,
) -> Result<(Option<BusinessId>, PageSize), InvalidInput> {
    let mut wrong = Violations::new();
    let business = match &*asked.parent {
        EVERY => Some(None),
        name => wrong.take("parent", Name::parse_business(name)).map(Some),
    };
    let size = wrong.merge(call.page_size(asked.page_size));
    wrong.finish(business.zip(size))
}

/// An erased contact.
pub(in crate::api) fn erasure(business: BusinessId, of: Erasure) -> pb::Erasure {
    pb::Erasure {
        contact: CONTACTS.format(business, of.contact),
        seq: of.seq,
        erase_time: Some(timestamp(of.at)),
        evidence_destroy_time: of.evidence_destroyed_at.map(timestamp),
        content_destroy_time: of.content_destroyed_at.map(timestamp),
        held: of.held,
    }
}

/// An erased contact, across businesses.
pub(in crate::api) fn told(business: BusinessId, told: Told) -> pb::Erasure {
    pb::Erasure {
        contact: CONTACTS.format(business, told.contact),
        seq: told.seq,
        erase_time: Some(timestamp(told.at)),
        ..pb::Erasure::default()
    }
}

/// A contact of the business, or none. Where the business cannot be read, whose the contact must be is not known.
fn contact(
    wrong: &mut Violations,
    field: &str,
    business: Option<BusinessId>,
    name: &str,
) -> Option<ContactId> {
    if name.is_empty() {
        return None;
    }
    let (owner, contact) = wrong.take(field, CONTACTS.parse(name))?;
    if business.is_some_and(|business| business != owner) {
        wrong.push(
            field,
            "OTHER_BUSINESS",
            Text::new("is of another business than the request.", "ไม่ได้อยู่ในธุรกิจเดียวกับคำขอ"),
        );
    }
    Some(contact)
}

fn request_id(wrong: &mut Violations, id: &str) -> Option<RequestId> {
    if id.is_empty() {
        wrong.missing("request_id");
        return None;
    }
    wrong.take("request_id", id.parse())
}

fn word<T>(
    wrong: &mut Violations,
    field: &str,
    code: i32,
    read: impl Fn(i32) -> Option<T>,
) -> Option<T> {
    if code == 0 {
        wrong.missing(field);
        return None;
    }
    let word = read(code);
    if word.is_none() {
        let text = Text::new("is none of the known values.", "ไม่ใช่ค่าที่รู้จัก");
        wrong.push(field, "UNKNOWN_VALUE", text);
    }
    word
}
