//! A running server under attack from loopback: it stays up, its memory stays bounded, and who means no harm is served
//! on a connection of their own. `make attacks` does more of each, and prints a table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_precision_loss)]

mod http2;
#[path = "../yinyom/program.rs"]
#[allow(dead_code)]
mod program;
mod target;
mod waves;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use target::Target;

/// How much more memory any attack may cost, in KiB.
const MOST: usize = 300 * 1024;

/// Limits that a test need not wait for.
const TIGHT: [&str; 6] = [
    "--max-connections=200",
    "--unary-timeout=2",
    "--stream-idle-timeout=2",
    "--slow-reader-timeout=2",
    "--keepalive-interval=1",
    "--keepalive-timeout=1",
];

/// Runs one attack beside an honest client, and says what it came to.
async fn under<F: Future<Output = String>>(target: &Target, name: &str, attack: F) {
    within(MOST, target, name, attack).await;
}

async fn within<F: Future<Output = String>>(most: usize, target: &Target, name: &str, attack: F) {
    target.forget_peak();
    let before = target.resident();
    let honest = target.honest();
    let came_to = attack.await;
    let served = honest.done().await;
    let (peak, after) = (target.peak(), target.resident());
    let mib = |kib: usize| kib as f64 / 1024.0;
    println!(
        "{name:<14} {:>6.1} {:>6.1} {:>6.1} MiB  {served:>6} honest calls  {came_to}",
        mib(before),
        mib(peak),
        mib(after)
    );
    assert!(served > 0);
    assert!(peak.saturating_sub(before) < most, "{name}: from {before} to {peak} KiB");
}

async fn all(flags: &[&str], idle: (usize, usize), scale: usize) {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start(dir.path(), flags);
    let t = &target;
    println!("{:<14} {:>6} {:>6} {:>6}", "attack", "before", "peak", "after");
    under(t, "rapid reset", waves::rapid_reset(t, 10_000 * scale)).await;
    under(t, "MadeYouReset", waves::made_you_reset(t, 10_000 * scale)).await;
    under(t, "heads", waves::heads(t, 5 * scale)).await;
    under(t, "idle", waves::idle(t, idle.0, idle.1)).await;
    under(t, "slow writers", waves::slow_writers(t, 100)).await;
    under(t, "endless", waves::endless(t, 2 * scale.min(8), 256)).await;
    under(t, "slow readers", waves::slow_readers(t, 2, 100)).await;
}

/// For who opens ten thousand connections at both ends.
fn many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_outlives_attacks_and_honest_clients_are_served() {
    if std::env::var_os("YINYOM_ATTACKS").is_some() {
        return long().await;
    }
    all(&TIGHT, (400, 200), 1).await;
}

#[tokio::test]
async fn dead_connections_are_cleaned_up() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start(dir.path(), &TIGHT);
    println!("{}", waves::dead(&target, 50).await);
}

/// What `make attacks` runs.
async fn long() {
    many_files();
    println!("defaults, but for shorter waits");
    all(&TIGHT[1..], (10_000, 4_096), 100).await;
    println!("room for all of ten thousand connections");
    let dir = tempfile::tempdir().unwrap();
    let target = Target::start(dir.path(), &["--max-connections=20000"]);
    // Who allows for more pays for more.
    within(2 * MOST, &target, "idle", waves::idle(&target, 9_500, 20_000)).await;
}
