//! Callers that go away at any moment lose nothing that was acknowledged, leave nothing half done
//! and no transaction open (TRAPS 5).

use std::collections::BTreeMap;
use std::task::Poll;
use std::time::Duration;

use rand::Rng;
use tokio::task::JoinSet;
use uuid::Uuid;
use yinyom_db::{Db, DbConfig, DbError};
use yinyom_kernel::Scope;
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, insert, put, some_scope, units};

both_databases!(MIGRATIONS =>
    callers_that_go_away_lose_nothing_that_was_acknowledged,
    a_caller_that_goes_away_leaves_no_transaction_open,
    a_unit_goes_on_when_its_caller_is_gone,
);

const CALLERS: i64 = 12;
const CALLS: i64 = 30;
const CONNECTIONS: u32 = 3;
const LONG: Duration = Duration::from_secs(30);

/// Few connections, so that each is used again and again by whoever comes next.
async fn narrow(db: &TestDb) -> Db {
    let config = DbConfig {
        readers: CONNECTIONS,
        writers: CONNECTIONS,
        acquire_timeout: LONG,
        statement_timeout: LONG,
        ..db.config().clone()
    };
    Db::connect(&config, &MIGRATIONS).await.unwrap()
}

/// Runs `work` until it has had to wait `waits` times, then drops it: in that way each point where
/// it can be cut off is cut at some time, however short the moment.
async fn impatiently<T>(waits: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut left = waits;
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// How often a caller waits; at times for as long as it takes.
fn patience(call: i64) -> u32 {
    if call % 6 == 0 { u32::MAX } else { rand::rng().random_range(0..6) }
}

/// A unit of two entries, every other one as one statement. Whether it was acknowledged before the patience ran out.
async fn write_impatiently(db: &Db, scope: Scope, unit: i64, waits: u32) -> bool {
    if unit % 2 == 0 {
        let work = db.write_at_once::<_, DbError, _, _>(scope, move |mut tx| async move {
            tx.scoped(
                "INSERT INTO entry (business_id, id, unit, count) VALUES ($1, $2, $4, 0), ($1, $3, $4, 0)",
            )
            .bind(Uuid::now_v7())
            .bind(Uuid::now_v7())
            .bind(unit)
            .execute()
            .await?;
            tx.done(())
        });
        return impatiently(waits, work).await.is_some_and(|answer| answer.is_ok());
    }
    let work = db.write::<_, DbError, _, _>(scope, move |mut tx| async move {
        insert(&mut tx, Uuid::now_v7(), unit).await?;
        insert(&mut tx, Uuid::now_v7(), unit).await?;
        tx.done(())
    });
    impatiently(waits, work).await.is_some_and(|answer| answer.is_ok())
}

async fn read_impatiently(db: &Db, scope: Scope, waits: u32) {
    let all = "SELECT unit FROM entry WHERE business_id = $1";
    let read = async { db.read(scope).await?.scoped(all).scalars::<i64>().await };
    let _ = impatiently(waits, read).await;
    let snapshot = async { db.snapshot(scope).await?.scoped(all).scalars::<i64>().await };
    let _ = impatiently(waits, snapshot).await;
}

async fn callers_that_go_away_lose_nothing_that_was_acknowledged(db: TestDb) {
    let scope = some_scope();
    let narrow = narrow(&db).await;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let db = narrow.clone();
        callers.spawn(async move {
            let mut acknowledged = Vec::new();
            for call in 0..CALLS {
                let unit = caller * CALLS + call;
                if write_impatiently(&db, scope, unit, patience(call)).await {
                    acknowledged.push(unit);
                }
                read_impatiently(&db, scope, patience(call)).await;
            }
            acknowledged
        });
    }
    let acknowledged = callers.join_all().await.concat();

    // Units that go on without their caller end in their own time; a forgotten transaction does not.
    let fresh = Db::connect(db.config(), &MIGRATIONS).await.unwrap();
    all_transactions_end(&fresh).await;

    // Each connection takes part in what comes later.
    let last = CALLERS * CALLS;
    for unit in last..last + 6 {
        assert!(write_impatiently(&narrow, scope, unit, u32::MAX).await);
    }
    let mut reads = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut read = narrow.read(scope).await.unwrap();
        let late = "SELECT COUNT(*) FROM entry WHERE business_id = $1 AND unit >= $2";
        let seen: i64 = read.scoped(late).bind(last).scalar().await.unwrap();
        assert_eq!(seen, 12, "a reader sees the past");
        reads.push(read);
    }
    drop(reads);
    narrow.close().await;

    // A second process looks: what is not committed is not there.
    let mut entries = BTreeMap::<i64, usize>::new();
    for unit in units(&fresh, scope).await {
        *entries.entry(unit).or_default() += 1;
    }
    assert!(entries.values().all(|count| *count == 2), "a unit was cut in half");
    assert!(!acknowledged.is_empty(), "nobody was patient enough for the test to mean anything");
    assert!(acknowledged.len() < usize::try_from(last).unwrap(), "nobody was impatient");
    for unit in acknowledged.into_iter().chain(last..last + 6) {
        assert!(entries.contains_key(&unit), "unit {unit} was acknowledged and lost");
    }
}

