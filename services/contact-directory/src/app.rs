//! The wiring: from parts to a service that listens. The only place where it is done.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use include_dir::include_dir;
use tokio_util::sync::CancellationToken;
use yinyom_audit::{AuditSink, OUTBOX};
use yinyom_db::{Db, DbConfig, Migrations, OpenError, idempotency};
use yinyom_identity::Authenticator;
use yinyom_kernel::SharedClock;
use yinyom_keys::{KeysError, admit};
use yinyom_outbox::{Relay, RelayConfig};
use yinyom_policy::Policies;
use yinyom_privacy::{MasterKeys, Phone, WrapError};
use yinyom_proto::directory::v1::account_service_server::AccountServiceServer;
use yinyom_proto::directory::v1::bulk_consent_service_server::BulkConsentServiceServer;
use yinyom_proto::directory::v1::consent_service_server::ConsentServiceServer;
use yinyom_proto::directory::v1::contact_service_server::ContactServiceServer;
use yinyom_proto::directory::v1::import_service_server::ImportServiceServer;
use yinyom_proto::directory::v1::lead_service_server::LeadServiceServer;
use yinyom_proto::directory::v1::merge_service_server::MergeServiceServer;
use yinyom_proto::directory::v1::outbox_service_server::OutboxServiceServer;
use yinyom_proto::directory::v1::preview_service_server::PreviewServiceServer;
use yinyom_proto::directory::v1::reach_service_server::ReachServiceServer;
use yinyom_proto::directory::v1::shared_address_service_server::SharedAddressServiceServer;
use yinyom_proto::directory::v1::subject_service_server::SubjectServiceServer;
use yinyom_proto::longrunning::operations_server::OperationsServer;
use yinyom_rpc::{Connection, Incoming, ServeError, Server, ServerConfig, with_message_limits};

use crate::ACCESS;
use crate::api::Api;
use crate::commands::bulk::Work;
use crate::commands::catch_up::CatchUp;
use crate::commands::expiries::Expiries;
use crate::commands::merges::forget_ended;
use crate::commands::{Directory, LookupRate, MergeRetention, OperationRetention, Relays};
use crate::sink::Ledger;
use crate::store::KeyRing;

/// The schema's history.
pub static MIGRATIONS: LazyLock<Migrations> = LazyLock::new(|| {
    Migrations::of(
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite"),
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/postgres"),
    )
});

const TIDY_EVERY: Duration = Duration::from_mins(10);

/// What a replica is made of, however it was come by: from files in a cluster, from flags of the all-in-one on a
/// laptop.
pub struct Parts {
    pub database: DbConfig,
    /// Wrap the keys of businesses and seal page tokens.
    pub masters: MasterKeys,
    pub authenticator: Arc<Authenticator>,
    pub policies: Policies,
    /// The ledger's side of the outbox.
    pub manager: Connection,
    pub server: ServerConfig,
    /// How often one caller may look up an address.
    pub lookups: LookupRate,
    /// How long merges can be undone.
    pub merges: MergeRetention,
    /// How long operations that have ended are kept.
    pub operations: OperationRetention,
    pub clock: SharedClock,
}

