//! What is read from the ledger.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use yinyom_consent::{Channel, ConsentChange, ConsentState, PersonalEvidence};
use yinyom_kernel::ContactId;

use super::Consent;

/// A change and its place in the business's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub change: ConsentChange,
    /// From 0 without a gap, in the order in which the ledger took them.
    pub ledger_index: i64,
    /// As it was when the ledger took the change.
    pub leaf_hash: [u8; 32],
    pub ingested_at: Timestamp,
    /// Reference and note under the contact's key.
    pub sealed_evidence: Option<Vec<u8>>,
    /// Of sealed evidence that was destroyed: its hash, and after it what says so, signed.
    pub evidence_erasure: Option<Vec<u8>>,
}

impl Recorded {
    /// What the record's signature says of its evidence, which may be destroyed.
    pub fn signed_evidence(&self) -> Option<[u8; 32]> {
        let destroyed = || self.evidence_erasure.as_deref()?.first_chunk::<32>().copied();
        self.sealed_evidence.as_deref().map(evidence_hash).or_else(destroyed)
    }
}

/// What is signed of sealed evidence.
pub fn evidence_hash(sealed: &[u8]) -> [u8; 32] {
    Sha256::digest(sealed).into()
}

/// What identifies a person in a change's evidence, for those who may read the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Evidence {
    /// There is none, or the contact's key was destroyed.
    #[default]
    Nothing,
    /// Opened with the contact's key.
    Opened(PersonalEvidence),
}

/// A change, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub recorded: Recorded,
    pub evidence: Evidence,
}

/// The current consent of one contact and channel, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRecord {
    pub contact: ContactId,
    pub channel: Channel,
    /// At the moment of the question.
    pub state: ConsentState,
    pub consent: Consent,
}

impl ConsentRecord {
    /// How `consent` stands at `now`.
    pub fn at(now: Timestamp, contact: ContactId, channel: Channel, consent: Consent) -> Self {
        Self { contact, channel, state: consent.state_at(now), consent }
    }
}