/// One caller at a time, so that nobody else's work can end by chance what it left open.
async fn a_caller_that_goes_away_leaves_no_transaction_open(db: TestDb) {
    let scope = some_scope();
    let narrow = narrow(&db).await;
    let watcher = Db::connect(db.config(), &MIGRATIONS).await.unwrap();
    for call in 0..40 {
        let waits = u32::try_from(call % 8).unwrap();
        write_impatiently(&narrow, scope, call, waits).await;
        read_impatiently(&narrow, scope, waits).await;
        all_transactions_end(&watcher).await;
        // SQLite has one writer: were a transaction still open, this one would wait in vain.
        put(&watcher, scope, Uuid::now_v7(), -1).await.unwrap();
    }
}

async fn a_unit_goes_on_when_its_caller_is_gone(db: TestDb) {
    let scope = some_scope();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (go_on, may_go_on) = tokio::sync::oneshot::channel();
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    let handle = db.handle();
    let caller = tokio::spawn(async move {
        handle
            .write::<_, DbError, _, _>(scope, |mut tx| async move {
                insert(&mut tx, Uuid::now_v7(), 1).await?;
                begun.send(()).unwrap();
                may_go_on.await.unwrap();
                insert(&mut tx, Uuid::now_v7(), 2).await?;
                ended.send(()).unwrap();
                tx.done(())
            })
            .await
    });
    has_begun.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go_on.send(()).unwrap();
    has_ended.await.unwrap();
    db.close().await;
    let again = Db::connect(db.config(), &MIGRATIONS).await.unwrap();
    assert_eq!(units(&again, scope).await, [1, 2]);
}

/// What a cancelled `begin` can leave behind in sqlx 0.9.0 (issue 4393): a transaction that sqlx
/// does not know of, made here by hand. SQLite's driver has no such hole.
#[tokio::test]
async fn a_connection_with_a_forgotten_transaction_is_not_used_again() {
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let scope = some_scope();
    let config = DbConfig { readers: 1, writers: 1, ..db.config().clone() };
    let narrow = Db::connect(&config, &MIGRATIONS).await.unwrap();
    for forgotten in ["BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN; SELECT 1/0"] {
        let mut tx = narrow.read(scope).await.unwrap();
        for statement in forgotten.split("; ") {
            let _ = tx.query(sqlx::AssertSqlSafe(statement)).execute().await;
        }
        drop(tx);
        // The one reading connection there is: it must see what is committed from now on.
        let before = units(&narrow, scope).await.len();
        put(&narrow, scope, Uuid::now_v7(), 1).await.unwrap();
        assert_eq!(units(&narrow, scope).await.len(), before + 1);
        assert_eq!(open_transactions(&narrow).await, 0);
    }
}

async fn all_transactions_end(db: &Db) {
    let end = async { while open_transactions(db).await > 0 {} };
    // Well before PostgreSQL itself would end one that has nothing to do.
    tokio::time::timeout(LONG / 3, end).await.expect("a transaction was left open");
}

/// Sessions of this database that have a transaction open and nothing to do.
async fn open_transactions(db: &Db) -> i64 {
    if !db.is_postgres() {
        return 0;
    }
    let mut tx = db.read_unscoped().await.unwrap();
    tx.query(
        "SELECT COUNT(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .scalar()
    .await
    .unwrap()
}
