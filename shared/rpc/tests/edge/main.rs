//! The server and client stacks over real connections, with a small service behind them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod admission;
mod answers;
mod callers;
mod client;
mod drain;
mod echo;
mod peers;
mod running;
mod turns;
