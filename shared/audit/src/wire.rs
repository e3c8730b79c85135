//! Acts in protobuf.

use uuid::Uuid;
use yinyom_consent::wire::{optional, read_timestamp, required, timestamp};
use yinyom_consent::{ByChannel, CONTACTS, Channel, MEMBERS, Role};
use yinyom_kernel::{BusinessId, InvalidInput, MemberId, Text, Violations, one_line};
use yinyom_proto::manager::v1 as pb;

use crate::{
    Act, Actor, AuditEvent, FieldChange, MAX_CONTACTS, MAX_FIELDS, Privilege, Reveal,
    RevealedContact, SettingsField, What,
};

/// The most characters of a name of a service or an operator, a method, or a value of the settings.
const MAX_CHARS: usize = 200;

/// An event as it is sent.
pub fn event(business: BusinessId, event: &AuditEvent) -> pb::AuditEvent {
    use pb::audit_event::Event;
    let what = match &event.act.what {
        What::Reveal(shown) => Event::Reveal(reveal(business, &event.act, shown)),
        What::Settings(changes) => {
            Event::SettingsChange(settings_change(business, &event.act, changes))
        }
    };
    pb::AuditEvent { stream: event.stream.to_string(), seq: event.seq, event: Some(what) }
}

/// A reveal, without its name and when it was taken.
pub fn reveal(business: BusinessId, act: &Act, reveal: &Reveal) -> pb::Reveal {
    pb::Reveal {
        name: String::new(),
        reveal_time: Some(timestamp(act.at)),
        ingest_time: None,
        actor: actor_name(business, &act.actor),
        actor_role: actor_role(&act.actor),
        privilege: reveal.privilege.code(),
        method: act.method.clone(),
        call_id: act.call_id.clone(),
        contacts: reveal.contacts.iter().map(|contact| revealed(business, contact)).collect(),
    }
}

fn revealed(business: BusinessId, revealed: &RevealedContact) -> pb::RevealedContact {
    let shown = revealed.channels.iter().filter(|(_, shown)| **shown);
    pb::RevealedContact {
        contact: CONTACTS.format(business, revealed.contact),
        channels: shown.map(|(channel, _)| channel.to_wire()).collect(),
    }
}

/// A settings change, without its name and when it was taken.
pub fn settings_change(
    business: BusinessId,
    act: &Act,
    changes: &[FieldChange],
) -> pb::SettingsChange {
    let changes = changes.iter().map(|change| pb::SettingsFieldChange {
        field: change.field.code(),
        member: change.member.map(|id| MEMBERS.format(business, id)).unwrap_or_default(),
        old_value: change.old.clone(),
        new_value: change.new.clone(),
    });
    pb::SettingsChange {
        name: String::new(),
        change_time: Some(timestamp(act.at)),
        ingest_time: None,
        actor: actor_name(business, &act.actor),
        actor_role: actor_role(&act.actor),
        method: act.method.clone(),
        call_id: act.call_id.clone(),
        changes: changes.collect(),
    }
}

fn actor_name(business: BusinessId, actor: &Actor) -> String {
    match actor {
        Actor::Member { member, .. } => MEMBERS.format(business, *member),
        Actor::Service { name } => format!("services/{name}"),
        Actor::Operator { name } => format!("operators/{name}"),
    }
}

fn actor_role(actor: &Actor) -> i32 {
    match actor {
        Actor::Member { role: Some(role), .. } => role.to_wire(),
        Actor::Member { role: None, .. } | Actor::Service { .. } | Actor::Operator { .. } => 0,
    }
}

/// Reads the name of an actor of `business`.
pub fn read_actor(
    wrong: &mut Violations,
    business: BusinessId,
    name: &str,
    role: Option<Role>,
) -> Option<Actor> {
    let named = |kind: &str| name.strip_prefix(kind).filter(|name| !name.is_empty());
    let service = named("services/").map(|name| Actor::Service { name: name.to_owned() });
    let operator = || named("operators/").map(|name| Actor::Operator { name: name.to_owned() });
    if let Some(actor) = service.or_else(operator) {
        line(wrong, "actor", name);
        return Some(actor);
    }
    let member = member(wrong, "actor", business, name)?;
    Some(Actor::Member { member, role })
}

/// Reads an event of `business`. Its stream was read before.
pub fn read(
    business: BusinessId,
    stream: Uuid,
    sent: &pb::AuditEvent,
) -> Result<AuditEvent, InvalidInput> {
    use pb::audit_event::Event;
    let mut wrong = Violations::new();
    if sent.seq < 1 {
        wrong.push("seq", "OUT_OF_RANGE", Text::new("starts at 1.", "เริ่มที่ 1"));
    }
    let act = match &sent.event {
        Some(Event::Reveal(sent)) => read_reveal(&mut wrong, business, sent),
        Some(Event::SettingsChange(sent)) => read_settings(&mut wrong, business, sent),
        None => {
            wrong.missing("event");
            None
        }
    };
    wrong.finish(act.map(|act| AuditEvent { stream, seq: sent.seq, act }))
}

