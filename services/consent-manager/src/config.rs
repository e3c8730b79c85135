//! What an operator sets, by flag or environment variable.

mod ledger;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_process::{
    ConfigError, DatabaseArgs, KeyArgs, LimitArgs, LogArgs, PeerArgs, ProbeArgs, TlsArgs,
    TokenArgs, Transport,
};
use yinyom_rpc::stand_by;

use crate::app::{App, Parts};

pub use ledger::LedgerArgs;

/// The settings of a replica. Has no `Debug`: the database's address may hold a password.
#[derive(clap::Args)]
pub struct Config {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Address to serve gRPC on
    #[arg(long, env = "YINYOM_LISTEN", default_value = "127.0.0.1:7073")]
    pub listen: SocketAddr,

    #[command(flatten)]
    pub tokens: TokenArgs,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub ledger: LedgerArgs,
    #[command(flatten)]
    pub peers: PeerArgs,
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
        Ok(Parts {
            database: self.database.config()?,
            masters: self.keys.masters()?,
            notary: Arc::new(self.ledger.notary()?),
            sign_earlier: self.ledger.sign_earlier_records,
            authenticator: self.tokens.authenticator(SharedClock::clone(&clock)).await?,
            policies: self.peers.policies(transport, SharedClock::clone(&clock))?,
            server: self.limits.server_of_manager()?,
            clock,
        })
    }

    /// Runs a replica until it is told to stop.
    pub async fn run(self) -> ExitCode {
        let telemetry = self.logs.telemetry("consent-manager");
        yinyom_process::run(&telemetry, async |stop| {
            let transport = self.tls.open()?;
            transport.admit(self.listen)?;
            let health = self.probes.open().await?;
            let mut parts = self.parts(&transport, Arc::new(SystemClock)).await?;
            parts.server.health = health;
            let (incoming, address) = transport.listen(self.listen).await?;
            let opening = async move { App::open(parts).await?.unconfirmed().await };
            let opening = stand_by(incoming, Box::pin(opening));
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
