//! The manager as its callers see it: a real server, real tokens, on each database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod audit;
mod evidence;
mod ingestion;
mod lists;
mod proofs;
mod relays;
mod reports;
mod store;
mod support;
mod watch;