fn read_reveal(wrong: &mut Violations, business: BusinessId, sent: &pb::Reveal) -> Option<Act> {
    let at = time(wrong, "reveal_time", sent.reveal_time.as_ref());
    let role = optional(wrong, "actor_role", Role::from_wire(sent.actor_role)).flatten();
    let actor = read_actor(wrong, business, &sent.actor, role);
    let privilege = required(wrong, "privilege", word(sent.privilege, Privilege::from_code));
    count(wrong, "contacts", sent.contacts.len(), MAX_CONTACTS);
    let contacts: Vec<_> = (sent.contacts.iter().enumerate())
        .filter_map(|(i, contact)| read_revealed(wrong, business, i, contact))
        .collect();
    line(wrong, "method", &sent.method);
    line(wrong, "call_id", &sent.call_id);
    let reveal = Reveal { privilege: privilege?, contacts };
    Some(Act {
        at: at?,
        actor: actor?,
        method: sent.method.clone(),
        call_id: sent.call_id.clone(),
        what: What::Reveal(reveal),
    })
}

fn read_revealed(
    wrong: &mut Violations,
    business: BusinessId,
    i: usize,
    sent: &pb::RevealedContact,
) -> Option<RevealedContact> {
    let field = format!("contacts[{i}].channels");
    let mut channels = ByChannel::<bool>::default();
    for channel in &sent.channels {
        *channels.get_mut(required(wrong, &field, Channel::from_wire(*channel))?) = true;
    }
    if sent.channels.is_empty() {
        wrong.missing(field);
    }
    let field = format!("contacts[{i}].contact");
    let (owner, contact) = wrong.take(field.clone(), CONTACTS.parse(&sent.contact))?;
    of_business(wrong, field, business, owner)?;
    Some(RevealedContact { contact, channels })
}

fn read_settings(
    wrong: &mut Violations,
    business: BusinessId,
    sent: &pb::SettingsChange,
) -> Option<Act> {
    let at = time(wrong, "change_time", sent.change_time.as_ref());
    let role = optional(wrong, "actor_role", Role::from_wire(sent.actor_role)).flatten();
    let actor = read_actor(wrong, business, &sent.actor, role);
    count(wrong, "changes", sent.changes.len(), MAX_FIELDS);
    let changes: Vec<_> = (sent.changes.iter().enumerate())
        .filter_map(|(i, change)| read_field(wrong, business, i, change))
        .collect();
    line(wrong, "method", &sent.method);
    line(wrong, "call_id", &sent.call_id);
    Some(Act {
        at: at?,
        actor: actor?,
        method: sent.method.clone(),
        call_id: sent.call_id.clone(),
        what: What::Settings(changes),
    })
}

fn read_field(
    wrong: &mut Violations,
    business: BusinessId,
    i: usize,
    sent: &pb::SettingsFieldChange,
) -> Option<FieldChange> {
    let at = |field: &str| format!("changes[{i}].{field}");
    let field = required(wrong, &at("field"), word(sent.field, SettingsField::from_code));
    let member = match sent.member.as_str() {
        "" => None,
        name => Some(member(wrong, &at("member"), business, name)?),
    };
    line(wrong, &at("old_value"), &sent.old_value);
    line(wrong, &at("new_value"), &sent.new_value);
    let (old, new) = (sent.old_value.clone(), sent.new_value.clone());
    Some(FieldChange { field: field?, member, old, new })
}

fn time(
    wrong: &mut Violations,
    field: &str,
    sent: Option<&prost_types::Timestamp>,
) -> Option<jiff::Timestamp> {
    if sent.is_none() {
        wrong.missing(field);
    }
    read_timestamp(wrong, field, sent)
}

fn word<T>(code: i32, read: impl Fn(i32) -> Option<T>) -> Result<Option<T>, InvalidInput> {
    match code {
        0 => Ok(None),
        // Only that it is unknown counts; `required` says it in its own words.
        code => read(code)
            .map(Some)
            .ok_or_else(|| InvalidInput::one("", "UNKNOWN_VALUE", Text::new("", ""))),
    }
}

fn member(
    wrong: &mut Violations,
    field: &str,
    business: BusinessId,
    name: &str,
) -> Option<MemberId> {
    let (owner, member) = wrong.take(field, MEMBERS.parse(name))?;
    of_business(wrong, field.to_owned(), business, owner)?;
    Some(member)
}

fn of_business(
    wrong: &mut Violations,
    field: String,
    business: BusinessId,
    owner: BusinessId,
) -> Option<()> {
    if owner == business {
        return Some(());
    }
    let text = Text::new("is of another business than the request.", "ไม่ได้อยู่ในธุรกิจเดียวกับคำขอ");
    wrong.push(field, "OTHER_BUSINESS", text);
    None
}

fn count(wrong: &mut Violations, field: &str, items: usize, most: usize) {
    if items == 0 {
        wrong.missing(field);
    } else if items > most {
        let text = Text::new(format!("holds more than {most}."), format!("มีเกิน {most} รายการ"));
        wrong.push(field, "TOO_MANY", text);
    }
}

/// What a database cannot hold must not cost the other streams their transaction.
fn line(wrong: &mut Violations, field: &str, text: &str) {
    wrong.merge(one_line(field, text, MAX_CHARS));
}
