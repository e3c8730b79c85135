//! Order, and that nothing is passed over (TRAPS 1).

use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;
use yinyom_db::DbError;
use yinyom_kernel::{BusinessId, Clock};
use yinyom_outbox::{GRACE, RelayConfig, enqueue};
use yinyom_testkit::TestDb;

use crate::MIGRATIONS;
use crate::world::{World, commit, event, ids, quick, raise, scope};

/// The clock stands still, so nothing is ever due: only the wake-up can have sent it.
async fn a_woken_change_is_sent_without_the_sweep(db: TestDb) {
    let mut world = World::new(db).await;
    let relay = world.relay(RelayConfig::default());
    let (business, stream) = (BusinessId::generate(), Uuid::now_v7());
    for seq in 1..=3 {
        world.commit(business, &[stream]).await;
        relay.handle.wake(business, [stream]);
        assert_eq!(world.arrive(1).await, [(business, stream, seq)]);
    }
    relay.stop().await;
    assert_eq!(world.waiting(business).await, (0, 0), "what arrived is deleted");
    world.assert_received(business, stream, 3);
}

async fn an_earlier_change_that_another_replica_committed_goes_along(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, stream) = (BusinessId::generate(), Uuid::now_v7());
    world.commit(business, &[stream]).await;
    world.commit(business, &[stream]).await;
    let relay = world.relay(RelayConfig::default());
    relay.handle.wake(business, [stream]);
    let delivery = world.delivery(|_| true).await;
    assert_eq!(delivery.events, [(stream, 1), (stream, 2)]);
    relay.stop().await;
}

async fn what_nobody_woke_is_swept_but_not_before_its_time(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, stream, other) = (BusinessId::generate(), Uuid::now_v7(), Uuid::now_v7());
    world.commit(business, &[stream]).await;
    world.let_pass(GRACE);
    world.commit(business, &[other]).await;
    let relay = world.relay(quick());
    assert_eq!(world.arrive(1).await, [(business, stream, 1)]);
    world.let_pass(GRACE);
    assert_eq!(world.arrive(1).await, [(business, other, 1)]);
    relay.stop().await;
    let sent = world.deliveries();
    assert!(sent.iter().all(|d| d.events.len() == 1), "the grace was kept: {sent:?}");
}

async fn many_writers_and_two_relays_keep_each_stream_in_order(db: TestDb) {
    const CHANGES: i64 = 40;
    let mut world = World::new(db).await;
    let (businesses, streams) = (ids::<BusinessId>(2), ids::<Uuid>(3));
    let relays = [world.relay(quick()), world.relay(quick())];
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let (db, clock) = (world.db.clone(), std::sync::Arc::clone(&world.clock));
        let (businesses, streams) = (businesses.clone(), streams.clone());
        let handle = relays[writer % 2].handle.clone();
        writers.spawn(async move {
            for n in 0..CHANGES / 4 {
                for business in &businesses {
                    let now = clock.now();
                    commit(db.clone(), now, *business, streams.clone()).await.unwrap();
                    clock.advance(Duration::from_millis(100));
                    // Now and then nobody is woken, and the sweep joins in.
                    if n % 3 != 0 {
                        handle.wake(*business, streams.iter().copied());
                    }
                }
            }
        });
    }
    writers.join_all().await;
    world.let_pass(GRACE);
    let changes = usize::try_from(CHANGES).unwrap();
    world.arrive(changes * businesses.len() * streams.len()).await;
    for relay in relays {
        relay.stop().await;
    }
    for business in businesses {
        for stream in &streams {
            world.assert_received(business, *stream, CHANGES);
        }
        assert_eq!(world.waiting(business).await.1, 0, "nobody saw a gap");
    }
    assert_eq!(world.stalls().await, 0);
}

/// One takes a number and dawdles; others commit later numbers' worth of changes and are relayed.
/// A relay that remembers how far it got would pass over the late one. SQLite has one unit of work
/// at a time and cannot show this.
async fn a_change_that_commits_late_is_not_passed_over(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, late, other) = (BusinessId::generate(), Uuid::now_v7(), Uuid::now_v7());
    let (taken, has_taken) = oneshot::channel();
    let (go, may_go) = oneshot::channel::<()>();
    let (db, now) = (world.db.clone(), world.clock.now());
    let dawdler = tokio::spawn(async move {
        db.write(scope(business), move |mut tx| async move {
            let seq = raise(&mut tx, late).await?;
            taken.send(seq).unwrap();
            may_go.await.unwrap();
            enqueue(&mut tx, &[event(late, seq, now)]).await?;
            tx.done::<_, DbError>(())
        })
        .await
    });
    assert_eq!(has_taken.await, Ok(1));
    let second = tokio::spawn(commit(world.db.clone(), world.clock.now(), business, vec![late]));

    let relay = world.relay(quick());
    for seq in 1..=2 {
        world.commit(business, &[other]).await;
        world.let_pass(GRACE * 2);
        assert_eq!(world.arrive(1).await, [(business, other, seq)]);
    }
    assert!(!second.is_finished(), "the second change waits for the first one's number");
    go.send(()).unwrap();
    dawdler.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(world.arrive(2).await, [(business, late, 1), (business, late, 2)]);
    relay.stop().await;
    assert_eq!(world.waiting(business).await, (0, 0));
}

async fn a_stream_with_much_holds_up_no_other_stream_of_its_business(db: TestDb) {
    let mut world = World::new(db).await;
    let business = BusinessId::generate();
    let (deep, other) = (Uuid::nil(), Uuid::max());
    world.bulk(business, &[deep], 2_000).await;
    world.commit(business, &[other]).await;
    let relay = world.relay(RelayConfig { batch: 100, ..RelayConfig::default() });
    relay.handle.wake(business, [deep, other]);
    let first = world.delivery(|_| true).await;
    assert!(first.events.contains(&(other, 1)), "it is in the first delivery already");
    world.arrive(2_001).await;
    relay.stop().await;
    world.assert_received(business, deep, 2_000);
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    a_woken_change_is_sent_without_the_sweep,
    an_earlier_change_that_another_replica_committed_goes_along,
    what_nobody_woke_is_swept_but_not_before_its_time,
    many_writers_and_two_relays_keep_each_stream_in_order,
    a_stream_with_much_holds_up_no_other_stream_of_its_business,
);

#[test]
fn a_change_that_commits_late_is_not_passed_over_on_postgres() {
    yinyom_testkit::on_postgres(&MIGRATIONS, a_change_that_commits_late_is_not_passed_over);
}
