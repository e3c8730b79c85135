//! A database that is there and does not answer: stopped on the spot, or behind somebody's lock.

use std::time::Duration;

use sqlx::Executor;
use tokio::task::JoinSet;
use tokio::time::Instant;
use yinyom_tests::OwnPostgres;
use yinyom_tests::writer::{
    Writer, assert_store_unavailable, assert_unavailable_or_late, patiently,
};

use super::{DEADLINE, SESSIONS, World, goes_on};

/// Many more than there are connections.
const CALLERS: usize = 24;

async fn callers(world: &World) -> Vec<Writer> {
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        callers.push(world.writer().await);
    }
    callers
}

/// Twice each, so that the second call finds what the first has left; and reads.
async fn are_refused(callers: Vec<Writer>, deadline: Duration, reads_too: bool) -> Vec<Writer> {
    let mut at_once = JoinSet::new();
    for mut caller in callers {
        at_once.spawn(async move {
            for _ in 0..2 {
                let refused = caller.attempt(deadline).await;
                assert_unavailable_or_late(&refused.expect_err("the database does not answer"));
            }
            if reads_too {
                let refused = caller.read(deadline).await;
                assert_unavailable_or_late(&refused.expect_err("the database does not answer"));
            }
            caller
        });
    }
    at_once.join_all().await
}

/// What they had open has one outcome, and the pools are what they were.
async fn recovers(world: &World, mut callers: Vec<Writer>) {
    for caller in &mut callers {
        goes_on(caller, 1).await;
        caller.check().await;
    }
    let sessions = async || world.server.sessions("directory", "%").await;
    patiently(sessions, |sessions| *sessions <= i64::from(SESSIONS)).await;
    let open = async || world.server.sessions("directory", "idle in transaction%").await;
    patiently(open, |open| *open == 0).await;
}

/// The server's own limits do nothing here: it is it who does not run. For longer than a statement may take, so that
/// connections are given up; the server has room for twice as many as the pools make, since it does not hear of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_frozen_costs_callers_an_answer_and_comes_back() {
    let world = World::start(OwnPostgres::start(4 * SESSIONS), &["directory"]).await;
    let mut callers = callers(&world).await;
    for caller in &mut callers {
        goes_on(caller, 1).await;
    }
    world.server.freeze();
    for _ in 0..3 {
        callers = are_refused(callers, Duration::from_secs(1), true).await;
    }
    world.server.thaw();
    recovers(&world, callers).await;
    world.house.close().await;
}

/// The sessions that there are will never answer again, as after a fail-over of which nobody told us: they are given
/// up, one after the other, and new ones are made. The one that listens, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_never_answer_again_are_given_up() {
    let services = ["settings", "directory"];
    let world = World::start(OwnPostgres::start(6 * SESSIONS), &services).await;
    let mut callers = callers(&world).await;
    for caller in &mut callers {
        goes_on(caller, 1).await;
    }
    let listens = async || {
        let sql = "SELECT pid::text FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
        world.server.sql("postgres", sql).await.unwrap()
    };
    let before = listens().await;
    world.server.freeze_sessions().await;
    let mut recovering = JoinSet::new();
    for mut caller in callers {
        recovering.spawn(async move {
            goes_on(&mut caller, 3).await;
            let deadline = Instant::now() + Duration::from_mins(1);
            while let Err(status) = caller.read(DEADLINE).await {
                assert!(Instant::now() < deadline, "reads do not recover: {status:?}");
            }
            caller
        });
    }
    for mut caller in recovering.join_all().await {
        caller.check().await;
    }
    let deadline = Instant::now() + Duration::from_mins(1);
    while listens().await.iter().all(|session| before.contains(session)) {
        assert!(Instant::now() < deadline, "it listens to nobody");
    }
    world.house.close().await;
}

/// A lock on what every withdrawal changes: reads go on, and so does all that is about something else. Callers wait
/// for longer than a statement waits for a lock, so they hear of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_for_ever_holds_up_nothing_else() {
    let world = World::start(OwnPostgres::start(SESSIONS), &["directory"]).await;
    let mut callers = callers(&world).await;
    let mut holder = world.server.session("directory").await.unwrap();
    holder.execute("BEGIN; LOCK TABLE outbox IN SHARE MODE").await.unwrap();
    let mut first = callers.pop().expect("callers");
    let refused = first.attempt(DEADLINE).await;
    assert_store_unavailable(&refused.expect_err("the table is locked"));
    callers.push(first);
    callers = are_refused(callers, DEADLINE, false).await;
    for caller in &mut callers {
        caller.read(DEADLINE).await.expect("reads wait for no lock");
    }
    assert!(world.server.sessions("directory", "%").await <= i64::from(SESSIONS));
    holder.execute("ROLLBACK").await.unwrap();
    recovers(&world, callers).await;
    world.house.close().await;
}
