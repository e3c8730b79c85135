//! Behind the scope stands PostgreSQL: forget it, and there are no rows. On SQLite the scope stands alone.

use uuid::Uuid;
use yinyom_db::idempotency::{self, Attempt, Key};
use yinyom_db::{Db, DbConfig, DbError, OpenError};
use yinyom_kernel::{RequestId, Scope};
use yinyom_testkit::row_security::{assert_own_rows_alone, assert_row_security};
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, insert, put, some_scope, units};

both_databases!(MIGRATIONS =>
    every_table_of_a_business_is_secured,
    a_business_has_its_own_rows_and_nobody_elses,
    nothing_can_be_written_into_another_business,
    work_enters_one_business_after_the_other,
    a_read_that_is_cut_short_leaves_no_business_behind,
    a_role_that_is_not_bound_is_refused,
);

const ALL: &str = "SELECT unit FROM entry ORDER BY unit";

async fn one_connection(db: &TestDb) -> Db {
    let config = DbConfig { readers: 1, writers: 1, ..db.config().clone() };
    Db::connect(&config, &MIGRATIONS).await.unwrap()
}

async fn every_table_of_a_business_is_secured(db: TestDb) {
    assert_row_security(&db, &["due_work"], &[]).await;
}

async fn a_business_has_its_own_rows_and_nobody_elses(db: TestDb) {
    let (ours, theirs) = (some_scope(), some_scope());
    for (scope, unit) in [(ours, 1), (theirs, 2)] {
        put(&db, scope, Uuid::now_v7(), unit).await.unwrap();
    }
    let tables = assert_own_rows_alone(&db, ours, theirs).await;
    assert_eq!(tables, if db.is_postgres() { vec!["entry"] } else { vec![] });
    if !db.is_postgres() {
        return;
    }
    // The same connection, one time after the other, by reads, snapshots and units of work.
    let db = one_connection(&db).await;
    for (scope, unit) in [(ours, 1), (theirs, 2), (ours, 1)] {
        assert_eq!(seen(&db, Some(scope)).await, [[unit], [unit], [unit]].map(Vec::from));
        assert_eq!(seen(&db, None).await, [const { Vec::<i64>::new() }; 3]);
    }
}

/// What a statement finds that says nothing of businesses, in a read, a snapshot and a unit of work.
async fn seen(db: &Db, scope: Option<Scope>) -> [Vec<i64>; 3] {
    let mut read = match scope {
        Some(scope) => db.read(scope).await.unwrap(),
        None => db.read_unscoped().await.unwrap(),
    };
    let by_read = read.query(ALL).scalars().await.unwrap();
    drop(read);
    let by_snapshot = match scope {
        Some(scope) => db.snapshot(scope).await.unwrap().query(ALL).scalars().await.unwrap(),
        None => Vec::new(),
    };
    let by_unit = db.write_unscoped::<_, DbError, _, _>(move |mut tx| async move {
        if let Some(scope) = scope {
            tx.enter(scope);
        }
        let found = tx.query(ALL).scalars().await?;
        tx.done(found)
    });
    [by_read, by_snapshot, by_unit.await.unwrap()]
}

async fn nothing_can_be_written_into_another_business(db: TestDb) {
    if !db.is_postgres() {
        return;
    }
    let (ours, theirs) = (some_scope(), some_scope());
    for scope in [Some(ours), None] {
        let answer = db.write_unscoped::<_, DbError, _, _>(move |mut tx| async move {
            if let Some(scope) = scope {
                tx.enter(scope);
            }
            tx.query("INSERT INTO entry (business_id, id, unit, count) VALUES ($1, $2, 1, 0)")
                .bind(theirs.business().uuid())
                .bind(Uuid::now_v7())
                .execute()
                .await?;
            tx.done(())
        });
        let error = answer.await.unwrap_err();
        assert!(matches!(error, DbError::Bug(_)), "{error:?}");
        assert!(format!("{error:?}").contains("42501"), "{error:?}");
    }
    assert_eq!(units(&db, theirs).await, [0; 0]);
}

async fn work_enters_one_business_after_the_other(db: TestDb) {
    if !db.is_postgres() {
        return;
    }
    let (one, other) = (some_scope(), some_scope());
    let found = db.write_unscoped::<_, DbError, _, _>(move |mut tx| async move {
        let mut found = Vec::new();
        for (scope, unit) in [(one, 1), (other, 2), (one, 3)] {
            tx.enter(scope);
            insert(&mut tx, Uuid::now_v7(), unit).await?;
            found.push(tx.query(ALL).scalars::<i64>().await?);
        }
        // A request about no business is nobody's, wherever the work is.
        let request_id = RequestId::generate();
        let key = Key { business: None, caller: "x".into(), rpc: "y".into(), request_id };
        let begun = idempotency::begin(&mut tx, &key, [0; 32], 1).await;
        assert!(matches!(begun, Ok(Attempt::New)), "{begun:?}");
        found.push(tx.query("SELECT COUNT(*) FROM requests").scalars().await?);
        idempotency::finish(&mut tx, &key, b"").await?;
        found.push(tx.query(ALL).scalars().await?);
        tx.done(found)
    });
    assert_eq!(found.await.unwrap(), [vec![1], vec![2], vec![1, 3], vec![0], vec![1, 3]]);
}

async fn a_read_that_is_cut_short_leaves_no_business_behind(db: TestDb) {
    if !db.is_postgres() {
        return;
    }
    let scope = some_scope();
    put(&db, scope, Uuid::now_v7(), 1).await.unwrap();
    let db = one_connection(&db).await;
    for polls in 0..12 {
        let mut tx = db.read(scope).await.unwrap();
        let mut cut = Box::pin(tx.query(ALL).scalars::<i64>());
        for _ in 0..polls {
            if futures::poll!(cut.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(cut);
        drop(tx);
        let mut next = db.read_unscoped().await.unwrap();
        assert_eq!(next.query(ALL).scalars::<i64>().await.unwrap(), [0; 0], "after {polls} polls");
    }
}

async fn a_role_that_is_not_bound_is_refused(db: TestDb) {
    if !db.is_postgres() {
        return;
    }
    let url = std::env::var("YINYOM_TEST_POSTGRES_URL").unwrap();
    let error = Db::connect(&DbConfig::new(url.clone()), &MIGRATIONS).await.unwrap_err();
    assert!(matches!(error, OpenError::Unbound), "{error:?}");
    let patiently = Db::connect_patiently(&DbConfig::new(url), &MIGRATIONS).await;
    assert!(matches!(patiently, Err(OpenError::Unbound)), "it is not waited for");
}
