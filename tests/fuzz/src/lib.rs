//! Parsers of what strangers write, and what must hold whatever they write. Each target takes any bytes and panics where
//! a property does not hold.
//!
//! Two drivers: [`engine`], which turns [`Target::seeds`] over at random and runs everywhere as a plain test, and
//! libFuzzer, which is led by the coverage of our own crates (`make fuzz`). CSV files are turned over where they are
//! read, in the all-in-one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a property that does not hold must end the run"
)]

mod addresses;
pub mod engine;
mod pages;
mod tokens;

/// Something that is parsed.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Where the random driver begins.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 7] = [
    Target { name: "phone", run: addresses::phone, seeds: addresses::phones },
    Target { name: "email", run: addresses::email, seeds: addresses::emails },
    Target { name: "free-text", run: addresses::free_text, seeds: addresses::texts },
    Target { name: "page-token", run: pages::page_token, seeds: pages::page_tokens },
    Target { name: "token", run: tokens::token, seeds: tokens::tokens },
    Target { name: "claims", run: tokens::claims, seeds: tokens::claims_of_a_token },
    Target { name: "key-set", run: tokens::key_set, seeds: tokens::key_sets },
];
