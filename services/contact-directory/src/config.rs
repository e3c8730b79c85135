//! What an operator sets, by flag or environment variable.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_process::{
    ConfigError, DatabaseArgs, KeyArgs, LimitArgs, LogArgs, PeerArgs, ProbeArgs, TlsArgs,
    TokenArgs, Transport,
};
use yinyom_rpc::stand_by;

use crate::app::{App, Parts, StartError};
use crate::commands::{LookupRate, MergeRetention, OperationRetention};

/// The settings of a replica. Has no `Debug`: the database's address may hold a password.
#[derive(clap::Args)]
pub struct Config {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Address to serve gRPC on
    #[arg(long, env = "YINYOM_LISTEN", default_value = "127.0.0.1:7072")]
    pub listen: SocketAddr,

    /// Where consent-manager serves: `https://host:port`, or `https://one:port,two:port`; `http://…` on loopback
    #[arg(long, env = "YINYOM_MANAGER_ENDPOINT")]
    pub manager_endpoint: String,

    /// Serve without having asked the manager which erasures it knows: whom a database from a backup has again is then seen
    /// again, until the manager answers
    #[arg(long, env = "YINYOM_SKIP_ERASURE_CHECK", value_parser = clap::builder::FalseyValueParser::new())]
    pub skip_erasure_check: bool,

    #[command(flatten)]
    pub tokens: TokenArgs,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub peers: PeerArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub lookups: LookupRate,
    #[command(flatten)]
    pub merges: MergeRetention,
    #[command(flatten)]
    pub operations: OperationRetention,
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
            authenticator: self.tokens.authenticator(SharedClock::clone(&clock)).await?,
            policies: self.peers.policies(transport, SharedClock::clone(&clock))?,
            manager: self.peers.connect(
                transport,
                &self.manager_endpoint,
                SharedClock::clone(&clock),
            )?,
            server: self.limits.server(),
            lookups: self.lookups,
            merges: self.merges,
            operations: self.operations,
            clock,
        })
    }

    /// Runs a replica until it is told to stop.
    pub async fn run(self) -> ExitCode {
        let telemetry = self.logs.telemetry("contact-directory");
        yinyom_process::run(&telemetry, async |stop| {
            let transport = self.tls.open()?;
            transport.admit(self.listen)?;
            let health = self.probes.open().await?;
            let mut parts = self.parts(&transport, Arc::new(SystemClock)).await?;
            parts.server.health = health;
            let (incoming, address) = transport.listen(self.listen).await?;
            let skip = self.skip_erasure_check;
            if skip {
                tracing::warn!("which erasures the ledger knows is not asked before serving");
            }
            let opening = async move {
                let app = App::open(parts).await?;
                Ok::<_, StartError>(if skip { app } else { app.caught_up().await })
            };
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
