//! The manager as its callers see it: a real server, real tokens, on each database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod audit;
mod erasure;
mod evidence;
mod exports;
mod exports_resumed;
mod filters;
mod holds;
mod ingestion;
mod lists;
mod merged;
mod past;
mod proofs;
mod receipts;
mod recount;
mod relays;
mod reports;
mod retention;
mod store;
mod support;
mod watch;
