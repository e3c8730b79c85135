//! The master key is rotated while businesses come and go.

use std::sync::Arc;

use contact_directory::MIGRATIONS;
use contact_directory::store::{KeyRing, KeyTable, StoreError};
use yinyom_kernel::{Code, Fault, Scope};
use yinyom_keys::{KeysError, Pace, admit, count, rotate};
use yinyom_privacy::{Envelope, MasterKey, MasterKeys, OpenError, WrapError};
use yinyom_testkit::{FarKms, TestDb, both_databases};

use super::{address, some_scope};

both_databases!(MIGRATIONS =>
    after_a_rotation_the_new_key_alone_opens_everything,
    a_service_that_was_not_given_a_needed_key_does_not_start,
    a_key_wrapped_meanwhile_under_the_old_one_keeps_it_needed,
    keys_move_to_a_key_management_service_and_outlive_its_outage,
);

async fn make(ring: &KeyRing, db: &TestDb, businesses: usize) -> Vec<(Scope, [u8; 32])> {
    let mut made = Vec::new();
    for _ in 0..businesses {
        let scope = some_scope();
        let keys = ring.of(db, scope, 0).await.unwrap();
        made.push((scope, keys.blind_index(&address("0812345678"))));
    }
    made
}

async fn opens(masters: &MasterKeys, db: &TestDb, of: &[(Scope, [u8; 32])]) {
    let ring = KeyRing::new(Arc::new(masters.clone()));
    for (scope, index) in of {
        let keys = ring.of(db, *scope, 0).await.unwrap();
        assert_eq!(&keys.blind_index(&address("0812345678")), index);
    }
}

async fn stored(db: &TestDb) -> Vec<u8> {
    let sql = "SELECT wrapped FROM business_keys";
    let mut tx = db.unbound().await.read_unscoped().await.unwrap();
    let rows = tx.query(sql).scalars::<Vec<u8>>().await;
    rows.unwrap().concat()
}

async fn after_a_rotation_the_new_key_alone_opens_everything(db: TestDb) {
    let (old, new) = (MasterKey::generate(), MasterKey::generate());
    let before = MasterKeys::new(old.clone(), vec![new.clone()]);
    let after = MasterKeys::new(new.clone(), vec![old.clone()]);
    admit(&db, &before, 0).await.unwrap();
    let ring = KeyRing::new(Arc::new(before.clone()));
    let mut all = make(&ring, &db, 20).await;
    let pace = Pace { batch: 1, batches: Some(5) };
    let killed = rotate(&db, &after, KeyTable, pace, 0, |_| ()).await.unwrap();
    assert_eq!((killed.wrapped, killed.finished), (5, false));
    assert_eq!(count(&db, KeyTable).await.unwrap()[&old.id()], 35);
    opens(&before, &db, &all).await;
    // Two at once, while a replica that does not wrap under the new key yet has new businesses.
    let pace = Pace { batch: 3, batches: None };
    let (one, two, more) = tokio::join!(
        rotate(&db, &after, KeyTable, pace, 0, |_| ()),
        rotate(&db, &after, KeyTable, pace, 0, |_| ()),
        make(&ring, &db, 10),
    );
    all.extend(more);
    assert!(one.unwrap().finished && two.unwrap().finished);
    opens(&before, &db, &all).await;
    opens(&after, &db, &all).await;
    // All replicas have come to the new one.
    let last = rotate(&db, &after, KeyTable, Pace::default(), 0, |_| ()).await.unwrap();
    assert!(last.finished);
    assert_eq!(count(&db, KeyTable).await.unwrap(), [(new.id(), 60)].into());
    opens(&MasterKeys::new(new, Vec::new()), &db, &all).await;
    let forgotten = KeyRing::new(Arc::new(MasterKeys::new(old.clone(), Vec::new())));
    for (scope, _) in &all {
        let opened = forgotten.of(&db, *scope, 0).await;
        let unknown = WrapError::Sealed(OpenError::UnknownKey(after.active()));
        assert_eq!(opened.unwrap_err().to_string(), unknown.to_string());
    }
    let (rows, id) = (stored(&db).await, old.id());
    assert!(!rows.windows(8).any(|bytes| bytes == id.bytes()), "nothing is under the old one");
}

