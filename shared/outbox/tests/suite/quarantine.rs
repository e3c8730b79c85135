//! A stream that is refused waits alone, in sight, whole (TRAPS 3).

use std::collections::BTreeSet;

use uuid::Uuid;
use yinyom_db::DbError;
use yinyom_kernel::{BusinessId, Clock};
use yinyom_outbox::{GRACE, RelayConfig, retry, retry_all};
use yinyom_testkit::TestDb;

use crate::MIGRATIONS;
use crate::world::{World, ids, quick, scope};

async fn free(world: &World, business: BusinessId, streams: &[Uuid]) -> u64 {
    let streams = streams.to_vec();
    let freed = world.db.write(scope(business), move |mut tx| async move {
        let freed = retry(&mut tx, &streams).await?;
        tx.done::<_, DbError>(freed)
    });
    freed.await.unwrap()
}

async fn a_refused_stream_waits_alone_and_is_never_dropped(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, streams) = (BusinessId::generate(), ids::<Uuid>(10));
    let bad = streams[4];
    world.receiver.set().poison = BTreeSet::from([(bad, 3)]);
    world.bulk(business, &streams, 5).await;
    let relay = world.relay(quick());
    relay.handle.wake(business, streams.iter().copied());
    // Nine streams whole, and what the tenth has before the change that is refused.
    world.arrive(9 * 5 + 2).await;
    world.delivery(|d| d.events == [(bad, 3)]).await;
    relay.stop().await;
    world.assert_received(business, bad, 2);
    let status = world.status(business).await;
    assert_eq!(status.backlog, 3, "the refused change and what follows it");
    let [quarantined] = &status.quarantined[..] else { panic!("one: {status:?}") };
    assert_eq!((quarantined.stream, quarantined.seq), (bad, 3));
    assert_eq!(quarantined.reason, "INVALID");

    // It is not sent again, not even when it is woken or swept.
    world.deliveries();
    let relay = world.relay(quick());
    world.bulk(BusinessId::generate(), &[streams[0]], 1).await;
    world.let_pass(GRACE * 100);
    relay.handle.wake(business, [bad]);
    world.arrive(1).await;
    relay.stop().await;
    assert_eq!(world.sent(), BTreeSet::from([streams[0]]));

    // Until somebody says so.
    world.receiver.set().poison.clear();
    assert_eq!(free(&world, BusinessId::generate(), &[bad]).await, 0, "not of another business");
    assert_eq!(free(&world, business, &[bad, streams[0]]).await, 1);
    let relay = world.relay(RelayConfig::default());
    relay.handle.wake(business, [bad]);
    world.arrive(3).await;
    relay.stop().await;
    world.assert_received(business, bad, 5);
    assert_eq!(world.waiting(business).await, (0, 0));
}

async fn a_change_that_joins_a_quarantined_stream_waits_with_it(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, bad, good) = (BusinessId::generate(), Uuid::now_v7(), Uuid::now_v7());
    world.receiver.set().poison = BTreeSet::from([(bad, 1)]);
    world.commit(business, &[bad]).await;
    world.let_pass(GRACE);
    let relay = world.relay(RelayConfig { batch: 1, catch_up: 1, ..quick() });
    world.delivery(|_| true).await;
    relay.stop().await;
    assert_eq!(world.waiting(business).await, (1, 1));

    // With turns of one event, the new one would be in the way for ever if it were not put aside.
    world.commit(business, &[bad]).await;
    world.let_pass(GRACE);
    world.commit(business, &[good]).await;
    world.let_pass(GRACE);
    let relay = world.relay(RelayConfig { batch: 1, catch_up: 1, ..quick() });
    assert_eq!(world.arrive(1).await, [(business, good, 1)]);
    relay.stop().await;
    assert_eq!(world.sent(), BTreeSet::from([good]));
    assert_eq!(world.waiting(business).await, (2, 1));

    world.receiver.set().poison.clear();
    assert_eq!(free(&world, business, &[bad]).await, 1);
    let relay = world.relay(quick());
    assert_eq!(world.arrive(2).await, [(business, bad, 1), (business, bad, 2)]);
    relay.stop().await;
}

