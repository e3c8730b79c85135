//! The short form of `make fuzz`, on every machine.

#![allow(clippy::unwrap_used)]

use yinyom_fuzz::{TARGETS, engine};

/// Of each target.
const TIMES: u64 = 3_000;

#[test]
fn what_holds_of_parsers_holds_whatever_is_written() {
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    let times = std::env::var("TIMES").map_or(TIMES, |times| times.parse().unwrap());
    println!("SEED={seed}");
    std::thread::scope(|threads| {
        for target in &TARGETS {
            threads.spawn(move || engine::run(target, times, seed));
        }
    });
}
