//! Runs, one a seed, on as many threads as wanted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Trouble;
use crate::ledger::Ledger;
use crate::rules::{Rules, Without};

/// Which two services talk to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// The directory's relay and the manager.
    Ledger,
    /// The directory and settings.
    Rules(Without),
}

/// Which runs.
#[derive(Debug, Clone, Copy)]
pub struct Seeds {
    pub first: u64,
    pub count: u64,
    /// How often each is told.
    pub times: u64,
}

/// What came of the runs.
#[derive(Debug, Default)]
pub struct Told {
    pub runs: u64,
    /// Simulated.
    pub time: Duration,
    pub failures: Vec<Failure>,
}

/// What must not happen, and did.
#[derive(Debug)]
pub struct Failure {
    pub pair: Pair,
    pub seed: u64,
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pair, seed, what } = self;
        write!(
            f,
            "SEED={seed} {pair:?}: {what}\n  again: make simulation SEEDS=1 SEED={seed} TIMES=20"
        )
    }
}

/// Tells each seed of a pair. Stops early after `enough` failures.
pub fn run(pair: Pair, seeds: Seeds, threads: usize, enough: usize) -> Result<Told, Trouble> {
    let _scenario = match pair {
        Pair::Ledger => None,
        Pair::Rules(without) => without.begin(),
    };
    let story = Story::of(pair)?;
    let last = seeds.first.saturating_add(seeds.count);
    let waiting: VecDeque<u64> =
        (seeds.first..last).flat_map(|seed| (0..seeds.times).map(move |_| seed)).collect();
    let (waiting, told) = (Mutex::new(waiting), Mutex::new(Told::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some(seed) = next(&waiting) {
                    let result = story.tell(seed);
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    told.runs += 1;
                    match result {
                        Ok(time) => told.time += time,
                        Err(what) => told.failures.push(Failure { pair, seed, what }),
                    }
                    if told.failures.len() >= enough {
                        waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    }
                }
            });
        }
    });
    Ok(told.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn next(waiting: &Mutex<VecDeque<u64>>) -> Option<u64> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

enum Story {
    Ledger(Ledger),
    Rules(Rules),
}

impl Story {
    fn of(pair: Pair) -> Result<Self, Trouble> {
        Ok(match pair {
            Pair::Ledger => Self::Ledger(Ledger::new()?),
            Pair::Rules(without) => Self::Rules(Rules::new(without)?),
        })
    }

    fn tell(&self, seed: u64) -> Result<Duration, String> {
        match self {
            Self::Ledger(ledger) => ledger.tell(seed),
            Self::Rules(rules) => rules.tell(seed),
        }
    }
}
