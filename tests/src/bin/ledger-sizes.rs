//! What does it cost to ask a ledger that has grown?
//!
//! `make ledger-sizes` runs it in release on PostgreSQL. Two houses: one whose manager has 10,000 changes of one business,
//! and one with 1,000 such businesses and another one of 1,000,000 changes. The same questions are put to a business of
//! 10,000 changes here and there, and to the large one, in turns.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    reason = "a measurement that fails is none"
)]

use std::process::ExitCode;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use yinyom_tests::sizes::{Question, Reader, clone_business, write_ledger};
use yinyom_tests::{Database, House};

/// Changes of an ordinary business.
const CHANGES: usize = 10_000;
/// Calls of a kind, a turn.
const CALLS: usize = 20;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|n| n.parse().expect("a number"));
    let businesses: usize = arguments.next().unwrap_or(1_000);
    let of_the_large_one: usize = arguments.next().unwrap_or(1_000_000);
    let turns: usize = arguments.next().unwrap_or(15);

    let (here, there) =
        (House::start(Database::Postgres).await, House::start(Database::Postgres).await);
    let (small, same, large) = (here.found().await, there.found().await, there.found().await);
    write_ledger(&here, small.id, CHANGES).await;
    write_ledger(&there, same.id, CHANGES).await;
    clone_business(&there, same.id, businesses.saturating_sub(1)).await;
    write_ledger(&there, large.id, of_the_large_one).await;
    for house in [&here, &there] {
        tidy(house).await;
    }
    let mut readers = [
        Reader::of(&here, small).await,
        Reader::of(&there, same).await,
        Reader::of(&there, large).await,
    ];
    let total = businesses * CHANGES + of_the_large_one;
    println!(
        "{} changes; then {total}: {businesses} businesses of {CHANGES}, one of {}; {turns} turns of {CALLS} calls",
        readers[0].size(),
        readers[2].size(),
    );
    println!(
        "question           alone, p50 ms   among {total}   × (median)   the large one   × (median)   bar"
    );
    let mut missed = false;
    for question in Question::ALL {
        let mut taken: [Vec<Duration>; 3] = Default::default();
        for turn in 0..=turns {
            for (reader, taken) in readers.iter_mut().zip(&mut taken) {
                let median = median_of(reader, question).await;
                // The first turn warms up.
                if turn > 0 {
                    taken.push(median);
                }
            }
        }
        let ratio = |i: usize| {
            let mut ratios: Vec<f64> = (taken[i].iter().zip(&taken[0]))
                .map(|(large, small)| large.as_secs_f64() / small.as_secs_f64())
                .collect();
            ratios.sort_unstable_by(f64::total_cmp);
            ratios[ratios.len() / 2]
        };
        let (among, large) = (ratio(1), ratio(2));
        let ms = taken.clone().map(|mut taken| {
            taken.sort_unstable();
            taken[taken.len() / 2].as_secs_f64() * 1_000.0
        });
        println!(
            "{:<18} {:>13.2} {:>16.2} {among:>11.2} {:>15.2} {large:>12.2} {:>7.1}",
            format!("{question:?}"),
            ms[0],
            ms[1],
            ms[2],
            question.bar(),
        );
        missed |= among > question.bar();
    }
    here.close().await;
    there.close().await;
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn median_of(reader: &mut Reader, question: Question) -> Duration {
    let mut taken = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let asked = Instant::now();
        reader.ask(question).await;
        taken.push(asked.elapsed());
    }
    taken.sort_unstable();
    taken[CALLS / 2]
}

/// As autovacuum would leave the tables.
async fn tidy(house: &House) {
    let url = &house.databases[2].config().url;
    let mut manager = PgConnection::connect(url).await.expect("a connection");
    sqlx::query("VACUUM ANALYZE").execute(&mut manager).await.expect("tidy tables");
}
