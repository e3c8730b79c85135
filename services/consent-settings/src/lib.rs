//! Consent settings: businesses and their plan, members and roles, the switch «เปิดใช้งาน», the viewer
//! list, and the policy that the other services decide by.
//!
//! # The way of a call
//!
//! | station | what it does | what it does not |
//! |---|---|---|
//! | `api` | implements the generated traits: parse, call, render | no rules |
//! | [`commands`] | one use case, one unit of work; idempotency; waiting for leases | no protobuf, no SQL |
//! | [`domain`] | types and rules, pure | no transport, no database, no clock |
//! | [`store`] | SQL over a transaction, by aggregate | decides nothing |
//! | `yinyom_db::Tx` | begin … commit | |
//!
//! [`ACCESS`] says which kind of caller may use which method; roles are asked for in [`domain`], under
//! the business's lock. [`App`] puts it together, [`Config`] reads what an operator set.
//!
//! # What holds here
//!
//! - A business has exactly one owner at any moment: every change takes the business's row first, so
//!   transfer, demotion and removal at the same time happen one after the other (TRAPS 7).
//! - A call that takes a right away returns when nobody can use the right any more (TRAPS 6):
//!   [`commands::leases`] has the protocol and why it holds.
//! - A request with a `request_id` takes effect once; its record holds ids, never anything rendered
//!   (TRAPS 4).
//! - Whoever may not know of a business hears what they would hear if there were none.
//!
//! Not here: what the rules mean for a contact (the directory's), and consent itself.

mod access;
mod api;
mod app;
pub mod commands;
mod config;
pub mod domain;
pub mod store;

pub use access::ACCESS;
pub use app::{App, MIGRATIONS, Parts, StartError};
pub use config::Config;
