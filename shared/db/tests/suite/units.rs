//! A unit of work happens as a whole or not at all.

use futures::FutureExt;
use uuid::Uuid;
use yinyom_db::{DbError, Tx};
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, insert, put, some_scope, units};

both_databases!(MIGRATIONS =>
    what_is_done_is_committed,
    an_error_undoes_everything,
    a_panic_undoes_everything_and_reaches_the_caller,
    a_unit_with_a_failed_statement_is_never_committed,
    a_unit_with_an_abandoned_statement_is_never_committed,
    a_business_sees_its_own_entries_alone,
    work_about_no_business_cannot_run_a_scoped_statement,
    work_about_several_businesses_enters_one_at_a_time,
    a_read_cannot_write,
    a_snapshot_sees_one_moment,
    a_closed_database_refuses_work,
);

async fn what_is_done_is_committed(db: TestDb) {
    let scope = some_scope();
    let answer: Result<_, DbError> = db
        .write(scope, |mut tx| async move {
            insert(&mut tx, Uuid::now_v7(), 1).await?;
            insert(&mut tx, Uuid::now_v7(), 2).await?;
            tx.done("both")
        })
        .await;
    assert_eq!(answer.unwrap(), "both");
    assert_eq!(units(&db, scope).await, [1, 2]);
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("the rules say no")]
    Rules,
    #[error("the database says no")]
    Db,
}

impl From<DbError> for Refusal {
    fn from(_: DbError) -> Self {
        Self::Db
    }
}

async fn an_error_undoes_everything(db: TestDb) {
    let scope = some_scope();
    let answer: Result<(), Refusal> = db
        .write(scope, |mut tx| async move {
            insert(&mut tx, Uuid::now_v7(), 1).await?;
            Err(Refusal::Rules)
        })
        .await;
    assert_eq!(answer, Err(Refusal::Rules));
    assert_eq!(units(&db, scope).await, [0; 0]);
    put(&db, scope, Uuid::now_v7(), 2).await.unwrap();
    assert_eq!(units(&db, scope).await, [2]);
}

async fn a_panic_undoes_everything_and_reaches_the_caller(db: TestDb) {
    let scope = some_scope();
    let handle = db.handle();
    let caller = tokio::spawn(async move {
        handle
            .write::<(), DbError, _, _>(scope, |mut tx| async move {
                insert(&mut tx, Uuid::now_v7(), 1).await?;
                panic!("a bug in a command");
            })
            .await
    });
    assert!(caller.await.unwrap_err().is_panic());
    assert_eq!(units(&db, scope).await, [0; 0]);
    put(&db, scope, Uuid::now_v7(), 2).await.unwrap();
    assert_eq!(units(&db, scope).await, [2]);
}

/// PostgreSQL answers "committed" to such a unit and rolls it back; SQLite would keep half of it.
async fn a_unit_with_a_failed_statement_is_never_committed(db: TestDb) {
    let scope = some_scope();
    let id = Uuid::now_v7();
    let answer: Result<(), DbError> = db
        .write(scope, move |mut tx| async move {
            insert(&mut tx, id, 1).await?;
            let twice = insert(&mut tx, id, 2).await;
            assert!(twice.unwrap_err().is_unique_violation());
            tx.done(())
        })
        .await;
    assert!(matches!(answer, Err(DbError::Bug(_))), "{answer:?}");
    assert_eq!(units(&db, scope).await, [0; 0]);
}

async fn a_unit_with_an_abandoned_statement_is_never_committed(db: TestDb) {
    let scope = some_scope();
    let answer: Result<(), DbError> = db
        .write(scope, move |mut tx| async move {
            insert(&mut tx, Uuid::now_v7(), 1).await?;
            // Polled once, so that the statement is on its way, and dropped.
            while insert(&mut tx, Uuid::now_v7(), 2).now_or_never().is_some() {}
            tx.done(())
        })
        .await;
    assert!(matches!(answer, Err(DbError::Bug(_))), "{answer:?}");
    assert_eq!(units(&db, scope).await, [0; 0]);
    put(&db, scope, Uuid::now_v7(), 3).await.unwrap();
    assert_eq!(units(&db, scope).await, [3]);
}

async fn a_business_sees_its_own_entries_alone(db: TestDb) {
    let (ours, theirs) = (some_scope(), some_scope());
    put(&db, theirs, Uuid::now_v7(), 1).await.unwrap();
    assert_eq!(units(&db, ours).await, [0; 0]);
}

async fn work_about_no_business_cannot_run_a_scoped_statement(db: TestDb) {
    let mut tx = db.read_unscoped().await.unwrap();
    let answer = tx.scoped("SELECT unit FROM entry WHERE business_id = $1").scalars::<i64>().await;
    assert!(matches!(answer, Err(DbError::Bug(_))), "{answer:?}");
}

async fn work_about_several_businesses_enters_one_at_a_time(db: TestDb) {
    let (one, other) = (some_scope(), some_scope());
    db.write_unscoped::<_, DbError, _, _>(move |mut tx| async move {
        for (scope, unit) in [(one, 1), (other, 2)] {
            tx.enter(scope);
            insert(&mut tx, Uuid::now_v7(), unit).await?;
        }
        tx.done(())
    })
    .await
    .unwrap();
    assert_eq!(units(&db, one).await, [1]);
    assert_eq!(units(&db, other).await, [2]);
}

async fn a_read_cannot_write(db: TestDb) {
    let scope = some_scope();
    let reads = [db.read(scope).await.unwrap(), db.snapshot(scope).await.unwrap()];
    for mut tx in reads {
        insert(&mut tx, Uuid::now_v7(), 1).await.unwrap_err();
    }
    assert_eq!(units(&db, scope).await, [0; 0]);
}

async fn a_snapshot_sees_one_moment(db: TestDb) {
    async fn count(tx: &mut Tx) -> i64 {
        tx.scoped("SELECT COUNT(*) FROM entry WHERE business_id = $1").scalar().await.unwrap()
    }
    let scope = some_scope();
    let mut snapshot = db.snapshot(scope).await.unwrap();
    let mut read = db.read(scope).await.unwrap();
    assert_eq!((count(&mut snapshot).await, count(&mut read).await), (0, 0));
    put(&db, scope, Uuid::now_v7(), 1).await.unwrap();
    assert_eq!((count(&mut snapshot).await, count(&mut read).await), (0, 1));
}

async fn a_closed_database_refuses_work(db: TestDb) {
    db.close().await;
    let answer = put(&db, some_scope(), Uuid::now_v7(), 1).await;
    assert!(matches!(answer, Err(DbError::Unavailable(_))), "{answer:?}");
}
