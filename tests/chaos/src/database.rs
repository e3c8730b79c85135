//! The private PostgreSQL: its address, what is done to it, and what is read from it in the end.
//!
//! `deploy/test-postgres` starts it and removes it; here it is only made to suffer.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::process::Command;

use crate::Failure;
use crate::plan::{Restart, Service};

const URL: &str = "YINYOM_TEST_POSTGRES_URL";
const DIRECTORY: &str = "YINYOM_TEST_POSTGRES_DIR";

/// The services'. The superuser, who sees everything, looks at the end.
const ROLE: &str = "yinyom";
const PASSWORD: &str = "of-the-services";

/// The server.
pub struct Database {
    options: PgConnectOptions,
    directory: PathBuf,
    /// One fault at a time.
    pub fault: tokio::sync::Mutex<()>,
}

impl Database {
    /// The server that `deploy/test-postgres` started for this program.
    pub fn given() -> Result<Self, Failure> {
        let missing =
            |_| Failure::Setup("run it by deploy/chaos: it needs a PostgreSQL to break".into());
        let url = std::env::var(URL).map_err(missing)?;
        let directory = std::env::var(DIRECTORY).map_err(missing)?.into();
        let options: PgConnectOptions = url.parse()?;
        let options = options.ssl_mode(PgSslMode::Disable);
        Ok(Self { options, directory, fault: tokio::sync::Mutex::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        let address = format!("{}:{}", self.options.get_host(), self.options.get_port());
        address.parse().map_err(|_| Failure::Setup(format!("{URL} names no address")))
    }

    /// The address of a service's database, for who reaches the server at `by`.
    pub fn url(&self, of: Service, by: SocketAddr) -> String {
        let options = self.options.clone().host(&by.ip().to_string()).port(by.port());
        let options = options.username(ROLE).password(PASSWORD);
        options.database(of.name()).to_url_lossy().to_string()
    }

    /// Makes an empty database for each service, of a role that row-level security binds.
    pub async fn create(&self) -> Result<(), Failure> {
        let mut server = PgConnection::connect_with(&self.options).await?;
        let role = format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'");
        server.execute(AssertSqlSafe(role)).await?;
        for service in Service::ALL {
            let statement = format!("CREATE DATABASE {} OWNER {ROLE}", service.name());
            server.execute(AssertSqlSafe(statement)).await?;
        }
        Ok(server.close().await?)
    }

    /// A service's database, not by way of a link.
    pub async fn open(&self, of: Service) -> Result<PgConnection, Failure> {
        Ok(PgConnection::connect_with(&self.options.clone().database(of.name())).await?)
    }

    /// Restarts it, and waits until it serves.
    pub async fn restart(&self, how: Restart) -> Result<(), Failure> {
        let mode = match how {
            Restart::Immediate => "immediate",
            Restart::Fast => "fast",
        };
        let program = self.directory.join("control");
        let mut command = Command::new(program);
        command.args(["restart", "-m", mode]).stdin(Stdio::null()).stdout(Stdio::null());
        if command.status().await?.success() {
            Ok(())
        } else {
            Err(Failure::Setup("PostgreSQL did not come back".into()))
        }
    }

    /// Sends `signal` to the server and to each of its sessions.
    pub fn signal(&self, signal: Signal) {
        for pid in self.processes() {
            let _ = kill_process(pid, signal);
        }
    }

    /// The server's process and its children.
    fn processes(&self) -> Vec<Pid> {
        let file = self.directory.join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let Some(server) = text.lines().next().and_then(|pid| pid.parse().ok()) else {
            return Vec::new();
        };
        let children = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let children = children.filter(|entry| parent_of(&entry.path()) == Some(server));
        let pids = children.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        std::iter::once(server).chain(pids).filter_map(Pid::from_raw).collect()
    }

    /// What the server has said, for who looks into a failure.
    pub fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }
}

/// The parent of the process whose directory under `/proc` this is.
fn parent_of(process: &Path) -> Option<i32> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    // The name is in brackets and may hold anything; state and parent follow.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
