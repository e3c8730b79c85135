//! A directory with its server and its database; settings and the clock are in the test's hands.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contact_directory::api::Api;
use contact_directory::app;
use contact_directory::commands::bulk::Work;
use contact_directory::commands::{Directory, LookupRate, OperationRetention, Relays};
use contact_directory::store::KeyRing;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tonic::transport::Channel;
use uuid::Uuid;
use yinyom_db::Db;
use yinyom_kernel::{BusinessId, Clock, ManualClock};
use yinyom_outbox::{Event, Relay, RelayConfig, Sink, SinkError, StreamOutcome};
use yinyom_policy::{Policies, PoliciesConfig, Policy, PolicySource, Renewal, SourceError};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_rpc::ServerConfig;
use yinyom_testkit::servers::{self, TestServer};
use yinyom_testkit::tokens::Tokens;

const CALLERS: &str = r#"{"services": [
    {"name": "dashboard", "businesses": "*", "rpcs": ["*"], "scopes": []}
]}"#;

const LEASE: Duration = Duration::from_hours(2);

/// A directory for pair after pair, each side a business of its own.
pub struct House {
    clock: Arc<ManualClock>,
    pub tokens: Tokens,
    pub channel: Channel,
    settings: Arc<Settings>,
    policies: Policies,
    bulk: Work,
    _server: TestServer,
}

impl House {
    pub async fn on(db: Db) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
        let settings = Arc::new(Settings::default());
        let policies = Policies::new(settings.clone(), clock.clone(), PoliciesConfig::default());
        let masters = MasterKeys::new(MasterKey::generate(), Vec::new());
        let sealer = masters.sealer("page tokens").await.unwrap();
        let keys = KeyRing::new(Arc::new(masters));
        let relay = Relay::new(db.clone(), Nobody, clock.clone(), RelayConfig::default());
        let relays = Relays { ledger: relay.handle(), audit: relay.handle() };
        let rules = policies.clone();
        let directory = Directory::new(db, clock.clone(), rules, keys, relays, sealer)
            .with_lookup_rate(LookupRate::default());
        let tokens = Tokens::new(clock.clone());
        let services = tokens.authenticator(CALLERS);
        let directory = directory.with_operations(services, OperationRetention::default());
        let patient =
            ServerConfig { unary_timeout: Duration::from_mins(10), ..ServerConfig::unhurried() };
        let bulk = Work::new(directory.clone());
        let api = Arc::new(Api::new(directory));
        let server = servers::serve(app::serve(api, patient, tokens.authenticator(CALLERS))).await;
        let channel = server.channel();
        Self { clock, tokens, channel, settings, policies, bulk, _server: server }
    }

    /// Settings says so, and the directory has heard it and knows who is who.
    pub async fn rule(&self, policies: [Policy; 2]) {
        self.settings.silent.store(false, Ordering::SeqCst);
        for policy in policies {
            let business = policy.business;
            self.settings.say(policy);
            self.policies.renew().await.unwrap();
            self.policies.of(business).await;
        }
    }

    /// What was begun on both sides goes on, to its end if it can.
    pub async fn go_on(&self) {
        while self.bulk.go_on().await.unwrap() {}
    }

    pub async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        let _ = self.policies.renew().await;
    }

    /// Settings is not heard of any more, and the lease runs out.
    pub fn cut_off(&self) {
        self.settings.silent.store(true, Ordering::SeqCst);
        self.clock.advance(LEASE);
    }

    /// Seconds.
    pub fn now(&self) -> i64 {
        self.clock.now().as_second()
    }
}

/// Settings, as a script.
#[derive(Default)]
struct Settings {
    policies: Mutex<HashMap<BusinessId, Policy>>,
    changed: Mutex<Vec<BusinessId>>,
    revision: AtomicI64,
    silent: AtomicBool,
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
                duration: LEASE,
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
