//! Columns that several tables have.

use uuid::Uuid;
use yinyom_consent::{
    Actor, Cause, Channel, ConsentState, EvidenceMethod, Role, Surface, SurfaceParent,
};
use yinyom_db::Record;
use yinyom_kernel::{MemberId, from_micros};

use super::StoreError;

const MEMBER: i32 = 1;
const SERVICE: i32 = 2;
const LEAD: i32 = 1;
const ACCOUNT: i32 = 2;
const CONTACT: i32 = 3;

/// Who made a change.
#[derive(Debug, Record)]
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
pub(super) struct ActorColumns {
    pub(super) actor_kind: i32,
    pub(super) actor_id: Option<Uuid>,
    pub(super) actor_name: Option<String>,
    pub(super) actor_role: Option<i32>,
}

impl ActorColumns {
    pub(super) fn read(self) -> Result<Actor, StoreError> {
        match (self.actor_kind, self.actor_id, self.actor_name) {
            (MEMBER, Some(id), None) => Ok(Actor::Member {
                member: MemberId::from(id),
                role: self.actor_role.map(role).transpose()?,
            }),
            (SERVICE, None, Some(name)) if self.actor_role.is_none() => Ok(Actor::Service { name }),
            _ => Err(StoreError::Unreadable("no actor")),
        }
    }
}

/// Kind, id, name and role, as the columns hold them.
pub(super) fn actor(actor: &Actor) -> (i64, Option<Uuid>, Option<&str>, Option<i64>) {
    match actor {
        Actor::Member { member, role } => {
            (MEMBER.into(), Some(member.uuid()), None, role.map(|role| role.code().into()))
        }
        Actor::Service { name } => (SERVICE.into(), None, Some(name), None),
    }
}

/// The id and the name to look for; one of them is set, unless any actor will do.
pub(super) fn wanted(actor: Option<&Actor>) -> (Option<Uuid>, Option<String>) {
    match actor {
        None => (None, None),
        Some(Actor::Member { member, .. }) => (Some(member.uuid()), None),
        Some(Actor::Service { name }) => (None, Some(name.clone())),
    }
}

/// The lead or account whose page it was, or the other contact of a merge, as the columns hold it.
pub(super) fn parent(parent: Option<SurfaceParent>) -> Option<(i32, Uuid)> {
    match parent? {
        SurfaceParent::Lead(lead) => Some((LEAD, lead.uuid())),
        SurfaceParent::Account(account) => Some((ACCOUNT, account.uuid())),
        SurfaceParent::Contact(contact) => Some((CONTACT, contact.uuid())),
    }
}

/// The same, to look for.
pub(super) fn wanted_parent(of: Option<SurfaceParent>) -> (Option<i32>, Option<Uuid>) {
    parent(of).unzip()
}

/// The other way round.
pub(super) fn read_parent(
    kind: Option<i32>,
    id: Option<Uuid>,
) -> Result<Option<SurfaceParent>, StoreError> {
    match (kind, id) {
        (None, None) => Ok(None),
        (Some(LEAD), Some(id)) => Ok(Some(SurfaceParent::Lead(id.into()))),
        (Some(ACCOUNT), Some(id)) => Ok(Some(SurfaceParent::Account(id.into()))),
        (Some(CONTACT), Some(id)) => Ok(Some(SurfaceParent::Contact(id.into()))),
        _ => Err(StoreError::Unreadable("no surface parent")),
    }
}

macro_rules! codes {
    ($($read:ident => $word:ident),+ $(,)?) => {
        $(
            pub(super) fn $read(code: i32) -> Result<$word, StoreError> {
                Ok($word::from_code(i16::try_from(code).unwrap_or_default())?)
            }
        )+
    };
}

codes! {
    cause => Cause,
    channel => Channel,
    method => EvidenceMethod,
    role => Role,
    state => ConsentState,
    surface => Surface,
}

/// An instant that may be unset.
pub(super) fn instant(micros: Option<i64>) -> Option<jiff::Timestamp> {
    micros.map(from_micros)
}

/// The other way round.
pub(super) fn micros(at: Option<jiff::Timestamp>) -> Option<i64> {
    at.map(jiff::Timestamp::as_microsecond)
}
