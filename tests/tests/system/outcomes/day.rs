//! For a day, and no longer.

use std::time::Duration;

use prost_reflect::MethodDescriptor;
use yinyom_db::idempotency;
use yinyom_kernel::{Clock, ManualClock};
use yinyom_tests::ask::{About, path};
use yinyom_tests::{Things, refusal};

use crate::outcomes::{World, Write, new_id, writes};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_forgotten_after_a_day_and_then_a_new_one() {
    let (world, clock) = World::standing_still().await;
    let mut done = Vec::new();
    // The manager keeps its own for ever: they are on record.
    let forgets = |method: &MethodDescriptor| !path(method).starts_with("/yinyom.manager.");
    for method in writes().into_iter().filter(forgets) {
        let things = world.things_for(&method).await;
        let (about, id) = (About { text: "ค", ..About::member(&things) }, new_id());
        let write = Write::new(&world, &method, &about, &id);
        let first = world.send(&write, 0).await.expect(&write.name);
        let absent = Things::absent(&world.business.name);
        let other =
            Write::new(&world, &method, &About { text: "ก", ..About::member(&absent) }, &id);
        done.push((write, first, other));
    }

    clock.advance(DAY);
    forget(&world, &clock).await;
    for (write, first, other) in &done {
        let again = world.send(write, 1).await.expect(&write.name);
        assert_eq!(&again, first, "{} on the last moment of the day", write.name);
        let refused = world.send(other, 1).await.expect_err(&other.name);
        assert_eq!(refusal(&refused).1, "REQUEST_ID_REUSED", "{}", other.name);
    }

    clock.advance(Duration::from_micros(1));
    assert!(forget(&world, &clock).await >= done.len() as u64, "a record of each, at least");
    assert_eq!(forget(&world, &clock).await, 0);
    for (write, first, other) in &done {
        if write.name.starts_with("Create") {
            let made = world.send(write, 2).await.expect(&write.name);
            assert_ne!(&made, first, "{} makes another one", write.name);
        } else if let Err(refused) = world.send(other, 2).await {
            assert_ne!(refusal(&refused).1, "REQUEST_ID_REUSED", "{}", other.name);
        }
    }
    world.house.close().await;
}

/// As each replica does now and then; how many records it was.
async fn forget(world: &World, clock: &ManualClock) -> u64 {
    for directory in &world.house.directories {
        // The clock has jumped: leases have run out.
        directory.policies().ready().await;
    }
    let now = clock.now().as_microsecond();
    let mut forgotten = 0;
    for database in &world.house.databases[..2] {
        forgotten += idempotency::forget_old(database, now).await.unwrap();
    }
    forgotten
}
