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
    for what in ["executes", "fails", "finds no row", "is cut short", "is planned for values"] {
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
                let planned = tx.query("SELECT 1").plan_for_values();
                assert_eq!(planned.scalar::<i32>().await.unwrap(), 1);
            }
        }
        drop(tx);
        let cleaned = "BEGIN; ROLLBACK; SET yinyom.business_id = ''; RESET plan_cache_mode";
        assert_eq!(last_words(&db, &narrow, one).await, cleaned, "a read that {what}");
    }
    let mut tx = narrow.snapshot(scope).await.unwrap();
    assert_eq!(backend(&mut tx).await, one);
    drop(tx);
    assert_eq!(last_words(&db, &narrow, one).await, "COMMIT", "a snapshot");
}

#[tokio::test]
async fn a_connection_is_kept_after_a_unit_and_knows_nothing_of_it() {
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let (scope, narrow) = (some_scope(), narrow(&db, 1).await);
    let writer = async |fails: bool| {
        let unit = narrow.write(scope, move |mut tx| async move {
            let one = backend(&mut tx).await;
            if fails {
                Err(tx.query("SELECT 1/0").execute().await.unwrap_err())
            } else {
                tx.done(one)
            }
        });
        unit.await
    };
    let one = writer(false).await.unwrap();
    for fails in [false, true, false] {
        assert_eq!(writer(fails).await.is_err(), fails);
        let mut tx = db.read_unscoped().await.unwrap();
        let words = "SELECT query FROM pg_stat_activity WHERE pid = $1";
        let words: String = tx.query(words).bind(one).scalar().await.unwrap();
        assert_eq!(words, if fails { "ROLLBACK" } else { "COMMIT" });
        let unscoped = narrow.write_unscoped(move |mut tx| async move {
            let about =
                "SELECT pg_backend_pid()::text || current_setting('yinyom.business_id', true)";
            let about: String = tx.query(about).scalar().await?;
            tx.done::<_, DbError>(about)
        });
        assert_eq!(unscoped.await.unwrap(), one.to_string(), "and no business");
    }
}

/// Has the server close what `db` keeps.
async fn close_what_is_kept(unbound: &Db) {
    let close = "SELECT COUNT(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = $1";
    let mut tx = unbound.read_unscoped().await.unwrap();
    let user = "SELECT tableowner::text FROM pg_tables WHERE tablename = 'entry'";
    let user: String = tx.query(user).scalar().await.unwrap();
    assert!(tx.query(close).bind(user).scalar::<i64>().await.unwrap() >= 1);
}

async fn entries(unbound: &Db) -> i64 {
    let mut tx = unbound.read_unscoped().await.unwrap();
    tx.query("SELECT COUNT(*) FROM entry").scalar().await.unwrap()
}

#[tokio::test]
async fn a_unit_begins_although_the_server_has_closed_what_was_kept() {
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let scope = some_scope();
    // Several at once, so that several are kept.
    let units = (0..4).map(|unit| put(&db, scope, uuid::Uuid::now_v7(), unit));
    futures::future::try_join_all(units).await.unwrap();
    let unbound = db.unbound().await;
    close_what_is_kept(&unbound).await;
    for unit in 4..8 {
        put(&db, scope, uuid::Uuid::now_v7(), unit).await.unwrap();
    }
    assert_eq!(entries(&unbound).await, 8);
}

/// Whether its statement has happened nobody could say.
#[tokio::test]
async fn one_unit_at_once_finds_out_that_the_server_has_closed_what_was_kept_and_no_other() {
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let scope = some_scope();
    let put = |unit| {
        db.write_at_once::<_, DbError, _, _>(scope, move |mut tx| async move {
            crate::insert(&mut tx, uuid::Uuid::now_v7(), unit).await?;
            tx.done(())
        })
    };
    futures::future::try_join_all((0..4).map(put)).await.unwrap();
    let unbound = db.unbound().await;
    close_what_is_kept(&unbound).await;
    let error = put(4).await.unwrap_err();
    assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
    for unit in 5..9 {
        put(unit).await.unwrap();
    }
    assert_eq!(entries(&unbound).await, 8);
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
