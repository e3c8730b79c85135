//! What a list may be narrowed by. Everything that is set must hold.

use jiff::Timestamp;
use yinyom_consent::{Actor, Cause, Channel, ConsentState, Surface};

/// Which current consents are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsentFilter {
    pub channel: Option<Channel>,
    /// At the moment of the question.
    pub state: Option<ConsentState>,
    /// Of the last change, like all that follow.
    pub surface: Option<Surface>,
    /// Whatever the role was.
    pub actor: Option<Actor>,
    pub since: Option<Timestamp>,
    pub before: Option<Timestamp>,
}

/// Which changes are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// That carry this channel.
    pub channel: Option<Channel>,
    /// That lead to this state, in `channel` if that is set.
    pub state: Option<ConsentState>,
    pub surface: Option<Surface>,
    /// Whatever the role was.
    pub actor: Option<Actor>,
    pub cause: Option<Cause>,
    /// Committed by the directory at this time or later.
    pub since: Option<Timestamp>,
    /// Committed by the directory before this time.
    pub before: Option<Timestamp>,
}
