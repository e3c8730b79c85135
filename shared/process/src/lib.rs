//! A service as a process: what every one of them is told by flags and environment, the files that those name,
//! and its life from start to exit.
//!
//! What a service is made of beside this is its own `config` and `app`.

mod args;
mod database_args;
mod files;
mod key_args;
mod key_url;
mod life;
mod limits;
mod probes;
mod token_args;
mod transport;

pub use args::{CallArgs, ConfigError, LogArgs, PeerArgs};
pub use database_args::DatabaseArgs;
pub use key_args::{KeyArgs, Secret};
pub use key_url::{KeyUrl, KeyUrlError, KeyUrlLimits};
pub use life::run;
pub use limits::LimitArgs;
pub use probes::ProbeArgs;
pub use token_args::{IssuersError, TokenArgs};
pub use transport::{CallTlsArgs, Demand, TlsArgs, Transport};
