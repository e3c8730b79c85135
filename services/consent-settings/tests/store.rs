//! The statements of the store, on both databases, where the service's tests do not look.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "a store's test opens businesses by its own right")]

use consent_settings::MIGRATIONS;
use consent_settings::domain::{Business, Lease, Member, Plan, Settings, Zone};
use consent_settings::store::{StoreError, businesses, key, leases, members, policy, settings};
use futures::future::join_all;
use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::Role;
use yinyom_db::DbError;
use yinyom_kernel::{BusinessId, MemberId, Scope};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_testkit::TestDb;
use yinyom_testkit::row_security::{assert_own_rows_alone, assert_row_security};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 123_456_000);

fn business(created_at: Timestamp) -> Business {
    Business {
        id: BusinessId::generate(),
        display_name: "บ้านสวน".to_owned(),
        plan: Plan::AdProPlus,
        time_zone: Zone::default(),
        revision: 1,
        created_at,
        updated_at: created_at,
    }
}

fn member(business: BusinessId, role: Role) -> Member {
    Member { role, ..Member::first_owner(business, None, "สมศรี".into(), NOW) }
}

/// A business with these members; its scope.
async fn stored(db: &TestDb, roles: &[Role]) -> (Scope, Vec<Member>) {
    let business = business(NOW);
    let scope = Scope::assume(business.id);
    let people: Vec<_> = roles.iter().map(|role| member(business.id, *role)).collect();
    let inserted = people.clone();
    db.write::<_, DbError, _, _>(scope, move |mut tx| async move {
        businesses::insert(&mut tx, &business).await?;
        settings::save(&mut tx, &Settings::initial(business.id, NOW)).await?;
        for member in &inserted {
            assert!(members::insert(&mut tx, member).await?);
        }
        policy::advance(&mut tx).await?;
        tx.done(())
    })
    .await
    .unwrap();
    (scope, people)
}

async fn what_was_stored_is_read_back(db: TestDb) {
    let (scope, people) = stored(&db, &[Role::Owner, Role::User]).await;
    let mut tx = db.read(scope).await.unwrap();
    let read = businesses::get(&mut tx).await.unwrap().unwrap();
    assert_eq!(read, Business { id: scope.business(), ..business(NOW) });
    for member in &people {
        assert_eq!(members::get(&mut tx, member.id).await.unwrap().as_ref(), Some(member));
    }
    let initial = Settings::initial(scope.business(), NOW);
    assert_eq!(settings::get(&mut tx).await.unwrap(), Some(initial));
}

async fn a_scope_sees_its_own_business_alone(db: TestDb) {
    let (own, _) = stored(&db, &[Role::Owner]).await;
    let (_, foreigners) = stored(&db, &[Role::Owner, Role::User]).await;
    let mut tx = db.read(own).await.unwrap();
    let ids: Vec<_> = foreigners.iter().map(|member| member.id).collect();
    assert_eq!(members::get(&mut tx, ids[0]).await.unwrap(), None);
    assert_eq!(members::among(&mut tx, &ids).await.unwrap(), []);
    assert_eq!(members::page(&mut tx, Uuid::nil(), 10).await.unwrap().len(), 1);
    assert_eq!(policy::members(&mut tx).await.unwrap().len(), 1);
    drop(tx);
    let listed = db
        .write::<_, DbError, _, _>(own, move |mut tx| async move {
            let listed = members::list(&mut tx, &ids, NOW).await?;
            members::delete(&mut tx, ids[1]).await?;
            tx.done(listed)
        })
        .await;
    assert_eq!(listed.unwrap(), []);
    let mut tx = db.read(Scope::assume(foreigners[1].business)).await.unwrap();
    assert_eq!(
        members::get(&mut tx, foreigners[1].id).await.unwrap().as_ref(),
        Some(&foreigners[1])
    );
}

