//! The driver that needs nothing: inputs that are turned over at random.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::Target;

/// What inputs are made worse with.
const WORDS: [&[u8]; 24] = [
    b"+66",
    b"0",
    b"66",
    b"(0)",
    b"-",
    b" ",
    b"ext",
    b";",
    b"@",
    b".",
    b"\"",
    b"{",
    b"}",
    b"[",
    b":",
    b",",
    b"\\u0000",
    b"null",
    b"-1",
    b"1e999",
    b"\xff\xfe",
    b"\x00",
    "๐๘๑".as_bytes(),
    "\u{200b}•".as_bytes(),
];

/// Runs a target so often. What fails is told by the target's own panic.
pub fn run(target: &Target, times: u64, seed: u64) {
    let seeds = (target.seeds)();
    let mut dice = StdRng::seed_from_u64(seed);
    for seed in &seeds {
        (target.run)(seed);
    }
    for _ in 0..times {
        let mut input = seeds[dice.random_range(0..seeds.len())].clone();
        for _ in 0..dice.random_range(1..=5) {
            turn_over(&mut dice, &mut input, &seeds);
        }
        (target.run)(&input);
    }
}

fn turn_over(dice: &mut StdRng, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = dice.random_range(0..=input.len());
    let to = dice.random_range(at..=input.len().min(at + 12));
    match dice.random_range(0..8) {
        0 if at < input.len() => input[at] ^= 1 << dice.random_range(0..8),
        1 if at < input.len() => input[at] = dice.random_range(b' '..=b'~'),
        2 => input.truncate(at),
        3 => drop(input.drain(at..to)),
        4 => {
            let part = input[at..to].to_vec();
            input.splice(at..at, part);
        }
        5 => {
            let other = &seeds[dice.random_range(0..seeds.len())];
            let from = dice.random_range(0..=other.len());
            input.truncate(at);
            input.extend(&other[from..]);
        }
        _ => {
            let word = WORDS[dice.random_range(0..WORDS.len())];
            input.splice(at..at, word.iter().copied());
        }
    }
}
