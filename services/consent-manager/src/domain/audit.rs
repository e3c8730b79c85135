//! The audit record: who saw what by privilege alone, and who changed the settings.

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_audit::{Act, Actor, AuditEvent, What};
use yinyom_kernel::{InvalidInput, MemberId};

/// The two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditKind {
    Reveals,
    SettingsChanges,
}

impl AuditKind {
    /// Its number in stores, for ever.
    pub const fn code(self) -> i32 {
        match self {
            Self::Reveals => 1,
            Self::SettingsChanges => 2,
        }
    }

    /// The list that an act is in.
    pub const fn of(act: &Act) -> Self {
        match act.what {
            What::Reveal(_) => Self::Reveals,
            What::Settings(_) => Self::SettingsChanges,
        }
    }
}

/// The events of one stream in a batch.
#[derive(Debug)]
pub struct AuditStream {
    /// As it was sent.
    pub name: String,
    /// `None` if that is no UUID.
    pub stream: Option<Uuid>,
    /// In the order in which they were sent, or why one of them cannot be read.
    pub events: Result<Vec<AuditEvent>, InvalidInput>,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// Place in the business's audit record, from 0.
    pub index: i64,
    pub ingested_at: Timestamp,
    pub act: Act,
}

/// Which events are asked for. Everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    pub kind: AuditKind,
    /// Whatever the role was.
    pub actor: Option<Actor>,
    /// A contact that was seen, or a member who was changed.
    pub subject: Option<Uuid>,
    /// Committed by the producer at this time or later.
    pub since: Option<Timestamp>,
    /// Committed by the producer before this time.
    pub before: Option<Timestamp>,
}

/// Whom an act is about, none twice.
pub fn subjects(act: &Act) -> Vec<Uuid> {
    let mut subjects: Vec<Uuid> = match &act.what {
        What::Reveal(reveal) => reveal.contacts.iter().map(|seen| seen.contact.uuid()).collect(),
        What::Settings(changes) => {
            changes.iter().filter_map(|change| change.member).map(MemberId::uuid).collect()
        }
    };
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}
