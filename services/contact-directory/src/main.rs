//! Runs one replica of contact-directory.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use contact_directory::{App, Config};
use tokio::net::TcpListener;
use yinyom_kernel::SystemClock;

/// Leads, accounts, contacts, and the state of their consent.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    let config = Cli::parse().config;
    let telemetry = config.logs.telemetry("contact-directory");
    yinyom_process::run(&telemetry, async |stop| {
        let app = App::open(config.parts(Arc::new(SystemClock))?).await?;
        let listener = TcpListener::bind(config.listen).await?;
        tracing::info!(address = %listener.local_addr()?, "serving");
        Ok(app.serve(listener, stop).await?)
    })
    .await
}
