//! Runs one replica of consent-manager.

use std::process::ExitCode;

use clap::Parser;
use consent_manager::Config;

/// Marketing Consent Manager: the ledger of every consent change, and reports over it.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().config.run().await
}
