//! The ledger proves itself: checkpoints, proofs and exports of a manager that serves.

use std::sync::Arc;

use consent_manager::MIGRATIONS;
use consent_manager::commands::{Manager, sign_earlier};
use yinyom_consent::ConsentChange;
use yinyom_consent::ConsentState::{Denied, Granted};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};
use yinyom_transparency::{
    Audit, Checkpoint, Finding, Hash, PublicKeys, Record, SignatureError, What, verify_consistency,
    verify_inclusion,
};

use crate::support::{Contact, World, refusal};

impl World {
    async fn checkpoint(&self) -> (Checkpoint, PublicKeys) {
        let request = pb::GetCheckpointRequest { parent: self.parent() };
        let head = self.proofs().get_checkpoint(request).await.unwrap().into_inner();
        let request = pb::ListLedgerKeysRequest { parent: self.parent() };
        let keys = self.proofs().list_ledger_keys(request).await.unwrap().into_inner().keys;
        assert!(keys.len() == 1 && keys[0].active);
        let keys = PublicKeys::from_pem(&keys[0].pem).unwrap();
        let checkpoint = Checkpoint::open(&head.checkpoint, &keys).unwrap();
        assert_eq!(checkpoint.business().unwrap(), self.business.uuid());
        let told = (u64::try_from(head.tree_size).unwrap(), head.root_hash);
        assert_eq!(told, (checkpoint.size, checkpoint.root.to_vec()));
        (checkpoint, keys)
    }

    async fn export(&self, start_index: i64, end_index: i64) -> Vec<Record> {
        let request = pb::ExportLedgerRequest { parent: self.parent(), start_index, end_index };
        let mut answers = self.proofs().export_ledger(request).await.unwrap().into_inner();
        let mut records = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            records.extend(answer.records.iter().map(record));
        }
        records
    }

    async fn inclusion(&self, ledger_index: i64, size: u64) -> pb::GetInclusionProofResponse {
        let tree_size = i64::try_from(size).unwrap();
        let parent = self.parent();
        let request = pb::GetInclusionProofRequest { parent, ledger_index, tree_size };
        self.proofs().get_inclusion_proof(request).await.unwrap().into_inner()
    }

    async fn consistency(&self, earlier: u64) -> Vec<Hash> {
        let request = pb::GetConsistencyProofRequest {
            parent: self.parent(),
            earlier_size: i64::try_from(earlier).unwrap(),
            tree_size: 0,
        };
        let answer = self.proofs().get_consistency_proof(request).await.unwrap().into_inner();
        hashes(answer.hashes)
    }

    /// So many changes of one contact each.
    async fn changes(&self, times: usize) {
        let created =
            (0..times).map(|_| Contact::new(self.business).created(self.now(), Granted, Denied));
        self.take(created.collect()).await;
    }

    /// What somebody does to the table directly.
    pub async fn sql(&self, sql: &'static str) {
        let business = self.business.uuid();
        let db = self.db.unbound().await;
        let changed = db.write_unscoped(move |mut tx| async move {
            let rows = tx.query(sql).bind(business).execute().await?;
            tx.done::<_, yinyom_db::DbError>(rows)
        });
        assert!(changed.await.unwrap() > 0, "{sql}");
    }

    fn manager(&self) -> Manager {
        Manager {
            db: self.db.handle(),
            policies: self.policies.clone(),
            masters: Arc::new(MasterKeys::new(MasterKey::generate(), Vec::new())),
            notary: Arc::clone(&self.notary),
            clock: self.clock.clone(),
            feeds: consent_manager::Feeds::default(),
        }
    }
}

fn record(sent: &pb::LedgerRecord) -> Record {
    let at = sent.ingest_time.unwrap();
    Record {
        index: u64::try_from(sent.ledger_index).unwrap(),
        contact: sent.contact.rsplit('/').next().unwrap().parse().unwrap(),
        seq: sent.seq,
        ingested_at: at.seconds * 1_000_000 + i64::from(at.nanos / 1_000),
        leaf_hash: sent.leaf_hash.clone(),
        content: sent.content.clone(),
        evidence_hash: sent.evidence_hash.clone(),
        signature: sent.signature.clone(),
        erasure: sent.erasure.clone(),
    }
}

