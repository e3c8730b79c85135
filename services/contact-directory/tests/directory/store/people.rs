//! Contacts and their points, there and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contact_directory::MIGRATIONS;
use contact_directory::domain::NotRead;
use contact_directory::domain::points::Point;
use contact_directory::store::{StoreError, accounts, contacts};
use tokio::sync::Notify;
use yinyom_consent::ConsentState::{Denied, Granted, NotSet};
use yinyom_db::Db;
use yinyom_kernel::{Code, ContactId, Fault, PointId, from_micros};
use yinyom_testkit::{TestDb, both_databases};

use super::{Store, That, address, contact, said, unit, until};

both_databases!(MIGRATIONS =>
    a_contact_comes_back_as_it_went,
    a_change_is_of_that_contact_alone,
    many_are_loaded_by_id_and_who_is_absent_is_left_out,
    nothing_is_done_to_nobody,
    an_external_id_is_of_one_contact,
    a_point_that_changes_is_found_by_its_new_address_alone,
    points_are_removed_from_their_own_contact_alone,
    a_sealed_point_opens_in_its_own_place_alone,
    a_number_that_stands_for_nothing_is_an_internal_error,
    what_is_held_cannot_be_deleted_meanwhile,
);

async fn a_contact_comes_back_as_it_went(db: TestDb) {
    let store = Store::over(db);
    let refused = contact_directory::domain::Consent { refused_before: true, ..until(77) };
    let mut full = contact("สมชาย", "ใจดี").number("ลูกค้า-1").says(refused, said(Denied));
    for n in 0..20 {
        full = full.at(&format!("08123456{n:02}")).at(&format!("person{n}@example.co.th"));
    }
    full.revision = i64::MAX;
    full.consent_seq = i64::MAX - 1;
    full.updated_at = from_micros(1_999_999_999_999_999);
    let bare = contact("", "O'Neil; DROP TABLE contacts --");
    store.put(&[&full, &bare]).await;
    assert_eq!(store.stored(full.id).await, Some(full));
    assert_eq!(store.stored(bare.id).await, Some(bare));
}

async fn a_change_is_of_that_contact_alone(db: TestDb) {
    let store = Store::over(db);
    let (mut one, other) = (contact("One", "").number("1").at("0812345671"), contact("Other", ""));
    store.put(&[&one, &other]).await;
    one.name = contact("Uno", "Primo").name;
    one.external_id = None;
    one.consents = contact("", "x").says(said(Granted), until(9)).consents;
    (one.revision, one.consent_seq, one.updated_at) = (2, 7, from_micros(9_000_000));
    let saved = one.clone();
    unit!(store, tx => contacts::update(&mut tx, &[&saved]).await?);
    assert_eq!(store.stored(one.id).await, Some(one));
    assert_eq!(store.stored(other.id).await, Some(other));
}

async fn many_are_loaded_by_id_and_who_is_absent_is_left_out(db: TestDb) {
    let store = Store::over(db);
    let all: Vec<_> = (0..300).map(|n| contact("P", &format!("{n}")).at("0812345678")).collect();
    store.put(&all.iter().collect::<Vec<_>>()).await;
    let mut ids: Vec<_> = all.iter().map(|contact| contact.id).rev().collect();
    ids.extend([ContactId::generate(), all[0].id]);
    let keys = store.keys().await;
    let mut expected = all;
    expected.sort_by_key(|contact| contact.id);
    let found = contacts::load(&mut store.read().await, &keys, &ids).await.unwrap();
    assert_eq!(found, expected, "by id, each once");
    let (keys, held) = (store.keys().await, ids.clone());
    let locked = unit!(store, tx => contacts::lock(&mut tx, &keys, &ids).await?);
    assert_eq!(locked, expected);
    let held = unit!(store, tx => contacts::hold(&mut tx, &held).await?);
    assert_eq!(held, expected.iter().map(|contact| contact.id.uuid()).collect::<Vec<_>>());
}

async fn nothing_is_done_to_nobody(db: TestDb) {
    let store = Store::over(db);
    let one = contact("One", "").at("0812345671");
    store.put(&[&one]).await;
    let (keys, id) = (store.keys().await, one.id);
    unit!(store, tx => {
        contacts::insert(&mut tx, &keys, &[]).await?;
        contacts::update::<NotRead>(&mut tx, &[]).await?;
        contacts::insert_points(&mut tx, &keys, &[]).await?;
        contacts::remove_points(&mut tx, id, &[]).await?;
        contacts::delete(&mut tx, ContactId::generate()).await?;
        assert!(contacts::load(&mut tx, &keys, &[]).await?.is_empty());
        assert!(contacts::by_external_id(&mut tx, &[]).await?.is_empty());
    });
    assert_eq!(store.stored(one.id).await, Some(one));
}

async fn an_external_id_is_of_one_contact(db: TestDb) {
    let store = Store::over(db);
    let (one, other) = (contact("One", "").number("C-1"), contact("Other", ""));
    store.put(&[&one, &other]).await;
    store.put_in(store.there, &[&contact("Theirs", "").number("C-1")]).await;
    let wanted = ["C-1", "c-1", "C-", "C-2"].map(str::to_owned);
    let found = contacts::by_external_id(&mut store.read().await, &wanted).await.unwrap();
    assert_eq!(found, [("C-1".to_owned(), one.id)], "as it was written");
    let (keys, again) = (store.keys().await, contact("Again", "").number("C-1"));
    let taken = store.db.write::<(), StoreError, _, _>(store.here, move |mut tx| async move {
        contacts::insert(&mut tx, &keys, &[&again]).await?;
        tx.done(())
    });
    let Err(StoreError::Db(error)) = taken.await else { panic!("two have one external id") };
    assert!(error.is_unique_violation());
}

