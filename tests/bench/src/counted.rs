//! The directory as it ships, to be run under callgrind: on one thread, and with a clock that needs no page of the
//! kernel's, which callgrind hides.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use contact_directory::{App, Config};
use jiff::Timestamp;
use tokio::time::Instant;
use yinyom_kernel::{Clock, from_micros};

/// Serves until it is told to stop.
pub async fn directory(config: Config) -> ExitCode {
    let telemetry = config.logs.telemetry("contact-directory");
    yinyom_process::run(&telemetry, async |stop| {
        let transport = config.tls.open()?;
        let health = config.probes.open().await?;
        let mut parts = config.parts(&transport, Arc::new(Plain::new())).await?;
        parts.server.health = health;
        let (incoming, _) = transport.listen(config.listen).await?;
        let app = App::open(parts).await?.caught_up().await;
        Ok(app.serve(incoming, stop).await?)
    })
    .await
}

struct Plain {
    start: Instant,
}

impl Plain {
    fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for Plain {
    #[expect(clippy::disallowed_methods, reason = "this is a clock")]
    fn now(&self) -> Timestamp {
        from_micros(Timestamp::now().as_microsecond())
    }

    fn since_boot(&self) -> Duration {
        self.start.elapsed()
    }
}
