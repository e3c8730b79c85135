//! The words and the change in protobuf. Zero («the caller forgot») reads as `None`.

use jiff::Timestamp;
use yinyom_kernel::{BusinessId, EARLIEST, Text, Violations};
use yinyom_proto::manager::v1 as manager;
use yinyom_proto::types::v1 as types;

use crate::{
    ACCOUNTS, Actor, CONTACTS, Cause, Channel, ChannelChange, ConsentChange, ConsentState,
    EvidenceMethod, LEADS, MEMBERS, Role, Surface, SurfaceParent,
};

macro_rules! same_codes {
    ($($word:ident as $proto:ident),+ $(,)?) => {
        $(
            impl From<$word> for types::$proto {
                fn from(word: $word) -> Self {
                    // The protobuf enum has the same numbers; a test holds them together.
                    Self::try_from(i32::from(word.code())).unwrap_or_default()
                }
            }

            impl $word {
                /// Reads a protobuf number: 0 is `Ok(None)`, an unknown one is refused.
                pub fn from_wire(number: i32) -> Result<Option<Self>, yinyom_kernel::InvalidInput> {
                    if number == 0 {
                        return Ok(None);
                    }
                    i16::try_from(number)
                        .ok()
                        .and_then(|code| Self::from_code(code).ok())
                        .map(Some)
                        .ok_or_else(unknown_value)
                }

                /// As a protobuf number.
                pub fn to_wire(self) -> i32 {
                    i32::from(self.code())
                }
            }
        )+

        #[cfg(test)]
        fn mismatches() -> Vec<String> {
            let mut wrong = Vec::new();
            $(
                for word in $word::ALL {
                    let proto = types::$proto::from(*word);
                    let name = proto.as_str_name().replace('_', "").to_lowercase();
                    let expected = format!("{}{word:?}", stringify!($proto)).to_lowercase();
                    if name != expected || types::$proto::try_from(i32::try_from($word::ALL.len()).unwrap_or(0) + 1).is_ok() {
                        wrong.push(format!("{name} is not {expected}"));
                    }
                }
            )+
            wrong
        }
    };
}

same_codes! {
    Channel as Channel,
    ConsentState as ConsentState,
    Surface as Surface,
    Cause as ChangeCause,
    EvidenceMethod as EvidenceMethod,
    Role as Role,
}

fn unknown_value() -> yinyom_kernel::InvalidInput {
    yinyom_kernel::InvalidInput::one(
        "",
        "UNKNOWN_VALUE",
        Text::new("is no value of this enum.", "ไม่ใช่ค่าที่กำหนดไว้"),
    )
}

/// Reads an enum that must be set, noting what is wrong under `field`.
pub fn required<T>(
    wrong: &mut Violations,
    field: &str,
    read: Result<Option<T>, yinyom_kernel::InvalidInput>,
) -> Option<T> {
    match optional(wrong, field, read)? {
        Some(word) => Some(word),
        None => {
            wrong.missing(field);
            None
        }
    }
}

/// Reads an enum that may be unset. The outer `None` means that it was wrong.
pub fn optional<T>(
    wrong: &mut Violations,
    field: &str,
    read: Result<Option<T>, yinyom_kernel::InvalidInput>,
) -> Option<Option<T>> {
    match read {
        Ok(word) => Some(word),
        Err(_) => {
            let text = Text::new("is no value of this enum.", "ไม่ใช่ค่าที่กำหนดไว้");
            wrong.push(field, "UNKNOWN_VALUE", text);
            None
        }
    }
}

/// An instant in protobuf.
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let micros = at.as_microsecond();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default(),
    }
}

/// Reads an instant, cut to microseconds, between the years 1 and 9999.
pub fn read_timestamp(
    wrong: &mut Violations,
    field: &str,
    given: Option<&prost_types::Timestamp>,
) -> Option<Timestamp> {
    let given = given?;
    let micros = (0..1_000_000_000)
        .contains(&given.nanos)
        .then(|| given.seconds.checked_mul(1_000_000)?.checked_add(i64::from(given.nanos) / 1_000));
    let read = micros.flatten().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    if read.is_none_or(|at| at < EARLIEST) {
        let text = Text::new("is no instant of the calendar.", "ไม่ใช่เวลาที่มีอยู่จริง");
        wrong.push(field, "INVALID_TIMESTAMP", text);
    }
    read
}

