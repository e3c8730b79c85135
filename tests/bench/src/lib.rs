//! How fast the services are: each as a ratio to what the database, the wire or another program allows, measured on the
//! same machine in the same minutes.
//!
//! [`goal`] says what a goal is, [`measure`] takes samples of its two sides in turn, [`machine`] knows when somebody else
//! was at work meanwhile, [`report`] prints and keeps the result. [`goals`] are the goals themselves; [`services`] are the
//! three services as processes, [`town`] is a business in them. [`wire`] and [`load`] ask, [`pgbench`] and [`echo`] are
//! limits. [`growth`] compares a small with a large database, [`instructions`] counts what a request costs whatever else
//! the machine does, of [`counted`]; [`overload`] asks for more than there is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::large_futures,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement that fails is none, and its numbers are small"
)]

pub mod counted;
pub mod echo;
pub mod goal;
pub mod goals;
pub mod growth;
pub mod instructions;
pub mod load;
pub mod machine;
pub mod measure;
pub mod overload;
pub mod pgbench;
pub mod report;
pub mod services;
pub mod stage;
pub mod town;
pub mod wire;
