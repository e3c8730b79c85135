//! What the ledger destroys of an erased contact, when, what holds that up, and that nothing brings it back.

use std::time::Duration;

use consent_manager::MIGRATIONS;
use consent_manager::commands::destroy_due;
use consent_manager::store::{StoreError, subjects};
use prost_types::Timestamp;
use tonic::{Code, Status};
use uuid::Uuid;
use yinyom_consent::{Cause, ConsentChange};
use yinyom_db::Record;
use yinyom_kernel::Scope;
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};
use yinyom_transparency::{Audit, Checkpoint, PublicKeys, What};

use crate::support::*;

const NOTE: &str = "spoke with khun Somchai at the fair";
const YEAR: Duration = Duration::from_hours(24 * 365);

both_databases!(MIGRATIONS =>
    an_erasure_destroys_the_key_at_once_and_the_evidence_next,
    an_erased_ledger_verifies_and_names_who_only_says_that_it_erased,
    content_goes_after_the_period_and_the_tree_stays,
    counts_and_proofs_stay_what_they_were,
    a_list_of_what_is_left_goes_on_past_what_is_gone,
    nothing_that_comes_late_brings_a_key_back,
    two_relays_at_once_leave_no_key,
    a_hold_puts_off_what_its_release_does,
    a_hold_on_the_business_holds_everybody,
    a_hold_and_an_erasure_at_the_same_time,
    a_hold_keeps_content_too,
    a_shorter_period_ends_what_waits,
    what_fails_in_one_business_holds_up_no_other,
    only_a_service_for_all_lists_across_businesses,
);

fn scope(world: &World) -> Scope {
    #[expect(clippy::disallowed_methods, reason = "the test looks into the store of its business")]
    Scope::assume(world.business)
}

async fn rows<R: Record>(world: &World, sql: &'static str) -> Vec<R> {
    world.db.read(scope(world)).await.unwrap().scoped(sql).fetch_all().await.unwrap()
}

async fn count(world: &World, sql: &'static str) -> i64 {
    world.db.read(scope(world)).await.unwrap().scoped(sql).scalar().await.unwrap()
}

const KEYS: &str = "SELECT COUNT(*) FROM subjects WHERE business_id = $1";
const SEALED: &str =
    "SELECT COUNT(*) FROM ledger WHERE business_id = $1 AND sealed_evidence IS NOT NULL";
const CONTENT: &str = "SELECT COUNT(*) FROM ledger WHERE business_id = $1 AND cause > 0";
/// What is left, whatever it is, of the content of a record.
const REST: &str = "SELECT COUNT(*) FROM ledger WHERE business_id = $1 AND cause = 0 AND (
    recorded_at <> 0 OR surface <> 0 OR actor_kind <> 0 OR actor_id IS NOT NULL OR actor_name IS NOT NULL
    OR actor_role IS NOT NULL OR method IS NOT NULL OR notice_version IS NOT NULL
    OR claimed_at IS NOT NULL OR evidence_commitment IS NOT NULL OR sealed_evidence IS NOT NULL
    OR parent_kind IS NOT NULL OR parent_id IS NOT NULL OR phone_changed OR email_changed
    OR phone_from IS NOT NULL OR phone_to IS NOT NULL OR email_from IS NOT NULL OR email_to IS NOT NULL
    OR phone_expires_at IS NOT NULL OR email_expires_at IS NOT NULL)";