/// The name of an actor: `businesses/{business}/members/{member}` or `services/{service}`.
pub fn actor_name(business: BusinessId, actor: &Actor) -> String {
    match actor {
        Actor::Member { member, .. } => MEMBERS.format(business, *member),
        Actor::Service { name } => format!("services/{name}"),
    }
}

/// The name of a surface's parent.
pub fn parent_name(business: BusinessId, parent: SurfaceParent) -> String {
    match parent {
        SurfaceParent::Lead(lead) => LEADS.format(business, lead),
        SurfaceParent::Account(account) => ACCOUNTS.format(business, account),
        SurfaceParent::Contact(contact) => CONTACTS.format(business, contact),
    }
}

fn channel_to_wire(change: &ChannelChange) -> manager::ChannelChange {
    manager::ChannelChange {
        channel: change.channel.to_wire(),
        from_state: change.from.map_or(0, ConsentState::to_wire),
        to_state: change.to.map_or(0, ConsentState::to_wire),
        expire_time: change.expires_at.map(timestamp),
    }
}

/// What changed, in protobuf.
pub fn channels_to_wire(channels: &[ChannelChange]) -> Vec<manager::ChannelChange> {
    channels.iter().map(channel_to_wire).collect()
}

/// The change in protobuf, without the sealed evidence and its key, which do not belong to it.
pub fn change_to_wire(change: &ConsentChange) -> manager::ConsentChange {
    manager::ConsentChange {
        contact: CONTACTS.format(change.business, change.contact),
        seq: change.seq,
        record_time: Some(timestamp(change.recorded_at)),
        cause: change.cause.to_wire(),
        surface: change.surface.to_wire(),
        surface_parent: change
            .surface_parent
            .map(|parent| parent_name(change.business, parent))
            .unwrap_or_default(),
        actor: actor_name(change.business, &change.actor),
        actor_role: match change.actor {
            Actor::Member { role: Some(role), .. } => role.to_wire(),
            _ => 0,
        },
        channels: channels_to_wire(&change.channels),
        method: change.method.map_or(0, EvidenceMethod::to_wire),
        notice_version: change.notice_version.clone().unwrap_or_default(),
        claimed_time: change.claimed_at.map(timestamp),
        evidence_commitment: change.evidence_commitment.map(Vec::from).unwrap_or_default(),
        sealed_evidence: Vec::new(),
        subject_key: Vec::new(),
    }
}

/// Reads a change of `business`. A caller hears of every wrong field at once.
pub fn change_from_wire(
    business: BusinessId,
    sent: &manager::ConsentChange,
) -> Result<ConsentChange, yinyom_kernel::InvalidInput> {
    let mut wrong = Violations::new();
    let contact = wrong
        .take("contact", CONTACTS.parse(&sent.contact))
        .and_then(|(owner, contact)| of_business(&mut wrong, "contact", business, owner, contact));
    if sent.seq < 1 {
        let text = Text::new("starts at 1.", "เริ่มที่ 1");
        wrong.push("seq", "OUT_OF_RANGE", text);
    }
    let recorded_at = read_timestamp(&mut wrong, "record_time", sent.record_time.as_ref());
    if sent.record_time.is_none() {
        wrong.missing("record_time");
    }
    let cause = required(&mut wrong, "cause", Cause::from_wire(sent.cause));
    let surface = required(&mut wrong, "surface", Surface::from_wire(sent.surface));
    let surface_parent = read_parent(&mut wrong, business, &sent.surface_parent);
    let role = optional(&mut wrong, "actor_role", Role::from_wire(sent.actor_role)).flatten();
    let actor = read_actor(&mut wrong, business, &sent.actor, role);
    let channels = read_channels(&mut wrong, &sent.channels);
    let method = optional(&mut wrong, "method", EvidenceMethod::from_wire(sent.method)).flatten();
    let claimed_at = read_timestamp(&mut wrong, "claimed_time", sent.claimed_time.as_ref());
    let evidence_commitment = match sent.evidence_commitment.as_slice() {
        [] => None,
        bytes => {
            let commitment = <[u8; 32]>::try_from(bytes).ok();
            if commitment.is_none() {
                let text = Text::new("has 32 bytes.", "ต้องมี 32 ไบต์");
                wrong.push("evidence_commitment", "INVALID_LENGTH", text);
            }
            commitment
        }
    };
    let notice_version = Some(sent.notice_version.clone()).filter(|v| !v.is_empty());
    let change = (|| {
        Some(ConsentChange {
            business,
            contact: contact?,
            seq: sent.seq,
            recorded_at: recorded_at?,
            cause: cause?,
            surface: surface?,
            surface_parent,
            actor: actor?,
            channels,
            method,
            notice_version,
            claimed_at,
            evidence_commitment,
        })
    })();
    wrong.finish(change)
}

