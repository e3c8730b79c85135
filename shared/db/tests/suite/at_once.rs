//! A unit of work that is one statement.

use futures::FutureExt;
use uuid::Uuid;
use yinyom_db::{Db, DbConfig, DbError};
use yinyom_kernel::Scope;
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, insert, put, some_scope, units};

both_databases!(MIGRATIONS =>
    what_is_done_at_once_is_committed_and_told,
    a_statement_that_fails_leaves_nothing_and_is_not_taken_for_done,
    work_that_changes_its_mind_before_its_statement_leaves_nothing,
    units_at_once_wait_for_nobody_who_is_done,
);

async fn put_at_once(db: &Db, scope: Scope, id: Uuid, unit: i64) -> Result<(), DbError> {
    db.write_at_once(scope, move |mut tx| async move {
        insert(&mut tx, id, unit).await?;
        tx.announce("entries");
        tx.done(())
    })
    .await
}

async fn what_is_done_at_once_is_committed_and_told(db: TestDb) {
    let (scope, mut entries) = (some_scope(), db.listen("entries"));
    // A listener may be woken for nothing at first.
    while entries.changed().now_or_never().is_some() {}
    put_at_once(&db, scope, Uuid::now_v7(), 1).await.unwrap();
    assert_eq!(units(&db, scope).await, [1]);
    entries.changed().await;
}

async fn a_statement_that_fails_leaves_nothing_and_is_not_taken_for_done(db: TestDb) {
    let (scope, id) = (some_scope(), Uuid::now_v7());
    put(&db, scope, id, 1).await.unwrap();
    assert!(put_at_once(&db, scope, id, 2).await.unwrap_err().is_unique_violation());
    let hidden = db.write_at_once(scope, move |mut tx| async move {
        insert(&mut tx, id, 2).await.unwrap_err();
        tx.done::<_, DbError>(())
    });
    assert!(matches!(hidden.await, Err(DbError::Bug(_))));
    assert_eq!(units(&db, scope).await, [1]);
    put_at_once(&db, scope, Uuid::now_v7(), 3).await.unwrap();
    assert_eq!(units(&db, scope).await, [1, 3]);
}

async fn work_that_changes_its_mind_before_its_statement_leaves_nothing(db: TestDb) {
    #[derive(Debug)]
    struct ChangedItsMind;
    impl From<DbError> for ChangedItsMind {
        fn from(error: DbError) -> Self {
            panic!("{error:?}");
        }
    }
    let scope = some_scope();
    let answer = db.write_at_once::<(), _, _, _>(scope, |_| async { Err(ChangedItsMind) });
    assert!(answer.await.is_err());
    assert_eq!(units(&db, scope).await, [0; 0]);
}

/// With one connection.
async fn units_at_once_wait_for_nobody_who_is_done(db: TestDb) {
    let (scope, db) = (some_scope(), one_connection(&db).await);
    let units_of = (0..20).map(|unit| put_at_once(&db, scope, Uuid::now_v7(), unit));
    futures::future::try_join_all(units_of).await.unwrap();
    assert_eq!(units(&db, scope).await, (0..20).collect::<Vec<_>>());
}

async fn one_connection(db: &TestDb) -> Db {
    let config = DbConfig { readers: 1, writers: 1, ..db.config().clone() };
    Db::connect(&config, &MIGRATIONS).await.unwrap()
}

/// There would be no transaction around both.
#[tokio::test]
async fn a_second_statement_is_refused() {
    let (db, scope) = (yinyom_testkit::postgres(&MIGRATIONS).await, some_scope());
    let answer = db.write_at_once(scope, |mut tx| async move {
        insert(&mut tx, Uuid::now_v7(), 1).await?;
        insert(&mut tx, Uuid::now_v7(), 2).await?;
        tx.done::<_, DbError>(())
    });
    let error = answer.await.unwrap_err();
    assert!(format!("{error:?}").contains("this unit is one statement"), "{error:?}");
    assert_eq!(units(&db, scope).await, [1]);
}

/// The connection is kept with the business that it was told of.
#[tokio::test]
async fn who_has_the_connection_next_works_for_its_own_business() {
    const ALL: &str = "SELECT unit FROM entry ORDER BY unit";
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let (ours, theirs, watcher) = (some_scope(), some_scope(), db.handle());
    let db = one_connection(&db).await;
    let seen = |scope: Scope| {
        db.write_at_once::<Vec<i64>, DbError, _, _>(scope, |mut tx| async move {
            let seen = tx.query(ALL).scalars().await?;
            tx.done(seen)
        })
    };
    let by_unit = |scope: Option<Scope>| {
        db.write_unscoped::<Vec<i64>, DbError, _, _>(move |mut tx| async move {
            if let Some(scope) = scope {
                tx.enter(scope);
            }
            let seen = tx.query(ALL).scalars().await?;
            tx.done(seen)
        })
    };
    put_at_once(&db, ours, Uuid::now_v7(), 1).await.unwrap();
    put_at_once(&db, theirs, Uuid::now_v7(), 2).await.unwrap();
    for (scope, unit) in [(ours, 1), (theirs, 2), (ours, 1)] {
        assert_eq!(by_unit(Some(scope)).await.unwrap(), [unit]);
        assert_eq!(seen(scope).await.unwrap(), [unit]);
        assert_eq!(by_unit(None).await.unwrap(), [0; 0]);
    }
    // Who tells other processes of a change has the connection in between.
    put_at_once(&db, theirs, Uuid::now_v7(), 2).await.unwrap();
    let told = "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_notify%'
        AND datname = current_database() AND state = 'idle'";
    while watcher.read_unscoped().await.unwrap().query(told).scalar::<i64>().await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(by_unit(None).await.unwrap(), [0; 0]);
    let foreign = db.write_at_once::<(), DbError, _, _>(ours, move |mut tx| async move {
        tx.query("INSERT INTO entry (business_id, id, unit, count) VALUES ($1, $2, 1, 0)")
            .bind(theirs.business().uuid())
            .bind(Uuid::now_v7())
            .execute()
            .await?;
        tx.done(())
    });
    assert!(format!("{:?}", foreign.await.unwrap_err()).contains("42501"));
    assert_eq!(seen(theirs).await.unwrap(), [2, 2]);
}

/// No word to begin, none to end, none to clean up: that is what it is for.
#[tokio::test]
async fn it_says_nothing_but_its_statement() {
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let (scope, narrow) = (some_scope(), one_connection(&db).await);
    let backend = || {
        narrow.write_at_once::<i32, DbError, _, _>(scope, |mut tx| async move {
            let one = tx.query("SELECT pg_backend_pid()").scalar().await?;
            tx.done(one)
        })
    };
    let one = backend().await.unwrap();
    for statement in ["SELECT pg_backend_pid()", "UPDATE entry SET unit = unit"] {
        narrow
            .write_at_once::<(), DbError, _, _>(scope, move |mut tx| async move {
                tx.query(statement).execute().await?;
                tx.done(())
            })
            .await
            .unwrap();
        let mut tx = db.read_unscoped().await.unwrap();
        let words = "SELECT query FROM pg_stat_activity WHERE pid = $1";
        let words: String = tx.query(words).bind(one).scalar().await.unwrap();
        assert_eq!(words, statement);
        assert_eq!(backend().await.unwrap(), one);
    }
}
