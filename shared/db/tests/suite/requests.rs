//! A request that is sent twice takes effect once (TRAPS 4).

use tokio::task::JoinSet;
use uuid::Uuid;
use yinyom_db::idempotency::{self, Attempt, Key, RequestError};
use yinyom_db::{Db, DbError};
use yinyom_kernel::{Code, Fault, RequestId, Scope};
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, insert, some_scope, units};

both_databases!(MIGRATIONS =>
    a_second_attempt_gets_the_first_ones_outcome,
    many_attempts_at_once_take_effect_once,
    another_request_with_the_same_id_is_refused,
    the_same_id_of_another_caller_rpc_or_business_is_another_request,
    a_request_that_failed_can_be_sent_again,
    a_unit_that_does_not_finish_its_request_is_not_committed,
    a_request_that_was_not_begun_cannot_be_finished,
    requests_are_kept_together_unless_one_of_them_is_known,
    old_requests_are_forgotten_and_young_ones_are_not,
);

const SAME: [u8; 32] = [1; 32];

fn key(scope: Scope) -> Key {
    Key {
        business: Some(scope.business()),
        caller: "member:1".to_owned(),
        rpc: "/yinyom.test.v1.Service/Change".to_owned(),
        request_id: RequestId::generate(),
    }
}

/// One entry for each time that the request takes effect; the outcome is `unit`.
async fn change(
    db: &Db,
    scope: Scope,
    key: Key,
    fingerprint: [u8; 32],
    unit: i64,
) -> Result<Vec<u8>, RequestError> {
    db.write(scope, move |mut tx| async move {
        match idempotency::begin(&mut tx, &key, fingerprint, unit).await? {
            Attempt::Replay(outcome) => tx.done(outcome),
            Attempt::New => {
                insert(&mut tx, Uuid::now_v7(), unit).await?;
                let outcome = unit.to_be_bytes().to_vec();
                idempotency::finish(&mut tx, &key, &outcome).await?;
                tx.done(outcome)
            }
        }
    })
    .await
}

async fn a_second_attempt_gets_the_first_ones_outcome(db: TestDb) {
    let scope = some_scope();
    let key = key(scope);
    let first = change(&db, scope, key.clone(), SAME, 1).await.unwrap();
    let second = change(&db, scope, key, SAME, 2).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(units(&db, scope).await, [1]);
}

async fn many_attempts_at_once_take_effect_once(db: TestDb) {
    let scope = some_scope();
    let key = key(scope);
    let mut attempts = JoinSet::new();
    for unit in 0..20 {
        let (db, key) = (db.handle(), key.clone());
        attempts.spawn(async move { change(&db, scope, key, SAME, unit).await.unwrap() });
    }
    let outcomes = attempts.join_all().await;
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    assert_eq!(units(&db, scope).await.len(), 1);
}

async fn another_request_with_the_same_id_is_refused(db: TestDb) {
    let scope = some_scope();
    let key = key(scope);
    change(&db, scope, key.clone(), SAME, 1).await.unwrap();
    let error = change(&db, scope, key, [2; 32], 2).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert_eq!(units(&db, scope).await, [1]);
}

async fn the_same_id_of_another_caller_rpc_or_business_is_another_request(db: TestDb) {
    let scope = some_scope();
    let key = key(scope);
    let others = [
        Key { caller: "member:2".to_owned(), ..key.clone() },
        Key { rpc: "/yinyom.test.v1.Service/Other".to_owned(), ..key.clone() },
        Key { business: None, ..key.clone() },
        key.clone(),
    ];
    for (unit, key) in (0..).zip(others) {
        change(&db, scope, key, SAME, unit).await.unwrap();
    }
    assert_eq!(units(&db, scope).await, [0, 1, 2, 3]);
    let other = some_scope();
    let key = Key { business: Some(other.business()), ..key };
    change(&db, other, key, SAME, 4).await.unwrap();
    assert_eq!(units(&db, other).await, [4]);
}

async fn a_request_that_failed_can_be_sent_again(db: TestDb) {
    let scope = some_scope();
    let key = key(scope);
    let failing = key.clone();
    db.write::<(), _, _, _>(scope, move |mut tx| async move {
        let attempt = idempotency::begin(&mut tx, &failing, SAME, 1).await?;
        assert_eq!(attempt, Attempt::New);
        Err(RequestError::Reused)
    })
    .await
    .unwrap_err();
    change(&db, scope, key, SAME, 2).await.unwrap();
    assert_eq!(units(&db, scope).await, [2]);
}

