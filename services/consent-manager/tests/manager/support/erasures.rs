//! Erased contacts, and what the ledger has of them.

use std::time::Duration;

use consent_manager::commands::destroy_due;
use prost_types::Timestamp;
use uuid::Uuid;
use yinyom_consent::{Cause, ConsentChange};
use yinyom_kernel::Scope;
use yinyom_proto::manager::v1 as pb;
use yinyom_transparency::{Audit, Checkpoint, PublicKeys, What};

use crate::support::{Contact, Denied, Granted, World};

pub const NOTE: &str = "spoke with khun Somchai at the fair";
pub const YEAR: Duration = Duration::from_hours(24 * 365);

pub fn scope(world: &World) -> Scope {
    #[expect(clippy::disallowed_methods, reason = "the test looks into the store of its business")]
    Scope::assume(world.business)
}

pub async fn count(world: &World, sql: &'static str) -> i64 {
    world.db.read(scope(world)).await.unwrap().scoped(sql).scalar().await.unwrap()
}

pub const KEYS: &str = "SELECT COUNT(*) FROM subjects WHERE business_id = $1";
pub const SEALED: &str =
    "SELECT COUNT(*) FROM ledger WHERE business_id = $1 AND sealed_evidence IS NOT NULL";
pub const CONTENT: &str = "SELECT COUNT(*) FROM ledger WHERE business_id = $1 AND cause > 0";

/// What is left, whatever it is, of the content of a record.
pub const REST: &str = "SELECT COUNT(*) FROM ledger WHERE business_id = $1 AND cause = 0 AND (
    recorded_at <> 0 OR surface <> 0 OR actor_kind <> 0 OR actor_id IS NOT NULL OR actor_name IS NOT NULL
    OR actor_role IS NOT NULL OR method IS NOT NULL OR notice_version IS NOT NULL
    OR claimed_at IS NOT NULL OR evidence_commitment IS NOT NULL OR sealed_evidence IS NOT NULL
    OR parent_kind IS NOT NULL OR parent_id IS NOT NULL OR phone_changed OR email_changed
    OR phone_from IS NOT NULL OR phone_to IS NOT NULL OR email_from IS NOT NULL OR email_to IS NOT NULL
    OR phone_expires_at IS NOT NULL OR email_expires_at IS NOT NULL)";

/// Time passes, and roles are known.
pub async fn pass(world: &World, time: Duration) {
    world.clock.advance(time);
    world.policies.renew().await.unwrap();
}

/// Destroys what is due now, as the service does by itself sooner or later.
pub async fn destroy(world: &World) {
    destroy_due(&world.manager).await.unwrap();
}

/// A contact of whom something was noted, twice.
pub async fn noted(world: &World) -> Contact {
    let mut contact = Contact::new(world.business);
    let first = contact.phone_with_note(world.now(), Granted, NOTE);
    let second = contact.phone_with_note(world.now(), Denied, NOTE);
    world.take(vec![first, second]).await;
    contact
}

pub async fn erase(world: &World, contact: &mut Contact) {
    world.take(vec![contact.gone(world.now(), Cause::Erased)]).await;
}

pub async fn erasures(world: &World) -> Vec<pb::Erasure> {
    let request = pb::ListErasuresRequest { parent: world.parent(), ..Default::default() };
    let mut client = world.retention(world.members.officer);
    client.list_erasures(request).await.unwrap().into_inner().erasures
}

pub async fn hold(world: &World, contact: Option<&Contact>) -> pb::LegalHold {
    let request = pb::SetLegalHoldRequest {
        parent: world.parent(),
        contact: contact.map(Contact::name).unwrap_or_default(),
        reason: "คดีหมายเลขดำที่ พ 123/2569".to_owned(),
        request_id: Uuid::now_v7().to_string(),
    };
    let mut client = world.retention(world.members.officer);
    client.set_legal_hold(request).await.unwrap().into_inner().legal_hold.unwrap()
}

pub async fn release(world: &World, hold: &pb::LegalHold) {
    let request = pb::ReleaseLegalHoldRequest { name: hold.name.clone() };
    let mut client = world.retention(world.members.admin);
    client.release_legal_hold(request).await.unwrap();
}

pub async fn keep_for(world: &World, days: i32) {
    let name = format!("{}/retention", world.parent());
    let retention =
        Some(pb::Retention { name, days_after_erasure: days, ..pb::Retention::default() });
    let mut client = world.retention(world.members.owner);
    client.update_retention(pb::UpdateRetentionRequest { retention }).await.unwrap();
}

/// Everything that can be exported, and what an audit with a checkpoint of all of it says.
pub async fn audit(world: &World) -> (Vec<pb::LedgerRecord>, Vec<What>, u64) {
    let request = pb::GetCheckpointRequest { parent: world.parent() };
    let head = world.proofs().get_checkpoint(request).await.unwrap().into_inner();
    let request = pb::ExportLedgerRequest { parent: world.parent(), ..Default::default() };
    let mut stream = world.proofs().export_ledger(request).await.unwrap().into_inner();
    let mut records = Vec::new();
    while let Some(some) = stream.message().await.unwrap() {
        records.extend(some.records);
    }
    let mut keys = world.notary.keys().copied();
    let keys = PublicKeys::one(keys.next().unwrap());
    let kept = Checkpoint::open(&head.checkpoint, &keys).unwrap();
    let mut audit = Audit::new(&kept, &[], keys, ConsentChange::name_of).unwrap();
    let mut found = Vec::new();
    for record in &records {
        found.extend(audit.record(Some(&as_exported(record))));
    }
    let (rest, outcome) = audit.finish();
    found.extend(rest);
    (records, found.into_iter().map(|finding| finding.what).collect(), outcome.erased)
}

fn as_exported(record: &pb::LedgerRecord) -> yinyom_transparency::Record {
    let contact = record.contact.rsplit('/').next().unwrap();
    let at: Timestamp = record.ingest_time.unwrap();
    yinyom_transparency::Record {
        index: u64::try_from(record.ledger_index).unwrap(),
        contact: contact.parse().unwrap(),
        seq: record.seq,
        ingested_at: at.seconds * 1_000_000 + i64::from(at.nanos) / 1_000,
        leaf_hash: record.leaf_hash.clone(),
        content: record.content.clone(),
        evidence_hash: record.evidence_hash.clone(),
        signature: record.signature.clone(),
        erasure: record.erasure.clone(),
    }
}