/// Why a replica did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the database of contact-directory cannot be opened")]
    Open(#[from] OpenError),
    #[error(transparent)]
    Masters(#[from] KeysError),
    #[error("the keys of contact-directory cannot be had")]
    Keys(#[from] WrapError),
}

/// A replica, ready to listen.
pub struct App {
    policies: Policies,
    clock: SharedClock,
    relay: Relay<Ledger>,
    audit: Relay<AuditSink>,
    expiries: Expiries,
    bulk: Work,
    server: Server,
    db: Db,
    catch_up: CatchUp,
}

impl App {
    /// Opens the database, brings its schema up to date, and puts the service together. Waits for a
    /// database server that cannot be reached.
    pub async fn open(parts: Parts) -> Result<Self, StartError> {
        let db = Db::connect_patiently(&parts.database, &MIGRATIONS).await?;
        // The first number takes milliseconds to parse: not a caller's.
        Phone::warm_up();
        admit(&db, &parts.masters, parts.clock.now().as_microsecond()).await?;
        let sealer = parts.masters.sealer("yinyom directory page tokens").await?;
        let keys = KeyRing::new(Arc::new(parts.masters));
        let clock = parts.clock;
        let audit = AuditSink::new(parts.manager.clone());
        // Reveals are in no hurry, and one of them may be of a thousand contacts.
        let gather = Duration::from_millis(100);
        let config =
            RelayConfig { batch: 100, live: 2, catch_up: 1, gather, ..RelayConfig::default() };
        let audit = Relay::of(OUTBOX, db.clone(), audit, SharedClock::clone(&clock), config);
        let (db_of, clock_of) = (db.clone(), SharedClock::clone(&clock));
        let catch_up = CatchUp::new(db_of, clock_of, parts.manager.clone());
        let sink = Ledger::new(parts.manager, keys.clone(), db.clone(), SharedClock::clone(&clock));
        let config = RelayConfig::default();
        let relay = Relay::new(db.clone(), sink, SharedClock::clone(&clock), config);
        let (policies, relays) =
            (parts.policies, Relays { ledger: relay.handle(), audit: audit.handle() });
        let (db_of, clock_of) = (db.clone(), SharedClock::clone(&clock));
        let directory = Directory::new(db_of, clock_of, policies.clone(), keys, relays, sealer)
            .with_lookup_rate(parts.lookups)
            .with_merge_retention(parts.merges)
            .with_operations(Arc::clone(&parts.authenticator), parts.operations);
        let expiries = Expiries::new(directory.clone());
        let bulk = Work::new(directory.clone());
        let server = serve(Arc::new(Api::new(directory)), parts.server, parts.authenticator);
        Ok(Self { policies, clock, relay, audit, expiries, bulk, server, db, catch_up })
    }

    /// Waits until this database and the ledger know of the same erasures: one that came back from a backup must not serve
    /// whom it had erased. Waits for the manager, for ever.
    pub async fn caught_up(self) -> Self {
        self.catch_up.first().await;
        self
    }

    /// Serves what comes in, at a listener or otherwise, until `stop`, then until calls have ended, and closes the
    /// database. Meanwhile it keeps the policy lease, records expiries, goes on with operations, and relays changes to the ledger and reveals to the
    /// audit record.
    pub async fn serve(
        self,
        incoming: impl Into<Incoming>,
        stop: CancellationToken,
    ) -> Result<(), ServeError> {
        let after = CancellationToken::new();
        let relay = tokio::spawn(self.relay.run(after.clone()));
        let audit = tokio::spawn(self.audit.run(after.clone()));
        let lease = tokio::spawn(self.policies.keep_lease(after.clone()));
        let expiries = tokio::spawn(self.expiries.run(after.clone()));
        let bulk = tokio::spawn(self.bulk.run(after.clone()));
        let served = tokio::select! {
            served = self.server.serve(incoming, stop) => served,
            () = self.catch_up.keep() => Ok(()),
            () = keep_tidy(&self.db, &self.clock) => Ok(()),
        };
        // The last calls have been answered by now; what they committed still goes out, or waits on disk.
        after.cancel();
        let _ = tokio::join!(relay, audit, lease, expiries, bulk);
        self.db.close().await;
        served
    }
}

/// Forgets old requests, and what it took to undo merges that cannot be undone any more, for ever. What fails is tried again
/// in time: nothing depends on it.
async fn keep_tidy(db: &Db, clock: &SharedClock) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        let now = clock.now().as_microsecond();
        match idempotency::forget_old(db, now).await {
            Ok(requests) => tracing::debug!(requests, "tidied"),
            Err(error) => tracing::warn!(%error, "not tidied"),
        }
        match forget_ended(db, now).await {
            Ok(merges) => tracing::debug!(merges, "forgot how merged contacts were"),
            Err(error) => tracing::warn!(%error, "not forgotten how merged contacts were"),
        }
    }
}

/// The server of these use cases, with every service.
pub fn serve(api: Arc<Api>, config: ServerConfig, authenticator: Arc<Authenticator>) -> Server {
    let sized = config.clone();
    let (a, b, c, d) = (api.clone(), api.clone(), api.clone(), api.clone());
    let subjects = SubjectServiceServer::from_arc(api.clone());
    let shared = SharedAddressServiceServer::from_arc(api.clone());
    Server::new(config, authenticator, yinyom_proto::DESCRIPTORS, ACCESS)
        .add_service(with_message_limits!(ContactServiceServer::from_arc(a), sized))
        .add_service(with_message_limits!(LeadServiceServer::from_arc(b), sized))
        .add_service(with_message_limits!(AccountServiceServer::from_arc(c), sized))
        .add_service(with_message_limits!(ConsentServiceServer::from_arc(d), sized))
        .add_service(with_message_limits!(ImportServiceServer::from_arc(api.clone()), sized))
        .add_service(with_message_limits!(MergeServiceServer::from_arc(api.clone()), sized))
        .add_service(with_message_limits!(BulkConsentServiceServer::from_arc(api.clone()), sized))
        .add_service(with_message_limits!(OperationsServer::from_arc(api.clone()), sized))
        .add_service(with_message_limits!(ReachServiceServer::from_arc(api.clone()), sized))
        .add_service(with_message_limits!(subjects, sized))
        .add_service(with_message_limits!(shared, sized))
        .add_service(with_message_limits!(PreviewServiceServer::from_arc(api.clone()), sized))
        .add_service(with_message_limits!(OutboxServiceServer::from_arc(api), sized))
}