async fn a_unit_that_does_not_finish_its_request_is_not_committed(db: TestDb) {
    let scope = some_scope();
    let key = key(scope);
    let answer = db
        .write(scope, move |mut tx| async move {
            let _ = idempotency::begin(&mut tx, &key, SAME, 1).await?;
            insert(&mut tx, Uuid::now_v7(), 1).await?;
            tx.done::<_, RequestError>(())
        })
        .await;
    assert!(matches!(answer, Err(RequestError::Db(DbError::Bug(_)))), "{answer:?}");
    assert_eq!(units(&db, scope).await, [0; 0]);
}

async fn a_request_that_was_not_begun_cannot_be_finished(db: TestDb) {
    let scope = some_scope();
    let key = key(scope);
    let answer = db
        .write(scope, move |mut tx| async move {
            idempotency::finish(&mut tx, &key, b"outcome").await?;
            tx.done::<_, DbError>(())
        })
        .await;
    assert!(matches!(answer, Err(DbError::Bug(_))), "{answer:?}");
}

async fn requests_are_kept_together_unless_one_of_them_is_known(db: TestDb) {
    let scope = some_scope();
    let keys = [key(scope), key(scope), key(scope)];
    let keep = async |keys: Vec<Key>| {
        db.write::<_, DbError, _, _>(scope, move |mut tx| async move {
            let kept: Vec<_> = keys.iter().map(|key| (key.clone(), SAME, vec![7])).collect();
            let all = idempotency::keep(&mut tx, &kept, 1).await?;
            tx.done(all)
        })
        .await
        .unwrap()
    };
    let known =
        async || idempotency::known(&mut db.read(scope).await.unwrap(), &keys).await.unwrap();
    assert_eq!(known().await, [false; 3]);
    assert!(keep(vec![keys[0].clone(), keys[2].clone()]).await);
    assert_eq!(known().await, [true, false, true]);
    assert_eq!(change(&db, scope, keys[0].clone(), SAME, 1).await.unwrap(), [7]);
    assert!(!keep(vec![keys[1].clone(), keys[2].clone()]).await, "the unit is not to be committed");
    assert!(!keep(vec![key(scope), keys[0].clone()]).await);
    let twice = key(scope);
    assert!(!keep(vec![twice.clone(), twice]).await);
    let theirs = idempotency::known(&mut db.read(some_scope()).await.unwrap(), &keys).await;
    assert_eq!(theirs.unwrap(), [false; 3], "another business has others");
}

async fn old_requests_are_forgotten_and_young_ones_are_not(db: TestDb) {
    let scope = some_scope();
    let keys = [key(scope), key(scope), key(scope)];
    for (unit, key) in (0..).zip(&keys) {
        change(&db, scope, key.clone(), SAME, unit).await.unwrap();
    }
    let kept = i64::try_from(idempotency::KEPT.as_micros()).unwrap();
    // The youngest is at the last moment of its day by then.
    let prune = |most| {
        db.write::<_, DbError, _, _>(scope, move |mut tx| async move {
            let forgotten = idempotency::prune(&mut tx, 2 + kept, most).await?;
            tx.done(forgotten)
        })
    };
    assert_eq!(prune(1).await.unwrap(), 1);
    assert_eq!(prune(9).await.unwrap(), 1);
    assert_eq!(prune(9).await.unwrap(), 0);
    let [oldest, _, youngest] = keys;
    change(&db, scope, youngest, SAME, 9).await.unwrap();
    assert_eq!(units(&db, scope).await, [0, 1, 2]);
    change(&db, scope, oldest, SAME, 9).await.unwrap();
    assert_eq!(units(&db, scope).await, [0, 1, 2, 9]);
}

#[test]
fn the_tables_that_services_copy_are_the_ones_tested_here() {
    let sqlite = include_str!("migrations/sqlite/0001_first.sql");
    let postgres = include_str!("migrations/postgres/0001_first.sql");
    assert!(sqlite.starts_with(idempotency::SQLITE_TABLE));
    assert!(postgres.starts_with(idempotency::POSTGRES_TABLE));
    assert!(sqlite.contains(idempotency::SQLITE_DUE_TABLE));
    assert!(postgres.contains(idempotency::POSTGRES_DUE_TABLE));
}
