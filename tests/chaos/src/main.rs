//! Chaos: the system under faults, and what is left of what it promised.
//!
//! Starts two settings, three directories and two managers as processes on a PostgreSQL of its own, with a proxy on
//! each link between them. Clients write and read through all replicas, while processes are killed and stopped,
//! links cut, and the database crashed, by a plan that a seed decides. Then everything is healed, and what clients
//! were told is compared with what is there.
//!
//! | module | |
//! |---|---|
//! | `plan`, `faults` | which faults there are, and how each is done and undone |
//! | `house`, `process`, `proxy`, `database` | what runs, and by what it is broken |
//! | `town`, `clients`, `call` | who calls, and how a good client does |
//! | `changes`, `writers`, `rules`, `readers` | what they do |
//! | `journal`, `facts` | what was acknowledged, on disk and at the moment |
//! | `tables`, `recount`, `verdict`, `report` | what is left, and what is wrong with it |
//!
//! `deploy/chaos` runs it. It exits with 1 if anything was lost, duplicated, out of order, undone, revealed or miscounted.

mod call;
mod changes;
mod clients;
mod database;
mod facts;
mod faults;
mod house;
mod journal;
mod plan;
mod process;
mod proxy;
mod readers;
mod recount;
mod report;
mod rules;
mod run;
mod tables;
mod town;
mod verdict;
mod writers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Breaks a system of real processes, and compares what it promised with what is left.
#[derive(Parser)]
pub struct Args {
    /// How many faults
    #[arg(long, env = "FAULTS", default_value_t = 40)]
    pub faults: usize,
    /// How many acknowledged changes of consent, at least
    #[arg(long, env = "CHANGES", default_value_t = 2_500)]
    pub changes: u64,
    /// Decides which faults there are; any if there is none
    #[arg(long, env = "SEED")]
    pub seed: Option<u64>,
    /// How many clients write at the same time
    #[arg(long, env = "WRITERS", default_value_t = 10)]
    pub writers: u64,
    /// The program under test
    #[arg(long, env = "YINYOM_BIN")]
    pub program: PathBuf,
    /// For the files of this run, which must hold no other's
    #[arg(long, env = "CHAOS_DIR")]
    pub directory: PathBuf,
    /// FAILPOINTS for every service, in place of the usual ones; they need a program that has them
    #[arg(long, env = "FAILPOINTS")]
    pub failpoints: Option<String>,
}

/// The run itself could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Setup(String),
    #[error(
        "{what} was not answered for longer than any fault lasts, {attempts} times; at last: {last}"
    )]
    Stuck { what: String, attempts: u32, last: String },
    #[error("given up, because something else failed")]
    GivenUp,
    #[error("a file or a process")]
    Io(#[from] std::io::Error),
    #[error("the database")]
    Database(#[from] sqlx::Error),
    #[error("the journal")]
    Journal(#[from] serde_json::Error),
    #[error("an endpoint")]
    Endpoint(#[from] tonic::transport::Error),
    #[error("a token")]
    Token(#[from] yinyom_identity::KeyError),
    #[error("a master key")]
    MasterKey(#[from] yinyom_privacy::KeyError),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run::run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("chaos: {failure}: {failure:?}");
            ExitCode::FAILURE
        }
    }
}
