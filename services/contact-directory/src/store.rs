//! SQL over a transaction, by aggregate; rows to domain and back.
//!
//! No rule is here, but for the ones that only a database can keep: uniqueness and locks. Every function
//! takes the [`Tx`](yinyom_db::Tx) of its caller and neither begins nor commits.

pub mod accounts;
pub mod aliases;
pub mod check;
pub mod contacts;
pub mod counts;
pub mod erase;
mod error;
pub mod expiry;
pub mod find;
pub mod import;
pub mod key_table;
pub mod keys;
pub mod leads;
pub mod links;
pub mod merges;
pub mod operations;
pub mod opt_outs;
pub mod paging;
pub mod refused;
pub mod renewal;
pub mod shared;

pub use error::StoreError;
pub use key_table::KeyTable;
pub use keys::{BusinessKeys, KeyRing};
