//! What tests of all crates need: a database of each kind, a server on a free port, tokens, certificates.
//!
//! Tests fail, and are not skipped, where a thing that they need is missing.

pub mod certificates;
mod database;
mod kms;
pub mod row_security;
pub mod servers;
pub mod tokens;

pub use database::{TestDb, existing, on_postgres, on_sqlite, postgres, sqlite};
pub use kms::FarKms;
