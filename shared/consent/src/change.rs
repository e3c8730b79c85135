//! One consent change.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use yinyom_kernel::{AccountId, BusinessId, ContactId, LeadId, MemberId};

use crate::{Cause, Channel, ConsentState, EvidenceMethod, Role, Surface};

/// One change of the consent of one contact, as the directory commits it.
///
/// It holds pseudonyms alone: who the contact is stands in the directory, and what the evidence says is
/// present as a commitment (TRAPS 10, 20). `(business, contact, seq)` names it; `seq` starts at 1 and has
/// no gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentChange {
    pub business: BusinessId,
    pub contact: ContactId,
    /// Number in the contact's stream, from 1.
    pub seq: i64,
    /// The directory's clock at the commit. Never orders anything: `seq` does (TRAPS 11).
    pub recorded_at: Timestamp,
    pub cause: Cause,
    pub surface: Surface,
    /// The lead or account whose page the change was made on; of a merge, or its undo, the other contact.
    pub surface_parent: Option<SurfaceParent>,
    pub actor: Actor,
    /// One or both channels, phone first.
    pub channels: Vec<ChannelChange>,
    pub method: Option<EvidenceMethod>,
    pub notice_version: Option<String>,
    /// When the customer said so, as the caller claimed.
    pub claimed_at: Option<Timestamp>,
    /// Commits to reference and note; see [`crate::seal_evidence`].
    pub evidence_commitment: Option<[u8; 32]>,
}

/// What happened to one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelChange {
    pub channel: Channel,
    /// `None` for a new contact.
    pub from: Option<ConsentState>,
    /// `None` for a contact that is gone.
    pub to: Option<ConsentState>,
    /// When the grant runs out.
    pub expires_at: Option<Timestamp>,
}

/// The page that a change was made on, where that has an owner. A merge is of the page of the other contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurfaceParent {
    Lead(LeadId),
    Account(AccountId),
    Contact(ContactId),
}

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A colleague, with the role at that moment. It is `None` where the rules of the business could not
    /// be had, which only a withdrawal outlives.
    Member { member: MemberId, role: Option<Role> },
    /// A service, by its name.
    Service { name: String },
}

impl ConsentChange {
    /// The RFC 6962 leaf hash: SHA-256 of `0x00` and the canonical bytes.
    pub fn leaf_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update([0x00]);
        hash.update(self.canonical());
        hash.finalize().into()
    }
}
