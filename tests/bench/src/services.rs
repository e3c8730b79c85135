//! The three services as processes, as they ship, on either database; and the echo beside them.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use yinyom_identity::{Subject, TokenIssuer};
use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_privacy::MasterKey;
use yinyom_rpc::{ClientConfig, channel};
use yinyom_tests::fleet::CALLERS;

const ISSUER: &str = "bench";
const AUDIENCE: &str = "yinyom";
/// Longer than any start on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Limits of rate are for people: load has none.
const RATES: [&str; 6] = [
    "YINYOM_CALLS_PER_SECOND",
    "YINYOM_CALL_BURST",
    "YINYOM_CALLS_PER_SECOND_PER_BUSINESS",
    "YINYOM_CALL_BURST_PER_BUSINESS",
    "YINYOM_LOOKUPS_PER_MINUTE",
    "YINYOM_LOOKUP_BURST",
];

/// In the order of the addresses of [`Services`].
pub const NAMES: [&str; 3] = ["settings", "directory", "manager"];

/// The three, serving.
pub struct Services {
    home: TempDir,
    issuer: Arc<TokenIssuer>,
    pub settings: SocketAddr,
    pub directory: SocketAddr,
    pub manager: SocketAddr,
    children: Vec<Child>,
}

impl Services {
    /// Starts `program` three times, on the databases of settings, directory and manager, and waits until all serve. On
    /// one core, if that is given.
    pub async fn start(program: &Path, databases: [String; 3], core: Option<usize>) -> Self {
        Self::start_with(program, databases, core, None).await
    }