fn start() -> i64 {
    START.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// Destroys what is due now, as the service does by itself sooner or later.
async fn destroy(world: &World) {
    destroy_due(&world.manager).await.unwrap();
}

/// A contact of whom something was noted, twice.
async fn noted(world: &World) -> Contact {
    let mut contact = Contact::new(world.business);
    let first = contact.phone_with_note(world.now(), Granted, NOTE);
    let second = contact.phone_with_note(world.now(), Denied, NOTE);
    world.take(vec![first, second]).await;
    contact
}

async fn erase(world: &World, contact: &mut Contact) {
    world.take(vec![contact.gone(world.now(), Cause::Erased)]).await;
}

async fn erasures(world: &World) -> Vec<pb::Erasure> {
    let request = pb::ListErasuresRequest { parent: world.parent(), ..Default::default() };
    let mut client = world.retention(world.members.officer);
    client.list_erasures(request).await.unwrap().into_inner().erasures
}

async fn hold(world: &World, contact: Option<&Contact>) -> pb::LegalHold {
    let request = pb::SetLegalHoldRequest {
        parent: world.parent(),
        contact: contact.map(Contact::name).unwrap_or_default(),
        reason: "คดีหมายเลขดำที่ พ 123/2569".to_owned(),
        request_id: Uuid::now_v7().to_string(),
    };
    let mut client = world.retention(world.members.officer);
    client.set_legal_hold(request).await.unwrap().into_inner().legal_hold.unwrap()
}

async fn release(world: &World, hold: &pb::LegalHold) {
    let request = pb::ReleaseLegalHoldRequest { name: hold.name.clone() };
    let mut client = world.retention(world.members.admin);
    client.release_legal_hold(request).await.unwrap();
}

async fn keep_for(world: &World, days: i32) {
    let name = format!("{}/retention", world.parent());
    let retention =
        Some(pb::Retention { name, days_after_erasure: days, ..pb::Retention::default() });
    let mut client = world.retention(world.members.owner);
    client.update_retention(pb::UpdateRetentionRequest { retention }).await.unwrap();
}

/// Everything that can be exported, and what an audit with a checkpoint of all of it says.
async fn audit(world: &World) -> (Vec<pb::LedgerRecord>, Vec<What>, u64) {
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

async fn an_erasure_destroys_the_key_at_once_and_the_evidence_next(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    let other = noted(&world).await;
    erase(&world, &mut contact).await;
    assert_eq!(count(&world, KEYS).await, 1, "at once");
    destroy(&world).await;
    assert_eq!(count(&world, SEALED).await, 2, "the other's");
    let listed = erasures(&world).await;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].contact.clone(), listed[0].seq), (contact.name(), 3));
    assert!(listed[0].evidence_destroy_time.is_some() && listed[0].content_destroy_time.is_none());
    let history = world.history(&contact).await;
    let shown: Vec<_> = history.entries.iter().map(|entry| entry.evidence.clone()).collect();
    assert_eq!(shown[1].as_ref().map(|of| (of.note.as_str(), of.method)), Some(("", 2)));
    let theirs = world.history(&other).await.entries.remove(0).evidence.unwrap();
    assert_eq!(theirs.note, NOTE);
}

async fn an_erased_ledger_verifies_and_names_who_only_says_that_it_erased(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    noted(&world).await;
    let before = audit(&world).await;
    erase(&world, &mut contact).await;
    destroy(&world).await;
    let (records, found, _) = audit(&world).await;
    assert_eq!(found, []);
    for (was, is) in before.0.iter().zip(&records) {
        assert_eq!(was, is, "evidence is gone, and its hash, signed, is not");
    }
    // Somebody who holds the database destroys the other's evidence in the same way, but for the signature.
    let all = world.db.unbound().await;
    let scope = scope(&world);
    all.write(scope, move |mut tx| async move {
        tx.scoped(
            "UPDATE ledger SET evidence_erasure = (SELECT o.evidence_erasure FROM ledger o
                 WHERE o.business_id = $1 AND o.ledger_index = 0), sealed_evidence = NULL
             WHERE business_id = $1 AND ledger_index = 2",
        )
        .execute()
        .await?;
        tx.done::<_, StoreError>(())
    })
    .await
    .unwrap();
    let (_, found, _) = audit(&world).await;
    assert!(matches!(found[..], [What::Signature(_), ..]), "{found:?}");
}

