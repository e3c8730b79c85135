//! Checkpoints, proofs and records, as asked and as answered.

use yinyom_consent::CONTACTS;
use yinyom_consent::wire::timestamp;
use yinyom_kernel::{BusinessId, ContactId, InvalidInput, Name, Text, Violations, from_micros};
use yinyom_proto::manager::v1 as pb;
use yinyom_transparency::{Hash, Record};

use crate::Notary;
use crate::commands::{Proof, SignedHead};

/// Of which record, in the tree of which size.
pub(in crate::api) fn inclusion(
    asked: &pb::GetInclusionProofRequest,
) -> Result<(BusinessId, u64, Option<u64>), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let index = number(&mut wrong, "ledger_index", asked.ledger_index);
    let size = number(&mut wrong, "tree_size", asked.tree_size);
    wrong.finish(
        business.zip(index.zip(size)).map(|(business, (index, size))| {
            (business, index, Some(size).filter(|size| *size > 0))
        }),
    )
}

/// From which size to which.
pub(in crate::api) fn consistency(
    asked: &pb::GetConsistencyProofRequest,
) -> Result<(BusinessId, u64, Option<u64>), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    let earlier = number(&mut wrong, "earlier_size", asked.earlier_size);
    let size = number(&mut wrong, "tree_size", asked.tree_size);
    wrong.finish(business.zip(earlier.zip(size)).map(|(business, (earlier, size))| {
        (business, earlier, Some(size).filter(|size| *size > 0))
    }))
}

/// From which record to which.
pub(in crate::api) fn export(
    asked: &pb::ExportLedgerRequest,
) -> Result<(BusinessId, i64, Option<i64>), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    number(&mut wrong, "start_index", asked.start_index);
    number(&mut wrong, "end_index", asked.end_index);
    let (start, end) = (asked.start_index, Some(asked.end_index).filter(|end| *end > 0));
    wrong.finish(business.map(|business| (business, start, end)))
}

fn number(wrong: &mut Violations, field: &str, number: i64) -> Option<u64> {
    let read = u64::try_from(number).ok();
    if read.is_none() {
        wrong.push(field, "NEGATIVE", Text::new("is negative.", "ต้องไม่ติดลบ"));
    }
    read
}

/// The head of a ledger.
pub(in crate::api) fn head(head: SignedHead) -> pb::GetCheckpointResponse {
    pb::GetCheckpointResponse {
        checkpoint: head.checkpoint,
        tree_size: count(head.size),
        root_hash: head.root.to_vec(),
    }
}

/// That a record is in the ledger.
pub(in crate::api) fn included((leaf, proof): (Hash, Proof)) -> pb::GetInclusionProofResponse {
    pb::GetInclusionProofResponse {
        leaf_hash: leaf.to_vec(),
        hashes: hashes(&proof),
        tree_size: count(proof.size),
    }
}

/// That the ledger begins with what it was.
pub(in crate::api) fn consistent(proof: &Proof) -> pb::GetConsistencyProofResponse {
    pb::GetConsistencyProofResponse { hashes: hashes(proof), tree_size: count(proof.size) }
}

fn hashes(proof: &Proof) -> Vec<Vec<u8>> {
    proof.hashes.iter().map(|hash| hash.to_vec()).collect()
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The public keys.
pub(in crate::api) fn keys(business: BusinessId, notary: &Notary) -> pb::ListLedgerKeysResponse {
    let keys = notary.keys().enumerate().map(|(at, key)| pb::LedgerKey {
        key_id: key.id().to_string(),
        pem: key.to_pem(),
        verifier_key: notary.verifier_key(business.uuid(), key),
        active: at == 0,
    });
    pb::ListLedgerKeysResponse { keys: keys.collect() }
}

/// Some records.
pub(in crate::api) fn records(
    business: BusinessId,
    records: Vec<Record>,
    end: i64,
) -> pb::ExportLedgerResponse {
    let records = records.into_iter().map(|record| pb::LedgerRecord {
        ledger_index: count(record.index),
        contact: CONTACTS.format(business, ContactId::from(record.contact)),
        seq: record.seq,
        content: record.content,
        leaf_hash: record.leaf_hash,
        ingest_time: Some(timestamp(from_micros(record.ingested_at))),
        evidence_hash: record.evidence_hash,
        signature: record.signature,
        erasure: record.erasure,
    });
    pb::ExportLedgerResponse { records: records.collect(), end_index: end }
}
