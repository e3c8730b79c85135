//! The directory over its real databases: what a caller can do, and above all what a caller cannot.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod commands;
mod import;
mod lifecycle;
mod model;
mod store;
mod support;
