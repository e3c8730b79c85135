//! Replicas of each service, as processes on PostgreSQL.

use std::fs::OpenOptions;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use yinyom_identity::{Subject, TokenIssuer, TokenSource};
use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_privacy::MasterKey;
use yinyom_rpc::{ClientConfig, Connection, channel, connect};
use yinyom_testkit::TestDb;

use crate::postgres::free_port;

const ISSUER: &str = "rolling";
const AUDIENCE: &str = "yinyom";
/// Longer than any start or end on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Services and operators that may call. The dashboard stands for all who do from outside.
pub const CALLERS: &str = r#"{
    "operators": ["vendor"],
    "services": [
        {"name": "directory", "businesses": "*", "rpcs": [
            "/yinyom.settings.v1.PolicyService/*", "/yinyom.manager.v1.LedgerService/RecordConsentChanges",
            "/yinyom.manager.v1.AuditService/RecordAuditEvents",
            "/yinyom.manager.v1.RetentionService/ListErasures"]},
        {"name": "settings", "businesses": "*", "rpcs": ["/yinyom.manager.v1.AuditService/RecordAuditEvents"]},
        {"name": "manager", "businesses": "*", "rpcs": ["/yinyom.settings.v1.PolicyService/*"]},
        {"name": "dashboard", "businesses": "*", "rpcs": ["*"], "scopes": ["addresses.read"]}
    ]
}"#;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Settings,
    Directory,
    Manager,
}

/// All of them, in the order of [`Fleet`]'s parts.
pub const SERVICES: [Service; 3] = [Service::Settings, Service::Directory, Service::Manager];

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Directory => "directory",
            Self::Manager => "manager",
        }
    }
}

struct Replica {
    listen: SocketAddr,
    health: SocketAddr,
    child: Child,
}

/// What runs.
pub struct Fleet {
    program: PathBuf,
    home: TempDir,
    databases: [TestDb; 3],
    issuer: Arc<TokenIssuer>,
    /// Of the replicas of each service.
    addresses: [Vec<SocketAddr>; 3],
    replicas: Vec<Replica>,
}