async fn a_service_that_was_not_given_a_needed_key_does_not_start(db: TestDb) {
    let (old, new) = (MasterKey::generate(), MasterKey::generate());
    let both = MasterKeys::new(new.clone(), vec![old.clone()]);
    admit(&db, &MasterKeys::new(old.clone(), Vec::new()), 0).await.unwrap();
    make(&KeyRing::new(Arc::new(MasterKeys::new(old.clone(), Vec::new()))), &db, 2).await;
    let refused = admit(&db, &MasterKeys::new(new.clone(), Vec::new()), 0).await.unwrap_err();
    assert!(matches!(refused, KeysError::Missing(id) if id == old.id()));
    assert!(refused.to_string().contains(&old.id().to_string()), "{refused}");
    admit(&db, &both, 0).await.unwrap();
    // The new one is needed from the moment that a service wraps under it.
    let forgot = admit(&db, &MasterKeys::new(old.clone(), Vec::new()), 0).await.unwrap_err();
    assert!(matches!(forgot, KeysError::Missing(id) if id == new.id()));
    rotate(&db, &both, KeyTable, Pace::default(), 0, |_| ()).await.unwrap();
    admit(&db, &MasterKeys::new(new, Vec::new()), 0).await.unwrap();
}

/// A replica that nobody restarted with the new key.
async fn a_key_wrapped_meanwhile_under_the_old_one_keeps_it_needed(db: TestDb) {
    let (old, new) = (MasterKey::generate(), MasterKey::generate());
    let before = MasterKeys::new(old.clone(), vec![new.clone()]);
    let after = MasterKeys::new(new.clone(), vec![old.clone()]);
    let forgotten = KeyRing::new(Arc::new(before));
    make(&forgotten, &db, 2).await;
    admit(&db, &after, 0).await.unwrap();
    rotate(&db, &after, KeyTable, Pace::default(), 0, |_| ()).await.unwrap();
    assert_eq!(count(&db, KeyTable).await.unwrap(), [(new.id(), 4)].into());
    make(&forgotten, &db, 1).await;
    let counts = count(&db, KeyTable).await.unwrap();
    assert_eq!(counts, [(new.id(), 4), (old.id(), 2)].into());
    let early = admit(&db, &MasterKeys::new(new, Vec::new()), 0).await.unwrap_err();
    assert!(matches!(early, KeysError::Missing(id) if id == old.id()));
}

async fn keys_move_to_a_key_management_service_and_outlive_its_outage(db: TestDb) {
    let old = MasterKey::generate();
    let ring = KeyRing::new(Arc::new(MasterKeys::new(old.clone(), Vec::new())));
    let all = make(&ring, &db, 10).await;
    let far = FarKms::new("transit/yinyom");
    let masters =
        || MasterKeys::of(Arc::new(Envelope::new(far.clone())), vec![Arc::new(old.clone())]);
    far.away(true);
    let refused = rotate(&db, &masters(), KeyTable, Pace::default(), 0, |_| ()).await.unwrap_err();
    assert_eq!(refused.to_string(), "the key management service cannot be reached");
    opens(&MasterKeys::new(old.clone(), Vec::new()), &db, &all).await;
    far.away(false);
    assert!(rotate(&db, &masters(), KeyTable, Pace::default(), 0, |_| ()).await.unwrap().finished);
    assert!(far.calls() <= 2, "one key-encryption key for all: {}", far.calls());

    let alone = || MasterKeys::of(Arc::new(Envelope::new(far.clone())), Vec::new());
    opens(&alone(), &db, &all).await;
    // Held keys go on; others are to be asked for again.
    let (here, there) = (all[0].0, all[1].0);
    let ring = KeyRing::new(Arc::new(alone()));
    ring.of(&db, here, 0).await.unwrap();
    far.away(true);
    ring.of(&db, here, i64::from(u32::MAX)).await.unwrap();
    let cold = KeyRing::new(Arc::new(alone()));
    let error = cold.of(&db, there, 0).await.unwrap_err();
    assert!(matches!(error, StoreError::Wrap(WrapError::Kms(_))));
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "KEYS_UNAVAILABLE"));
    assert!(error.retry_after().is_some());
    let fresh = cold.of(&db, some_scope(), 0).await.unwrap_err();
    assert_eq!(fresh.code(), Code::Unavailable);
    far.away(false);
    cold.of(&db, there, 0).await.unwrap();
}
