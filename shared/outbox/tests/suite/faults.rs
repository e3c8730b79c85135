//! What breaks between the outbox and its receiver.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;
use yinyom_kernel::BusinessId;
use yinyom_outbox::{GRACE, RelayConfig};
use yinyom_testkit::TestDb;

use crate::MIGRATIONS;
use crate::receiver::Receiver;
use crate::world::{World, ids, quick};

async fn a_lost_answer_is_asked_for_again_and_changes_nothing(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, streams) = (BusinessId::generate(), ids::<Uuid>(20));
    world.receiver.set().lost_replies = 2;
    world.commit(business, &streams).await;
    let relay = world.relay(RelayConfig::default());
    relay.handle.wake(business, streams.iter().copied());
    world.arrive(streams.len()).await;
    for _ in 0..3 {
        world.delivery(|_| true).await;
    }
    relay.stop().await;
    assert_eq!(world.waiting(business).await, (0, 0));
    assert!(world.ear.news.try_recv().is_err(), "nothing was taken twice");
    world.assert_all_received(business, &streams, 1);
}

/// The receiver has the events, the relay dies before it deletes them.
async fn a_death_between_sending_and_marking_loses_and_doubles_nothing(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, streams) = (BusinessId::generate(), ids::<Uuid>(20));
    world.receiver.set().hangs = true;
    world.commit(business, &streams).await;
    let relay = world.relay(quick());
    relay.handle.wake(business, streams.iter().copied());
    world.arrive(streams.len()).await;
    relay.kill().await;
    assert_eq!(world.waiting(business).await, (20, 0), "the rows outlive their relay");

    world.receiver.set().hangs = false;
    world.deliveries();
    world.let_pass(GRACE);
    world.commit(business, &streams).await;
    let relay = world.relay(quick());
    let again = world.delivery(|_| true).await;
    assert_eq!(again.events.len(), streams.len());
    world.let_pass(GRACE);
    world.arrive(streams.len()).await;
    relay.stop().await;
    assert_eq!(world.waiting(business).await, (0, 0));
    world.assert_all_received(business, &streams, 2);
}

/// Both have read the same rows and send them at once.
async fn two_relays_that_send_the_same_events_do_no_harm(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, streams) = (BusinessId::generate(), ids::<Uuid>(50));
    world.commit(business, &streams).await;
    world.commit(business, &streams).await;
    world.receiver.hold(business);
    let relays = [world.relay(RelayConfig::default()), world.relay(RelayConfig::default())];
    for relay in &relays {
        relay.handle.wake(business, streams.iter().copied());
    }
    assert_eq!(world.delivery(|_| true).await, world.delivery(|_| true).await);
    world.receiver.release(business);
    world.arrive(streams.len() * 2).await;
    for relay in relays {
        relay.stop().await;
    }
    assert_eq!(world.waiting(business).await, (0, 0));
    assert_eq!(world.stalls().await, 0);
    world.assert_all_received(business, &streams, 2);
}

async fn a_receiver_that_was_down_catches_up_alone(db: TestDb) {
    let mut world = World::new(db).await;
    let (businesses, streams) = (ids::<BusinessId>(3), ids::<Uuid>(10));
    world.receiver.set().down = true;
    let relay = world.relay(quick());
    for business in &businesses {
        world.commit(*business, &streams).await;
        relay.handle.wake(*business, streams.iter().copied());
    }
    for _ in 0..4 {
        world.delivery(|_| true).await;
    }
    world.let_pass(GRACE);
    for business in &businesses {
        assert_eq!(world.waiting(*business).await, (10, 0), "everything waits on disk");
    }
    assert_eq!(world.stalls().await, 0, "an outage is no stream's fault");
    world.receiver.set().down = false;
    world.arrive(30).await;
    relay.stop().await;
    for business in businesses {
        assert_eq!(world.waiting(business).await, (0, 0));
    }
}

/// The clock stands still, so the lease on the sweep does not run out: it is given up.
async fn a_replica_that_alone_cannot_reach_the_receiver_leaves_the_sweep_to_another(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, stream) = (BusinessId::generate(), Uuid::now_v7());
    let (unreachable, mut attempts) = Receiver::new();
    unreachable.set().down = true;
    world.commit(business, &[stream]).await;
    world.let_pass(GRACE);
    let config = RelayConfig { lease: Duration::from_millis(30), ..quick() };
    let cut_off = world.relay_to(&unreachable, config);
    attempts.calls.recv().await.unwrap();
    let relay = world.relay(config);
    assert_eq!(world.arrive(1).await, [(business, stream, 1)]);
    relay.stop().await;
    cut_off.stop().await;
}

async fn a_business_that_is_not_taken_holds_up_no_other_and_recovers(db: TestDb) {
    let mut world = World::new(db).await;
    let (bad, good, streams) = (BusinessId::generate(), BusinessId::generate(), ids::<Uuid>(10));
    world.receiver.set().rejected = BTreeSet::from([bad]);
    let relay = world.relay(quick());
    for business in [bad, good] {
        world.commit(business, &streams).await;
        relay.handle.wake(business, streams.iter().copied());
    }
    let arrived = world.arrive(10).await;
    assert!(arrived.iter().all(|(business, _, _)| *business == good));
    assert_eq!(world.waiting(bad).await, (10, 0), "nothing is lost, nobody is quarantined");

    // Down to one event: then it is that stream's turn to wait, and the next one's to be tried.
    world.delivery(|d| d.business == bad && d.events.len() == 1).await;
    world.let_pass(GRACE * 120);
    world.receiver.set().rejected.clear();
    world.arrive(10).await;
    relay.stop().await;
    assert_eq!(world.waiting(bad).await, (0, 0));
}

async fn a_batch_that_is_too_large_is_sent_in_parts(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, streams) = (BusinessId::generate(), ids::<Uuid>(100));
    world.receiver.set().largest = Some(7);
    world.commit(business, &streams).await;
    let relay = world.relay(RelayConfig::default());
    relay.handle.wake(business, streams.iter().copied());
    world.arrive(100).await;
    relay.stop().await;
    assert_eq!(world.waiting(business).await, (0, 0));
    assert_eq!(world.stalls().await, 0);
}

async fn a_sink_that_panics_takes_no_worker_with_it(db: TestDb) {
    let mut world = World::new(db).await;
    let (bad, good, stream) = (BusinessId::generate(), BusinessId::generate(), Uuid::now_v7());
    world.receiver.set().panics = BTreeSet::from([bad]);
    let relay = world.relay(RelayConfig { live: 1, catch_up: 1, ..quick() });
    for business in [bad, good] {
        world.commit(business, &[stream]).await;
        relay.handle.wake(business, [stream]);
    }
    assert_eq!(world.arrive(1).await, [(good, stream, 1)]);
    assert_eq!(world.waiting(bad).await, (1, 0));
    world.receiver.set().panics.clear();
    world.let_pass(GRACE);
    assert_eq!(world.arrive(1).await, [(bad, stream, 1)]);
    relay.stop().await;
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    a_lost_answer_is_asked_for_again_and_changes_nothing,
    a_death_between_sending_and_marking_loses_and_doubles_nothing,
    two_relays_that_send_the_same_events_do_no_harm,
    a_receiver_that_was_down_catches_up_alone,
    a_replica_that_alone_cannot_reach_the_receiver_leaves_the_sweep_to_another,
    a_business_that_is_not_taken_holds_up_no_other_and_recovers,
    a_batch_that_is_too_large_is_sent_in_parts,
    a_sink_that_panics_takes_no_worker_with_it,
);
