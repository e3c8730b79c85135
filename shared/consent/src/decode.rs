//! Canonical bytes, read again: by who verifies what the ledger says.

use jiff::Timestamp;
use minicbor::Decoder;
use minicbor::data::Type;
use uuid::Uuid;

use crate::{
    Actor, Cause, Channel, ChannelChange, ConsentChange, ConsentState, EvidenceMethod, Role,
    Surface, SurfaceParent,
};

impl ConsentChange {
    /// The change that has these canonical bytes, if they are canonical bytes.
    pub fn from_canonical(bytes: &[u8]) -> Option<Self> {
        let mut input = Decoder::new(bytes);
        let change = read(&mut input)?;
        // There is one way alone, and one version, to write a change.
        (change.canonical() == bytes).then_some(change)
    }
}

fn read(input: &mut Decoder<'_>) -> Option<ConsentChange> {
    if input.array().ok()? != Some(14) || !matches!(input.u8().ok()?, 1 | 2) {
        return None;
    }
    Some(ConsentChange {
        business: id(input)?.into(),
        contact: id(input)?.into(),
        seq: input.i64().ok()?,
        recorded_at: time(input)?,
        cause: Cause::from_code(input.i16().ok()?).ok()?,
        surface: Surface::from_code(input.i16().ok()?).ok()?,
        surface_parent: optional(input, parent)?,
        actor: actor(input)?,
        channels: channels(input)?,
        method: optional(input, |input| EvidenceMethod::from_code(input.i16().ok()?).ok())?,
        notice_version: optional(input, |input| input.str().ok().map(str::to_owned))?,
        claimed_at: optional(input, time)?,
        evidence_commitment: optional(input, |input| input.bytes().ok()?.try_into().ok())?,
    })
}

fn id(input: &mut Decoder<'_>) -> Option<Uuid> {
    Uuid::from_slice(input.bytes().ok()?).ok()
}

fn time(input: &mut Decoder<'_>) -> Option<Timestamp> {
    Timestamp::from_microsecond(input.i64().ok()?).ok()
}

/// The outer `None` means that it cannot be read.
#[expect(clippy::option_option, reason = "nothing, and nothing that can be read, are two things")]
fn optional<T>(
    input: &mut Decoder<'_>,
    read: impl FnOnce(&mut Decoder<'_>) -> Option<T>,
) -> Option<Option<T>> {
    if input.datatype().ok()? == Type::Null {
        input.null().ok()?;
        return Some(None);
    }
    read(input).map(Some)
}

fn parent(input: &mut Decoder<'_>) -> Option<SurfaceParent> {
    match (input.array().ok()?, input.u8().ok()?) {
        (Some(2), 1) => Some(SurfaceParent::Lead(id(input)?.into())),
        (Some(2), 2) => Some(SurfaceParent::Account(id(input)?.into())),
        (Some(2), 3) => Some(SurfaceParent::Contact(id(input)?.into())),
        _ => None,
    }
}

fn actor(input: &mut Decoder<'_>) -> Option<Actor> {
    match (input.array().ok()?, input.u8().ok()?) {
        (Some(3), 1) => Some(Actor::Member {
            member: id(input)?.into(),
            role: optional(input, |input| Role::from_code(input.i16().ok()?).ok())?,
        }),
        (Some(2), 2) => Some(Actor::Service { name: input.str().ok()?.to_owned() }),
        _ => None,
    }
}

fn channels(input: &mut Decoder<'_>) -> Option<Vec<ChannelChange>> {
    let count = input.array().ok()??;
    // No change has more: a length that is claimed reserves nothing.
    (0..count.min(Channel::ALL.len() as u64 + 1)).map(|_| channel(input)).collect()
}

fn channel(input: &mut Decoder<'_>) -> Option<ChannelChange> {
    let state = |input: &mut Decoder<'_>| ConsentState::from_code(input.i16().ok()?).ok();
    (input.array().ok()? == Some(4)).then_some(())?;
    Some(ChannelChange {
        channel: Channel::from_code(input.i16().ok()?).ok()?,
        from: optional(input, state)?,
        to: optional(input, state)?,
        expires_at: optional(input, time)?,
    })
}
