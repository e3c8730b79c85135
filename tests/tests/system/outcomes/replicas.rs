//! Through other replicas, at once, and after restarts.

use futures::future::join_all;
use tonic::Code;
use yinyom_tests::ask::About;
use yinyom_tests::{Things, refusal};

use crate::outcomes::{World, Write, new_id, writes};

#[tokio::test(flavor = "multi_thread")]
async fn each_write_has_one_outcome_on_every_replica_and_after_a_restart() {
    let (mut world, _) = World::standing_still().await;
    let mut done = Vec::new();
    for method in writes() {
        let things = world.things_for(&method).await;
        let (about, id) = (About { text: "ค", ..About::member(&things) }, new_id());
        let write = Write::new(&world, &method, &about, &id);
        let first = world.send(&write, 0).await.expect(&write.name);
        // Another request with its id: with another text where it writes one, about other things where not.
        let absent = Things::absent(&world.business.name);
        let others = [
            About { text: "ก", ..About::member(&things) },
            About { text: "ค", ..About::member(&absent) },
        ];
        let others = others.map(|about| Write::new(&world, &method, &about, &id));
        done.push((write, first, others));
    }
    for replica in [1, 2] {
        replay(&world, &done, replica).await;
    }
    let house = &mut world.house;
    for replica in house.directories.iter_mut().chain(&mut house.of_settings) {
        replica.kill().await;
    }
    for replica in house.of_settings.iter_mut().chain(&mut house.directories) {
        replica.start().await;
    }
    for directory in &house.directories {
        directory.policies().ready().await;
    }
    for replica in 0..3 {
        replay(&world, &done, replica).await;
    }
    world.house.close().await;
}

type Done = (Write, Vec<Vec<u8>>, [Write; 2]);

async fn replay(world: &World, done: &[Done], replica: usize) {
    for (write, first, others) in done {
        let again = world.send(write, replica).await.expect(&write.name);
        assert_eq!(&again, first, "{} has another outcome at {replica}", write.name);
        for other in others.iter().filter(|other| other.body != write.body) {
            let refused = world.send(other, replica).await.expect_err(&other.name);
            let expected = (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned(), Vec::new());
            assert_eq!(refusal(&refused), expected, "{} at {replica}", other.name);
        }
    }
}

/// Nobody knows which of them does it, and it is done once: all of them tell of the same thing.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_asked_at_once_do_it_once() {
    let (world, _) = World::standing_still().await;
    for method in writes() {
        let rounds = if method.name() == "TransferOwnership" { 1 } else { 3 };
        for round in 0..rounds {
            let things = world.things_for(&method).await;
            let about = About { text: "ค", ..About::member(&things) };
            let write = Write::new(&world, &method, &about, &new_id());
            let told = join_all((0..3).map(|replica| world.send(&write, replica))).await;
            let told: Vec<_> = told.into_iter().map(|told| told.expect(&write.name)).collect();
            assert!(told.iter().all(|one| *one == told[0]), "{} in round {round}", write.name);
        }
    }
    world.house.close().await;
}
