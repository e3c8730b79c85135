//! Mutated requests at running servers: `mutate [REQUESTS] [postgres]`, `SEED` says which. Exits with 1 if one of them
//! made a panic, an `INTERNAL`, or a word of somebody's data in an error or a log.

#![allow(clippy::large_futures, reason = "once")]

use std::process::ExitCode;

use yinyom_kernel::{Clock, SystemClock};
use yinyom_tests::mutated::{self, Logs};
use yinyom_tests::{Database, Plan};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let requests = arguments.next().and_then(|number| number.parse().ok()).unwrap_or(100_000);
    let postgres = arguments.next().is_some_and(|word| word == "postgres");
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("{requests} requests, SEED={seed}");
    let logs = Logs::listen("info");
    let start = SystemClock.since_boot();
    let plan = Plan::on(if postgres { Database::Postgres } else { Database::Sqlite });
    let report = mutated::run(plan, requests, seed).await;
    let seconds = (SystemClock.since_boot().saturating_sub(start)).as_secs().max(1);
    println!("{}", report.table());
    println!("{} answers a second", report.answered() / seconds);
    let (lines, wrong_lines) = logs.heard();
    println!("{lines} log lines");
    for wrong in report.wrong.iter().chain(&wrong_lines) {
        println!("WRONG {wrong}");
    }
    if report.wrong.is_empty() && wrong_lines.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
