//! Runs one replica of contact-directory.

use std::process::ExitCode;

use clap::Parser;
use contact_directory::Config;

/// Leads, accounts, contacts, and the state of their consent.
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
