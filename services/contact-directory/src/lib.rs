//! The contact directory: leads, accounts, contacts, and the state of their consent.
//!
//! The way of data: [`api`] reads a request and renders the answer, [`commands`] open a unit of work, [`domain`]
//! decides, [`store`] keeps. `api → commands → (domain, store) → Tx`, never back.
//!
//! The directory asks settings for the rules, under a lease, to decide what to mask; and it tells the manager of
//! every consent change, through its outbox ([`sink`]). It is the only writer of consent state.

mod access;
pub mod api;
pub mod app;
pub mod commands;
mod config;
pub mod domain;
pub mod sink;
pub mod store;

pub use access::ACCESS;
pub use app::{App, MIGRATIONS, Parts, StartError};
pub use config::Config;
