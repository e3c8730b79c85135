//! Keyed hashes: of refused addresses, and of what an import finds contacts by.

use std::collections::{HashMap, HashSet};

use contact_directory::MIGRATIONS;
use contact_directory::domain::Consent;
use contact_directory::store::{contacts, refused};
use yinyom_consent::ConsentState::{Denied, Granted, NotSet};
use yinyom_kernel::ContactId;
use yinyom_privacy::Address;
use yinyom_testkit::{TestDb, both_databases};

use super::{Store, That, address, contact, said, unit, until};

both_databases!(MIGRATIONS =>
    a_refused_address_is_known_again_in_its_business_alone,
    an_address_that_is_refused_again_keeps_its_first_time,
    two_units_that_keep_the_same_refusals_never_wait_for_each_other,
    a_namesakes_refusal_is_one_until_it_says_yes_and_again_when_that_runs_out,
    the_first_contact_keeps_a_fingerprint_as_long_as_it_is_there,
);

async fn a_refused_address_is_known_again_in_its_business_alone(db: TestDb) {
    let store = Store::over(db);
    let kept = [address("0812345671"), address("one@example.com")];
    let other = address("0812345672");
    let (keys, keeping) = (store.keys().await, kept.clone());
    unit!(store, tx => {
        refused::keep(&mut tx, &keys, ContactId::generate(), &keeping.iter().collect::<Vec<_>>(), 5).await?;
        refused::keep(&mut tx, &keys, ContactId::generate(), &[], 5).await?;
    });
    let keys = store.keys().await;
    let mut tx = store.read().await;
    let asked: Vec<&Address> = kept.iter().chain([&other]).collect();
    let found = refused::refused(&mut tx, &keys, &asked).await.unwrap();
    assert_eq!(found, HashSet::from(kept.clone()));
    assert!(refused::refused(&mut tx, &keys, &[]).await.unwrap().is_empty());
    assert!(refused::refused(&mut tx, &keys, &[&other]).await.unwrap().is_empty());
    // Even with the same hashes: the rows are another business's.
    let mut there = store.db.read(store.there).await.unwrap();
    assert!(refused::refused(&mut there, &keys, &asked).await.unwrap().is_empty());
    let theirs = store.keys_of(store.there).await;
    assert_ne!(theirs.blind_index(&kept[0]), keys.blind_index(&kept[0]), "a key per business");
}

async fn an_address_that_is_refused_again_keeps_its_first_time(db: TestDb) {
    let store = Store::over(db);
    for at in [5, 6] {
        let (keys, one, same) =
            (store.keys().await, address("0812345671"), address("+66812345671"));
        unit!(store, tx => refused::keep(&mut tx, &keys, ContactId::generate(), &[&one, &same], at).await?);
    }
    let sql = "SELECT refused_at FROM refused_addresses WHERE business_id = $1";
    let times: Vec<i64> = store.read().await.scoped(sql).scalars().await.unwrap();
    assert_eq!(times, [5]);
}

async fn two_units_that_keep_the_same_refusals_never_wait_for_each_other(db: TestDb) {
    let store = Store::over(db);
    for round in 0..10 {
        let addresses: Vec<_> =
            (0..40).map(|n| address(&format!("0812{:06}", round * 100 + n))).collect();
        let keep = |addresses: Vec<Address>| {
            let (db, scope, ring) = (store.db.handle(), store.here, store.ring.clone());
            async move {
                let keys = ring.of(&db, scope, 0).await.unwrap();
                db.write::<(), contact_directory::store::StoreError, _, _>(
                    scope,
                    move |mut tx| async move {
                        let all: Vec<_> = addresses.iter().collect();
                        refused::keep(&mut tx, &keys, ContactId::generate(), &all, 5).await?;
                        tx.done(())
                    },
                )
                .await
            }
        };
        let backwards = addresses.iter().rev().cloned().collect();
        let (one, other) =
            tokio::join!(tokio::spawn(keep(addresses.clone())), tokio::spawn(keep(backwards)));
        one.unwrap().unwrap();
        other.unwrap().unwrap();
    }
}

