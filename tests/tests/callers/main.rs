//! Who gets in, asked of every method that the descriptors have: with every token that is wrong, and in every role.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::large_futures)]

mod roles;
mod tokens;