impl Fleet {
    /// Starts so many of each, and waits until all serve.
    ///
    /// # Panics
    /// If one does not.
    pub async fn start(program: PathBuf, of_each: usize) -> Self {
        let clock: SharedClock = Arc::new(SystemClock);
        let issuer = TokenIssuer::generate(ISSUER, clock).expect("a key");
        let home = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(home.path().join(name), text).expect("a file");
        };
        write("jwks.json", &issuer.jwks().expect("keys"));
        write("callers.json", CALLERS);
        write("ledger.pem", &TokenIssuer::generate_pem().expect("a key"));
        for service in SERVICES {
            let key = home.path().join(format!("{}.key", service.name()));
            MasterKey::generate().write_new(&key).expect("a key");
            let named = Subject::named(service.name());
            let token = issuer.issue(&named, AUDIENCE, Duration::from_hours(24)).expect("a token");
            write(&format!("{}.token", service.name()), &token);
        }
        let databases = [
            yinyom_testkit::postgres(&consent_settings::MIGRATIONS).await,
            yinyom_testkit::postgres(&contact_directory::MIGRATIONS).await,
            yinyom_testkit::postgres(&consent_manager::MIGRATIONS).await,
        ];
        let addresses = [(); 3].map(|()| (0..of_each).map(|_| own_port()).collect());
        let issuer = Arc::new(issuer);
        let replicas = Vec::new();
        let mut fleet = Self { program, home, databases, issuer, addresses, replicas };
        for service in SERVICES {
            for listen in fleet.addresses[service as usize].clone() {
                let health = own_port();
                let child = fleet.spawn(service, listen, health).expect("a process");
                fleet.replicas.push(Replica { listen, health, child });
            }
        }
        for replica in &fleet.replicas {
            serving(replica.health).await;
        }
        fleet
    }

    /// Ends a replica as a platform does, starts it again, and waits until it serves. How long it took from its start.
    ///
    /// # Panics
    /// If it does not end well, or does not come back.
    pub async fn restart(&mut self, of: Service, number: usize) -> Duration {
        let at = of as usize * self.addresses[0].len() + number;
        let replica = &mut self.replicas[at];
        let pid = replica.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it runs"), Signal::TERM).expect("it is told");
        let ended = tokio::time::timeout(PATIENCE, replica.child.wait()).await;
        let status = ended.expect("it ends in time").expect("its status");
        assert!(status.success(), "{of:?} ended with {status}");
        let (listen, health) = (replica.listen, replica.health);
        let began = Instant::now();
        let child = self.spawn(of, listen, health).expect("a process");
        self.replicas[at].child = child;
        serving(health).await;
        began.elapsed()
    }

    /// Where the replicas of a service are, as the project's own client is told.
    pub fn endpoint(&self, of: Service) -> String {
        let places = self.addresses[of as usize].iter().map(SocketAddr::to_string);
        format!("http://{}", places.collect::<Vec<_>>().join(","))
    }

    /// The same for others.
    pub fn addresses(&self, of: Service) -> &[SocketAddr] {
        &self.addresses[of as usize]
    }

    /// The project's own client, as this service or operator.
    ///
    /// # Panics
    /// Never.
    pub fn connect(&self, to: Service, who: &str) -> Connection {
        let tokens = TokenSource::issuer(Arc::clone(&self.issuer), who, AUDIENCE);
        connect(&ClientConfig::new(self.endpoint(to)), tokens).expect("an endpoint")
    }

    /// A token for a foreign client.
    ///
    /// # Panics
    /// Never.
    pub fn token(&self, who: &str) -> String {
        let named = Subject::named(who);
        self.issuer.issue(&named, AUDIENCE, Duration::from_hours(24)).expect("a token")
    }

    /// Memory that the first replica of a service has in use, in bytes.
    ///
    /// # Panics
    /// If it does not run, or not on Linux.
    pub fn resident(&self, of: Service) -> u64 {
        let replica = &self.replicas[of as usize * self.addresses[0].len()];
        let status = format!("/proc/{}/status", replica.child.id().expect("it runs"));
        let status = std::fs::read_to_string(status).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// What a service's replicas said.
    pub fn log(&self, of: Service) -> String {
        std::fs::read_to_string(self.home.path().join(format!("{}.log", of.name())))
            .unwrap_or_default()
    }

    fn spawn(&self, service: Service, listen: SocketAddr, health: SocketAddr) -> io::Result<Child> {
        let file = |name: &str| self.home.path().join(name);
        let of = |kind: &str| file(&format!("{}.{kind}", service.name())).display().to_string();
        let log = OpenOptions::new().create(true).append(true).open(of("log"))?;
        let many = "1000000".to_owned();
        let mut environment = vec![
            ("YINYOM_DATABASE_URL", self.databases[service as usize].config().url.clone()),
            ("YINYOM_LISTEN", listen.to_string()),
            ("YINYOM_HEALTH_LISTEN", health.to_string()),
            ("YINYOM_JWKS_FILE", file("jwks.json").display().to_string()),
            ("YINYOM_ISSUER", ISSUER.to_owned()),
            ("YINYOM_AUDIENCE", AUDIENCE.to_owned()),
            ("YINYOM_CALLERS_FILE", file("callers.json").display().to_string()),
            ("YINYOM_MASTER_KEY_FILE", of("key")),
            ("YINYOM_TOKEN_FILE", of("token")),
            ("YINYOM_LOG", "info".to_owned()),
            ("YINYOM_CALLS_PER_SECOND", many.clone()),
            ("YINYOM_CALL_BURST", many),
        ];
        if service == Service::Manager {
            environment.push(("YINYOM_LEDGER_KEY_FILE", file("ledger.pem").display().to_string()));
            environment.push(("YINYOM_LEDGER_NAME", "rolling.example".to_owned()));
        } else {
            environment.push(("YINYOM_MANAGER_ENDPOINT", self.endpoint(Service::Manager)));
        }
        if service != Service::Settings {
            environment.push(("YINYOM_SETTINGS_ENDPOINT", self.endpoint(Service::Settings)));
        }
        Command::new(&self.program)
            .arg(service.name())
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
    }
}

/// Below those that systems hand out to clients, who would take it while its owner is away.
fn own_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Waits until a replica says at its health port that it serves.
async fn serving(health: SocketAddr) {
    let config = ClientConfig::new(format!("http://{health}"));
    let mut client = HealthClient::new(channel(&config).expect("an endpoint"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.check(HealthCheckRequest::default()).await;
        if answer.is_ok_and(|answer| answer.into_inner().status == 1) {
            return;
        }
        assert!(Instant::now() < deadline, "a replica does not serve in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
