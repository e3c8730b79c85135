//! What only a release can tell: each measurement says at the top of its file what it is for, and has a target of `make`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    clippy::cast_precision_loss,
    reason = "a measurement that fails is none"
)]

mod catch_up;
mod export_memory;
mod publication_lag;
mod reveal_cost;
mod revocation_lag;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the three services in one process, with real connections between them.
#[derive(Debug, Parser)]
enum Measurement {
    /// How fast the manager catches up, and who notices.
    CatchUp {
        #[arg(default_value_t = 100_000)]
        changes: usize,
        #[arg(default_value_t = 2_000)]
        businesses: usize,
    },
    /// What an export takes, of each format.
    ExportMemory {
        #[arg(default_value_t = 1_000_000)]
        rows: usize,
    },
    /// How long a change takes to reach the manager's report.
    PublicationLag {
        #[arg(default_value_t = 10_000)]
        changes: usize,
    },
    /// What it costs to record who sees by privilege.
    RevealCost {
        #[arg(default_value_t = 20)]
        rounds: usize,
    },
    /// How long it takes to take a right away, and a read without settings.
    RevocationLag {
        #[arg(default_value_t = 500)]
        calls: usize,
    },
}

#[tokio::main]
async fn main() {
    match Measurement::parse() {
        Measurement::CatchUp { changes, businesses } => catch_up::run(changes, businesses).await,
        Measurement::ExportMemory { rows } => export_memory::run(rows).await,
        Measurement::PublicationLag { changes } => publication_lag::run(changes).await,
        Measurement::RevealCost { rounds } => reveal_cost::run(rounds).await,
        Measurement::RevocationLag { calls } => revocation_lag::run(calls).await,
    }
}
