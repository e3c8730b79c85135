//! Runs one replica of consent-manager.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use consent_manager::{App, Config};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
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
    match run(&Cli::parse().config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("consent-manager: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = yinyom_telemetry::init(&config.telemetry())?;
    let parts = config.parts(Arc::new(SystemClock))?;
    let policies = parts.policies.clone();
    let app = App::open(parts).await?;
    let listener = TcpListener::bind(config.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "serving");
    let stop = CancellationToken::new();
    tokio::spawn(policies.keep_lease(stop.clone()));
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    let served = app.serve(listener, stop).await;
    telemetry.shutdown().await;
    Ok(served?)
}
