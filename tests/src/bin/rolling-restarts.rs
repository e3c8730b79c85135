//! Does anybody notice when replicas are restarted?
//!
//! `make rolling-restarts` runs it. Two replicas of each service as processes on PostgreSQL. First it is found out how many
//! calls a second they answer; then, at seven tenths of that, by the project's own client and by a foreign one, each
//! replica of each service is told to end and started again, one after the other, so many times. Not one call may fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::large_futures,
    reason = "a measurement that fails is none"
)]

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use prost::Message;
use tokio::process::{Child, Command};
use yinyom_proto::directory::v1 as dir;
use yinyom_tests::fleet::{Fleet, SERVICES, Service};
use yinyom_tests::rolling::{Load, Told};

const PEAK: Duration = Duration::from_secs(5);
/// What a platform waits after one replica before it takes the next (`minReadySeconds`, which the manifests have at 5).
const SETTLE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> ExitCode {
    let rounds: usize =
        std::env::args().nth(1).map_or(50, |rounds| rounds.parse().expect("a number"));
    let program: PathBuf = std::env::var_os("YINYOM_BIN").expect("YINYOM_BIN").into();
    let mut fleet = Fleet::start(program, 2).await;
    let load = Load::begin(&fleet, 50).await;

    let told = during(&load, None, async { tokio::time::sleep(PEAK).await }).await;
    assert!(told.failed.is_empty(), "without a restart: {told:?}");
    let rate = told.calls as f64 / PEAK.as_secs_f64() * 0.7;
    println!(
        "{:.0} calls a second at most; going on at {rate:.0}",
        told.calls as f64 / PEAK.as_secs_f64()
    );

    let foreign = start_foreign(&fleet, &load);
    let mut slowest = Duration::ZERO;
    let restarts = async {
        for round in 0..rounds {
            for service in SERVICES {
                for number in 0..2 {
                    slowest = slowest.max(fleet.restart(service, number).await);
                    tokio::time::sleep(SETTLE).await;
                }
            }
            if round % 10 == 9 {
                println!("{} of {rounds} rounds", round + 1);
            }
        }
    };
    let told = during(&load, Some(rate), restarts).await;
    let foreign = end_foreign(foreign).await;
    println!(
        "{rounds} restarts of each of two replicas of each service, the slowest start {:.1} s",
        slowest.as_secs_f64()
    );
    println!(
        "own client: {} calls, the slowest {:.0} ms, failed: {:?}",
        told.calls,
        told.slowest.as_secs_f64() * 1_000.0,
        told.failed
    );
    println!("foreign client: {foreign}");
    if told.failed.is_empty() && foreign.contains("\"failed\": {}") {
        return ExitCode::SUCCESS;
    }
    for service in SERVICES {
        let log = fleet.log(service);
        let tail: Vec<_> = log.lines().rev().take(10).collect();
        println!("{service:?}:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    ExitCode::FAILURE
}

/// What clients were told while something was done.
async fn during(load: &Load, a_second: Option<f64>, work: impl Future<Output = ()>) -> Told {
    let stop = Arc::new(AtomicBool::new(false));
    let (clients, stopping) = (load.clone(), Arc::clone(&stop));
    let running = tokio::spawn(async move { clients.run(a_second, stopping).await });
    work.await;
    stop.store(true, Ordering::Relaxed);
    running.await.expect("the clients")
}

/// gRPC as others have it: Python's, with the retries that its service config asks for.
fn start_foreign(fleet: &Fleet, load: &Load) -> Child {
    let ask = dir::GetContactRequest { name: load.contact(0).to_owned() };
    let addresses = fleet
        .addresses(Service::Directory)
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",");
    Command::new(std::env::var("YINYOM_PYTHON").expect("YINYOM_PYTHON"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/rolling.py"))
        .args([
            addresses,
            fleet.token("dashboard"),
            base64::engine::general_purpose::STANDARD.encode(ask.encode_to_vec()),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a foreign client")
}

async fn end_foreign(mut foreign: Child) -> String {
    drop(foreign.stdin.take());
    let output = foreign.wait_with_output().await.expect("what it was told");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
