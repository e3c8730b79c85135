//! The three services as processes, with a link between any two that talk.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rustix::process::Signal;
use tonic::transport::{Channel, Endpoint};
use yinyom_identity::{Subject, TokenIssuer};
use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_privacy::MasterKey;

use crate::Failure;
use crate::database::Database;
use crate::plan::{Path, Replica, Service};
use crate::process::{Process, Recipe};
use crate::proxy::Link;

const ISSUER: &str = "yinyom-chaos";
const AUDIENCE: &str = "yinyom";
const LIFE_OF_A_TOKEN: Duration = Duration::from_hours(24);

/// Services and operators that may call.
const CALLERS: &str = r#"{
    "operators": ["vendor"],
    "services": [
        {"name": "directory", "businesses": "*", "rpcs": [
            "/yinyom.settings.v1.PolicyService/*", "/yinyom.manager.v1.LedgerService/RecordConsentChanges",
            "/yinyom.manager.v1.AuditService/RecordAuditEvents",
            "/yinyom.manager.v1.RetentionService/ListErasures"]},
        {"name": "settings", "businesses": "*", "rpcs": ["/yinyom.manager.v1.AuditService/RecordAuditEvents"]},
        {"name": "manager", "businesses": "*", "rpcs": ["/yinyom.settings.v1.PolicyService/*"]},
        {"name": "dashboard", "businesses": "*", "rpcs": ["*"]}
    ]
}"#;

/// Everything that runs.
pub struct House {
    pub directory: PathBuf,
    pub database: Database,
    processes: BTreeMap<Replica, Arc<Process>>,
    links: BTreeMap<Path, Link>,
    issuer: TokenIssuer,
}

/// What a house is built from.
pub struct Plot {
    pub program: PathBuf,
    /// For the files of this run; must not hold another's.
    pub directory: PathBuf,
    /// `FAILPOINTS` of each service; empty for none.
    pub failpoints: Box<dyn Fn(Service) -> String + Send>,
}

impl House {
    /// Writes the files, opens the links and starts the processes.
    pub async fn build(plot: Plot) -> Result<Self, Failure> {
        let Plot { program, directory, failpoints } = plot;
        let clock: SharedClock = Arc::new(SystemClock);
        let issuer = TokenIssuer::generate(ISSUER, clock)?;
        write_files(&directory, &issuer)?;
        let database = Database::given()?;
        database.create().await?;
        let mut ports = BTreeMap::new();
        for replica in Replica::all() {
            ports.insert(replica, free_address(&ports)?);
        }
        let links = open_links(&ports, database.address()?).await?;
        let processes = BTreeMap::new();
        let mut house = Self { directory, database, processes, links, issuer };
        for (replica, listen) in ports {
            let mut environment = house.environment(replica, listen);
            environment.push(("FAILPOINTS", failpoints(replica.service)));
            let log = format!("{}-{}.log", replica.service.name(), replica.number + 1);
            let process = Process::new(Recipe {
                program: program.clone(),
                command: replica.service.name(),
                environment,
                log: house.directory.join(log),
            });
            process.start().await?;
            house.processes.insert(replica, Arc::new(process));
        }
        for process in house.processes.values() {
            let process = Arc::clone(process);
            tokio::spawn(async move { process.supervise().await });
        }
        Ok(house)
    }

    fn environment(&self, replica: Replica, listen: SocketAddr) -> Vec<(&'static str, String)> {
        let service = replica.service;
        let file = |name: &str| self.directory.join(name).display().to_string();
        let database = self.link(Path::Database(replica)).address;
        let mut environment = vec![
            ("YINYOM_DATABASE_URL", self.database.url(service, database)),
            ("YINYOM_LISTEN", listen.to_string()),
            ("YINYOM_JWKS_FILE", file("jwks.json")),
            ("YINYOM_ISSUER", ISSUER.to_owned()),
            ("YINYOM_AUDIENCE", AUDIENCE.to_owned()),
            ("YINYOM_CALLERS_FILE", file("callers.json")),
            ("YINYOM_MASTER_KEY_FILE", file(&format!("{}.key", service.name()))),
            ("YINYOM_LEDGER_KEY_FILE", file("ledger.pem")),
            ("YINYOM_LEDGER_NAME", "chaos.example".to_owned()),
            ("YINYOM_TOKEN_FILE", file(&format!("{}.token", service.name()))),
            ("YINYOM_LOG", "info".to_owned()),
            // Readers ask by address as fast as they can. Settings and the manager do not look at it.
            ("YINYOM_LOOKUPS_PER_MINUTE", u32::MAX.to_string()),
            ("YINYOM_LOOKUP_BURST", u32::MAX.to_string()),
        ];
        if service != Service::Settings {
            let to = self.link(Path::Settings(replica)).address;
            environment.push(("YINYOM_SETTINGS_ENDPOINT", format!("http://{to}")));
        }
        if service != Service::Manager {
            let to = self.link(Path::Manager(replica)).address;
            environment.push(("YINYOM_MANAGER_ENDPOINT", format!("http://{to}")));
        }
        environment
    }

