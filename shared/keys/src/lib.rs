//! The wrapped keys in a service's database, and what becomes of them when the master key changes.
//!
//! - [`admit`], [`check`], [`hold`]: a register of the master keys that anything is wrapped under, so that a service
//!   which was not given one of them does not start.
//! - [`rotate`]: wraps everything anew that is not under the active master key, while the services run;
//!   [`count`]: what is under which.
//! - [`Shelf`]: where a service keeps its wrapped keys. That is all that differs between services.
//!
//! # What wrapping anew does
//! Whoever has an old master key can open nothing of what is in the database then, and nothing that is added.
//! It does not take back what they have opened, nor what is in a backup or in pages of the database's files that have
//! not been vacuumed yet: those hold the same data keys, wrapped by the old one. So the old master key is
//! kept, apart, for as long as such a backup may be restored, and if it was stolen the data keys are renewed,
//! too. No value is sealed anew here.
//!
//! What is not done here: data keys are made, used and renewed by the services that own them.

mod register;
mod rotation;
mod shelf;

pub use register::{KeysError, POSTGRES_TABLE, SQLITE_TABLE, admit, check, hold};
pub use rotation::{Counts, Pace, Progress, count, rotate};
pub use shelf::{Page, Replacement, Shelf, ShelfError, holders};
