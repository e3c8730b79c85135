//! The wiring: from parts to a service that listens. The only place where it is done.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use include_dir::include_dir;
use tokio_util::sync::CancellationToken;
use yinyom_db::{Db, DbConfig, Migrations, OpenError};
use yinyom_identity::Authenticator;
use yinyom_kernel::SharedClock;
use yinyom_keys::{KeysError, admit};
use yinyom_outbox::TaskLease;
use yinyom_policy::Policies;
use yinyom_privacy::{MasterKeys, WrapError};
use yinyom_proto::manager::v1::audit_service_server::AuditServiceServer;
use yinyom_proto::manager::v1::export_service_server::ExportServiceServer;
use yinyom_proto::manager::v1::ledger_service_server::LedgerServiceServer;
use yinyom_proto::manager::v1::proof_service_server::ProofServiceServer;
use yinyom_proto::manager::v1::receipt_service_server::ReceiptServiceServer;
use yinyom_proto::manager::v1::report_service_server::ReportServiceServer;
use yinyom_proto::manager::v1::retention_service_server::RetentionServiceServer;
use yinyom_proto::manager::v1::watch_service_server::WatchServiceServer;
use yinyom_rpc::{Incoming, ServeError, Server, ServerConfig, with_message_limits};

use crate::api::Api;
use crate::commands::{ERASURES, Manager, confirm, count_earlier, destroy_due, sign_earlier};
use crate::store::StoreError;
use crate::{ACCESS, Feeds, Notary};

/// The schema's history.
pub static MIGRATIONS: LazyLock<Migrations> = LazyLock::new(|| {
    Migrations::of(
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite"),
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/postgres"),
    )
});

/// How often one looks whether there is something to destroy.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How long the replica that destroys may be gone before another one does.
const DESTROYER_FOR: Duration = Duration::from_mins(3);

/// What a replica is made of, however it was come by: from files in a cluster, from flags of the
/// all-in-one on a laptop.
pub struct Parts {
    pub database: DbConfig,
    /// Wrap the contacts' keys and seal page tokens.
    pub masters: MasterKeys,
    /// Signs the ledger.
    pub notary: Arc<Notary>,
    /// Whether to sign what is older than signatures, as it is now.
    pub sign_earlier: bool,
    pub authenticator: Arc<Authenticator>,
    /// Nobody else keeps their lease: it is this replica's.
    pub policies: Policies,
    pub server: ServerConfig,
    pub clock: SharedClock,
}

/// Why a replica did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the database of consent-manager cannot be opened")]
    Open(#[from] OpenError),
    #[error(transparent)]
    Masters(#[from] KeysError),
    #[error("the keys of consent-manager cannot be had")]
    Keys(#[from] WrapError),
    #[error("the database of consent-manager cannot be written")]
    Store(#[from] StoreError),
}

/// A replica, ready to listen.
pub struct App {
    manager: Manager,
    sign_earlier: bool,
    server: Server,
}

impl App {
    /// Opens the database, brings its schema up to date, and puts the service together. Waits for a
    /// database server that cannot be reached.
    pub async fn open(parts: Parts) -> Result<Self, StartError> {
        let manager = Manager {
            db: Db::connect_patiently(&parts.database, &MIGRATIONS).await?,
            policies: parts.policies,
            masters: Arc::new(parts.masters),
            notary: parts.notary,
            clock: parts.clock,
            feeds: Feeds::default(),
        };
        admit(&manager.db, &manager.masters, manager.clock.now().as_microsecond()).await?;
        let sealer = manager.masters.sealer("yinyom manager page tokens").await?;
        let api = Api::new(manager.clone(), sealer);
        let sized = parts.server.clone();
        let shared = || Arc::clone(&api);
        let server =
            Server::new(parts.server, parts.authenticator, yinyom_proto::DESCRIPTORS, ACCESS)
                .add_service(with_message_limits!(AuditServiceServer::from_arc(shared()), sized))
                .add_service(with_message_limits!(ExportServiceServer::from_arc(shared()), sized))
                .add_service(with_message_limits!(LedgerServiceServer::from_arc(shared()), sized))
                .add_service(with_message_limits!(ProofServiceServer::from_arc(shared()), sized))
                .add_service(with_message_limits!(ReceiptServiceServer::from_arc(shared()), sized))
                .add_service(with_message_limits!(ReportServiceServer::from_arc(shared()), sized))
                .add_service(with_message_limits!(
                    RetentionServiceServer::from_arc(shared()),
                    sized
                ))
                .add_service(with_message_limits!(WatchServiceServer::from_arc(shared()), sized));
        Ok(Self { manager, sign_earlier: parts.sign_earlier, server })
    }

    /// Opens no evidence until the directory has said that no erasure is missing: the database may have come back from a
    /// backup.
    pub async fn unconfirmed(self) -> Result<Self, StartError> {
        confirm(&self.manager, false).await?;
        Ok(self)
    }

    /// What the use cases work with, for who calls them without a network in between.
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// Serves what comes in, at a listener or otherwise, until `stop`, then until calls have ended, and closes
    /// the database. Meanwhile it keeps the policy lease, for the last calls, too.
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
        let lease = tokio::spawn(self.manager.policies.clone().keep_lease(after.clone()));
        let signing = self.sign_earlier.then(|| {
            let (manager, after) = (self.manager.clone(), after.clone());
            tokio::spawn(async move { sign(&manager, &after).await })
        });
        let destroying = {
            let (manager, after) = (self.manager.clone(), after.clone());
            tokio::spawn(async move { destroy(&manager, &after).await })
        };
        let counting = {
            let (manager, after) = (self.manager.clone(), after.clone());
            tokio::spawn(async move { count(&manager, &after).await })
        };
        let served = serve(self.server).await;
        after.cancel();
        let _ = tokio::join!(lease, destroying, counting);
        if let Some(signing) = signing {
            let _ = signing.await;
        }
        self.manager.db.close().await;
        served
    }
}

/// Destroys what is due, as soon as it is known to be and every minute, for ever: one replica at a time. What is cut short is
/// done by the next.
async fn destroy(manager: &Manager, stop: &CancellationToken) {
    let (db, clock) = (manager.db.clone(), SharedClock::clone(&manager.clock));
    let lease = TaskLease::new(db, clock, "destroy", DESTROYER_FOR);
    let mut woken = manager.db.listen(ERASURES);
    let work = async {
        loop {
            let destroyed = match lease.hold().await {
                Ok(true) => destroy_due(manager).await,
                Ok(false) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = destroyed {
                tracing::warn!(%error, "what was erased is not destroyed yet");
            }
            let _ = tokio::time::timeout(LOOK_EVERY, woken.changed()).await;
        }
    };
    stop.run_until_cancelled(work).await;
    if let Err(error) = lease.release().await {
        tracing::debug!(%error, "another replica waits for the lease to run out");
    }
}

/// Signs what is older than signatures. What is left when it stops is done at the next start.
async fn sign(manager: &Manager, stop: &CancellationToken) {
    if let Some(Err(error)) = stop.run_until_cancelled(sign_earlier(manager)).await {
        tracing::error!(%error, "records from before signatures are not signed");
    }
}

/// Counts by time what is older than such counts. What is left when it stops is done at the next start.
async fn count(manager: &Manager, stop: &CancellationToken) {
    if let Some(Err(error)) = stop.run_until_cancelled(count_earlier(&manager.db)).await {
        tracing::error!(%error, "earlier changes are not counted by time");
    }
}
