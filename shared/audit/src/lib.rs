//! Audit events: who saw what by privilege alone, and who changed the settings. What their producers commit, what
//! the manager keeps, and the way between.
//!
//! - [`Act`]: what happened; [`AuditEvent`]: the same with its number in a stream.
//! - [`append`]: numbers acts and puts them into the outbox, in the unit of work that must not be without them.
//! - [`AuditSink`]: takes them from there to the manager.
//! - [`Act::encode`]: the bytes that are kept; [`wire`]: the same in protobuf.
//!
//! Audit is not consent (TRAPS 18): its streams are (business, producer, stream, seq), and its outbox is one of its
//! own, so that no number of reveals delays a consent change.
//!
//! Nothing here holds an address or a person's name. When a contact is erased, what is left is a pseudonym of nobody.
//!
//! What is not done here: deciding what is a reveal (the directory's `domain::viewer`), and who may read of it (the
//! manager).

mod act;
mod bytes;
mod outbox;
mod sink;
pub mod wire;
mod words;

pub use act::{Act, Actor, AuditEvent, FieldChange, Reveal, RevealedContact, What};
pub use bytes::UnreadableAct;
pub use outbox::{OUTBOX, POSTGRES_TABLES, SQLITE_TABLES, append, stream};
pub use sink::AuditSink;
pub use words::{Privilege, SettingsField};

/// The most contacts that one reveal lists: as many as one answer has.
pub const MAX_CONTACTS: usize = 1_000;

/// The most fields that one settings change lists.
pub const MAX_FIELDS: usize = 10_000;