async fn content_goes_after_the_period_and_the_tree_stays(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    let other = noted(&world).await;
    keep_for(&world, 365).await;
    erase(&world, &mut contact).await;
    let proof = pb::GetInclusionProofRequest {
        parent: world.parent(),
        ledger_index: 1,
        ..Default::default()
    };
    let proven = world.proofs().get_inclusion_proof(proof.clone()).await.unwrap().into_inner();
    world.clock.advance(YEAR - Duration::from_micros(1));
    destroy(&world).await;
    assert_eq!(count(&world, CONTENT).await, 5, "not a moment too soon");
    world.clock.advance(Duration::from_micros(1));
    destroy(&world).await;
    assert_eq!(count(&world, CONTENT).await, 2, "the other's");
    assert_eq!(count(&world, REST).await, 0);
    let still = world.proofs().get_inclusion_proof(proof).await.unwrap().into_inner();
    assert_eq!(still, proven);
    let (records, found, erased) = audit(&world).await;
    assert_eq!((records.len(), found, erased), (5, vec![], 3));
    assert!(records[0].content.is_empty() && !records[0].erasure.is_empty());
    assert!(!records[2].content.is_empty() && records[2].erasure.is_empty());
    assert!(erasures(&world).await[0].content_destroy_time.is_some());
    let history = world.history(&contact).await;
    assert!(history.entries.is_empty() && history.consents.is_empty());
    assert_eq!(world.history(&other).await.entries.len(), 2);
    // It goes on as ever.
    noted(&world).await;
    let (records, found, _) = audit(&world).await;
    assert_eq!((records.len(), found), (7, vec![]));
}

async fn counts_and_proofs_stay_what_they_were(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    noted(&world).await;
    keep_for(&world, 365).await;
    erase(&world, &mut contact).await;
    let trend = || async {
        let request = pb::GetConsentTrendRequest {
            parent: world.parent(),
            granularity: pb::Granularity::Month.into(),
            start_time: Some(Timestamp { seconds: start(), nanos: 0 }),
            end_time: Some(Timestamp { seconds: start() + 1, nanos: 0 }),
        };
        world.reports().get_consent_trend(request).await.unwrap().into_inner()
    };
    let before = (world.summary().await, trend().await);
    world.clock.advance(YEAR);
    destroy(&world).await;
    assert_eq!(count(&world, CONTENT).await, 2);
    assert_eq!((world.summary().await, trend().await), before);
}

