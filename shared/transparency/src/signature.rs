//! What is signed of each record, by a key that the database does not hold.
//!
//! A signature is `[version 1][key id 8][Ed25519 64]`. What it is for is the first thing that is signed, so that one for
//! a record is none for an erasure or a checkpoint, whose text begins with a name.

use uuid::Uuid;

use crate::hash::Hash;
use crate::key::{KeyId, LedgerKey, PublicKeys};

const VERSION: u8 = 1;
const RECORD: &[u8] = b"yinyom ledger record v1\0";
const ERASURE: &[u8] = b"yinyom ledger erasure v1\0";
const EVIDENCE: &[u8] = b"yinyom ledger evidence erasure v1\0";

/// A signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("there is no signature that can be read")]
    Unreadable,
    #[error("signed by key {0}, which is not among the public keys")]
    UnknownKey(KeyId),
    #[error("the signature is not of this")]
    Wrong,
}

/// What the ledger says of a record: that it is there, that it took it then, and that this evidence came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    pub business: Uuid,
    pub index: u64,
    pub leaf: Hash,
    /// Microseconds since 1970, UTC.
    pub ingested_at: i64,
    /// SHA-256 of the sealed evidence, which the leaf has only a commitment to.
    pub evidence: Option<Hash>,
}

impl Signed {
    /// Signs it.
    pub fn sign(&self, key: &LedgerKey) -> Vec<u8> {
        sign(key, &self.message())
    }

    /// Whether one of `keys` has signed it.
    pub fn verify(&self, signature: &[u8], keys: &PublicKeys) -> Result<(), SignatureError> {
        verify(&self.message(), signature, keys)
    }

    fn message(&self) -> Vec<u8> {
        let mut message = place(RECORD, self.business, self.index, &self.leaf);
        message.extend(self.ingested_at.to_be_bytes());
        message.push(u8::from(self.evidence.is_some()));
        message.extend(self.evidence.unwrap_or_default());
        message
    }
}

/// That the ledger itself has destroyed the content of a record, of which only the leaf hash remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    pub business: Uuid,
    pub index: u64,
    pub leaf: Hash,
}

impl Erased {
    /// Signs it.
    pub fn sign(&self, key: &LedgerKey) -> Vec<u8> {
        sign(key, &place(ERASURE, self.business, self.index, &self.leaf))
    }

    /// Whether one of `keys` has signed it.
    pub fn verify(&self, signature: &[u8], keys: &PublicKeys) -> Result<(), SignatureError> {
        verify(&place(ERASURE, self.business, self.index, &self.leaf), signature, keys)
    }
}

/// That the ledger itself has destroyed the sealed evidence of a record, of which only the hash remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceErased {
    pub business: Uuid,
    pub index: u64,
    pub leaf: Hash,
    /// SHA-256 of the sealed evidence.
    pub evidence: Hash,
}

impl EvidenceErased {
    /// Signs it.
    pub fn sign(&self, key: &LedgerKey) -> Vec<u8> {
        sign(key, &self.message())
    }

    /// Whether one of `keys` has signed it.
    pub fn verify(&self, signature: &[u8], keys: &PublicKeys) -> Result<(), SignatureError> {
        verify(&self.message(), signature, keys)
    }

    fn message(&self) -> Vec<u8> {
        let mut message = place(EVIDENCE, self.business, self.index, &self.leaf);
        message.extend(self.evidence);
        message
    }
}

fn place(what: &[u8], business: Uuid, index: u64, leaf: &Hash) -> Vec<u8> {
    [what, business.as_bytes(), &index.to_be_bytes(), leaf].concat()
}

fn sign(key: &LedgerKey, message: &[u8]) -> Vec<u8> {
    [&[VERSION][..], &key.public().id().0, &key.sign(message)].concat()
}

fn verify(message: &[u8], signature: &[u8], keys: &PublicKeys) -> Result<(), SignatureError> {
    let rest = signature.strip_prefix(&[VERSION]).ok_or(SignatureError::Unreadable)?;
    let (id, signature) = rest.split_first_chunk::<8>().ok_or(SignatureError::Unreadable)?;
    let id = KeyId(*id);
    let key = keys.find(id).ok_or(SignatureError::UnknownKey(id))?;
    if key.verifies(message, signature) { Ok(()) } else { Err(SignatureError::Wrong) }
}
