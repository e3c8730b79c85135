//! Contacts that are merged are one person: erased together, and nothing that is kept for an undo outlives them.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::erase::{Erasure, Replay};
use contact_directory::commands::merges::Pair;
use contact_directory::commands::renewal::{Renewal, SETTLED_EVERYWHERE_AFTER};
use contact_directory::domain::Contact;
use contact_directory::store::KeyRing;
use contact_directory::store::erase::Erased;
use std::sync::Arc;
use yinyom_consent::Cause;
use yinyom_kernel::{Clock, ContactId};
use yinyom_testkit::{TestDb, both_databases, on_postgres};

use super::gate::{lock, waiting};
use super::merges::{merge, merged};
use super::unmerge::undone;
use super::{
    ABSENT, DENIED, MAIL, ONE, PHONE, TWO, causes, create, delete, new, number, read, request,
    saying, why,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    whoever_is_asked_for_all_are_erased,
    a_deleted_survivor_takes_its_predecessors_with_it,
    a_database_from_before_forgets_them_too,
    an_erasure_and_a_merge_at_the_same_time_leave_nothing_behind,
    what_an_undo_needs_is_sealed_and_renewed,
);

async fn erase(house: &House, contact: ContactId) -> Erasure {
    let of = (house.business, contact);
    house.directory.erase_subject(&house.owner, of, None).await.unwrap()
}

/// How much there is of anybody.
async fn left(house: &House) -> Vec<(&'static str, i64)> {
    let mut left = Vec::new();
    for sql in [
        "SELECT COUNT(*) FROM contacts WHERE business_id = $1",
        "SELECT COUNT(*) FROM contact_points WHERE business_id = $1",
        "SELECT COUNT(*) FROM contact_fingerprints WHERE business_id = $1",
        "SELECT COUNT(*) FROM contact_aliases WHERE business_id = $1",
        "SELECT COUNT(*) FROM merges WHERE business_id = $1",
        "SELECT COUNT(*) FROM departed_contacts WHERE business_id = $1",
        "SELECT COUNT(*) FROM refusers WHERE business_id = $1",
        "SELECT COUNT(*) FROM refused_addresses WHERE business_id = $1",
        "SELECT COUNT(*) FROM requests WHERE business_id = $1 AND length(fingerprint) > 0",
    ] {
        let rows = house.count(sql).await;
        if rows > 0 {
            left.push((sql, rows));
        }
    }
    left
}

/// Three contacts that are one: the one that stayed, one that was merged into it, and one that had been merged into that.
async fn three(house: &House) -> [Contact; 3] {
    let session = house.session(&house.owner).await;
    let whole = create(house, "Somchai", &[ONE]).await;
    let mut of = new("Chai", &[TWO]);
    of.external_id = number("C-7");
    let sent = Some(request("CreateContact", b"Chai"));
    let inner = house.directory.create_contact(&session, of, sent).await.unwrap().now.unwrap();
    let innermost = saying(house, &[MAIL], &[(PHONE, DENIED)]).await;
    merged(house, &inner, &innermost).await;
    merged(house, &whole, &inner).await;
    [whole, inner, innermost]
}

async fn whoever_is_asked_for_all_are_erased(db: TestDb) {
    for asked in 0..3 {
        let house = House::on(db.handle()).await;
        let all = three(&house).await;
        let erasure = erase(&house, all[asked].id).await;
        assert_eq!(erasure.contact, all[0].id, "the one that stayed");
        assert_eq!(left(&house).await, []);
        for contact in &all {
            assert_eq!(causes(&house, contact.id).await.last(), Some(&Cause::Erased));
        }
        let session = house.session(&house.owner).await;
        for contact in &all {
            assert_eq!(why(house.directory.contact(&session, contact.id).await), ABSENT);
            assert_eq!(erase(&house, contact.id).await.contact, contact.id, "and again");
        }
        house.ledger().await;
    }
}

async fn a_deleted_survivor_takes_its_predecessors_with_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let all = three(&house).await;
    let records = "SELECT COUNT(*) FROM merges WHERE business_id = $1
                   AND (record IS NOT NULL OR subject_key IS NOT NULL)";
    assert_eq!(house.count(records).await, 2);
    delete(&house, &house.owner, all[0].id).await.unwrap();
    assert_eq!(house.count(records).await, 0, "nothing can be undone any more");
    erase(&house, all[2].id).await;
    assert_eq!(left(&house).await, []);
}