    /// A replica's process.
    pub fn process(&self, replica: Replica) -> &Arc<Process> {
        &self.processes[&replica]
    }

    /// All of them.
    pub fn processes(&self) -> impl Iterator<Item = &Arc<Process>> {
        self.processes.values()
    }

    /// A link.
    pub fn link(&self, path: Path) -> &Link {
        &self.links[&path]
    }

    /// A client's connections to the replicas of a service; it connects at the first call.
    pub fn channels(&self, service: Service) -> Result<Vec<Channel>, Failure> {
        let replicas = (0..service.replicas()).map(|number| Replica { service, number });
        replicas
            .map(|replica| {
                let address = self.link(Path::Client(replica)).address;
                let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
                Ok(endpoint
                    .connect_timeout(Duration::from_secs(1))
                    .tcp_nodelay(true)
                    .connect_lazy())
            })
            .collect()
    }

    /// A token.
    pub fn token(&self, subject: &Subject) -> Result<String, Failure> {
        Ok(self.issuer.issue(subject, AUDIENCE, LIFE_OF_A_TOKEN)?)
    }

    /// Makes everything whole. Faults must have ended.
    pub async fn heal(&self) {
        self.database.signal(Signal::CONT);
        self.links.values().for_each(Link::heal);
        for process in self.processes() {
            process.signal(Signal::CONT).await;
        }
    }

    /// Ends everything.
    pub async fn close(&self) {
        self.database.signal(Signal::CONT);
        for process in self.processes() {
            process.kill().await;
        }
    }
}

fn write_files(directory: &FilePath, issuer: &TokenIssuer) -> Result<(), Failure> {
    std::fs::write(directory.join("jwks.json"), issuer.jwks()?)?;
    std::fs::write(directory.join("callers.json"), CALLERS)?;
    std::fs::write(directory.join("ledger.pem"), TokenIssuer::generate_pem()?)?;
    for service in Service::ALL {
        let name = service.name();
        MasterKey::generate().write_new(&directory.join(format!("{name}.key")))?;
        let token = issuer.issue(&Subject::named(name), AUDIENCE, LIFE_OF_A_TOKEN)?;
        std::fs::write(directory.join(format!("{name}.token")), token)?;
    }
    Ok(())
}

async fn open_links(
    ports: &BTreeMap<Replica, SocketAddr>,
    database: SocketAddr,
) -> Result<BTreeMap<Path, Link>, Failure> {
    let all = |service: Service| {
        ports.iter().filter(move |(r, _)| r.service == service).map(|(_, port)| *port).collect()
    };
    let mut links = BTreeMap::new();
    for path in Path::all() {
        let targets = match path {
            Path::Database(_) => vec![database],
            Path::Settings(_) => all(Service::Settings),
            Path::Manager(_) => all(Service::Manager),
            Path::Client(replica) => vec![ports[&replica]],
        };
        links.insert(path, Link::open(targets).await?);
    }
    Ok(links)
}

/// A port that a replica keeps over its restarts: below those that systems hand out to clients, who would take it
/// while it is dead. None of the `taken` ones, which nobody holds yet.
fn free_address(taken: &BTreeMap<Replica, SocketAddr>) -> Result<SocketAddr, Failure> {
    for _ in 0..100 {
        let port = rand::rng().random_range(10_000..20_000_u16);
        if taken.values().any(|taken| taken.port() == port) {
            continue;
        }
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return Ok(listener.local_addr()?);
        }
    }
    Err(Failure::Setup("no free port".into()))
}
