//! What happened.

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::{ByChannel, Role};
use yinyom_kernel::{ContactId, MemberId};

use crate::{Privilege, SettingsField};

/// One act, as its producer committed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// By the producer's clock. Orders nothing: numbers do (TRAPS 11).
    pub at: Timestamp,
    pub actor: Actor,
    /// The method's path: `/yinyom.directory.v1.ContactService/GetContact`.
    pub method: String,
    /// The call's `x-request-id`.
    pub call_id: String,
    pub what: What,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A colleague, with the role at that moment.
    Member { member: MemberId, role: Option<Role> },
    /// A service, by its name.
    Service { name: String },
    /// The vendor of the CRM, by the name in the caller table.
    Operator { name: String },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An answer showed what the mask would have hidden.
    Reveal(Reveal),
    /// The settings were changed: at least one field.
    Settings(Vec<FieldChange>),
}

/// What one answer, or one message of a stream, showed by privilege alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reveal {
    pub privilege: Privilege,
    /// At least one, [`crate::MAX_CONTACTS`] at most, none twice.
    pub contacts: Vec<RevealedContact>,
}

/// What was shown of one contact: at least one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevealedContact {
    pub contact: ContactId,
    pub channels: ByChannel<bool>,
}

/// What became of one field of the settings, in words that are no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    pub field: SettingsField,
    /// Whose, if the field is a member's.
    pub member: Option<MemberId>,
    /// Empty if there was none, or if it is not told.
    pub old: String,
    /// Empty if there is none, or if it is not told.
    pub new: String,
}

/// An act with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Which of the producer's streams.
    pub stream: Uuid,
    /// From 1, without a gap.
    pub seq: i64,
    pub act: Act,
}
