//! Runs one replica of consent-settings.

use std::process::ExitCode;

use clap::Parser;
use consent_settings::Config;

/// Businesses, members, consent settings, and the rules that the other services decide by.
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