async fn a_list_of_what_is_left_goes_on_past_what_is_gone(db: TestDb) {
    let world = World::new(db).await;
    let one = noted(&world).await;
    let mut gone = Vec::new();
    for _ in 0..3 {
        gone.push(noted(&world).await);
    }
    let other = noted(&world).await;
    keep_for(&world, 365).await;
    for contact in &mut gone {
        erase(&world, contact).await;
    }
    world.clock.advance(YEAR);
    destroy(&world).await;
    let mut request = pb::ListConsentChangesRequest {
        parent: world.parent(),
        page_size: 1,
        ..Default::default()
    };
    let mut indexes = Vec::new();
    let mut ledger = world.ledger(world.members.officer);
    loop {
        let page = ledger.list_consent_changes(request.clone()).await.unwrap().into_inner();
        indexes.extend(page.entries.iter().map(|entry| (entry.contact.clone(), entry.ledger_index)));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let (one, other) = (one.name(), other.name());
    assert_eq!(indexes, [(other.clone(), 9), (other, 8), (one.clone(), 1), (one, 0)]);
    // A watch from the beginning hears what is left and then waits.
    let request = pb::WatchConsentChangesRequest {
        parent: world.parent(),
        from_start: true,
        ..Default::default()
    };
    let mut watch = world.watches().watch_consent_changes(request).await.unwrap().into_inner();
    let mut heard = Vec::new();
    while heard.len() < 4 {
        let some = watch.message().await.unwrap().unwrap();
        heard.extend(some.entries.iter().map(|entry| entry.ledger_index));
    }
    assert_eq!(heard, [0, 1, 8, 9]);
    noted(&world).await;
    while heard.len() < 6 {
        let some = watch.message().await.unwrap().unwrap();
        heard.extend(some.entries.iter().map(|entry| entry.ledger_index));
    }
    assert_eq!(heard[4..], [13, 14]);
}

async fn nothing_that_comes_late_brings_a_key_back(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let first = contact.phone_with_note(world.now(), Granted, NOTE);
    let gone = contact.gone(world.now(), Cause::Erased);
    let late = contact.phone_with_note(world.now(), Granted, NOTE);
    // The last change of another history: of a directory that was restored, say.
    let mut other = contact.clone();
    let later = other.phone_with_note(world.now(), Denied, NOTE);
    let batches: [Vec<&pb::ConsentChange>; 6] = [
        vec![&first],
        vec![&first, &gone],
        vec![&gone],
        vec![&first],
        vec![&gone, &late],
        vec![&later, &first],
    ];
    for (at, batch) in batches.into_iter().enumerate() {
        let results = world.send(batch.into_iter().cloned().collect()).await;
        assert_eq!(results.len(), 1, "batch {at}");
        if at > 0 {
            assert_eq!(count(&world, KEYS).await, 0, "batch {at}");
        }
    }
    destroy(&world).await;
    assert_eq!((count(&world, KEYS).await, count(&world, SEALED).await), (0, 0));
    let (_, found, _) = audit(&world).await;
    assert_eq!(found, [], "what came too late is there without its evidence");
}

async fn two_relays_at_once_leave_no_key(db: TestDb) {
    let world = World::new(db).await;
    for _ in 0..10 {
        let mut contact = Contact::new(world.business);
        let noted = [Granted, Denied, Granted]
            .map(|state| contact.phone_with_note(world.now(), state, NOTE));
        let gone = contact.gone(world.now(), Cause::Erased);
        let all: Vec<_> = noted.iter().chain([&gone]).cloned().collect();
        let (one, other) = tokio::join!(
            async {
                for change in &all {
                    world.send(vec![change.clone()]).await;
                }
            },
            world.send(all.clone()),
        );
        let ((), _) = (one, other);
        assert_eq!(world.send(all).await, [(pb::RecordOutcome::Recorded, 4)]);
        assert_eq!(count(&world, KEYS).await, 0);
    }
    destroy(&world).await;
    assert_eq!(count(&world, SEALED).await, 0);
}

async fn a_hold_puts_off_what_its_release_does(db: TestDb) {
    let world = World::new(db).await;
    let (mut held, mut free) = (noted(&world).await, noted(&world).await);
    let first = hold(&world, Some(&held)).await;
    let second = hold(&world, Some(&held)).await;
    erase(&world, &mut held).await;
    erase(&world, &mut free).await;
    destroy(&world).await;
    assert_eq!((count(&world, KEYS).await, count(&world, SEALED).await), (1, 2));
    let of = |listed: &[pb::Erasure], contact: &Contact| {
        let of = listed.iter().find(|erasure| erasure.contact == contact.name()).unwrap();
        (of.held, of.evidence_destroy_time.is_some())
    };
    let listed = erasures(&world).await;
    assert_eq!((of(&listed, &held), of(&listed, &free)), ((true, false), (false, true)));
    let shown = world.history(&held).await.entries.remove(1).evidence.unwrap();
    assert_eq!(shown.note, NOTE, "a court may ask for it");
    // It is on record that the erasure is put off, and why.
    let request = pb::ListRefusedRequestsRequest { parent: world.parent(), ..Default::default() };
    let mut client = world.retention(world.members.officer);
    let refused = client.list_refused_requests(request).await.unwrap().into_inner();
    let [refused] = &refused.refused_requests[..] else { panic!("{refused:?}") };
    assert_eq!(refused.contact, held.name());
    assert_eq!(refused.kind(), pb::SubjectRequestKind::Erasure);
    assert_eq!(refused.reason(), pb::RefusedRequestReason::LegalClaim);
    assert_eq!(refused.actor, "services/consent-manager");

    release(&world, &first).await;
    destroy(&world).await;
    assert_eq!(count(&world, KEYS).await, 1, "the second one holds it");
    release(&world, &second).await;
    release(&world, &second).await;
    destroy(&world).await;
    assert_eq!((count(&world, KEYS).await, count(&world, SEALED).await), (0, 0));
    let (_, found, _) = audit(&world).await;
    assert_eq!(found, []);
}

async fn a_hold_on_the_business_holds_everybody(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    let whole = hold(&world, None).await;
    erase(&world, &mut contact).await;
    destroy(&world).await;
    assert_eq!(count(&world, KEYS).await, 1);
    release(&world, &whole).await;
    destroy(&world).await;
    assert_eq!(count(&world, KEYS).await, 0);
}

async fn a_hold_and_an_erasure_at_the_same_time(db: TestDb) {
    let world = World::new(db).await;
    for _ in 0..10 {
        let contact = noted(&world).await;
        let mut erased = contact.clone();
        let (set, ()) = tokio::join!(hold(&world, Some(&contact)), erase(&world, &mut erased));
        let listed = erasures(&world).await;
        let of = listed.iter().find(|erasure| erasure.contact == contact.name()).unwrap();
        let key = subject(&world, &contact).await;
        // A hold that was set first keeps it. One that came too late holds nothing, and nothing comes back.
        assert!(of.held, "{of:?}");
        if key {
            destroy(&world).await;
            assert!(subject(&world, &contact).await, "what was held when it was set stays");
        }
        release(&world, &set).await;
        destroy(&world).await;
        assert!(!subject(&world, &contact).await);
    }
}

async fn subject(world: &World, contact: &Contact) -> bool {
    let mut tx = world.db.read(scope(world)).await.unwrap();
    let keys = subjects::open(&mut tx, &world.manager.masters, &[contact.id.uuid()]).await;
    !keys.unwrap().is_empty()
}

async fn a_hold_keeps_content_too(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    keep_for(&world, 365).await;
    erase(&world, &mut contact).await;
    destroy(&world).await;
    let set = hold(&world, Some(&contact)).await;
    world.clock.advance(YEAR);
    destroy(&world).await;
    assert_eq!(count(&world, CONTENT).await, 3);
    release(&world, &set).await;
    destroy(&world).await;
    assert_eq!((count(&world, CONTENT).await, count(&world, REST).await), (0, 0));
}

async fn a_shorter_period_ends_what_waits(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    erase(&world, &mut contact).await;
    world.clock.advance(YEAR * 2);
    destroy(&world).await;
    assert_eq!(count(&world, CONTENT).await, 3, "ten years, unless somebody says otherwise");
    keep_for(&world, 365 * 3).await;
    destroy(&world).await;
    assert_eq!(count(&world, CONTENT).await, 3);
    keep_for(&world, 365 * 2).await;
    destroy(&world).await;
    assert_eq!(count(&world, CONTENT).await, 0);
}

async fn what_fails_in_one_business_holds_up_no_other(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    erase(&world, &mut contact).await;
    let all = world.db.unbound().await;
    let nobodys = Uuid::from_u128(1);
    all.write_unscoped(move |mut tx| async move {
        // Work for a business of which a row cannot be read.
        tx.query("INSERT INTO due_work (business_id, kind, due_at) VALUES ($1, 'erasures', 0)")
            .bind(nobodys)
            .execute()
            .await?;
        tx.query("INSERT INTO erasures (business_id, contact_id, erased_at) VALUES ($1, $1, 0)")
            .bind(nobodys)
            .execute()
            .await?;
        tx.query(
            "INSERT INTO ledger (business_id, ledger_index, contact_id, seq, leaf_hash, recorded_at,
                 ingested_at, cause, surface, actor_kind, sealed_evidence, phone_changed, email_changed)
             SELECT $1, 0, $1, 1, substr(leaf_hash, 1, 3), 0, 0, 1, 1, 1, leaf_hash, FALSE, FALSE
             FROM ledger WHERE ledger_index = 0",
        )
        .bind(nobodys)
        .execute()
        .await?;
        tx.done::<_, StoreError>(())
    })
    .await
    .unwrap();
    destroy(&world).await;
    assert_eq!(count(&world, SEALED).await, 0);
    let left: Vec<(i64,)> =
        rows(&world, "SELECT due_at FROM due_work WHERE business_id = $1").await;
    assert!(left[0].0 > world.now().as_microsecond());
}

async fn only_a_service_for_all_lists_across_businesses(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    erase(&world, &mut contact).await;
    let request = pb::ListErasuresRequest { parent: "businesses/-".to_owned(), ..Default::default() };
    let mut all = world.retention_as(world.tokens.named("warehouse"));
    let answer = all.list_erasures(request.clone()).await.unwrap().into_inner();
    assert_eq!((answer.erasures[0].contact.clone(), answer.total_size), (contact.name(), 1));
    for bearer in [
        world.tokens.named("nothing"),
        world.tokens.member(world.business, world.members.owner),
    ] {
        let refused: Status = world.retention_as(bearer).list_erasures(request.clone()).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::NotFound, "NOT_FOUND".to_owned()));
    }
}