async fn a_database_from_before_forgets_them_too(db: TestDb) {
    let house = House::on(db.handle()).await;
    let all = three(&house).await;
    let replay = Replay::new(house.db.clone());
    for (contact, seq) in all.iter().zip([9, 8, 7]) {
        let erased = Erased { contact: contact.id, seq, at: house.clock.now() };
        assert!(replay.erase(house.scope(), erased).await.unwrap());
    }
    assert_eq!(left(&house).await, []);
}

async fn an_erasure_and_a_merge_at_the_same_time_leave_nothing_behind(db: TestDb) {
    let house = House::on(db.handle()).await;
    for round in 0..6 {
        let (one, two) = (create(&house, "1", &[ONE]).await, create(&house, "2", &[TWO]).await);
        let asked = if round % 2 == 0 { one.id } else { two.id };
        let (made, erasure) =
            tokio::join!(merge(&house, &house.owner, one.id, two.id), erase(&house, asked));
        match made {
            // It was first: both are gone.
            Ok(_) if erasure.contact == one.id => {}
            Ok(_) => panic!("{asked} was erased alone, and merged"),
            Err(error) => {
                assert_eq!(why::<()>(Err(error)), ABSENT);
                erase(&house, if asked == one.id { two.id } else { one.id }).await;
            }
        }
        assert_eq!(left(&house).await, []);
    }
}

async fn what_an_undo_needs_is_sealed_and_renewed(db: TestDb) {
    let house = House::on(db.handle()).await;
    let survivor = create(&house, "Somchai", &[ONE]).await;
    let absorbed = create(&house, "Absorbednamed", &[TWO]).await;
    let (_, id) = merged(&house, &survivor, &absorbed).await;
    let kept = "SELECT record, subject_key FROM merges WHERE business_id = $1";
    let (record, stale) = house.rows::<(Vec<u8>, Vec<u8>)>(kept).await.remove(0);
    for secret in [&b"Absorbednamed"[..], b"absorbednamed", b"812345672"] {
        assert!(!record.windows(secret.len()).any(|part| part == secret));
    }
    let renewal = Renewal::new(house.db.clone(), house.keys.clone(), 4);
    let now = house.clock.now().as_microsecond();
    renewal.begin(house.scope(), i64::MAX, now).await.unwrap().expect("two keys");
    house.pass(SETTLED_EVERYWHERE_AFTER + Duration::from_secs(1)).await;
    assert!(renewal.run(house.scope(), None, |_| ()).await.unwrap().finished);
    let (same, fresh) = house.rows::<(Vec<u8>, Vec<u8>)>(kept).await.remove(0);
    assert_eq!(same, record, "it is under the contact's own key");
    assert_ne!(fresh, stale);
    // Who starts now has the new key alone.
    let mut house = house;
    house.keys = KeyRing::new(Arc::clone(&house.masters));
    house.directory = house.replica(house.db.clone());
    let (_, back) = undone(&house, id).await;
    assert_eq!((&back.name, back.points), (&absorbed.name, absorbed.points));
    assert_eq!(read(&house, back.id).await.name, absorbed.name);
}

#[test]
fn an_erasure_that_waited_for_a_merge_takes_both() {
    on_postgres(&MIGRATIONS, erased_while_it_is_merged);
}

/// The merge has not said yet that they are one when the erasure looks whose contact it is.
async fn erased_while_it_is_merged(db: TestDb) {
    let house = House::on(db.handle()).await;
    let survivor = create(&house, "A", &[ONE]).await.id;
    let absorbed = create(&house, "B", &[TWO]).await.id;
    let gate = lock(&house, "LOCK TABLE merges IN SHARE MODE").await;
    let (directory, session) = (house.directory.clone(), house.session(&house.owner).await);
    let (survivor_etag, absorbed_etag) = <_>::default();
    let pair = Pair { survivor, absorbed, survivor_etag, absorbed_etag };
    let merges = tokio::spawn(async move { directory.merge_contacts(&session, pair, None).await });
    waiting(&house, &merges, 1).await;
    let (directory, owner, business) =
        (house.directory.clone(), house.owner.clone(), house.business);
    let erases =
        tokio::spawn(
            async move { directory.erase_subject(&owner, (business, absorbed), None).await },
        );
    waiting(&house, &erases, 2).await;
    gate.open().await;
    merges.await.unwrap().unwrap();
    assert_eq!(erases.await.unwrap().unwrap().contact, survivor, "who has what they were");
    assert!(house.contacts().await.is_empty());
    let streams = "SELECT COUNT(*) FROM erased_streams WHERE business_id = $1";
    assert_eq!(house.count(streams).await, 2);
}
