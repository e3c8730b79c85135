//! The rules of privacy, each named by a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod email;
mod finder;
mod keys;
mod kms;
mod personal;
mod phone;
mod token;