/// Whatever is in quarantine is freed at once, in this business alone, and not again what is refused again.
async fn all_quarantined_streams_are_retried_on_command(db: TestDb) {
    let mut world = World::new(db).await;
    let (businesses, streams) = (ids::<BusinessId>(2), ids::<Uuid>(6));
    let bad = &streams[..4];
    world.receiver.set().poison = bad.iter().map(|stream| (*stream, 2)).collect();
    for business in &businesses {
        world.bulk(*business, &streams, 3).await;
    }
    let relay = world.relay(RelayConfig::default());
    for business in &businesses {
        relay.handle.wake(*business, streams.iter().copied());
    }
    world.arrive(2 * (2 * 3 + 4)).await;
    for business in &businesses {
        world.until(*business, |status| status.quarantined.len() == 4).await;
    }
    // One of them cannot be mended.
    world.receiver.set().poison = BTreeSet::from([(bad[0], 2)]);
    let before = world.clock.now();
    world.let_pass(GRACE);
    let free_all = async || {
        let freed = world.db.write(scope(businesses[0]), move |mut tx| async move {
            let freed = retry_all(&mut tx, before).await?;
            tx.done::<_, DbError>(freed)
        });
        freed.await.unwrap()
    };
    let freed = free_all().await;
    assert_eq!(freed.iter().collect::<BTreeSet<_>>(), bad.iter().collect());
    relay.handle.wake(businesses[0], freed);
    let status = world.until(businesses[0], |s| (s.backlog, s.quarantined.len()) == (2, 1)).await;
    let quarantined: Vec<_> = status.quarantined.iter().map(|q| (q.stream, q.seq)).collect();
    assert_eq!(quarantined, [(bad[0], 2)]);
    assert_eq!(
        free_all().await,
        Vec::<Uuid>::new(),
        "what is refused again waits for the next command"
    );
    assert_eq!(world.waiting(businesses[1]).await, (8, 4), "not of another business");
    relay.stop().await;
    world.assert_all_received(businesses[0], &streams[1..], 3);
    world.assert_received(businesses[0], bad[0], 1);
}

/// Numbers that were acknowledged and deleted are gone from here; only people can help.
async fn a_receiver_that_lost_what_it_had_is_told_apart_and_shown(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, lost, kept) = (BusinessId::generate(), Uuid::now_v7(), Uuid::now_v7());
    let relay = world.relay(RelayConfig::default());
    world.commit(business, &[lost, kept]).await;
    relay.handle.wake(business, [lost, kept]);
    world.arrive(2).await;
    relay.stop().await;
    world.receiver.forget(business, lost);

    let relay = world.relay(RelayConfig::default());
    world.commit(business, &[lost, kept]).await;
    relay.handle.wake(business, [lost, kept]);
    assert_eq!(world.arrive(1).await, [(business, kept, 2)]);
    relay.stop().await;
    let status = world.status(business).await;
    assert_eq!(status.backlog, 1);
    let [quarantined] = &status.quarantined[..] else { panic!("one: {status:?}") };
    assert_eq!((quarantined.stream, quarantined.seq), (lost, 2));
    assert_eq!(quarantined.reason, "GAP");
}

async fn a_stream_without_an_answer_is_tried_again_later_and_alone(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, silent, other) = (BusinessId::generate(), Uuid::now_v7(), Uuid::now_v7());
    world.receiver.set().mute = BTreeSet::from([silent]);
    world.commit(business, &[silent, other]).await;
    let relay = world.relay(quick());
    relay.handle.wake(business, [silent, other]);
    world.arrive(2).await;
    relay.stop().await;
    assert_eq!(world.waiting(business).await, (1, 0), "not deleted, not quarantined");
    assert_eq!(world.stalls().await, 1);

    world.deliveries();
    world.receiver.set().mute.clear();
    let relay = world.relay(quick());
    world.commit(business, &[other]).await;
    relay.handle.wake(business, [silent, other]);
    world.arrive(1).await;
    assert_eq!(world.sent(), BTreeSet::from([other]), "its time has not come");
    world.let_pass(GRACE);
    world.delivery(|d| d.events.contains(&(silent, 1))).await;
    relay.stop().await;
    assert_eq!(world.waiting(business).await, (0, 0));
    assert_eq!(world.stalls().await, 0, "a stream that moved on has no past");
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    a_refused_stream_waits_alone_and_is_never_dropped,
    a_change_that_joins_a_quarantined_stream_waits_with_it,
    all_quarantined_streams_are_retried_on_command,
    a_receiver_that_lost_what_it_had_is_told_apart_and_shown,
    a_stream_without_an_answer_is_tried_again_later_and_alone,
);
