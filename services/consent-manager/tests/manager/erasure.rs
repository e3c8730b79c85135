//! What the ledger destroys of an erased contact, and when, and that nothing brings it back.

use std::time::Duration;

use consent_manager::MIGRATIONS;
use consent_manager::commands::confirm;
use consent_manager::store::StoreError;
use prost_types::Timestamp;
use tonic::{Code, Status};
use uuid::Uuid;
use yinyom_consent::Cause;
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};
use yinyom_transparency::What;

use crate::support::erasures::*;
use crate::support::*;

both_databases!(MIGRATIONS =>
    an_erasure_destroys_the_key_at_once_and_the_evidence_next,
    an_erased_ledger_verifies_and_names_who_only_says_that_it_erased,
    content_goes_after_the_period_and_the_tree_stays,
    counts_and_proofs_stay_what_they_were,
    a_list_of_what_is_left_goes_on_past_what_is_gone,
    nothing_that_comes_late_brings_a_key_back,
    two_relays_at_once_leave_no_key,
    a_shorter_period_ends_what_waits,
    what_fails_in_one_business_holds_up_no_other,
    only_a_service_for_all_lists_across_businesses,
    no_evidence_is_opened_before_the_directory_misses_no_erasure,
);

fn start() -> i64 {
    START.parse::<jiff::Timestamp>().unwrap().as_second()
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
    pass(&world, YEAR.saturating_sub(Duration::from_micros(1))).await;
    destroy(&world).await;
    assert_eq!(count(&world, CONTENT).await, 5, "not a moment too soon");
    pass(&world, Duration::from_micros(1)).await;
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
    pass(&world, YEAR).await;
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
    pass(&world, YEAR).await;
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
        indexes
            .extend(page.entries.iter().map(|entry| (entry.contact.clone(), entry.ledger_index)));
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

async fn a_shorter_period_ends_what_waits(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    erase(&world, &mut contact).await;
    pass(&world, YEAR * 2).await;
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
    let due = count(&world, "SELECT due_at FROM due_work WHERE business_id = $1").await;
    assert!(due > world.now().as_microsecond());
}

async fn only_a_service_for_all_lists_across_businesses(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    erase(&world, &mut contact).await;
    let request =
        pb::ListErasuresRequest { parent: "businesses/-".to_owned(), ..Default::default() };
    let mut all = world.retention_as(world.tokens.named("warehouse"));
    let answer = all.list_erasures(request.clone()).await.unwrap().into_inner();
    assert_eq!((answer.erasures[0].contact.clone(), answer.total_size), (contact.name(), 1));
    for bearer in
        [world.tokens.named("nothing"), world.tokens.member(world.business, world.members.owner)]
    {
        let refused: Status =
            world.retention_as(bearer).list_erasures(request.clone()).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::NotFound, "NOT_FOUND".to_owned()));
    }
}

async fn no_evidence_is_opened_before_the_directory_misses_no_erasure(db: TestDb) {
    let world = World::new(db).await;
    let (mut gone, there) = (noted(&world).await, noted(&world).await);
    erase(&world, &mut gone).await;
    confirm(&world.manager, false).await.unwrap();
    let read = || async {
        let request = pb::GetContactHistoryRequest { contact: there.name(), ..Default::default() };
        world.ledger(world.members.owner).get_contact_history(request).await
    };
    let ask = |known_size| {
        let parent = "businesses/-".to_owned();
        let request = pb::ListErasuresRequest { parent, known_size, ..Default::default() };
        let mut client = world.retention_as(world.tokens.named("warehouse"));
        async move { client.list_erasures(request).await.unwrap().into_inner().total_size }
    };
    let unconfirmed = (Code::Unavailable, "ERASURES_UNCONFIRMED".to_owned());
    assert_eq!(refusal(&read().await.unwrap_err()), unconfirmed);
    assert_eq!(ask(2).await, 1, "the directory knows one more");
    assert_eq!(refusal(&read().await.unwrap_err()), unconfirmed);
    assert_eq!(ask(1).await, 1);
    assert_eq!(read().await.unwrap().into_inner().entries.len(), 2);
    assert_eq!(ask(2).await, 1, "it came back from a backup while nobody looked");
    assert_eq!(refusal(&read().await.unwrap_err()), unconfirmed);
}
