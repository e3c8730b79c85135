//! What it costs to ask what has grown: goal 12.
//!
//! Two houses on PostgreSQL: one with a small business alone, and one with the same beside large ones. The same questions
//! are put to each in turns; a question to what is large may cost so much more than one to what is small and alone.

mod contacts;
mod ledger;

use std::fmt::Debug;

use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use yinyom_tests::sizes::{Reader, clone_business, write_ledger};
use yinyom_tests::{Database, House};

use crate::goal::{Bar, Outcome, Sample, median};
use crate::machine::{Watch, is_quiet};
use contacts::Asker;

/// Contacts, or changes, of an ordinary business.
pub const SMALL: usize = 10_000;
/// Calls of a kind, a turn.
const CALLS: usize = 20;

/// Somebody who asks.
trait Asks {
    type Question: Copy + Debug + 'static;

    const ALL: &'static [Self::Question];

    /// How much dearer a question may be.
    fn bar(question: Self::Question) -> f64;

    /// Asks once, each time with other particulars.
    async fn ask(&mut self, question: Self::Question);
}

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Turns {
    pub number: usize,
    pub watch: Watch,
}

/// Directories of these sizes beside one of 10,000 contacts.
pub async fn of_contacts(sizes: &[usize], turns: &Turns) -> Vec<Outcome> {
    let (here, there) =
        (House::start(Database::Postgres).await, House::start(Database::Postgres).await);
    let mut askers =
        vec![(SMALL, Asker::of(&here, SMALL).await), (SMALL, Asker::of(&there, SMALL).await)];
    for size in sizes {
        let began = Instant::now();
        askers.push((*size, Asker::of(&there, *size).await));
        println!(
            "{size} contacts imported in {} s, their consents in the ledger",
            began.elapsed().as_secs()
        );
    }
    for house in [&here, &there] {
        tidy(house).await;
    }
    let outcomes = turns.take("contacts", &mut askers).await;
    here.close().await;
    there.close().await;
    outcomes
}

/// Ledgers of these sizes, and so many businesses of 10,000 changes, beside one such business.
pub async fn of_changes(sizes: &[usize], businesses: usize, turns: &Turns) -> Vec<Outcome> {
    let (here, there) =
        (House::start(Database::Postgres).await, House::start(Database::Postgres).await);
    let (small, same) = (here.found().await, there.found().await);
    write_ledger(&here, small.id, SMALL).await;
    write_ledger(&there, same.id, SMALL).await;
    clone_business(&there, same.id, businesses.saturating_sub(1)).await;
    let mut large = Vec::new();
    for size in sizes {
        let (began, business) = (Instant::now(), there.found().await);
        write_ledger(&there, business.id, *size).await;
        println!("{size} changes taken in {} s", began.elapsed().as_secs());
        large.push((*size, business));
    }
    for house in [&here, &there] {
        tidy(house).await;
    }
    let mut readers =
        vec![(SMALL, Reader::of(&here, small).await), (SMALL, Reader::of(&there, same).await)];
    for (size, business) in large {
        readers.push((size, Reader::of(&there, business).await));
    }
    let outcomes = turns.take("changes", &mut readers).await;
    here.close().await;
    there.close().await;
    outcomes
}

impl Turns {
    /// Puts all questions to all of them; the first is what the others are held against.
    async fn take<A: Asks>(&self, of: &str, askers: &mut [(usize, A)]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for question in A::ALL {
            let mut taken: Vec<Vec<(f64, f64)>> = vec![Vec::new(); askers.len()];
            // The first turn warms up.
            for turn in 0..=self.number {
                for ((_, asker), taken) in askers.iter_mut().zip(&mut taken) {
                    let before = self.watch.look();
                    let mut each = Vec::with_capacity(CALLS);
                    for _ in 0..CALLS {
                        let asked = Instant::now();
                        asker.ask(*question).await;
                        each.push(asked.elapsed().as_secs_f64() * 1_000.0);
                    }
                    if turn > 0 {
                        taken.push((median(each), before.by_others_until(self.watch.look())));
                    }
                }
            }
            for (i, (size, _)) in askers.iter().enumerate().skip(1) {
                let pairs = taken[0].iter().zip(&taken[i]);
                let samples = pairs.map(|(small, large)| Sample {
                    limit: small.0,
                    value: large.0,
                    others_limit: small.1,
                    others_value: large.1,
                    taken_again: 0,
                    quiet: is_quiet(small.1) && is_quiet(large.1),
                });
                let beside = if i == 1 { " among all" } else { "" };
                let words = [
                    "12",
                    &format!("{question:?} of {size} {of}{beside}"),
                    &format!("of {SMALL} alone"),
                    "ms, p50",
                ];
                outcomes.push(Outcome::of(
                    words,
                    Bar::AtMost(A::bar(*question)),
                    samples.collect(),
                ));
            }
        }
        outcomes
    }
}

/// As autovacuum would leave the tables.
async fn tidy(house: &House) {
    for database in &house.databases {
        let mut there = PgConnection::connect(&database.config().url).await.expect("a connection");
        sqlx::query("VACUUM ANALYZE").execute(&mut there).await.expect("tidy tables");
    }
}
