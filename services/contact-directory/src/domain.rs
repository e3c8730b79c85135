//! The rules of the directory: who sees what, who may change what, and what becomes of a consent.
//!
//! Everything here is a pure function of its arguments, time included. Nothing here knows a transport, a
//! database or a key store; nobody outside decides what these modules decide.
//!
//! - [`viewer`]: the one decision on what is shown, and the few calls that not everybody may make.
//! - [`guard`]: no one lifts a mask from themself, no one edits what they cannot see.
//! - [`consent`], [`expiry`], [`check`]: what a consent is at an instant, and whether marketing may use it.
//! - [`set`], [`surface`], [`evidence`]: what a customer said, where, and what it rests on; [`bulk`]: of many at once.
//! - [`record`], [`contact`], [`points`], [`carry`]: a contact, its names and addresses, and what an address does
//!   to a consent.
//! - [`lead`], [`order`]: leads and accounts, and the order of lists.
//! - [`import`], [`merge`], [`delete`], [`erase`]: where other systems lose consent.
//! - [`preview`]: what other settings would hide.
//! - [`export`]: what leaves in bulk.
//! - [`refusal`]: why any of these says no.

pub mod bulk;
pub mod carry;
pub mod check;
pub mod consent;
pub mod contact;
pub mod delete;
pub mod erase;
pub mod evidence;
pub mod expiry;
pub mod export;
pub mod guard;
pub mod import;
pub mod lead;
pub mod merge;
pub mod order;
pub mod points;
pub mod preview;
pub mod record;
pub mod refusal;
pub mod set;
pub mod surface;
pub mod viewer;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;

pub use consent::{Consent, Outcome};
pub use record::{Contact, NotRead};
pub use refusal::Refusal;
pub use viewer::{Sight, SightReason, View, Viewer, decide};
