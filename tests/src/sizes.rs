//! Ledgers of many sizes, and what it costs to ask them: reports must follow the number of buckets, not of changes.

mod questions;
mod writing;

pub use questions::{Question, Reader};
pub use writing::{clone_business, write_ledger};
