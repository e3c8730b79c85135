//! Nobody waits for somebody else's backlog.

use std::cell::Cell;
use std::time::Duration;

use uuid::Uuid;
use yinyom_kernel::BusinessId;
use yinyom_outbox::{GRACE, RelayConfig, TaskLease};
use yinyom_testkit::TestDb;

use crate::MIGRATIONS;
use crate::receiver::Delivery;
use crate::world::{Running, World, ids, quick};

const QUICK: Duration = Duration::from_millis(5);

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

/// How many other deliveries come in before one for which `wanted` holds.
async fn turns_before(world: &mut World, wanted: impl Fn(&Delivery) -> bool) -> usize {
    let others = Cell::new(0);
    let count = |delivery: &Delivery| {
        let it = wanted(delivery);
        others.set(others.get() + usize::from(!it));
        it
    };
    world.delivery(count).await;
    others.get()
}

/// With one worker a lane. However much waits, a turn of it is as long as any: what is looked for costs no more, and
/// what comes meanwhile is next, whether it was woken here or left behind by a replica that died.
async fn two_hundred_thousand_changes_delay_nobody(db: TestDb) {
    /// Of 400.
    const FEW: usize = 8;
    let mut world = World::new(db).await;
    let (huge, small) = (BusinessId::generate(), BusinessId::generate());
    for _ in 0..40 {
        world.bulk(huge, &ids::<Uuid>(1_000), 5).await;
    }
    world.let_pass(GRACE);
    let relay = world.relay(RelayConfig { live: 1, catch_up: 1, ..quick() });
    world.delivery(|d| d.business == huge).await;

    let [woken, left, own] = ids::<Uuid>(3)[..] else { panic!("three") };
    world.deliveries();
    world.commit(small, &[woken]).await;
    relay.handle.wake(small, [woken]);
    let turns = turns_before(&mut world, |d| d.events == [(woken, 1)]).await;
    assert!(turns <= FEW, "a change that was woken came after {turns} turns");

    // What is not marked yet would come along once more.
    world.until_marked(small).await;
    world.commit(small, &[left]).await;
    world.deliveries();
    world.let_pass(GRACE);
    let turns = turns_before(&mut world, |d| d.events == [(left, 1)]).await;
    assert!(turns <= FEW, "a change that was left behind came after {turns} turns");

    world.deliveries();
    world.commit(huge, &[own]).await;
    relay.handle.wake(huge, [own]);
    let turns = turns_before(&mut world, |d| d.events == [(own, 1)]).await;
    assert!(turns <= FEW, "a change of the business itself came after {turns} turns");

    let (waiting, _) = world.waiting(huge).await;
    assert!(waiting > 100_000, "all this while the backlog was there");
    relay.stop().await;
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

/// The first change goes at once, and nobody else waits; what comes soon after it goes together.
async fn a_business_that_gathers_sends_what_comes_meanwhile_together(db: TestDb) {
    let mut world = World::new(db).await;
    let (busy, other) = (BusinessId::generate(), BusinessId::generate());
    let [first, second, third, x] = ids::<Uuid>(4)[..] else { panic!("four") };
    let wake = async |world: &World, relay: &Running, business, stream| {
        world.commit(business, &[stream]).await;
        relay.handle.wake(business, [stream]);
    };
    let hour = Duration::from_hours(1);
    let relay = world.relay(RelayConfig { live: 1, gather: hour, ..quick() });
    wake(&world, &relay, busy, first).await;
    assert_eq!(world.arrive(1).await, [(busy, first, 1)]);
    wake(&world, &relay, busy, second).await;
    wake(&world, &relay, busy, third).await;
    wake(&world, &relay, other, x).await;
    assert_eq!(world.arrive(1).await, [(other, x, 1)]);
    world.deliveries();
    // Not for longer than any change is left alone.
    world.let_pass(GRACE);
    let delivery = world.delivery(|d| d.business == busy).await;
    assert_eq!(delivery.events.len(), 2, "they go together");
    relay.stop().await;

    let relay = world.relay(RelayConfig { live: 1, gather: QUICK, ..quick() });
    for seq in 2..5 {
        wake(&world, &relay, busy, first).await;
        world.delivery(|d| d.events == [(first, seq)]).await;
    }
    relay.stop().await;
}

/// Whoever has more than one turn can take does not wait between them.
async fn a_business_that_has_more_than_a_turn_takes_goes_on_at_once(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, streams) = (BusinessId::generate(), ids::<Uuid>(40));
    world.bulk(business, &streams, 3).await;
    let hour = Duration::from_hours(1);
    let relay = world.relay(RelayConfig { batch: 10, live: 1, gather: hour, ..quick() });
    relay.handle.wake(business, streams.iter().copied());
    world.arrive(120).await;
    relay.stop().await;
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
    two_hundred_thousand_changes_delay_nobody,
    what_is_committed_now_does_not_wait_for_the_backlog,
    the_backlog_does_not_wait_for_what_is_committed_now,
    more_than_a_wake_up_holds_arrives_all_the_same,
    a_business_that_gathers_sends_what_comes_meanwhile_together,
    a_business_that_has_more_than_a_turn_takes_goes_on_at_once,
    one_replica_holds_a_lease_until_it_ends_or_is_given_back,
);