async fn postgres_itself_keeps_businesses_apart(db: TestDb) {
    let across = ["audit_outbox", "business_ages", "due_work", "policy_revisions"];
    let global = ["master_keys", "policy_clock", "policy_leases", "service_key", "task_leases"];
    assert_row_security(&db, &across, &global).await;
    let (ours, _) = stored(&db, &[Role::Owner]).await;
    let (theirs, _) = stored(&db, &[Role::Owner, Role::User]).await;
    let tables = assert_own_rows_alone(&db, ours, theirs).await;
    if db.is_postgres() {
        assert_eq!(tables, ["businesses", "consent_settings", "members"]);
    }
}

async fn two_owners_cannot_be_stored(db: TestDb) {
    let (scope, people) = stored(&db, &[Role::Owner, Role::Admin]).await;
    let second = Member { role: Role::Owner, ..people[1].clone() };
    let stored = db
        .write::<_, DbError, _, _>(scope, move |mut tx| async move {
            members::update(&mut tx, &second).await?;
            tx.done(())
        })
        .await;
    assert!(stored.unwrap_err().is_unique_violation());
}

async fn a_taken_id_is_told_and_changes_nothing(db: TestDb) {
    let (scope, people) = stored(&db, &[Role::Owner]).await;
    let twin = Member { id: people[0].id, ..member(scope.business(), Role::User) };
    let inserted = db
        .write::<_, DbError, _, _>(scope, move |mut tx| async move {
            let inserted = members::insert(&mut tx, &twin).await?;
            tx.done(inserted)
        })
        .await;
    assert!(!inserted.unwrap());
    let mut tx = db.read(scope).await.unwrap();
    assert_eq!(members::get(&mut tx, people[0].id).await.unwrap().as_ref(), Some(&people[0]));
}

async fn listing_tells_and_touches_those_alone_whom_it_changes(db: TestDb) {
    let (scope, people) = stored(&db, &[Role::Owner, Role::User, Role::User]).await;
    let ids: Vec<MemberId> = people.iter().map(|member| member.id).collect();
    let later = Timestamp::constant(1_800_000_100, 0);
    let (first, both) = (ids[1..2].to_vec(), ids[1..].to_vec());
    let counts = db
        .write::<_, DbError, _, _>(scope, move |mut tx| async move {
            let one = members::list(&mut tx, &first, NOW).await?;
            let other = members::list(&mut tx, &both, later).await?;
            let off = members::unlist(&mut tx, &first, later).await?;
            let again = members::unlist(&mut tx, &first, later).await?;
            tx.done((one, other, off, again))
        })
        .await;
    assert_eq!(counts.unwrap(), (vec![ids[1]], vec![ids[2]], vec![ids[1]], vec![]));
    let mut tx = db.read(scope).await.unwrap();
    let listed = members::listed(&mut tx, Uuid::nil(), 10).await.unwrap();
    let expected =
        Member { listed_at: Some(later), updated_at: later, revision: 2, ..people[2].clone() };
    assert_eq!(listed, [expected]);
    let off = members::get(&mut tx, ids[1]).await.unwrap().unwrap();
    assert_eq!((off.listed_at, off.revision), (None, 3));
}

