//! The service over real gRPC, on both databases: what it does, and above all what it does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod businesses;
mod concurrency;
mod isolation;
mod leases;
mod members;
mod policy;
mod repeats;
mod settings;
mod viewers;
mod world;
