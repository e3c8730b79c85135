//! What every change must pass: some seeds of each pair; and builds without a guard, which must not pass them.
//!
//! The long form is `make simulation SEEDS=10000`.

#![allow(clippy::unwrap_used, clippy::panic)]

use yinyom_simulation::{Pair, Seeds, Without, run};

#[track_caller]
fn holds(pair: Pair, first: u64, count: u64) {
    let told = run(pair, Seeds { first, count, times: 1 }, 1, 3).unwrap();
    let failures: Vec<_> = told.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(told.runs, count);
}

/// About every second seed shows it, so that these are many too many.
#[track_caller]
fn is_noticed(without: Without) {
    let seeds = Seeds { first: 1, count: 40, times: 1 };
    let told = run(Pair::Rules(without), seeds, 1, 1).unwrap();
    let Some(failure) = told.failures.first().map(ToString::to_string) else {
        panic!("{} seeds without {without:?} revealed nothing", told.runs);
    };
    assert!(failure.contains("revealed"), "{failure}");
}

/// In parts, so that the parts can run at once.
macro_rules! seeds {
    ($($part:ident: $first:literal),+ $(,)?) => {$(
        mod $part {
            use super::*;

            #[test]
            fn every_change_reaches_the_ledger_once_and_in_order() {
                holds(Pair::Ledger, $first, 50);
            }

            #[test]
            fn what_was_taken_away_is_gone_and_every_directory_comes_back() {
                holds(Pair::Rules(Without::Nothing), $first, 50);
            }
        }
    )+};
}

seeds!(a: 1, b: 51, c: 101, d: 151);

#[test]
fn without_the_wait_for_leases_something_is_revealed() {
    is_noticed(Without::LeaseWait);
}

#[test]
fn without_the_second_look_something_is_revealed() {
    is_noticed(Without::SecondLook);
}
