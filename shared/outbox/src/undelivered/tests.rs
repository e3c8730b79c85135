//! Each statement of the relay, on both databases.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::LazyLock;
use std::time::Duration;

use include_dir::include_dir;
use jiff::Timestamp;
use tokio::sync::oneshot;
use yinyom_db::{Db, Migrations};
use yinyom_kernel::{BusinessId, Scope};
use yinyom_testkit::{TestDb, both_databases, on_postgres};

use super::*;
use crate::{enqueue, gauges};

static MIGRATIONS: LazyLock<Migrations> = LazyLock::new(|| {
    Migrations::of(
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite"),
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/postgres"),
    )
});

/// What is committed at 0 is due from then on.
const AFTER_GRACE: i64 = 1_000_000;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

#[expect(clippy::disallowed_methods, reason = "a test is its own caller")]
fn scope(business: u128) -> Scope {
    Scope::assume(BusinessId::from(id(business)))
}

/// Puts (stream, number, committed at).
async fn put(db: &Db, business: u128, events: &[(u128, i64, i64)]) {
    let event = |(stream, seq, at): &(u128, i64, i64)| Event {
        stream: id(*stream),
        seq: *seq,
        payload: vec![1, 2, 3].into(),
        created_at: Timestamp::from_microsecond(*at).unwrap(),
        trace_parent: None,
    };
    let events: Vec<_> = events.iter().map(event).collect();
    db.write(scope(business), move |mut tx| async move {
        enqueue(&mut tx, &events).await?;
        tx.done::<_, DbError>(())
    })
    .await
    .unwrap();
}

async fn marked(db: &Db, business: u128, verdict: Verdict, now: i64) -> u64 {
    db.write(scope(business), move |mut tx| async move {
        let forgotten = mark(Outbox::MAIN, &mut tx, &verdict, now).await?;
        tx.done::<_, DbError>(forgotten)
    })
    .await
    .unwrap()
}

fn stall_of(stream: u128, seq: i64, pause: Option<i64>) -> Verdict {
    let stall = Stall { stream: id(stream), seq, reason: "X", attempts: 1, pause };
    Verdict { stalls: vec![stall], ..Verdict::default() }
}

async fn due_at(db: &Db, business: u128, now: i64) -> Vec<Wanted> {
    let mut tx = db.read(scope(business)).await.unwrap();
    let mut streams = due(Outbox::MAIN, &mut tx, now, 100).await.unwrap();
    streams.sort_by_key(|w| w.stream);
    streams
}

async fn found(db: &Db, business: u128, wanted: &[(u128, i64)], now: i64, most: i64) -> Found {
    let wanted: Vec<_> =
        wanted.iter().map(|(s, events)| Wanted { stream: id(*s), events: *events }).collect();
    let mut tx = db.read(scope(business)).await.unwrap();
    read(Outbox::MAIN, &mut tx, &wanted, now, most).await.unwrap()
}

fn keys(found: &Found) -> Vec<(u128, i64)> {
    found.events.iter().map(|e| (e.stream.as_u128(), e.seq)).collect()
}

async fn businesses_with_something_due_are_found_page_by_page(db: TestDb) {
    for business in 1..=5 {
        let at = i64::from(business == 3);
        put(&db, business, &[(1, 1, at), (1, 2, at), (2, 1, at)]).await;
    }
    let mut tx = db.read_unscoped().await.unwrap();
    let page = async |tx: &mut Tx, after, now, most| -> Vec<u128> {
        let found = businesses(Outbox::MAIN, tx, id(after), now, most).await.unwrap();
        found.iter().map(Uuid::as_u128).collect()
    };
    assert_eq!(page(&mut tx, 0, AFTER_GRACE - 1, 9).await, [0; 0]);
    assert_eq!(page(&mut tx, 0, AFTER_GRACE, 9).await, [1, 2, 4, 5]);
    assert_eq!(page(&mut tx, 0, AFTER_GRACE + 1, 2).await, [1, 2]);
    assert_eq!(page(&mut tx, 2, AFTER_GRACE + 1, 2).await, [3, 4]);
    assert_eq!(page(&mut tx, 5, AFTER_GRACE + 1, 2).await, [0; 0]);
}