async fn the_first_contact_keeps_a_fingerprint_as_long_as_it_is_there(db: TestDb) {
    let store = Store::over(db);
    let (one, other) = (contact("One", ""), contact("Other", ""));
    store.put(&[&one, &other]).await;
    let (first, second) = (one.id, other.id);
    let (shared, own) = ([1_u8; 32], [2_u8; 32]);
    unit!(store, tx => {
        refused::keep_fingerprints(&mut tx, &[(shared, first)]).await?;
        refused::keep_fingerprints(&mut tx, &[(shared, second), (own, second)]).await?;
        refused::keep_fingerprints(&mut tx, &[]).await?;
    });
    let wanted = [shared, own, [3; 32]];
    let found = refused::by_fingerprint(&mut store.read().await, &wanted).await.unwrap();
    assert_eq!(found, HashMap::from([(shared, first), (own, second)]));
    let mut there = store.db.read(store.there).await.unwrap();
    assert!(refused::by_fingerprint(&mut there, &wanted).await.unwrap().is_empty());
    unit!(store, tx => {
        contacts::delete(&mut tx, first).await?;
        refused::keep_fingerprints(&mut tx, &[(shared, second)]).await?;
    });
    let found = refused::by_fingerprint(&mut store.read().await, &wanted).await.unwrap();
    assert_eq!(found, HashMap::from([(shared, second), (own, second)]));
}

/// Whether or not somebody has recorded that a yes ran out.
async fn a_namesakes_refusal_is_one_until_it_says_yes_and_again_when_that_runs_out(db: TestDb) {
    const NOW: i64 = 5_000_000;
    let store = Store::over(db);
    let after_no = |consent| Consent { refused_before: true, ..consent };
    let recorded = Consent { state: NotSet, ..until(NOW) };
    let cases = [
        (said(Denied), true),
        (said(NotSet), false),
        (said(Granted), false),
        (until(NOW), false),
        (after_no(said(NotSet)), true),
        (after_no(said(Granted)), false),
        (after_no(until(NOW + 1)), false),
        (after_no(until(NOW)), true),
        (after_no(recorded), true),
        (recorded, false),
    ];
    let (phone, email) = (address("0812345671"), address("one@example.com"));
    let mut people = Vec::new();
    for (n, (consent, _)) in cases.iter().enumerate() {
        let person =
            |of: &str| contact(&format!("{of} {n}"), "").at("0812345671").at("one@example.com");
        people.push(person("Phone").says(*consent, said(Granted)));
        people.push(person("Mail").says(said(Granted), *consent));
    }
    store.put(&people.iter().collect::<Vec<_>>()).await;
    let keys = store.keys().await;
    let mut tx = store.read().await;
    for (n, (consent, refuses)) in cases.iter().enumerate() {
        let (one, other) = (format!("phone {n}"), format!("mail {n}"));
        let asked = [
            (one.clone(), &phone),
            (one.clone(), &email),
            (other.clone(), &phone),
            (other.clone(), &email),
        ];
        let found = refused::refused_by_namesakes(&mut tx, &keys, &asked, NOW).await.unwrap();
        let found: HashSet<_> = found.into_iter().map(|(name, of, _)| (name, of)).collect();
        let expected = [(one, phone.clone()), (other, email.clone())];
        let expected = if *refuses { HashSet::from(expected) } else { HashSet::new() };
        assert_eq!(found, expected, "{consent:?}");
    }
    // Another name, another address, another business: none of them is the same person.
    let absent = address("0899999999");
    let asked = [("nobody".to_owned(), &phone), ("phone 0".to_owned(), &absent)];
    let found = refused::refused_by_namesakes(&mut tx, &keys, &asked, NOW).await.unwrap();
    assert_eq!(found, HashSet::new());
    let found = refused::refused_by_namesakes(&mut tx, &keys, &[], NOW).await.unwrap();
    assert_eq!(found, HashSet::new());
    let mut there = store.db.read(store.there).await.unwrap();
    let asked = [("phone 0".to_owned(), &phone)];
    let found = refused::refused_by_namesakes(&mut there, &keys, &asked, NOW).await.unwrap();
    assert_eq!(found, HashSet::new());
}
