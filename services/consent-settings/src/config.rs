//! What an operator sets, by flag or environment variable.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_process::{
    CallArgs, ConfigError, DatabaseArgs, KeyArgs, LimitArgs, LogArgs, ProbeArgs, TlsArgs,
    TokenArgs, Transport,
};
use yinyom_rpc::stand_by;

use crate::app::{App, Parts};

/// The settings of a replica. Has no `Debug`: the database's address may hold a password.
#[derive(clap::Args)]
pub struct Config {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Address to serve gRPC on
    #[arg(long, env = "YINYOM_LISTEN", default_value = "127.0.0.1:7071")]
    pub listen: SocketAddr,

    /// Where consent-manager serves: `https://host:port`, or `https://one:port,two:port`; `http://…` on loopback
    #[arg(long, env = "YINYOM_MANAGER_ENDPOINT")]
    pub manager_endpoint: String,

    #[command(flatten)]
    pub tokens: TokenArgs,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub calls: CallArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub logs: LogArgs,
    #[command(flatten)]
    pub probes: ProbeArgs,
}

impl Config {
    /// Reads the files, into what [`crate::App::open`] takes. Needs a running tokio runtime.
    pub async fn parts(
        &self,
        transport: &Transport,
        clock: SharedClock,
    ) -> Result<Parts, ConfigError> {
        let own = SharedClock::clone(&clock);
        Ok(Parts {
            database: self.database.config()?,
            masters: self.keys.masters()?,
            authenticator: self.tokens.authenticator(SharedClock::clone(&clock)).await?,
            manager: self.calls.connect(transport, &self.manager_endpoint, own)?,
            server: self.limits.server(),
            clock,
        })
    }

    /// Runs a replica until it is told to stop.
    pub async fn run(self) -> ExitCode {
        let telemetry = self.logs.telemetry("consent-settings");
        yinyom_process::run(&telemetry, async |stop| {
            let transport = self.tls.open()?;
            transport.admit(self.listen)?;
            let health = self.probes.open().await?;
            let mut parts = self.parts(&transport, Arc::new(SystemClock)).await?;
            parts.server.health = health;
            let (incoming, address) = transport.listen(self.listen).await?;
            let opening = stand_by(incoming, Box::pin(App::open(parts)));
            let Some((incoming, app)) = stop.run_until_cancelled(opening).await else {
                return Ok(());
            };
            let app = app?;
            tracing::info!(%address, tls = transport.serves_tls(), "serving");
            Ok(app.serve(incoming, stop).await?)
        })
        .await
    }
}
