//! Replicas that are restarted one after the other while clients go on: real processes on PostgreSQL.

mod fleet;
mod load;

pub use fleet::{Fleet, SERVICES, Service};
pub use load::{Load, Told};
