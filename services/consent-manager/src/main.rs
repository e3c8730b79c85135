//! Runs one replica of consent-manager.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use consent_manager::{App, Config};
use tokio::net::TcpListener;
use yinyom_kernel::SystemClock;

/// Marketing Consent Manager: the ledger of every consent change, and reports over it.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    let config = Cli::parse().config;
    yinyom_process::run(&config.telemetry(), async |stop| {
        let app = App::open(config.parts(Arc::new(SystemClock))?).await?;
        let listener = TcpListener::bind(config.listen).await?;
        tracing::info!(address = %listener.local_addr()?, "serving");
        Ok(app.serve(listener, stop).await?)
    })
    .await
}
