//! A connection that reads is kept as it is, unless anything but rows came of it; and nobody finds there what somebody
//! else's read left.

use yinyom_db::{Db, DbConfig, DbError, Tx};
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, put, some_scope};

both_databases!(MIGRATIONS =>
    a_connection_that_is_kept_shows_each_reader_its_own_rows,
    who_waits_for_a_connection_gets_the_one_that_is_kept,
    a_database_closes_with_the_connections_that_it_keeps,
);

const ALL: &str = "SELECT unit FROM entry ORDER BY unit";

async fn narrow(db: &TestDb, readers: u32) -> Db {
    let config = DbConfig { readers, writers: 1, ..db.config().clone() };
    Db::connect(&config, &MIGRATIONS).await.unwrap()
}

async fn backend(tx: &mut Tx) -> i32 {
    tx.query("SELECT pg_backend_pid()").scalar().await.unwrap()
}

/// Nothing but reads, so that the pool cleans none of them.
async fn a_connection_that_is_kept_shows_each_reader_its_own_rows(db: TestDb) {
    let (ours, theirs) = (some_scope(), some_scope());
    for (scope, unit) in [(ours, 1), (theirs, 2)] {
        put(&db, scope, uuid::Uuid::now_v7(), unit).await.unwrap();
    }
    let narrow = narrow(&db, 1).await;
    let mut backends = std::collections::BTreeSet::new();
    let turns =
        [Some(ours), Some(theirs), None, None, Some(theirs), Some(theirs), Some(ours), None];
    for scope in turns {
        let mut read = match scope {
            Some(scope) => narrow.read(scope).await.unwrap(),
            None => narrow.read_unscoped().await.unwrap(),
        };
        if db.is_postgres() {
            let found: Vec<i64> = read.query(ALL).scalars().await.unwrap();
            let expected = scope.map(|scope| if scope == ours { 1 } else { 2 });
            assert_eq!(found, Vec::from_iter(expected));
            backends.insert(backend(&mut read).await);
        } else {
            assert_eq!(read.query(ALL).scalars::<i64>().await.unwrap(), [1, 2]);
        }
    }
    assert_eq!(backends.len(), usize::from(db.is_postgres()), "it was one connection");
}

async fn who_waits_for_a_connection_gets_the_one_that_is_kept(db: TestDb) {
    let scope = some_scope();
    let narrow = narrow(&db, 2).await;
    for _ in 0..20 {
        let (one, other) = (narrow.read(scope).await.unwrap(), narrow.read(scope).await.unwrap());
        let mut waits = Box::pin(narrow.read(scope));
        assert!(futures::poll!(waits.as_mut()).is_pending(), "there are two");
        drop(one);
        let mut third = waits.await.unwrap();
        assert_eq!(third.query(ALL).scalars::<i64>().await.unwrap(), [0; 0]);
        drop((third, other));
        // A snapshot has its place among them.
        let first = narrow.snapshot(scope).await.unwrap();
        let second = narrow.read(scope).await.unwrap();
        let mut waits = Box::pin(narrow.snapshot(scope));
        assert!(futures::poll!(waits.as_mut()).is_pending(), "there are two");
        drop(second);
        waits.await.unwrap();
        drop(first);
    }
}

async fn a_database_closes_with_the_connections_that_it_keeps(db: TestDb) {
    let scope = some_scope();
    let narrow = narrow(&db, 3).await;
    let kept = narrow.read(scope).await.unwrap();
    let late = narrow.snapshot(scope).await.unwrap();
    let latest = narrow.read(scope).await.unwrap();
    drop(kept);
    let closing = tokio::spawn({
        let narrow = narrow.clone();
        async move { narrow.close().await }
    });
    while narrow.read(scope).await.is_ok() {
        tokio::task::yield_now().await;
    }
    drop((late, latest));
    tokio::time::timeout(std::time::Duration::from_secs(4), closing).await.unwrap().unwrap();
    assert!(matches!(narrow.read(scope).await.err(), Some(DbError::Unavailable(_))));
}

/// The words that the server heard last from the one connection that reads.
async fn last_words(watcher: &Db, narrow: &Db, backend: i32) -> String {
    // Whoever has it next: the pool is done with it.
    let next = narrow.read_unscoped().await.unwrap();
    let mut tx = watcher.read_unscoped().await.unwrap();
    let words = tx
        .query("SELECT query FROM pg_stat_activity WHERE pid = $1")
        .bind(backend)
        .scalar_optional::<String>()
        .await;
    drop(next);
    words.unwrap().unwrap_or_default()
}

#[tokio::test]
async fn a_read_that_only_fetched_says_nothing_at_its_end_and_any_other_is_cleaned() {
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let (scope, narrow) = (some_scope(), narrow(&db, 1).await);
    let mut tx = narrow.read(scope).await.unwrap();
    let one = backend(&mut tx).await;
    drop(tx);
    assert_eq!(last_words(&db, &narrow, one).await, "SELECT pg_backend_pid()");
    for what in ["executes", "fails", "finds no row", "is cut short", "is a snapshot"] {
        let mut tx = narrow.read(scope).await.unwrap();
        assert_eq!(backend(&mut tx).await, one);
        match what {
            "executes" => assert!(tx.query("SELECT 1").execute().await.is_ok()),
            "fails" => assert!(tx.query("SELECT 1/0").scalar::<i32>().await.is_err()),
            "finds no row" => assert!(tx.query(ALL).scalar::<i64>().await.is_err()),
            "is cut short" => {
                // The server cannot answer while somebody else has what is asked for.
                let mut other = db.read_unscoped().await.unwrap();
                let lock = "SELECT 1::bigint FROM pg_advisory_lock(7)";
                other.query(lock).scalar::<i64>().await.unwrap();
                let mut cut = Box::pin(tx.query(lock).scalar::<i64>());
                assert!(futures::poll!(cut.as_mut()).is_pending());
                drop(cut);
                let unlock = "SELECT pg_advisory_unlock(7)";
                assert!(other.query(unlock).scalar::<bool>().await.unwrap());
            }
            _ => {
                drop(tx);
                tx = narrow.snapshot(scope).await.unwrap();
                assert_eq!(backend(&mut tx).await, one);
            }
        }
        drop(tx);
        let cleaned = "BEGIN; ROLLBACK; SET yinyom.business_id = ''";
        assert_eq!(last_words(&db, &narrow, one).await, cleaned, "a read that {what}");
    }
}

#[test]
fn a_database_may_outlive_its_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let db = first.block_on(async {
        let db = Db::connect(&DbConfig::new("sqlite::memory:"), &MIGRATIONS).await.unwrap();
        db.ping().await.unwrap();
        db
    });
    drop(first);
    drop(db);
}
