//! `make simulation`: runs seeds of both pairs and prints those that failed.
//!
//! `SEEDS` (how many), `SEED` (the first), `TIMES` (how often each) and `JOBS` (threads) come from the environment, and
//! `WITHOUT`: a guard that is left out, `second-look` or `lease-wait`; with `nothing` the same pair with all of them.

use std::process::ExitCode;

use yinyom_simulation::{Pair, Seeds, Without, run};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[expect(clippy::disallowed_methods, reason = "a program that tells how long it took")]
fn main() -> ExitCode {
    let seeds =
        Seeds { first: number("SEED", 1), count: number("SEEDS", 200), times: number("TIMES", 1) };
    let jobs = usize::try_from(number("JOBS", 2)).unwrap_or(1);
    let pairs = match std::env::var("WITHOUT").as_deref() {
        Ok("second-look") => vec![Pair::Rules(Without::SecondLook)],
        Ok("lease-wait") => vec![Pair::Rules(Without::LeaseWait)],
        Ok("nothing") => vec![Pair::Rules(Without::Nothing)],
        _ => vec![Pair::Ledger, Pair::Rules(Without::Nothing)],
    };
    let mut failed = 0;
    for pair in pairs {
        let began = std::time::Instant::now();
        let told = match run(pair, seeds, jobs, usize::MAX) {
            Ok(told) => told,
            Err(error) => {
                eprintln!("{pair:?}: {error}");
                return ExitCode::FAILURE;
            }
        };
        for failure in &told.failures {
            println!("{failure}");
        }
        failed += told.failures.len();
        println!(
            "{pair:?}: {} runs, {} failed, {:.0} s simulated in {:.1} s",
            told.runs,
            told.failures.len(),
            told.time.as_secs_f64(),
            began.elapsed().as_secs_f64(),
        );
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
