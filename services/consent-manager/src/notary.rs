//! Who vouches for the ledger: the key that signs, those that signed before it, and the ledger's name.

use uuid::Uuid;
use yinyom_kernel::BusinessId;
use yinyom_receipt::Receipt;
use yinyom_transparency::{
    Checkpoint, Erased, EvidenceErased, Frontier, Hash, LedgerKey, LogName, PublicKey, PublicKeys,
    Signed,
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

    /// Signs that the ledger itself has destroyed the sealed evidence of this hash: the hash, and the signature.
    pub fn sign_evidence_erasure(
        &self,
        business: BusinessId,
        index: i64,
        leaf: Hash,
        evidence: Hash,
    ) -> Vec<u8> {
        let (business, index) = (business.uuid(), index.unsigned_abs());
        let signature = EvidenceErased { business, index, leaf, evidence }.sign(&self.key);
        [&evidence[..], &signature].concat()
    }

    /// The hash of evidence that the ledger itself has destroyed; `None` if it has not said so.
    pub fn destroyed_evidence(
        &self,
        business: BusinessId,
        index: u64,
        leaf: Hash,
        erasure: &[u8],
    ) -> Option<Hash> {
        let (evidence, signature) = erasure.split_first_chunk::<32>()?;
        let (business, evidence) = (business.uuid(), *evidence);
        let erased = EvidenceErased { business, index, leaf, evidence };
        erased.verify(signature, &self.keys).ok().map(|()| evidence)
    }

    /// Signs that the ledger itself has destroyed the content of this record.
    pub fn sign_erasure(&self, business: BusinessId, index: i64, leaf: Hash) -> Vec<u8> {
        let (business, index) = (business.uuid(), index.unsigned_abs());
        Erased { business, index, leaf }.sign(&self.key)
    }

    /// The signed head of a business's ledger.
    pub fn checkpoint(&self, business: BusinessId, tree: &Frontier) -> String {
        let origin = self.name.origin(business.uuid());
        Checkpoint { origin, size: tree.size(), root: tree.root() }.sign(&self.key)
    }

    /// A receipt as a compact JWS.
    pub fn sign_receipt(&self, receipt: &Receipt) -> serde_json::Result<String> {
        receipt.sign(&self.key)
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
        evidence: record.signed_evidence(),
    }
}
