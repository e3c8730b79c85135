//! What a replica of each service takes: memory at rest and under load, and time from its start until it serves.
//!
//! `make footprint` runs it, in release on PostgreSQL, whose schema is there: the times are without migrations.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails is none")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use yinyom_tests::fleet::{Fleet, SERVICES};
use yinyom_tests::rolling::Load;

const STARTS: usize = 11;
const UNDER_LOAD: Duration = Duration::from_secs(30);
const MIB: u64 = 1024 * 1024;

#[tokio::main]
async fn main() {
    let program: PathBuf = std::env::var_os("YINYOM_BIN").expect("YINYOM_BIN").into();
    let size = std::fs::metadata(&program).expect("a program").len();
    let mut fleet = Fleet::start(program, 1).await;
    let mut starts = [Duration::ZERO; 3];
    for service in SERVICES {
        let mut took = Vec::new();
        for _ in 0..STARTS {
            took.push(fleet.restart(service, 0).await);
        }
        took.sort_unstable();
        starts[service as usize] = took[STARTS / 2];
    }
    // Leases are renewed and outboxes looked at meanwhile.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = SERVICES.map(|service| fleet.resident(service));
    let load = Load::begin(&fleet, 100).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (clients, stopping) = (load.clone(), Arc::clone(&stop));
    let running = tokio::spawn(async move { clients.run(None, stopping).await });
    tokio::time::sleep(UNDER_LOAD).await;
    let busy = SERVICES.map(|service| fleet.resident(service));
    stop.store(true, Ordering::Relaxed);
    let told = running.await.expect("the clients");
    println!("program: {} MiB; {} calls in {} s", size / MIB, told.calls, UNDER_LOAD.as_secs());
    println!("service    start, ms   idle, MiB   under load, MiB");
    for service in SERVICES {
        let at = service as usize;
        let name = format!("{service:?}").to_lowercase();
        let start = starts[at].as_millis();
        println!("{name:<10} {start:>9} {:>11} {:>17}", idle[at] / MIB, busy[at] / MIB);
    }
    assert!(told.failed.is_empty(), "{:?}", told.failed);
}