fn hashes(sent: Vec<Vec<u8>>) -> Vec<Hash> {
    sent.into_iter().map(|hash| hash.try_into().unwrap()).collect()
}

fn audit((kept, keys): &(Checkpoint, PublicKeys), records: &[Record]) -> (Vec<Finding>, u64) {
    let mut audit = Audit::new(kept, &[], keys.clone(), ConsentChange::name_of).unwrap();
    let mut found: Vec<_> = records.iter().flat_map(|r| audit.record(Some(r))).collect();
    let (last, outcome) = audit.finish();
    found.extend(last);
    (found, outcome.proven)
}

async fn a_ledger_proves_itself_as_it_grows(db: TestDb) {
    let world = World::new(db).await;
    let (empty, _) = world.checkpoint().await;
    assert_eq!((empty.size, empty.root), (0, yinyom_transparency::EMPTY_ROOT));
    let mut earlier = vec![empty];
    for times in [1, 14, 1, 2, 300, 1] {
        world.changes(times).await;
        let (head, keys) = world.checkpoint().await;
        assert_eq!(head.size, earlier.last().unwrap().size + times as u64);
        for old in &earlier {
            let proof = world.consistency(old.size).await;
            verify_consistency(old.size, head.size, &old.root, &head.root, &proof).unwrap();
        }
        earlier.push(head.clone());
        let records = world.export(0, 0).await;
        assert_eq!(audit(&(head.clone(), keys), &records), (vec![], head.size));
        for index in [0, head.size / 2, head.size - 1] {
            let told = world.inclusion(i64::try_from(index).unwrap(), head.size).await;
            let leaf = told.leaf_hash.try_into().unwrap();
            let proof = hashes(told.hashes);
            verify_inclusion(&leaf, index, head.size, &proof, &head.root).unwrap();
            assert_eq!(records[usize::try_from(index).unwrap()].leaf_hash, leaf);
        }
    }
    // In an earlier tree, too.
    let old = &earlier[3];
    let told = world.inclusion(3, old.size).await;
    let leaf = told.leaf_hash.try_into().unwrap();
    verify_inclusion(&leaf, 3, old.size, &hashes(told.hashes), &old.root).unwrap();
}

async fn an_export_can_be_taken_up_at_any_record(db: TestDb) {
    let world = World::new(db).await;
    world.changes(600).await;
    world.changes(500).await;
    let all = world.export(0, 0).await;
    assert_eq!(all.len(), 1_100);
    for (start, end) in [(0, 1), (499, 501), (1_099, 1_100), (700, 0)] {
        let to = if end == 0 { all.len() } else { usize::try_from(end).unwrap() };
        let from = usize::try_from(start).unwrap();
        assert_eq!(world.export(start, end).await, all[from..to]);
    }
    assert_eq!(world.export(1_100, 0).await, []);
}

async fn what_the_ledger_does_not_have_is_refused_by_field(db: TestDb) {
    let world = World::new(db).await;
    world.changes(3).await;
    let (parent, mut proofs) = (world.parent(), world.proofs());
    let mut refused = Vec::new();
    for (ledger_index, tree_size) in [(3, 0), (2, 2), (0, 4), (-1, -1)] {
        let parent = parent.clone();
        let request = pb::GetInclusionProofRequest { parent, ledger_index, tree_size };
        refused.push(proofs.get_inclusion_proof(request).await.unwrap_err());
    }
    for (earlier_size, tree_size) in [(4, 0), (3, 2), (0, 4), (-1, 0)] {
        let parent = parent.clone();
        let request = pb::GetConsistencyProofRequest { parent, earlier_size, tree_size };
        refused.push(proofs.get_consistency_proof(request).await.unwrap_err());
    }
    for (start_index, end_index) in [(4, 0), (0, 4), (2, 1), (-1, 0)] {
        let parent = parent.clone();
        let request = pb::ExportLedgerRequest { parent, start_index, end_index };
        refused.push(proofs.export_ledger(request).await.unwrap_err());
    }
    for status in refused {
        let expected = (tonic::Code::InvalidArgument, "INVALID_INPUT".to_owned());
        assert_eq!(refusal(&status), expected);
    }
}

