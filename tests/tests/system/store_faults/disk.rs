//! The disk is full.

use yinyom_tests::writer::{Writer, assert_store_unavailable};
use yinyom_tests::{House, OwnPostgres, Plan, SmallDisk, on_small_disk};

use super::{DEADLINE, SESSIONS, World, config, goes_on};

/// So many refusals in a row and there is no room left between the rows, either.
const REFUSALS: usize = 10;

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

/// Writes until nothing is taken any more; what is not taken is refused as it must be.
async fn is_full(writers: &mut [Writer], disk: &SmallDisk) {
    disk.fill();
    let mut refused = 0;
    for round in 0.. {
        assert!(round < 10_000, "the disk is never full");
        let writer = &mut writers[round % REFUSALS];
        match writer.attempt(DEADLINE).await {
            Ok(()) => refused = 0,
            Err(status) => {
                assert_store_unavailable(&status);
                refused += 1;
            }
        }
        if refused == 3 * REFUSALS {
            return;
        }
    }
}

async fn fills_up_and_has_room_again(writers: &mut [Writer], disk: &SmallDisk) {
    for _ in 0..2 {
        is_full(writers, disk).await;
        for writer in writers.iter_mut() {
            writer.read(DEADLINE).await.expect("reads need no room");
        }
        disk.free();
        for writer in writers.iter_mut() {
            goes_on(writer, 2).await;
        }
    }
    for writer in writers {
        writer.check().await;
    }
}

/// As on a laptop: all services have their files there, settings with its leases, too.
#[test]
fn sqlite() {
    on_small_disk("store_faults::disk::sqlite", 24, |disk| {
        run(async {
            let file = |name: &str| config(format!("sqlite:{}", disk.path().join(name).display()));
            let databases = [file("settings.db"), file("directory.db"), file("manager.db")];
            let house = House::build(Plan::on_own(databases)).await;
            let business = house.found().await;
            let mut writers = Vec::new();
            for _ in 0..REFUSALS {
                writers.push(Writer::new(&business, &house.directories[0].endpoint()).await);
            }
            fills_up_and_has_room_again(&mut writers, disk).await;
            house.close().await;
        });
    });
}

#[test]
fn postgres() {
    on_small_disk("store_faults::disk::postgres", 160, |disk| {
        run(async {
            let server = OwnPostgres::start_with_tables_in(SESSIONS, disk.path());
            let world = World::start(server, &["directory"]).await;
            let mut writers = Vec::new();
            for _ in 0..REFUSALS {
                writers.push(world.writer().await);
            }
            fills_up_and_has_room_again(&mut writers, disk).await;
            world.house.close().await;
        });
    });
}
