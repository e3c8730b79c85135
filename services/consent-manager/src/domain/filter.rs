//! What a list may be narrowed by. Everything that is set must hold.

use jiff::Timestamp;
use yinyom_consent::{
    Actor, Cause, Channel, ConsentState, EvidenceMethod, Role, Surface, SurfaceParent,
};
use yinyom_kernel::ContactId;

/// Which consents are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsentFilter {
    pub contact: Option<ContactId>,
    pub channel: Option<Channel>,
    /// At the moment of the question, or that it is about.
    pub state: Option<ConsentState>,
    /// When the grant runs out, or ran out: at this time or later.
    pub expires_since: Option<Timestamp>,
    /// The same: before this time.
    pub expires_before: Option<Timestamp>,
    /// Of the last change, like all that follow.
    pub surface: Option<Surface>,
    pub surface_parent: Option<SurfaceParent>,
    /// Whatever the role was.
    pub actor: Option<Actor>,
    pub actor_role: Option<Role>,
    pub cause: Option<Cause>,
    pub method: Option<EvidenceMethod>,
    pub notice_version: Option<String>,
    pub since: Option<Timestamp>,
    pub before: Option<Timestamp>,
}

/// Which changes are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    pub contact: Option<ContactId>,
    /// That carry this channel.
    pub channel: Option<Channel>,
    /// That lead to this state, in `channel` if that is set.
    pub state: Option<ConsentState>,
    /// That lead away from this state, in the same channel.
    pub from_state: Option<ConsentState>,
    /// That carry an expiry at this time or later, in the same channel.
    pub expires_since: Option<Timestamp>,
    /// The same: before this time.
    pub expires_before: Option<Timestamp>,
    pub surface: Option<Surface>,
    pub surface_parent: Option<SurfaceParent>,
    /// Whatever the role was.
    pub actor: Option<Actor>,
    pub actor_role: Option<Role>,
    pub cause: Option<Cause>,
    pub method: Option<EvidenceMethod>,
    pub notice_version: Option<String>,
    /// Committed by the directory at this time or later.
    pub since: Option<Timestamp>,
    /// Committed by the directory before this time.
    pub before: Option<Timestamp>,
}