async fn a_point_that_changes_is_found_by_its_new_address_alone(db: TestDb) {
    let store = Store::over(db);
    let mut one = contact("One", "").at("0812345671").at("0812345672");
    store.put(&[&one]).await;
    let changed = Point { id: one.points[0].id, address: address("0812345673") };
    let old = std::mem::replace(&mut one.points[0], changed.clone());
    let (keys, id) = (store.keys().await, one.id);
    let index = |address| (keys.blind_index(address).to_vec(),);
    let expected = [index(&changed.address), index(&one.points[1].address)];
    let gone = index(&old.address);
    let sealer = store.keys().await;
    unit!(store, tx => contacts::insert_points(&mut tx, &sealer, &[(id, &changed)]).await?);
    let sql = "SELECT blind_index FROM contact_points WHERE business_id = $1 ORDER BY point_id";
    let found: Vec<(Vec<u8>,)> = store.read().await.scoped(sql).fetch_all().await.unwrap();
    assert_eq!(found, expected);
    assert!(!found.contains(&gone));
    assert_eq!(store.stored(id).await, Some(one));
}

async fn points_are_removed_from_their_own_contact_alone(db: TestDb) {
    let store = Store::over(db);
    let mut one = contact("One", "").at("0812345671").at("one@example.com");
    let other = contact("Other", "").at("0812345671");
    store.put(&[&one, &other]).await;
    let (id, gone, foreign) = (one.id, one.points.remove(0).id, other.points[0].id);
    unit!(store, tx => {
        contacts::remove_points(&mut tx, id, &[gone, foreign, PointId::generate()]).await?;
    });
    assert_eq!(store.stored(one.id).await, Some(one));
    assert_eq!(store.stored(other.id).await, Some(other));
}

/// Who can write to the database cannot show one customer's number on another one, where it is granted.
async fn a_sealed_point_opens_in_its_own_place_alone(db: TestDb) {
    let store = Store::over(db);
    let (one, other) = (contact("One", "").at("0812345671"), contact("Other", ""));
    store.put(&[&one, &other]).await;
    let (keys, point) = (store.keys().await, &one.points[0]);
    let sealed = keys.seal_address(one.id, point.id, &point.address);
    let channel = yinyom_consent::Channel::Phone;
    let open = |contact, id| keys.open_address(contact, id, channel, &sealed);
    assert_eq!(open(one.id, point.id).unwrap(), point.address);
    assert!(matches!(open(one.id, PointId::generate()), Err(StoreError::Sealed(_))));
    let theirs = store.keys_of(store.there).await;
    let foreign = theirs.open_address(one.id, point.id, channel, &sealed);
    assert!(matches!(foreign, Err(StoreError::Sealed(_))), "another business's key");

    let moved =
        "UPDATE contact_points SET contact_id = $3 WHERE business_id = $1 AND contact_id = $2";
    assert_eq!(store.meddle(moved, one.id.uuid(), other.id.uuid()).await, 1);
    let error = contacts::find(&mut store.read().await, &keys, other.id).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed(_)));
    assert_eq!((error.code(), error.reason()), (Code::Internal, "INTERNAL"));
    assert!(store.stored(one.id).await.unwrap().points.is_empty());
}

async fn a_number_that_stands_for_nothing_is_an_internal_error(db: TestDb) {
    let store = Store::over(db);
    let one = contact("One", "").says(said(NotSet), said(NotSet));
    store.put(&[&one]).await;
    let keys = store.keys().await;
    for wrong in [
        "UPDATE contacts SET phone_state = 0 WHERE business_id = $1 AND contact_id IN ($2, $3)",
        "UPDATE contacts SET phone_state = 65537 WHERE business_id = $1 AND contact_id IN ($2, $3)",
    ] {
        assert_eq!(store.meddle(wrong, one.id.uuid(), one.id.uuid()).await, 1);
        let error = contacts::find(&mut store.read().await, &keys, one.id).await.unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::Internal, "INTERNAL"));
    }
}

async fn what_is_held_cannot_be_deleted_meanwhile(db: TestDb) {
    let store = Store::over(db);
    let (one, account) = (contact("One", ""), super::account("A"));
    store.put(&[&one]).await;
    store.put_account(&account).await;
    let (id, account) = (one.id, account.id);
    let (held, deleted) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (signal, gone, watch, scope) =
        (held.clone(), deleted.clone(), store.db.handle(), store.here);
    let link = store.db.write::<u64, StoreError, _, _>(scope, move |mut tx| async move {
        assert_eq!(contacts::hold(&mut tx, &[id]).await?, [id.uuid()]);
        signal.notify_one();
        // Until the other one waits for us or, were there no lock, is through.
        while watch.is_postgres() && !gone.load(Ordering::SeqCst) && !somebody_waits(&watch).await {
        }
        let linked = accounts::link(&mut tx, &[(account, id)]).await?;
        tx.done(linked)
    });
    let delete = async {
        held.notified().await;
        let delete = store.db.write::<(), StoreError, _, _>(scope, move |mut tx| async move {
            contacts::delete(&mut tx, id).await?;
            tx.done(())
        });
        let result = delete.await;
        deleted.store(true, Ordering::SeqCst);
        result
    };
    let (linked, deleted) = tokio::join!(link, delete);
    assert_eq!((linked.unwrap(), deleted.unwrap()), (1, ()));
    assert_eq!(
        store.count("SELECT COUNT(*) FROM account_contacts WHERE business_id = $1").await,
        0
    );
}

async fn somebody_waits(db: &Db) -> bool {
    let sql = "SELECT COUNT(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    db.read_unscoped().await.unwrap().query(sql).scalar::<i64>().await.unwrap() > 0
}
