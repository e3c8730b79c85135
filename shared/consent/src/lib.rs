//! The words of consent, and the change that the directory commits and the ledger keeps.
//!
//! Both sides must agree on these to the byte, so they live in one crate. Rules of a service
//! (who may set what, what a merge does) are not here but in that service's `domain`.
//!
//! - [`Channel`], [`ConsentState`], [`Surface`], [`Cause`], [`EvidenceMethod`], [`Role`]: the words.
//! - [`ConsentChange`]: one change, its [canonical bytes](ConsentChange::canonical) and leaf hash.
//! - [`merged_with`], [`merged_into`]: which contacts are one, by what their changes say.
//! - [`seal_evidence`], [`open_evidence`]: what identifies, under the contact's own key.
//! - [`wire`]: all of it in protobuf.

mod by_channel;
mod canonical;
mod change;
mod decode;
mod evidence;
mod merged;
pub mod wire;
mod words;

pub use by_channel::ByChannel;
pub use change::{Actor, ChannelChange, ConsentChange, SurfaceParent};
pub use evidence::{
    PersonalEvidence, SealedEvidence, UnreadableEvidence, open_evidence, seal_evidence,
};
pub use merged::{merged_into, merged_with};
pub use words::{Cause, Channel, ConsentState, EvidenceMethod, Role, Surface, UnknownCode};

/// Contacts of a business.
pub const CONTACTS: yinyom_kernel::Name = yinyom_kernel::Name::of("contacts");
/// Leads of a business.
pub const LEADS: yinyom_kernel::Name = yinyom_kernel::Name::of("leads");
/// Accounts of a business.
pub const ACCOUNTS: yinyom_kernel::Name = yinyom_kernel::Name::of("accounts");
/// Members of a business.
pub const MEMBERS: yinyom_kernel::Name = yinyom_kernel::Name::of("members");
