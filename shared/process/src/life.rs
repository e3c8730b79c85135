//! A process from start to exit.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use yinyom_telemetry::{FilterError, LogFilter, TelemetryConfig};

use crate::files::{Contents, Files, LOOK_EVERY, text};

/// Runs a service until it ends or the process is told to (SIGTERM, SIGINT: `stop` is cancelled, and the service
/// drains), flushes telemetry, and says on standard error why it failed, cause by cause.
pub async fn run<F, Fut>(telemetry: &TelemetryConfig, service: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = Result<(), Box<dyn Error>>>,
{
    match live(telemetry, service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn live<F, Fut>(telemetry: &TelemetryConfig, service: F) -> Result<(), Box<dyn Error>>
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = Result<(), Box<dyn Error>>>,
{
    yinyom_tls::install_provider();
    let file = telemetry.filter_file.clone();
    let telemetry = yinyom_telemetry::init(telemetry)?;
    if let Some(file) = file {
        follow(file, telemetry.filter())?;
    }
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        stopping.cancel();
    });
    let ended = service(stop).await;
    telemetry.shutdown().await;
    ended
}

/// Logs by what `file` says, and by what it comes to say.
fn follow(file: PathBuf, filter: LogFilter) -> Result<(), Box<dyn Error>> {
    let apply = move |contents: &Contents| -> Result<(), FilterError> {
        filter.replace(text(contents).trim())
    };
    let (files, contents) = Files::open("the log filter", vec![file])?;
    apply(&contents)?;
    files.watch(LOOK_EVERY, apply);
    Ok(())
}