    /// The same, with the directory as this program's own ([`crate::counted`]), inside of another one.
    pub async fn start_with(
        program: &Path,
        databases: [String; 3],
        core: Option<usize>,
        wrapper: Option<&Wrapper>,
    ) -> Self {
        let clock: SharedClock = Arc::new(SystemClock);
        let issuer = Arc::new(TokenIssuer::generate(ISSUER, clock).expect("a key"));
        let home = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(home.path().join(name), text).expect("a file");
        };
        write("jwks.json", &issuer.jwks().expect("keys"));
        write("callers.json", CALLERS);
        write("ledger.pem", &TokenIssuer::generate_pem().expect("a key"));
        let [settings, directory, manager] = [(); 3].map(|()| free_address());
        let mut services =
            Self { home, issuer, settings, directory, manager, children: Vec::new() };
        let mut health = Vec::new();
        for (name, database) in NAMES.into_iter().zip(databases) {
            let key = services.file(&format!("{name}.key"));
            MasterKey::generate().write_new(&key).expect("a key");
            let token = services.issue(&Subject::named(name));
            std::fs::write(services.file(&format!("{name}.token")), token).expect("a file");
            let at = free_address();
            let command = match wrapper.filter(|_| name == "directory") {
                Some(wrapper) => on_core(&this_program(), core, Some(wrapper)),
                None => on_core(program, core, None),
            };
            let child = services.spawn(command, name, &database, at);
            services.children.push(child);
            health.push(at);
        }
        for (name, at) in NAMES.into_iter().zip(health) {
            if !serves(at).await {
                let log = std::fs::read_to_string(services.file(&format!("{name}.log")));
                panic!("{name} does not serve in time: {}", log.unwrap_or_default());
            }
        }
        services
    }

    /// `Bearer …`
    pub fn token(&self, subject: &Subject) -> String {
        format!("Bearer {}", self.issue(subject))
    }

    /// The process of the directory.
    pub fn directory_process(&self) -> &Child {
        &self.children[1]
    }

    /// Stops the manager's time: it neither works nor answers.
    pub fn pause_manager(&self) {
        self.signal_manager(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume_manager(&self) {
        self.signal_manager(Signal::CONT);
    }

    fn signal_manager(&self, signal: Signal) {
        tell(&self.children[2], signal);
    }

    /// Ends them, one after the other.
    pub async fn end(&mut self) {
        for child in &mut self.children {
            end(child).await;
        }
    }

    fn issue(&self, subject: &Subject) -> String {
        self.issuer.issue(subject, AUDIENCE, Duration::from_hours(24)).expect("a token")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// With the flags that nobody can do without and without limits of rate; all else is as it ships.
    fn spawn(&self, mut program: Command, name: &str, database: &str, health: SocketAddr) -> Child {
        let path = |name: &str| self.file(name).display().to_string();
        let listen = match name {
            "settings" => self.settings,
            "directory" => self.directory,
            _ => self.manager,
        };
        let mut environment = vec![
            ("YINYOM_DATABASE_URL", database.to_owned()),
            ("YINYOM_LISTEN", listen.to_string()),
            ("YINYOM_HEALTH_LISTEN", health.to_string()),
            ("YINYOM_JWKS_FILE", path("jwks.json")),
            ("YINYOM_ISSUER", ISSUER.to_owned()),
            ("YINYOM_AUDIENCE", AUDIENCE.to_owned()),
            ("YINYOM_CALLERS_FILE", path("callers.json")),
            ("YINYOM_MASTER_KEY_FILE", path(&format!("{name}.key"))),
            ("YINYOM_TOKEN_FILE", path(&format!("{name}.token"))),
        ];
        environment.extend(RATES.map(|rate| (rate, "1000000".to_owned())));
        if name == "manager" {
            environment.push(("YINYOM_LEDGER_KEY_FILE", path("ledger.pem")));
            environment.push(("YINYOM_LEDGER_NAME", "bench.example".to_owned()));
        } else {
            environment.push(("YINYOM_MANAGER_ENDPOINT", format!("http://{}", self.manager)));
        }
        if name != "settings" {
            environment.push(("YINYOM_SETTINGS_ENDPOINT", format!("http://{}", self.settings)));
        }
        let log = OpenOptions::new().create(true).append(true).open(path(&format!("{name}.log")));
        let log = log.expect("a log");
        program
            .arg(name)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs")
    }
}

/// Ends a process as a cluster does: a program that watches itself writes down what it saw only then.
pub async fn end(child: &mut Child) {
    tell(child, Signal::TERM);
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    ended.expect("it ends in time").expect("it ends");
}

/// One that has ended is not told.
fn tell(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(process) = id.and_then(Pid::from_raw) {
        kill_process(process, signal).expect("it is told");
    }
}

/// This program as an echo server, on a core if that is given. Where it is, and the process.
pub async fn start_echo(core: Option<usize>, wrapper: Option<&Wrapper>) -> (SocketAddr, Child) {
    let at = free_address();
    let child = on_core(&this_program(), core, wrapper)
        .args(["echo", &at.to_string()])
        .args(wrapper.map(|_| "--one-thread"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(at).await.is_err() {
        assert!(Instant::now() < deadline, "the echo does not serve");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (at, child)
}

/// A program that runs another one.
#[derive(Debug, Clone)]
pub struct Wrapper {
    pub program: String,
    pub arguments: Vec<String>,
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("this program")
}

fn on_core(program: &Path, core: Option<usize>, wrapper: Option<&Wrapper>) -> Command {
    let core = core.map(|core| core.to_string());
    let mut words: Vec<&std::ffi::OsStr> = Vec::new();
    if let Some(core) = &core {
        words.extend(["taskset", "-c", core].map(AsRef::<std::ffi::OsStr>::as_ref));
    }
    if let Some(wrapper) = wrapper {
        words.push(wrapper.program.as_ref());
        words.extend(wrapper.arguments.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
    }
    words.push(program.as_ref());
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// Nobody has it now, and nobody is given it soon: systems hand them out in turn.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}

/// Whether it says so, in time.
async fn serves(health: SocketAddr) -> bool {
    let config = ClientConfig::new(format!("http://{health}"));
    let mut client = HealthClient::new(channel(&config).expect("an endpoint"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.check(HealthCheckRequest::default()).await;
        if answer.is_ok_and(|answer| answer.into_inner().status == 1) {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
