//! Who vouches for the ledger: the key that signs, those that signed before it, and the ledger's name.

use sha2::{Digest, Sha256};
use uuid::Uuid;
use yinyom_kernel::BusinessId;
use yinyom_transparency::{
    Checkpoint, Frontier, LedgerKey, LogName, PublicKey, PublicKeys, Signed,
};

use crate::domain::Recorded;

/// Signs records and checkpoints. What it signs with is in no database.
#[derive(Debug)]
pub struct Notary {
    key: LedgerKey,
    keys: PublicKeys,
    name: LogName,
}

impl Notary {
    /// `older` are the public keys that signed before this one, `name` is the first part of each ledger's origin.
    pub fn new(key: LedgerKey, older: Option<PublicKeys>, name: LogName) -> Self {
        let mut keys = PublicKeys::one(*key.public());
        if let Some(older) = older {
            keys.add(older);
        }
        Self { key, keys, name }
    }

    /// Signs that the ledger has this record at its index.
    pub fn sign(&self, record: &Recorded) -> Vec<u8> {
        signed(record).sign(&self.key)
    }

    /// The signed head of a business's ledger.
    pub fn checkpoint(&self, business: BusinessId, tree: &Frontier) -> String {
        let origin = self.name.origin(business.uuid());
        Checkpoint { origin, size: tree.size(), root: tree.root() }.sign(&self.key)
    }

    /// The public keys, the active one first.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter()
    }

    /// A public key as other tools of C2SP take it.
    pub fn verifier_key(&self, business: Uuid, key: &PublicKey) -> String {
        self.name.verifier_key(business, key)
    }
}

fn signed(record: &Recorded) -> Signed {
    Signed {
        business: record.change.business.uuid(),
        // An index that is negative is never given.
        index: record.ledger_index.unsigned_abs(),
        leaf: record.leaf_hash,
        ingested_at: record.ingested_at.as_microsecond(),
        evidence: record.sealed_evidence.as_deref().map(evidence_hash),
    }
}

/// What is signed of sealed evidence.
pub(crate) fn evidence_hash(sealed: &[u8]) -> [u8; 32] {
    Sha256::digest(sealed).into()
}
