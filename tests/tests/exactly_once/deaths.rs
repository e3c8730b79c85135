//! Replicas that die, at the worst moment and at any.

use yinyom_failpoints::{Point, clear, set};
use yinyom_proto::types::v1::ConsentState;
use yinyom_tests::{Database, House, Plan};

use crate::World;
use crate::writers::{
    PATIENCE, Said, Writers, assert_exactly_once, entries, nothing_waits, say_once,
};

/// Two directories on one database, each with a relay, and one manager: killed one after the other and started
/// again, while every unit of work and every delivery may go wrong in every way.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_while_answers_are_lost_nothing_else_is() {
    let mut world = World::of(Plan { directories: 2, ..Plan::on(Database::Postgres) }).await;
    let people = [world.owner_at(0), world.owner_at(1)];
    let mut writers = Writers::start(&people, &world.contacts, 2, 30);
    for point in [Point::BeforeCommit, Point::AfterCommit, Point::AfterSend, Point::AfterIngest] {
        set(point, "5%return");
    }
    for round in 0..8 {
        writers.until(12).await;
        match round % 4 {
            0 | 2 => {
                let directory = &mut world.house.directories[round / 2 % 2];
                directory.kill().await;
                writers.until(12).await;
                directory.start().await;
            }
            1 => {
                // Its deliveries are held up in the middle, and the other relay makes them, too.
                let frozen = world.house.directories[round / 4].freeze().await;
                writers.until(12).await;
                drop(frozen);
            }
            _ => {
                // What is acknowledged meanwhile waits on disk.
                let manager = &mut world.house.managers[0];
                manager.kill().await;
                writers.until(12).await;
                manager.start().await;
            }
        }
    }
    let said = writers.finish().await;
    for point in Point::ALL {
        clear(point);
    }
    assert_eq!(said.len(), world.contacts.len() * 2 * 30);
    assert_exactly_once(&world.business, &world.contacts, &said).await;
    world.house.close().await;
}

/// Changes are in the ledger, and whoever should say so dies.
async fn it_dies_at(point: Point, die: impl AsyncFnOnce(&mut House)) {
    let mut world = World::of(Plan::on(Database::Postgres)).await;
    nothing_waits(&world.business).await;
    let before = entries(&world.business).await.len();
    set(point, "return(hang)");
    let mut said = world.say(ConsentState::Granted).await;
    world.until_there_are(before + 1).await;
    die(&mut world.house).await;
    clear(point);
    said.extend(world.say(ConsentState::Denied).await);
    assert_exactly_once(&world.business, &world.contacts, &said).await;
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_dies_before_it_answers_has_what_it_took() {
    it_dies_at(Point::AfterIngest, async |house| {
        house.managers[0].kill().await;
        house.managers[0].start().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_dies_before_it_marks_sends_again() {
    it_dies_at(Point::AfterSend, async |house| {
        house.directories[0].kill().await;
        house.directories[0].start().await;
    })
    .await;
}

/// A manager dies in the middle of a batch: what it had written of it is undone.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_half_written_is_taken_whole_by_the_next_manager() {
    let mut world = World::of(Plan::on(Database::Postgres)).await;
    nothing_waits(&world.business).await;
    let before = entries(&world.business).await.len();
    world.house.managers[0].kill().await;
    let said = world.say(ConsentState::Granted).await;
    // From here on nobody's unit of work is committed, so the manager's is not either.
    set(Point::BeforeCommit, "return(hang)");
    world.house.managers[0].start().await;
    world.a_batch_is_written().await;
    world.house.managers[0].kill().await;
    let mut tx = world.house.databases[2].read(world.scope()).await.unwrap();
    let kept = tx.scoped("SELECT COUNT(*) FROM ledger WHERE business_id = $1");
    let kept: i64 = kept.scalar().await.unwrap();
    assert_eq!(usize::try_from(kept).unwrap(), before, "nothing of the batch was kept");
    drop(tx);
    clear(Point::BeforeCommit);
    world.house.managers[0].start().await;
    assert_exactly_once(&world.business, &world.contacts, &said).await;
    world.house.close().await;
}

impl World {
    /// One change of each contact.
    async fn say(&self, state: ConsentState) -> Vec<Said> {
        let mut said = Vec::new();
        for contact in &self.contacts {
            said.push(say_once(&mut [self.owner_at(0)], contact, state).await);
        }
        said
    }

    async fn until_there_are(&self, changes: usize) {
        let there = async { while entries(&self.business).await.len() < changes {} };
        tokio::time::timeout(PATIENCE, there).await.expect("the ledger has them");
    }

    /// Waits until somebody has written into the ledger and not committed.
    async fn a_batch_is_written(&self) {
        let written = async {
            loop {
                let mut tx = self.house.databases[2].read_unscoped().await.unwrap();
                let writing = tx.query(
                    "SELECT COUNT(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                     JOIN pg_database d ON d.oid = l.database
                     WHERE d.datname = current_database() AND c.relname = 'ledger'
                       AND l.mode = 'RowExclusiveLock'",
                );
                if writing.scalar::<i64>().await.unwrap() > 0 {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, written).await.expect("the manager writes a batch");
    }
}
