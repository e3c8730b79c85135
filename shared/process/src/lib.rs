//! A service as a process: what every one of them is told by flags and environment, the files that those name,
//! and its life from start to exit.
//!
//! What a service is made of beside this is its own `config` and `app`.

mod args;
mod life;

pub use args::{ConfigError, KeyArgs, LogArgs, PeerArgs, TokenArgs};
pub use life::run;
