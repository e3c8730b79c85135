//! Three services on free ports, one replica of each or several.

mod replica;

use std::net::SocketAddr;
use std::sync::Arc;

use consent_manager::Notary;
use futures::FutureExt;
use tonic::transport::Channel;
use yinyom_db::{DbConfig, Migrations};
use yinyom_identity::{Authenticator, TokenSource};
use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_policy::{Policies, PoliciesConfig, RemoteSource};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_rpc::{ClientConfig, ServerConfig, connect};
use yinyom_telemetry::TelemetryConfig;
use yinyom_testkit::TestDb;
use yinyom_testkit::tokens::Tokens;
use yinyom_transparency::LedgerKey;

pub use replica::{Frozen, Replica};
use replica::{Place, Serve, Start};

use crate::proxy::Proxy;

/// Which database the services keep their data in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Services and operators that every house knows.
const CALLERS: &str = r#"{
    "operators": ["vendor"],
    "services": [
        {"name": "contact-directory", "businesses": "*", "rpcs": [
            "/yinyom.settings.v1.PolicyService/*", "/yinyom.manager.v1.LedgerService/RecordConsentChanges",
            "/yinyom.manager.v1.AuditService/RecordAuditEvents",
            "/yinyom.manager.v1.RetentionService/ListErasures"]},
        {"name": "consent-settings", "businesses": "*", "rpcs": [
            "/yinyom.manager.v1.AuditService/RecordAuditEvents"]},
        {"name": "consent-manager", "businesses": "*", "rpcs": ["/yinyom.settings.v1.PolicyService/*"]},
        {"name": "mailer", "businesses": "*", "rpcs": ["*"], "scopes": ["addresses.read"]},
        {"name": "dashboard", "businesses": "*", "rpcs": ["*"]},
        {"name": "elsewhere", "businesses": ["0190a000-0000-7000-8000-000000000001"], "rpcs": ["*"],
            "scopes": ["addresses.read"]}
    ]
}"#;

/// How a house is built.
pub struct Plan {
    pub database: Database,
    /// Databases of the test's own for settings, directory and manager, instead of fresh ones.
    pub own: Option<[DbConfig; 3]>,
    /// The master keys of settings, directory and manager.
    pub masters: [MasterKeys; 3],
    pub clock: SharedClock,
    /// How many replicas of each service. They share the service's database and keys.
    pub settings: usize,
    pub directories: usize,
    pub managers: usize,
    /// Whether services that start hold their databases against each other, as they do in production.
    pub checked: bool,
}

impl Plan {
    /// One replica of each.
    pub fn on(database: Database) -> Self {
        Self {
            database,
            own: None,
            masters: [(); 3].map(|()| MasterKeys::new(MasterKey::generate(), Vec::new())),
            clock: Arc::new(SystemClock),
            settings: 1,
            directories: 1,
            managers: 1,
            checked: false,
        }
    }

    /// One replica of each, on databases of settings, directory and manager that are the test's own.
    pub fn on_own(databases: [DbConfig; 3]) -> Self {
        Self { own: Some(databases), ..Self::on(Database::Sqlite) }
    }

    /// Two replicas of settings and of the manager and three of the directory, on PostgreSQL.
    pub fn replicated() -> Self {
        Self { settings: 2, directories: 3, managers: 2, ..Self::on(Database::Postgres) }
    }
}

/// The three services, serving.
pub struct House {
    pub clock: SharedClock,
    pub tokens: Tokens,
    /// Connections to the first replicas.
    pub settings: Channel,
    pub directory: Channel,
    pub manager: Channel,
    /// All replicas.
    pub of_settings: Vec<Replica>,
    pub directories: Vec<Replica>,
    pub managers: Vec<Replica>,
    /// The wires of each directory to all replicas of settings. It prefers another one than the next directory.
    pub wires: Vec<Proxy>,
    /// The databases of settings, directory and manager.
    pub databases: [TestDb; 3],
}