async fn businesses_of_one_instant_are_all_listed(db: TestDb) {
    for _ in 0..5 {
        stored(&db, &[]).await;
    }
    let mut tx = db.read_unscoped().await.unwrap();
    let (mut after, mut seen) = (businesses::After::NOTHING, Vec::new());
    loop {
        let page = businesses::page(&mut tx, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        let mut own = db.read(Scope::assume(*last)).await.unwrap();
        let last = businesses::get(&mut own).await.unwrap().unwrap();
        after =
            businesses::After { created_at: last.created_at.as_microsecond(), id: last.id.uuid() };
        seen.extend(page);
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
}

/// The counter's lock is what makes "who has read r has read every change up to r" true.
async fn revisions_are_committed_in_their_order(db: TestDb) {
    let mut scopes = Vec::new();
    for _ in 0..4 {
        scopes.push(stored(&db, &[]).await.0);
    }
    let raised = join_all((0..40).map(|i| {
        let (db, scope) = (db.handle(), scopes[i % scopes.len()]);
        async move {
            db.write::<_, DbError, _, _>(scope, |mut tx| async move {
                let revision = policy::advance(&mut tx).await?;
                tokio::task::yield_now().await;
                tx.done(revision)
            })
            .await
            .unwrap();
            let mut tx = db.read_unscoped().await.unwrap();
            let current = policy::current(&mut tx).await.unwrap();
            let changed = policy::changed_since(&mut tx, current - 1, 100).await.unwrap();
            assert!(!changed.is_empty(), "revision {current} is visible before its change");
        }
    }));
    raised.await;
    let mut tx = db.read_unscoped().await.unwrap();
    assert_eq!(policy::current(&mut tx).await.unwrap(), 1 + 4 + 40, "no revision is skipped");
    assert_eq!(policy::changed_since(&mut tx, 5, 100).await.unwrap().len(), 4);
    assert_eq!(policy::changed_since(&mut tx, 5, 3).await.unwrap().len(), 3);
    assert_eq!(policy::changed_since(&mut tx, 45, 100).await.unwrap(), []);
}

async fn a_lease_is_behind_until_it_has_applied_and_while_it_may_be_alive(db: TestDb) {
    let holder = Uuid::now_v7();
    let lease = |applied| Lease { applied, expires_at: NOW };
    let behind = async |revision, alive_after| {
        let mut tx = db.read_unscoped().await.unwrap();
        leases::behind(&mut tx, revision, alive_after).await.unwrap()
    };
    for applied in [5, 7] {
        db.write_unscoped::<_, DbError, _, _>(move |mut tx| async move {
            leases::save(&mut tx, holder, lease(applied)).await?;
            assert_eq!(leases::get(&mut tx, holder).await?, Some(lease(applied)));
            tx.done(())
        })
        .await
        .unwrap();
        assert_eq!(behind(7, NOW).await, i64::from(applied < 7));
    }
    assert_eq!(behind(8, Timestamp::constant(1_800_000_001, 0)).await, 0, "certainly dead");
    let forgotten = db
        .write_unscoped::<_, DbError, _, _>(|mut tx| async move {
            let none = leases::forget(&mut tx, NOW).await?;
            let one = leases::forget(&mut tx, Timestamp::MAX).await?;
            tx.done((none, one))
        })
        .await;
    assert_eq!(forgotten.unwrap(), (0, 1));
}

async fn all_replicas_have_one_key_and_no_other_master_opens_it(db: TestDb) {
    let masters = MasterKeys::new(MasterKey::generate(), Vec::new());
    let keys = join_all((0..4).map(|_| key::load_or_create(&db, &masters, 0))).await;
    let sealed = keys[0].as_ref().unwrap().seal(b"", b"x");
    for key in &keys {
        assert_eq!(&**key.as_ref().unwrap().open(b"", &sealed).unwrap(), b"x");
    }
    let stranger = MasterKeys::new(MasterKey::generate(), Vec::new());
    let opened = key::load_or_create(&db, &stranger, 0).await;
    assert!(matches!(opened, Err(StoreError::Key(_))));
}

async fn an_unknown_number_in_a_row_is_no_guess(db: TestDb) {
    let (scope, people) = stored(&db, &[Role::User]).await;
    db.write::<_, DbError, _, _>(scope, |mut tx| async move {
        tx.scoped("UPDATE members SET role = 9 WHERE business_id = $1").execute().await?;
        tx.done(())
    })
    .await
    .unwrap();
    let mut tx = db.read(scope).await.unwrap();
    let read = members::get(&mut tx, people[0].id).await;
    assert!(matches!(read, Err(StoreError::Unknown("role"))));
    assert!(policy::members(&mut tx).await.is_err());
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    what_was_stored_is_read_back,
    a_scope_sees_its_own_business_alone,
    postgres_itself_keeps_businesses_apart,
    two_owners_cannot_be_stored,
    a_taken_id_is_told_and_changes_nothing,
    listing_tells_and_touches_those_alone_whom_it_changes,
    businesses_of_one_instant_are_all_listed,
    revisions_are_committed_in_their_order,
    a_lease_is_behind_until_it_has_applied_and_while_it_may_be_alive,
    all_replicas_have_one_key_and_no_other_master_opens_it,
    an_unknown_number_in_a_row_is_no_guess,
);
