//! The program as people use it: started, asked, stopped and started again.

#![allow(clippy::unwrap_used, clippy::panic)]

mod bulk;
mod export;
mod import;
mod keys;
mod ledger;
mod program;
mod receipt;
mod serve;