impl House {
    /// Starts one replica of each on `database`.
    ///
    /// With `YINYOM_TEST_LOG=debug` the test prints what the services log.
    pub async fn start(database: Database) -> Self {
        Self::build(Plan::on(database)).await
    }

    /// Starts them all, and waits until they have the rules.
    pub async fn build(plan: Plan) -> Self {
        if let Ok(filter) = std::env::var("YINYOM_TEST_LOG") {
            let telemetry = TelemetryConfig { filter, ..TelemetryConfig::new("test") };
            // Another house of this test may have begun already.
            let _ = yinyom_telemetry::init(&telemetry).map(std::mem::forget);
        }
        let tokens = Tokens::new(Arc::clone(&plan.clock));
        let own = plan.own.map_or_else(Default::default, |own| own.map(Some));
        let [of_settings, of_directory, of_manager] = own;
        let databases = [
            open(plan.database, of_settings, &consent_settings::MIGRATIONS).await,
            open(plan.database, of_directory, &contact_directory::MIGRATIONS).await,
            open(plan.database, of_manager, &consent_manager::MIGRATIONS).await,
        ];
        let parts = |of: usize| Parts {
            database: databases[of].config().clone(),
            masters: plan.masters[of].clone(),
            checked: plan.checked,
            authenticator: tokens.authenticator(CALLERS),
            clock: Arc::clone(&plan.clock),
        };
        let (at_settings, at_managers) = (places(plan.settings), places(plan.managers));
        let (to_settings, to_managers) = (addresses(&at_settings), addresses(&at_managers));
        let wire = |prefer: usize, to: &[SocketAddr]| {
            let mut upstreams = to.to_vec();
            upstreams.rotate_left(prefer % to.len());
            Proxy::to(upstreams)
        };
        let mut wires = Vec::new();
        for i in 0..plan.directories {
            wires.push(wire(i, &to_settings).await);
        }
        let settings = {
            let upstream = (tokens.source("consent-settings"), endpoint(to_managers[0]));
            settings(parts(0), upstream)
        };
        let of_settings: Vec<_> = each(at_settings, |_| Arc::clone(&settings));
        let manager = {
            let upstream = (tokens.source("consent-manager"), endpoint(to_settings[0]));
            managers(parts(2), upstream)
        };
        let managers: Vec<_> = each(at_managers, |_| Arc::clone(&manager));
        let of_directory = parts(1);
        let directories: Vec<_> = each(places(plan.directories), |i| {
            let source = tokens.source("contact-directory");
            let manager = endpoint(to_managers[i % to_managers.len()]);
            directories(of_directory.clone(), source, wires[i].endpoint(), manager)
        });
        let mut house = Self {
            settings: of_settings[0].channel.clone(),
            directory: directories[0].channel.clone(),
            manager: managers[0].channel.clone(),
            clock: plan.clock,
            tokens,
            of_settings,
            directories,
            managers,
            wires,
            databases,
        };
        for replica in house.replicas() {
            replica.start().await;
        }
        for replica in house.managers.iter().chain(&house.directories) {
            replica.policies().ready().await;
        }
        house
    }

    /// Settings first: others ask it.
    fn replicas(&mut self) -> impl Iterator<Item = &mut Replica> {
        self.of_settings.iter_mut().chain(&mut self.managers).chain(&mut self.directories)
    }