/// `id`, if its owner is the business that the request is about.
pub fn of_business<T>(
    wrong: &mut Violations,
    field: &str,
    business: BusinessId,
    owner: BusinessId,
    id: T,
) -> Option<T> {
    if owner == business {
        return Some(id);
    }
    let text = Text::new("is of another business than the request.", "ไม่ได้อยู่ในธุรกิจเดียวกับคำขอ");
    wrong.push(field, "OTHER_BUSINESS", text);
    None
}

/// Reads the name of an actor; see [`actor_name`].
pub fn read_actor(
    wrong: &mut Violations,
    business: BusinessId,
    name: &str,
    role: Option<Role>,
) -> Option<Actor> {
    if let Some(service) = name.strip_prefix("services/").filter(|name| !name.is_empty()) {
        return Some(Actor::Service { name: service.to_owned() });
    }
    let (owner, member) = wrong.take("actor", MEMBERS.parse(name))?;
    of_business(wrong, "actor", business, owner, Actor::Member { member, role })
}

/// Reads the name of a lead, an account or a contact; empty is none. See [`parent_name`].
pub fn read_parent(
    wrong: &mut Violations,
    business: BusinessId,
    name: &str,
) -> Option<SurfaceParent> {
    if name.is_empty() {
        return None;
    }
    let (owner, parent) = if let Ok((owner, account)) = ACCOUNTS.parse(name) {
        (owner, SurfaceParent::Account(account))
    } else if let Ok((owner, contact)) = CONTACTS.parse(name) {
        (owner, SurfaceParent::Contact(contact))
    } else {
        let (owner, lead) = wrong.take("surface_parent", LEADS.parse(name))?;
        (owner, SurfaceParent::Lead(lead))
    };
    of_business(wrong, "surface_parent", business, owner, parent)
}

fn read_channels(wrong: &mut Violations, sent: &[manager::ChannelChange]) -> Vec<ChannelChange> {
    let mut channels: Vec<ChannelChange> = Vec::with_capacity(sent.len());
    for (i, change) in sent.iter().enumerate() {
        let at = |field: &str| format!("channels[{i}].{field}");
        let channel = required(wrong, &at("channel"), Channel::from_wire(change.channel));
        let from = optional(wrong, &at("from_state"), ConsentState::from_wire(change.from_state));
        let to = optional(wrong, &at("to_state"), ConsentState::from_wire(change.to_state));
        let expires_at = read_timestamp(wrong, &at("expire_time"), change.expire_time.as_ref());
        let (Some(channel), Some(from), Some(to)) = (channel, from, to) else { continue };
        if channels.iter().any(|other| other.channel == channel) {
            let text = Text::new("names a channel twice.", "ระบุช่องทางซ้ำ");
            wrong.push(at("channel"), "DUPLICATE_CHANNEL", text);
        }
        channels.push(ChannelChange { channel, from, to, expires_at });
    }
    if sent.is_empty() {
        wrong.missing("channels");
    }
    channels.sort_unstable_by_key(|change| change.channel);
    channels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_and_ledger_have_the_same_numbers() {
        assert_eq!(mismatches(), Vec::<String>::new());
    }

    #[test]
    fn the_caller_forgot_is_not_a_state() {
        assert_eq!(ConsentState::from_wire(0), Ok(None));
        assert!(ConsentState::from_wire(4).is_err());
        assert!(ConsentState::from_wire(-1).is_err());
        assert!(ConsentState::from_wire(65_537).is_err());
    }

    #[test]
    fn an_instant_before_the_year_1_is_none() {
        let read = |seconds| {
            let mut wrong = Violations::new();
            let given = prost_types::Timestamp { seconds, nanos: 0 };
            let _ = read_timestamp(&mut wrong, "at", Some(&given));
            wrong.is_empty()
        };
        assert!(read(EARLIEST.as_second()));
        assert!(!read(EARLIEST.as_second() - 1));
    }
}
