//! Three services on free ports.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use yinyom_db::{DbConfig, Migrations};
use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_policy::{Policies, PoliciesConfig, RemoteSource};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_rpc::{ClientConfig, Connection, ServerConfig, connect};
use yinyom_telemetry::TelemetryConfig;
use yinyom_testkit::TestDb;
use yinyom_testkit::tokens::Tokens;

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
            "/yinyom.settings.v1.PolicyService/*", "/yinyom.manager.v1.LedgerService/RecordConsentChanges"]},
        {"name": "consent-manager", "businesses": "*", "rpcs": ["/yinyom.settings.v1.PolicyService/*"]},
        {"name": "mailer", "businesses": "*", "rpcs": ["*"], "scopes": ["addresses.read"]},
        {"name": "dashboard", "businesses": "*", "rpcs": ["*"]},
        {"name": "elsewhere", "businesses": ["0190a000-0000-7000-8000-000000000001"], "rpcs": ["*"],
            "scopes": ["addresses.read"]}
    ]
}"#;

/// The three services, serving.
pub struct House {
    pub clock: SharedClock,
    pub tokens: Tokens,
    pub settings: Channel,
    pub directory: Channel,
    pub manager: Channel,
    stop: CancellationToken,
    serving: Vec<JoinHandle<()>>,
    databases: [TestDb; 3],
}

impl House {
    /// Starts them on `database`.
    ///
    /// With `YINYOM_TEST_LOG=debug` the test prints what the services log.
    pub async fn start(database: Database) -> Self {
        if let Ok(filter) = std::env::var("YINYOM_TEST_LOG") {
            let telemetry = TelemetryConfig { filter, ..TelemetryConfig::new("test") };
            // Another house of this test may have begun already.
            let _ = yinyom_telemetry::init(&telemetry).map(std::mem::forget);
        }
        let clock: SharedClock = Arc::new(SystemClock);
        let tokens = Tokens::new(Arc::clone(&clock));
        let databases = [
            open(database, &consent_settings::MIGRATIONS).await,
            open(database, &contact_directory::MIGRATIONS).await,
            open(database, &consent_manager::MIGRATIONS).await,
        ];
        let listeners = [listen().await, listen().await, listen().await];
        let endpoints = listeners.each_ref().map(endpoint);
        let [settings, directory, manager] = endpoints.clone();
        let stop = CancellationToken::new();
        let mut house = Self {
            settings: channel(&settings),
            directory: channel(&directory),
            manager: channel(&manager),
            clock,
            tokens,
            stop,
            serving: Vec::new(),
            databases,
        };
        let [on_settings, on_directory, on_manager] = listeners;
        house.serve_settings(on_settings).await;
        house.serve_manager(on_manager, &settings).await;
        house.serve_directory(on_directory, &settings, &manager).await;
        house
    }

    async fn serve_settings(&mut self, listener: TcpListener) {
        let app = consent_settings::App::open(consent_settings::Parts {
            database: self.config(0),
            masters: masters(),
            authenticator: self.tokens.authenticator(CALLERS),
            server: ServerConfig::default(),
            clock: Arc::clone(&self.clock),
        });
        let (app, stop) = (app.await.expect("settings opens"), self.stop.clone());
        self.serving.push(tokio::spawn(async move {
            app.serve(listener, stop).await.expect("settings serves");
        }));
    }

    async fn serve_manager(&mut self, listener: TcpListener, settings: &str) {
        let policies = self.policies("consent-manager", settings);
        let app = consent_manager::App::open(consent_manager::Parts {
            database: self.config(2),
            masters: masters(),
            authenticator: self.tokens.authenticator(CALLERS),
            policies: policies.clone(),
            server: ServerConfig::default(),
            clock: Arc::clone(&self.clock),
        });
        let (app, stop) = (app.await.expect("the manager opens"), self.stop.clone());
        self.serving.push(tokio::spawn(async move {
            app.serve(listener, stop).await.expect("the manager serves");
        }));
        policies.ready().await;
    }

    async fn serve_directory(&mut self, listener: TcpListener, settings: &str, manager: &str) {
        let policies = self.policies("contact-directory", settings);
        let app = contact_directory::App::open(contact_directory::Parts {
            database: self.config(1),
            masters: masters(),
            authenticator: self.tokens.authenticator(CALLERS),
            policies: policies.clone(),
            manager: self.connection("contact-directory", manager),
            server: ServerConfig::default(),
            clock: Arc::clone(&self.clock),
        });
        let (app, stop) = (app.await.expect("the directory opens"), self.stop.clone());
        self.serving.push(tokio::spawn(async move {
            app.serve(listener, stop).await.expect("the directory serves");
        }));
        policies.ready().await;
    }

    fn policies(&self, name: &str, settings: &str) -> Policies {
        let source = Arc::new(RemoteSource::new(self.connection(name, settings)));
        Policies::new(source, Arc::clone(&self.clock), PoliciesConfig::default())
    }

    fn connection(&self, name: &str, to: &str) -> Connection {
        connect(&ClientConfig::new(to), self.tokens.source(name)).expect("an endpoint")
    }

    fn config(&self, of: usize) -> DbConfig {
        self.databases[of].config().clone()
    }

    /// Stops them as a deployment would.
    pub async fn close(mut self) {
        self.stop.cancel();
        for service in self.serving.drain(..) {
            let ended = tokio::time::timeout(Duration::from_secs(15), service).await;
            ended.expect("it stops in time").expect("it stops well");
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn open(database: Database, migrations: &Migrations) -> TestDb {
    match database {
        Database::Sqlite => yinyom_testkit::sqlite(migrations).await,
        Database::Postgres => yinyom_testkit::postgres(migrations).await,
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

fn endpoint(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().expect("its number"))
}

fn channel(endpoint: &str) -> Channel {
    Endpoint::from_shared(endpoint.to_owned()).expect("an endpoint").connect_lazy()
}

fn masters() -> MasterKeys {
    MasterKeys::new(MasterKey::generate(), Vec::new())
}