    /// Stops them as a deployment would.
    pub async fn close(mut self) {
        for replica in self.replicas() {
            replica.let_go();
        }
        for replica in self.replicas() {
            replica.stop().await;
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for replica in self.replicas() {
            replica.let_go();
        }
    }
}

/// What the replicas of a service have in common.
#[derive(Clone)]
struct Parts {
    database: DbConfig,
    masters: MasterKeys,
    checked: bool,
    authenticator: Arc<Authenticator>,
    clock: SharedClock,
}

fn settings(parts: Parts, (source, manager): (TokenSource, String)) -> Arc<Serve> {
    Arc::new(move |start: Start| {
        let (parts, source, manager) = (parts.clone(), source.clone(), manager.clone());
        async move {
            let manager = connect(&ClientConfig::new(manager), source).expect("an endpoint");
            let app = consent_settings::App::open(consent_settings::Parts {
                database: parts.database,
                masters: parts.masters,
                authenticator: parts.authenticator,
                manager,
                server: ServerConfig::unhurried(),
                clock: parts.clock,
            });
            let app = app.await.expect("settings opens");
            let _ = start.up.send(None);
            app.serve(start.listener, start.stop).await.expect("settings serves");
        }
        .boxed()
    })
}

fn managers(parts: Parts, (source, settings): (TokenSource, String)) -> Arc<Serve> {
    let name = "yinyom.test".parse().expect("a name");
    let notary = Arc::new(Notary::new(LedgerKey::generate().expect("a key"), None, name));
    Arc::new(move |start: Start| {
        let (parts, source, settings) = (parts.clone(), source.clone(), settings.clone());
        let notary = Arc::clone(&notary);
        async move {
            let policies = rules(&parts, source, &settings);
            let app = consent_manager::App::open(consent_manager::Parts {
                database: parts.database,
                masters: parts.masters,
                notary,
                sign_earlier: false,
                authenticator: parts.authenticator,
                policies: policies.clone(),
                server: ServerConfig::unhurried(),
                clock: parts.clock,
            });
            let mut app = app.await.expect("the manager opens");
            if parts.checked {
                app = app.unconfirmed().await.expect("a database");
            }
            let _ = start.up.send(Some(policies));
            app.serve(start.listener, start.stop).await.expect("the manager serves");
        }
        .boxed()
    })
}

fn directories(parts: Parts, source: TokenSource, settings: String, manager: String) -> Arc<Serve> {
    Arc::new(move |start: Start| {
        let (parts, source) = (parts.clone(), source.clone());
        let (settings, manager) = (settings.clone(), manager.clone());
        async move {
            let policies = rules(&parts, source.clone(), &settings);
            let manager = connect(&ClientConfig::new(manager), source).expect("an endpoint");
            let app = contact_directory::App::open(contact_directory::Parts {
                database: parts.database,
                masters: parts.masters,
                authenticator: parts.authenticator,
                policies: policies.clone(),
                manager,
                server: ServerConfig::unhurried(),
                lookups: contact_directory::commands::LookupRate::UNLIMITED,
                merges: contact_directory::commands::MergeRetention::default(),
                operations: contact_directory::commands::OperationRetention::default(),
                clock: parts.clock,
            });
            let mut app = app.await.expect("the directory opens");
            if parts.checked {
                app = app.caught_up().await;
            }
            let _ = start.up.send(Some(policies));
            app.serve(start.listener, start.stop).await.expect("the directory serves");
        }
        .boxed()
    })
}

fn rules(parts: &Parts, source: TokenSource, settings: &str) -> Policies {
    let connection = connect(&ClientConfig::new(settings), source).expect("an endpoint");
    let source = Arc::new(RemoteSource::new(connection));
    Policies::new(source, Arc::clone(&parts.clock), PoliciesConfig::default())
}

fn each(places: Vec<Place>, serve: impl Fn(usize) -> Arc<Serve>) -> Vec<Replica> {
    places.into_iter().enumerate().map(|(i, place)| Replica::new(place, serve(i))).collect()
}

fn places(number: usize) -> Vec<Place> {
    (0..number).map(|_| Place::reserve()).collect()
}

fn addresses(of: &[Place]) -> Vec<SocketAddr> {
    of.iter().map(Place::address).collect()
}

fn endpoint(address: SocketAddr) -> String {
    format!("http://{address}")
}

async fn open(database: Database, own: Option<DbConfig>, migrations: &Migrations) -> TestDb {
    match (own, database) {
        (Some(own), _) => yinyom_testkit::existing(own, migrations).await,
        (None, Database::Sqlite) => yinyom_testkit::sqlite(migrations).await,
        (None, Database::Postgres) => yinyom_testkit::postgres(migrations).await,
    }
}