/// The clock of the replica that committed number 2 was behind.
async fn a_stream_is_read_from_its_lowest_number_whatever_the_clocks_said(db: TestDb) {
    put(&db, 1, &[(1, 7, 500), (1, 8, 0), (1, 9, 900)]).await;
    let wanted = due_at(&db, 1, AFTER_GRACE).await;
    assert_eq!(wanted, [Wanted { stream: id(1), events: 1 }]);
    let found = found(&db, 1, &[(1, 1)], AFTER_GRACE, 100).await;
    assert_eq!(keys(&found), [(1, 7)], "number 8 is due, but number 7 goes first");
    assert_eq!(found.unread, [id(1)]);
}

/// What a dashboard shows of all businesses together.
async fn what_waits_is_counted_with_the_oldest_and_the_quarantined(db: TestDb) {
    let waits = async || gauges::found(Outbox::MAIN, &db).await.unwrap();
    assert_eq!(waits().await, gauges::Found { backlog: 0, oldest: None, quarantined: 0 });
    put(&db, 1, &[(1, 1, 700), (2, 1, 300), (2, 2, 900)]).await;
    put(&db, 2, &[(3, 1, 500)]).await;
    assert_eq!(waits().await, gauges::Found { backlog: 4, oldest: Some(300), quarantined: 0 });
    marked(&db, 1, stall_of(2, 1, Some(5)), AFTER_GRACE).await;
    assert_eq!(waits().await.quarantined, 0, "tried again later is not refused for good");
    marked(&db, 1, stall_of(2, 1, None), AFTER_GRACE).await;
    assert_eq!(waits().await, gauges::Found { backlog: 4, oldest: Some(300), quarantined: 1 });
}

async fn what_was_not_read_is_known(db: TestDb) {
    put(&db, 1, &[(1, 1, 0), (1, 2, 0), (2, 1, 0), (3, 1, 0), (3, 2, 0)]).await;
    put(&db, 2, &[(1, 1, 0)]).await;
    let all = found(&db, 1, &[(1, 9), (2, 9), (3, 9), (4, 9)], 0, 100).await;
    assert_eq!(keys(&all), [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2)]);
    assert_eq!(all.unread, Vec::<Uuid>::new(), "nor is anything of another business read");
    let parts = found(&db, 1, &[(1, 1), (2, 2), (3, 2)], 0, 100).await;
    assert_eq!(keys(&parts), [(1, 1), (2, 1), (3, 1), (3, 2)]);
    assert_eq!(parts.unread, [id(1), id(3)]);
    let cut = found(&db, 1, &[(1, 9), (2, 9), (3, 9)], 0, 2).await;
    assert_eq!(keys(&cut), [(1, 1), (1, 2)]);
    assert_eq!(cut.unread, [id(1), id(2), id(3)]);
}

async fn a_stalled_stream_is_neither_due_nor_sent_until_its_time(db: TestDb) {
    put(&db, 1, &[(1, 1, 0), (1, 2, 0), (2, 1, 0), (3, 1, 0)]).await;
    marked(&db, 1, stall_of(1, 1, Some(5)), AFTER_GRACE).await;
    marked(&db, 1, stall_of(3, 1, None), AFTER_GRACE).await;
    assert_eq!(due_at(&db, 1, AFTER_GRACE + 4).await, [Wanted { stream: id(2), events: 1 }]);
    let all = [(1, 9), (2, 9), (3, 9)];
    let early = found(&db, 1, &all, AFTER_GRACE + 4, 100).await;
    assert_eq!(keys(&early), [(2, 1)]);
    assert_eq!(early.stalled, BTreeSet::from([id(1), id(3)]));
    let later = found(&db, 1, &all, AFTER_GRACE + 5, 100).await;
    assert_eq!(keys(&later), [(1, 1), (1, 2), (2, 1)]);
    assert_eq!(later.attempts, BTreeMap::from([(id(1), 1)]));
    let due = due_at(&db, 1, NEVER - 1).await;
    assert!(due.iter().all(|w| w.stream != id(3)), "a quarantine does not run out");
}

/// Another relay sent and deleted the events in the meantime.
async fn a_stream_that_has_moved_on_is_not_stalled(db: TestDb) {
    put(&db, 1, &[(1, 2, 0)]).await;
    marked(&db, 1, stall_of(1, 1, None), 0).await;
    marked(&db, 1, stall_of(2, 1, None), 0).await;
    let mut tx = db.read(scope(1)).await.unwrap();
    assert_eq!(crate::status(&mut tx).await.unwrap().quarantined, []);
}