async fn nobody_else_reads_a_proof_or_a_record(db: TestDb) {
    let world = World::new(db).await;
    world.changes(1).await;
    let user = world.tokens.member(world.business, world.members.listed);
    let mut proofs = world.proofs_as(user);
    let parent = world.parent();
    let request = pb::ExportLedgerRequest { parent, start_index: 0, end_index: 0 };
    let status = proofs.export_ledger(request.clone()).await.unwrap_err();
    assert_eq!(refusal(&status).1, "LEDGER_READERS_ONLY");

    // Whoever loses the role in the middle of an export gets no more of it.
    world.changes(999).await;
    world.changes(1_000).await;
    let mut answers = world.proofs().export_ledger(request).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().records.len(), 500);
    let officer = world.members.officer;
    world.settings.change(world.business, |policy| {
        policy.members.get_mut(&officer).unwrap().protection_officer = false;
    });
    world.policies.renew().await.unwrap();
    let mut more = 0;
    let status = loop {
        match answers.message().await {
            Ok(Some(_)) => more += 1,
            Ok(None) => panic!("all of it was sent"),
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(&status).1, "LEDGER_READERS_ONLY");
    assert!(more <= 2, "what was on its way already: {more}");
}

async fn what_is_older_than_signatures_is_signed_when_an_operator_says_so_and_not_before(
    db: TestDb,
) {
    let world = World::new(db).await;
    world.changes(700).await;
    let sound = world.export(0, 0).await;
    // As it was before there were signatures.
    world.sql("UPDATE ledger SET signature = NULL WHERE business_id = $1").await;
    world.sql("DELETE FROM tree_nodes WHERE business_id = $1").await;
    world.sql("UPDATE ledger_heads SET tree_size = 0, frontier = substr(frontier, 1, 0) WHERE business_id = $1").await;
    world.sql("INSERT INTO unsigned_ledgers (business_id) VALUES ($1)").await;

    world.changes(2).await;
    let before = world.checkpoint().await;
    assert_eq!(before.0.size, 0, "a tree has no gap, so it has not begun");
    let (found, _) = audit(&before, &world.export(0, 0).await);
    let unsigned = What::Signature(SignatureError::Unreadable);
    assert_eq!(found.len(), 702);
    assert!(found.iter().all(|finding| finding.what == unsigned));

    sign_earlier(&world.manager()).await.unwrap();
    let (after, records) = (world.checkpoint().await, world.export(0, 0).await);
    assert_eq!(audit(&after, &records), (vec![], 702));
    assert_eq!(records[..700], sound);
    // Once: a signature that somebody takes away is not given again.
    world
        .sql("UPDATE ledger SET signature = NULL WHERE business_id = $1 AND ledger_index = 5")
        .await;
    sign_earlier(&world.manager()).await.unwrap();
    let (found, _) = audit(&after, &world.export(0, 0).await);
    assert_eq!(found.iter().map(|f| (f.index, f.what)).collect::<Vec<_>>(), [(5, unsigned)]);
    world.changes(1).await;
    assert_eq!(world.checkpoint().await.0.size, 703);
}

async fn what_was_touched_before_it_is_signed_is_not_signed(db: TestDb) {
    let world = World::new(db).await;
    world.changes(3).await;
    world.sql("UPDATE ledger_heads SET tree_size = 0, frontier = substr(frontier, 1, 0) WHERE business_id = $1").await;
    world.sql("INSERT INTO unsigned_ledgers (business_id) VALUES ($1)").await;
    world.sql("UPDATE ledger SET phone_to = 3 WHERE business_id = $1 AND ledger_index = 1").await;
    sign_earlier(&world.manager()).await.unwrap();
    assert_eq!(world.checkpoint().await.0.size, 0);
}

both_databases!(MIGRATIONS =>
    a_ledger_proves_itself_as_it_grows,
    an_export_can_be_taken_up_at_any_record,
    what_the_ledger_does_not_have_is_refused_by_field,
    nobody_else_reads_a_proof_or_a_record,
    what_is_older_than_signatures_is_signed_when_an_operator_says_so_and_not_before,
    what_was_touched_before_it_is_signed_is_not_signed,
);
