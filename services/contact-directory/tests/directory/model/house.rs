//! The real directory: its server over a database, with settings and the clock in the test's hands.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contact_directory::api::Api;
use contact_directory::app;
use contact_directory::commands::bulk::OperationRetention;
use contact_directory::commands::{Directory, LookupRate, Relays};
use contact_directory::store::KeyRing;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tonic::transport::Channel;
use uuid::Uuid;
use yinyom_db::Db;
use yinyom_kernel::{BusinessId, ManualClock};
use yinyom_outbox::{Event, Relay, RelayConfig, Sink, SinkError, StreamOutcome};
use yinyom_policy::{Policies, PoliciesConfig, Policy, PolicySource, Renewal, SourceError};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_rpc::ServerConfig;
use yinyom_testkit::servers::{self, TestServer};
use yinyom_testkit::tokens::Tokens;

const CALLERS: &str = r#"{"operators": ["vendor"], "services": [
    {"name": "scoped", "businesses": "*", "rpcs": ["*"], "scopes": ["addresses.read"]},
    {"name": "unscoped", "businesses": "*", "rpcs": ["*"], "scopes": []}
]}"#;

/// A directory for case after case, each in businesses of its own.
pub struct House {
    pub db: Db,
    pub clock: Arc<ManualClock>,
    pub tokens: Tokens,
    pub channel: Channel,
    pub directory: Directory,
    settings: Arc<Settings>,
    policies: Policies,
    _server: TestServer,
}

impl House {
    pub async fn on(db: Db, lease_seconds: u32) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
        let lease = Duration::from_secs(lease_seconds.into());
        let settings = Arc::new(Settings { lease, ..Settings::default() });
        let policies = Policies::new(settings.clone(), clock.clone(), PoliciesConfig::default());
        let masters = MasterKeys::new(MasterKey::generate(), Vec::new());
        let sealer = masters.sealer("page tokens").await.unwrap();
        let keys = KeyRing::new(Arc::new(masters));
        let relay = Relay::new(db.clone(), Nobody, clock.clone(), RelayConfig::default());
        let relays = Relays { ledger: relay.handle(), audit: relay.handle() };
        let rules = policies.clone();
        let tokens = Tokens::new(clock.clone());
        let authenticator = tokens.authenticator(CALLERS);
        let directory = Directory::new(db.clone(), clock.clone(), rules, keys, relays, sealer)
            .with_lookup_rate(LookupRate::UNLIMITED)
            .with_operations(authenticator.clone(), OperationRetention::default());
        let api = Arc::new(Api::new(directory.clone()));
        // A machine that has something else to do is no disagreement.
        let patient =
            ServerConfig { unary_timeout: Duration::from_mins(10), ..ServerConfig::unhurried() };
        let stack = app::serve(api, patient, authenticator);
        let server = servers::serve(stack).await;
        let channel = server.channel();
        Self { db, clock, tokens, channel, directory, settings, policies, _server: server }
    }

    /// Settings says so, and the directory has heard it.
    pub async fn rule(&self, policy: Policy) {
        self.settings.say(policy);
        self.policies.renew().await.unwrap();
    }

    pub async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        let _ = self.policies.renew().await;
    }

    /// Settings is not heard of any more, and the lease runs out.
    pub fn cut_off(&self) {
        self.settings.silent.store(true, Ordering::SeqCst);
        self.clock.advance(self.settings.lease);
    }

    pub async fn reconnect(&self) {
        self.settings.silent.store(false, Ordering::SeqCst);
        self.policies.renew().await.unwrap();
    }

    /// Makes sure that the directory has known the business.
    pub async fn meet(&self, business: BusinessId) {
        self.policies.of(business).await;
    }
}

/// Settings, as a script.
#[derive(Default)]
struct Settings {
    policies: Mutex<HashMap<BusinessId, Policy>>,
    changed: Mutex<Vec<BusinessId>>,
    revision: AtomicI64,
    silent: AtomicBool,
    lease: Duration,
}

impl Settings {
    fn say(&self, mut policy: Policy) {
        policy.revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        self.changed.lock().unwrap().push(policy.business);
        self.policies.lock().unwrap().insert(policy.business, policy);
    }

    fn answer<T>(&self, value: impl FnOnce() -> T) -> Result<T, SourceError> {
        if self.silent.load(Ordering::SeqCst) {
            Err(SourceError("silent".to_owned()))
        } else {
            Ok(value())
        }
    }
}

impl PolicySource for Settings {
    fn policy(&self, business: BusinessId) -> BoxFuture<'_, Result<Option<Policy>, SourceError>> {
        async move { self.answer(|| self.policies.lock().unwrap().get(&business).cloned()) }.boxed()
    }

    fn renew(&self, _: Uuid, _: i64, _: Duration) -> BoxFuture<'_, Result<Renewal, SourceError>> {
        async move {
            self.answer(|| Renewal {
                revision: self.revision.load(Ordering::SeqCst),
                changed: std::mem::take(&mut *self.changed.lock().unwrap()),
                drop_all: false,
                duration: self.lease,
            })
        }
        .boxed()
    }
}

/// A ledger that is never reached: no relay runs here.
struct Nobody;

impl Sink for Nobody {
    async fn deliver(&self, _: BusinessId, _: Vec<Event>) -> Result<Vec<StreamOutcome>, SinkError> {
        Err(SinkError::Unavailable)
    }
}