async fn only_what_arrived_is_deleted(db: TestDb) {
    put(&db, 1, &[(1, 1, 0), (1, 2, 0), (2, 1, 0)]).await;
    put(&db, 2, &[(1, 1, 0)]).await;
    let recorded = || Verdict { recorded: vec![(id(1), 1), (id(2), 1)], ..Verdict::default() };
    assert_eq!(marked(&db, 1, recorded(), 0).await, 2);
    assert_eq!(marked(&db, 1, recorded(), 0).await, 0, "once more changes nothing");
    assert_eq!(keys(&found(&db, 1, &[(1, 9), (2, 9)], 0, 100).await), [(1, 2)]);
    assert_eq!(keys(&found(&db, 2, &[(1, 9)], 0, 100).await), [(1, 1)]);
}

/// SQLite has one unit of work at a time.
async fn two_relays_do_not_wait_for_each_other_to_delete(db: TestDb) {
    put(&db, 1, &[(1, 1, 0), (2, 1, 0)]).await;
    let (deleted, is_deleted) = oneshot::channel();
    let (go, may_go) = oneshot::channel::<()>();
    let other = db.handle();
    let other = tokio::spawn(async move {
        let unit = other.write(scope(1), move |mut tx| async move {
            let verdict = Verdict { recorded: vec![(id(1), 1)], ..Verdict::default() };
            mark(Outbox::MAIN, &mut tx, &verdict, 0).await?;
            deleted.send(()).unwrap();
            may_go.await.unwrap();
            tx.done::<_, DbError>(())
        });
        unit.await.unwrap();
    });
    is_deleted.await.unwrap();
    let verdict = Verdict { recorded: vec![(id(1), 1), (id(2), 1)], ..Verdict::default() };
    let marked = tokio::time::timeout(Duration::from_secs(10), marked(&db, 1, verdict, 0)).await;
    assert_eq!(marked.ok(), Some(1), "the other one's row is left to the other one");
    go.send(()).unwrap();
    other.await.unwrap();
    assert_eq!(keys(&found(&db, 1, &[(1, 9), (2, 9)], 0, 100).await), []);
}

/// Deletes an event that arrived; how often a part of the table was gone through that is not by the key.
async fn detours(db: &Db, seq: i64) -> i64 {
    put(db, 1, &[(1, seq, 0)]).await;
    let verdict = Verdict { recorded: vec![(id(1), seq)], ..Verdict::default() };
    db.write(scope(1), move |mut tx| async move {
        let others = "SELECT pg_stat_get_xact_numscans('outbox'::regclass)
            + pg_stat_get_xact_numscans('outbox_due_soon'::regclass)";
        let before = tx.query(others).scalar::<i64>().await?;
        assert_eq!(mark(Outbox::MAIN, &mut tx, &verdict, 0).await?, 1);
        let after = tx.query(others).scalar::<i64>().await?;
        tx.done::<_, DbError>(after - before)
    })
    .await
    .unwrap()
}

/// What the planner is told of a table that is empty most of the time is of such a time.
async fn what_arrived_is_found_by_its_key_whatever_the_planner_believes(db: TestDb) {
    assert_eq!(detours(&db, 1).await, 0);
    let many: Vec<_> = (2..500).map(|seq| (1, seq, 0)).collect();
    put(&db, 1, &many).await;
    let recorded = (2..500).map(|seq| (id(1), seq)).collect();
    marked(&db, 1, Verdict { recorded, ..Verdict::default() }, 0).await;
    for (seq, told) in [(500, "ANALYZE outbox"), (501, "VACUUM ANALYZE outbox")] {
        let mut tx = db.read_unscoped().await.unwrap();
        tx.query(told).execute().await.unwrap();
        drop(tx);
        assert_eq!(detours(&db, seq).await, 0, "after {told}");
    }
}

#[test]
fn what_arrived_is_found_by_its_key_whatever_the_planner_believes_on_postgres() {
    on_postgres(&MIGRATIONS, what_arrived_is_found_by_its_key_whatever_the_planner_believes);
}

#[test]
fn two_relays_do_not_wait_for_each_other_to_delete_on_postgres() {
    on_postgres(&MIGRATIONS, two_relays_do_not_wait_for_each_other_to_delete);
}

both_databases!(MIGRATIONS =>
    businesses_with_something_due_are_found_page_by_page,
    a_stream_is_read_from_its_lowest_number_whatever_the_clocks_said,
    what_waits_is_counted_with_the_oldest_and_the_quarantined,
    what_was_not_read_is_known,
    a_stalled_stream_is_neither_due_nor_sent_until_its_time,
    a_stream_that_has_moved_on_is_not_stalled,
    only_what_arrived_is_deleted,
);
