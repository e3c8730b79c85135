//! Nobody waits for somebody else's backlog.

use std::time::Duration;

use uuid::Uuid;
use yinyom_kernel::BusinessId;
use yinyom_outbox::{GRACE, RelayConfig, TaskLease};
use yinyom_testkit::TestDb;

use crate::MIGRATIONS;
use crate::world::{World, ids, quick};

/// With a single worker, so that the order of turns is seen.
async fn a_business_with_much_does_not_delay_another_ones_single_change(db: TestDb) {
    let mut world = World::new(db).await;
    let stream = Uuid::now_v7();
    let businesses = ids::<BusinessId>(3);
    let [huge, small, other] = businesses[..] else { panic!("three") };
    world.bulk(huge, &ids::<Uuid>(1_000), 5).await;
    world.bulk(other, &ids::<Uuid>(200), 5).await;
    world.commit(small, &[stream]).await;
    world.let_pass(GRACE);
    let relay = world.relay(RelayConfig { batch: 100, catch_up: 1, ..quick() });
    world.arrive(6_001).await;
    relay.stop().await;
    let deliveries = world.deliveries();
    let turn = deliveries.iter().position(|d| d.business == small);
    assert!(turn.is_some_and(|turn| turn <= 2), "its turn came after {turn:?} others");
    assert!(deliveries.iter().all(|d| d.events.len() <= 100));
    for business in businesses {
        assert_eq!(world.waiting(business).await, (0, 0));
    }
}

async fn what_is_committed_now_does_not_wait_for_the_backlog(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, old, new) = (BusinessId::generate(), Uuid::now_v7(), Uuid::now_v7());
    world.commit(business, &[old]).await;
    world.let_pass(GRACE);
    let relay = world.relay(RelayConfig { live: 1, catch_up: 1, ..quick() });
    world.receiver.hold(business);
    world.delivery(|d| d.events == [(old, 1)]).await;

    let other = BusinessId::generate();
    world.commit(other, &[new]).await;
    relay.handle.wake(other, [new]);
    assert_eq!(world.arrive(1).await, [(other, new, 1)]);
    world.commit(business, &[new]).await;
    relay.handle.wake(business, [new]);
    world.delivery(|d| d.events == [(new, 1)]).await;
    world.receiver.release(business);
    world.arrive(2).await;
    relay.stop().await;
}

async fn the_backlog_does_not_wait_for_what_is_committed_now(db: TestDb) {
    let mut world = World::new(db).await;
    let (busy, behind) = (BusinessId::generate(), BusinessId::generate());
    let (new, old) = (Uuid::now_v7(), Uuid::now_v7());
    let relay = world.relay(RelayConfig { live: 1, catch_up: 1, ..quick() });
    world.receiver.hold(busy);
    world.commit(behind, &[old]).await;
    world.let_pass(GRACE / 2);
    world.commit(busy, &[new]).await;
    relay.handle.wake(busy, [new]);
    world.delivery(|d| d.business == busy).await;
    relay.handle.wake(behind, [old]);
    world.let_pass(GRACE / 2);
    assert_eq!(world.arrive(1).await, [(behind, old, 1)]);
    world.receiver.release(busy);
    world.arrive(1).await;
    relay.stop().await;
}

async fn more_than_a_wake_up_holds_arrives_all_the_same(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, streams) = (BusinessId::generate(), ids::<Uuid>(6_000));
    world.bulk(business, &streams, 1).await;
    let relay = world.relay(quick());
    world.receiver.hold(business);
    relay.handle.wake(business, streams.iter().copied());
    world.let_pass(GRACE);
    world.receiver.release(business);
    world.arrive(6_000).await;
    relay.stop().await;
    assert_eq!(world.waiting(business).await, (0, 0));
}

async fn one_replica_holds_a_lease_until_it_ends_or_is_given_back(db: TestDb) {
    const LASTS: Duration = Duration::from_secs(3);
    let world = World::new(db).await;
    let lease = |task| TaskLease::new(world.db.clone(), world.clock.clone(), task, LASTS);
    let (one, two, other) = (lease("sweep"), lease("sweep"), lease("prune"));
    assert!(one.hold().await.unwrap());
    assert!(!two.hold().await.unwrap());
    assert!(other.hold().await.unwrap(), "another task is another lease");
    world.let_pass(LASTS / 2);
    assert!(one.hold().await.unwrap(), "it is renewed");
    world.let_pass(LASTS / 2);
    assert!(!two.hold().await.unwrap());
    world.let_pass(LASTS / 2);
    assert!(two.hold().await.unwrap(), "the first one's has ended");
    one.release().await.unwrap();
    assert!(!one.hold().await.unwrap(), "nobody gives back what is not theirs");
    two.release().await.unwrap();
    assert!(one.hold().await.unwrap());
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    a_business_with_much_does_not_delay_another_ones_single_change,
    what_is_committed_now_does_not_wait_for_the_backlog,
    the_backlog_does_not_wait_for_what_is_committed_now,
    more_than_a_wake_up_holds_arrives_all_the_same,
    one_replica_holds_a_lease_until_it_ends_or_is_given_back,
);
