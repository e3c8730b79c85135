//! The wiring: from parts to a service that listens. The only place where it is done.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use include_dir::include_dir;
use tokio_util::sync::CancellationToken;
use yinyom_audit::{AuditSink, OUTBOX};
use yinyom_db::{Db, DbConfig, Migrations, OpenError};
use yinyom_identity::Authenticator;
use yinyom_kernel::SharedClock;
use yinyom_keys::{KeysError, admit};
use yinyom_outbox::{Relay, RelayConfig};
use yinyom_privacy::MasterKeys;
use yinyom_proto::settings::v1::business_service_server::BusinessServiceServer;
use yinyom_proto::settings::v1::consent_settings_service_server::ConsentSettingsServiceServer;
use yinyom_proto::settings::v1::policy_service_server::PolicyServiceServer;
use yinyom_rpc::{Connection, Incoming, ServeError, Server, ServerConfig, with_message_limits};

use crate::ACCESS;
use crate::api::Api;
use crate::commands::Commands;
use crate::store::{StoreError, key};

/// The schema's history.
pub static MIGRATIONS: LazyLock<Migrations> = LazyLock::new(|| {
    Migrations::of(
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite"),
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/postgres"),
    )
});

const TIDY_EVERY: Duration = Duration::from_mins(10);

/// What a replica is made of, however it was come by: from files in a cluster, from flags of the
/// all-in-one on a laptop.
pub struct Parts {
    pub database: DbConfig,
    pub masters: MasterKeys,
    pub authenticator: Arc<Authenticator>,
    /// The audit record's side of the outbox.
    pub manager: Connection,
    pub server: ServerConfig,
    pub clock: SharedClock,
}

/// Why a replica did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the database of consent-settings cannot be opened")]
    Open(#[from] OpenError),
    #[error("the key of consent-settings cannot be had")]
    Key(#[from] StoreError),
    #[error(transparent)]
    Masters(#[from] KeysError),
}

/// A replica, ready to listen.
pub struct App {
    commands: Commands,
    audit: Relay<AuditSink>,
    server: Server,
    db: Db,
}

impl App {
    /// Opens the database, brings its schema up to date, and puts the service together. Waits for a
    /// database server that cannot be reached.
    pub async fn open(parts: Parts) -> Result<Self, StartError> {
        let db = Db::connect_patiently(&parts.database, &MIGRATIONS).await?;
        let now = parts.clock.now().as_microsecond();
        admit(&db, &parts.masters, now).await?;
        let key = key::load_or_create(&db, &parts.masters, now).await?;
        let (sink, clock) = (AuditSink::new(parts.manager), SharedClock::clone(&parts.clock));
        // A change may be of a thousand members.
        let config = RelayConfig { batch: 100, live: 2, catch_up: 1, ..RelayConfig::default() };
        let audit = Relay::of(OUTBOX, db.clone(), sink, clock, config);
        let commands = Commands::new(db.clone(), parts.clock, &key, audit.handle());
        let api = Arc::new(Api::new(commands.clone(), &key));
        let sized = parts.server.clone();
        let (a, b) = (Arc::clone(&api), Arc::clone(&api));
        let server =
            Server::new(parts.server, parts.authenticator, yinyom_proto::DESCRIPTORS, ACCESS)
                .add_service(with_message_limits!(BusinessServiceServer::from_arc(a), sized))
                .add_service(with_message_limits!(ConsentSettingsServiceServer::from_arc(b), sized))
                .add_service(with_message_limits!(PolicyServiceServer::from_arc(api), sized));
        Ok(Self { commands, audit, server, db })
    }

    /// The use cases, for who loads a demo without a network in between.
    pub fn commands(&self) -> &Commands {
        &self.commands
    }

    /// Serves what comes in, at a listener or otherwise, until `stop`, then until calls have ended, and closes
    /// the database. Meanwhile it relays changes to the audit record.
    pub async fn serve(
        self,
        incoming: impl Into<Incoming>,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        self.serve_with(|server| server.serve(incoming, stop)).await
    }

    /// Like [`App::serve`], where `serve` says on what and until when.
    pub async fn serve_with<F>(self, serve: impl FnOnce(Server) -> F) -> Result<(), ServeError>
    where
        F: Future<Output = Result<(), ServeError>>,
    {
        let after = CancellationToken::new();
        let audit = tokio::spawn(self.audit.run(after.clone()));
        let served = tokio::select! {
            served = serve(self.server) => served,
            () = keep_tidy(&self.commands) => Ok(()),
        };
        // What the last calls committed still goes out, or waits on disk.
        after.cancel();
        let _ = audit.await;
        self.db.close().await;
        served
    }
}

/// Throws away what is old, for ever. What fails is tried again in time: nothing depends on it.
async fn keep_tidy(commands: &Commands) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        match commands.tidy().await {
            Ok(rows) => tracing::debug!(rows, "tidied"),
            Err(error) => tracing::warn!(%error, "not tidied"),
        }
    }
}
