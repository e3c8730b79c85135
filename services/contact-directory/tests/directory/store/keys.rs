//! The keys of a business.

use std::sync::Arc;

use contact_directory::MIGRATIONS;
use contact_directory::store::{KeyRing, StoreError};
use yinyom_consent::Channel;
use yinyom_db::Db;
use yinyom_kernel::{Code, ContactId, Fault, PointId};
use yinyom_privacy::{DataKey, MasterKey, MasterKeys, WrapError};
use yinyom_testkit::{TestDb, both_databases};

use super::{Store, address, some_scope};

both_databases!(MIGRATIONS =>
    replicas_that_make_keys_at_once_have_the_same_ones,
    a_wrong_master_key_is_an_internal_error_and_makes_no_others,
    keys_are_read_again_after_a_restart,
    a_wrapped_key_of_another_business_does_not_open,
    a_subject_key_opens_for_its_own_contact_alone,
);

async fn replicas_that_make_keys_at_once_have_the_same_ones(db: TestDb) {
    let masters = Arc::new(MasterKeys::new(MasterKey::generate(), Vec::new()));
    for _ in 0..10 {
        let scope = some_scope();
        let mut replicas = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (ring, db) = (KeyRing::new(masters.clone()), db.handle());
            replicas.spawn(async move { ring.of(&db, scope, 0).await.unwrap() });
        }
        let keys = replicas.join_all().await;
        let (contact, point, phone) =
            (ContactId::generate(), PointId::generate(), address("0812345678"));
        let sealed = keys[0].seal_address(contact, point, &phone);
        for other in &keys[1..] {
            assert_eq!(other.blind_index(&phone), keys[0].blind_index(&phone));
            let opened = other.open_address(contact, point, Channel::Phone, &sealed);
            assert_eq!(opened.unwrap(), phone);
            let elsewhere = other.open_address(contact, point, Channel::Email, &sealed);
            assert!(matches!(elsewhere, Err(StoreError::Sealed(_))), "a number is no e-mail");
        }
        let mut tx = db.read(scope).await.unwrap();
        let count = "SELECT COUNT(*) FROM business_keys WHERE business_id = $1";
        assert_eq!(tx.scoped(count).scalar::<i64>().await.unwrap(), 2);
    }
}

async fn a_wrong_master_key_is_an_internal_error_and_makes_no_others(db: TestDb) {
    let store = Store::over(db);
    store.keys().await;
    let sql = "SELECT wrapped FROM business_keys WHERE business_id = $1 ORDER BY purpose";
    let before: Vec<Vec<u8>> = store.read().await.scoped(sql).scalars().await.unwrap();
    let wrong = KeyRing::new(Arc::new(MasterKeys::new(MasterKey::generate(), Vec::new())));
    for _ in 0..2 {
        let error = wrong.of(&store.db, store.here, 0).await.unwrap_err();
        assert!(matches!(error, StoreError::Wrap(WrapError::Sealed(_))));
        assert_eq!((error.code(), error.reason()), (Code::Internal, "INTERNAL"));
    }
    let after: Vec<Vec<u8>> = store.read().await.scoped(sql).scalars().await.unwrap();
    assert_eq!(after, before);
}

async fn keys_are_read_again_after_a_restart(db: TestDb) {
    let masters = Arc::new(MasterKeys::new(MasterKey::generate(), Vec::new()));
    let (scope, phone) = (some_scope(), address("0812345678"));
    let first = KeyRing::new(masters.clone()).of(&db, scope, 0).await.unwrap();
    let again = Db::connect(db.config(), &MIGRATIONS).await.unwrap();
    let ring = KeyRing::new(masters);
    let second = ring.of(&again, scope, 1).await.unwrap();
    assert_eq!(first.blind_index(&phone), second.blind_index(&phone));
    again.close().await;
    // Held in memory from now on: nothing is asked of the database.
    ring.of(&again, scope, 2).await.unwrap();
}

/// Who can write to the database cannot give one business the keys of another.
async fn a_wrapped_key_of_another_business_does_not_open(db: TestDb) {
    let store = Store::over(db);
    store.keys().await;
    let (here, there) = (store.here.business().uuid(), store.there.business().uuid());
    let writer = store.db.unbound().await;
    let moved = writer.write_unscoped::<_, StoreError, _, _>(move |mut tx| async move {
        let sql = "UPDATE business_keys SET business_id = $2 WHERE business_id = $1";
        let moved = tx.query(sql).bind(here).bind(there).execute().await?;
        tx.done(moved)
    });
    assert_eq!(moved.await.unwrap(), 2);
    let error = store.ring.of(&store.db, store.there, 0).await.unwrap_err();
    assert!(matches!(error, StoreError::Wrap(WrapError::Sealed(_))));
}

async fn a_subject_key_opens_for_its_own_contact_alone(db: TestDb) {
    let store = Store::over(db);
    let (keys, theirs) = (store.keys().await, store.keys_of(store.there).await);
    let (contact, other, key) = (ContactId::generate(), ContactId::generate(), DataKey::generate());
    let wrapped = keys.wrap_subject(contact, &key);
    let opened = keys.unwrap_subject(contact, &wrapped).unwrap();
    assert_eq!(&opened.open(b"", &key.seal(b"", b"x")).unwrap()[..], b"x");
    assert!(keys.unwrap_subject(other, &wrapped).is_err());
    assert!(theirs.unwrap_subject(contact, &wrapped).is_err());
    assert!(keys.unwrap_subject(contact, b"").is_err());
}
