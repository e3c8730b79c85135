//! The directory as it ships, to be run under callgrind: on one thread; with a clock that needs no page of the kernel's,
//! which callgrind hides; and with patience, since under callgrind it is some fifty times as slow.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use contact_directory::{App, Config};
use jiff::Timestamp;
use tokio::time::Instant;
use yinyom_kernel::{Clock, from_micros};
use yinyom_policy::{Policies, PoliciesConfig, RemoteSource};

const PATIENCE: Duration = Duration::from_secs(10);
/// A lease must last as long as it does for a directory that is not slowed down.
const SLOWED_DOWN: u32 = 50;

/// Serves until it is told to stop.
pub async fn directory(config: Config) -> ExitCode {
    let telemetry = config.logs.telemetry("contact-directory");
    yinyom_process::run(&telemetry, async |stop| {
        let transport = config.tls.open()?;
        let health = config.probes.open().await?;
        let mut parts = config.parts(&transport, Arc::new(Plain::new())).await?;
        parts.server.health = health;
        let settings = config.peers.connect(
            &transport,
            &config.peers.settings_endpoint,
            parts.clock.clone(),
        )?;
        let patient = PoliciesConfig {
            max_wait: PATIENCE,
            renewal_timeout: PATIENCE,
            ..PoliciesConfig::default()
        };
        let source = Arc::new(RemoteSource::new(settings));
        parts.policies = Policies::new(source, parts.clock.clone(), patient);
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
        self.start.elapsed() / SLOWED_DOWN
    }
}
