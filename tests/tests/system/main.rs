//! The three services together, over real connections.
//!
//! One program, since each would be linked with all three services anew. Whoever sets failpoints, or listens to all
//! that a process says, has one of its own beside this.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    clippy::missing_panics_doc,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "a test that cannot go on must fail"
)]

mod bad_input;
mod callers;
mod cancellation;
mod isolation;
mod keys;
mod last_word;
mod masks;
mod outcomes;
mod pairs;
mod reveals;
#[allow(clippy::doc_markdown, reason = "it quotes the help page")]
mod seed;
mod store_faults;
mod tamper;
