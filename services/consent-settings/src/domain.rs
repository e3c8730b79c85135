//! The rules of settings, as plain functions over plain values.
//!
//! Who may change what, what a change does to the rights of others, and whom a change that takes a
//! right away must wait for. Nothing here knows a transport or a database. Each rule takes what is
//! stored and what is asked, and gives what shall be stored, or a [`Refusal`].

mod actor;
mod business;
pub mod changes;
mod effect;
mod lease;
mod member;
mod refusal;
mod settings;
mod zone;

pub use actor::Actor;
pub use business::{Business, BusinessPatch, NewBusiness, Plan};
pub use effect::Effect;
pub use lease::{Lease, News};
pub use member::{Member, MemberPatch, NewMember, may_edit_viewers, transfer};
pub use refusal::Refusal;
pub use settings::{LONGEST_GRANT, RulesPatch, SHORTEST_GRANT, Settings};
pub use zone::{UnknownZone, Zone};

/// How often something was changed; the etag comes from it.
pub type Revision = i64;

/// The longest display name, in characters.
pub const MAX_DISPLAY_NAME: usize = 200;

/// The most members that one call puts on the viewer list or takes off it.
pub const MAX_VIEWERS: usize = 1_000;
