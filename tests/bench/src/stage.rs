//! What goals are measured on: made when the first of them needs it, and kept for the others.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::process::Child;
use uuid::Uuid;
use yinyom_testkit::TestDb;
use yinyom_tests::cores::can_pin;

use crate::services::{Services, end, start_echo};
use crate::town::Town;

/// Contacts of the business that is asked.
pub const CONTACTS: usize = 10_000;
/// Where servers are, and who asks them, if each keeps to a core.
pub const SERVERS: usize = 0;
pub const CALLERS: usize = 1;

/// The three services on PostgreSQL, and a copy of the directory's database, for limits.
pub struct OnPostgres {
    pub services: Services,
    pub town: Town,
    /// The superuser's, with the same rows, triggers and indexes, that no service knows.
    pub limit: String,
    pub databases: [TestDb; 3],
    name: String,
    server: String,
}

/// The three services on SQLite, on one core.
pub struct OnSqlite {
    pub services: Services,
    pub town: Town,
    _files: TempDir,
}

/// An echo server.
pub struct Echo {
    pub at: SocketAddr,
    process: Child,
}

/// All of them.
pub struct Stage {
    program: PathBuf,
    /// The superuser's address.
    server: String,
    postgres: Option<Rc<OnPostgres>>,
    sqlite: Option<Rc<OnSqlite>>,
    echo: Option<Rc<Echo>>,
    pinned_echo: Option<Rc<Echo>>,
}

impl Stage {
    /// With nothing on it. `program` is the services', `server` the superuser's address.
    pub fn new(program: PathBuf, server: String) -> Self {
        Self { program, server, postgres: None, sqlite: None, echo: None, pinned_echo: None }
    }

    /// The database server, for limits that need no table of ours.
    pub fn server(&self) -> &str {
        &self.server
    }

    pub async fn postgres(&mut self) -> Rc<OnPostgres> {
        if self.postgres.is_none() {
            let made = OnPostgres::make(&self.program, &self.server).await;
            self.postgres = Some(Rc::new(made));
        }
        self.postgres.clone().expect("it is there")
    }

    pub async fn sqlite(&mut self) -> Rc<OnSqlite> {
        if self.sqlite.is_none() {
            let files = tempfile::tempdir().expect("a directory");
            let of = |name| format!("sqlite:{}", files.path().join(name).display());
            let databases = [of("settings.db"), of("directory.db"), of("manager.db")];
            let core = can_pin().then_some(SERVERS);
            let services = Services::start(&self.program, databases, core).await;
            let town = Town::found(&services, CONTACTS).await;
            self.sqlite = Some(Rc::new(OnSqlite { services, town, _files: files }));
        }
        self.sqlite.clone().expect("it is there")
    }

    /// Ends the services and echoes.
    pub async fn end(self) {
        if let Some(mut on) = self.postgres.and_then(Rc::into_inner) {
            on.services.end().await;
        }
        if let Some(mut on) = self.sqlite.and_then(Rc::into_inner) {
            on.services.end().await;
        }
        for echo in [self.echo, self.pinned_echo] {
            if let Some(mut echo) = echo.and_then(Rc::into_inner) {
                end(&mut echo.process).await;
            }
        }
    }

    /// An echo that runs wherever the system puts it, as the services on PostgreSQL do.
    pub async fn echo(&mut self) -> Rc<Echo> {
        if self.echo.is_none() {
            let (at, process) = start_echo(None, None).await;
            self.echo = Some(Rc::new(Echo { at, process }));
        }
        self.echo.clone().expect("it is there")
    }

    /// An echo on the core of the services on SQLite.
    pub async fn pinned_echo(&mut self) -> Rc<Echo> {
        if self.pinned_echo.is_none() {
            let (at, process) = start_echo(can_pin().then_some(SERVERS), None).await;
            self.pinned_echo = Some(Rc::new(Echo { at, process }));
        }
        self.pinned_echo.clone().expect("it is there")
    }
}

impl OnPostgres {
    async fn make(program: &std::path::Path, server: &str) -> Self {
        let databases = [
            yinyom_testkit::postgres(&consent_settings::MIGRATIONS).await,
            yinyom_testkit::postgres(&contact_directory::MIGRATIONS).await,
            yinyom_testkit::postgres(&consent_manager::MIGRATIONS).await,
        ];
        let urls = databases.each_ref().map(|of| of.config().url.clone());
        let services = Services::start(program, urls.clone(), None).await;
        let town = Town::found(&services, CONTACTS).await;
        let name = format!("limit_{}", Uuid::now_v7().simple());
        let original = database_of(&urls[1]);
        let mut there = PgConnection::connect(server).await.expect("the server");
        // Who is in it must leave for as long as it is copied; a service comes back by itself.
        for statement in [
            format!("ALTER DATABASE {original} ALLOW_CONNECTIONS false"),
            format!(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{original}'"
            ),
            format!("CREATE DATABASE {name} TEMPLATE {original}"),
            format!("ALTER DATABASE {original} ALLOW_CONNECTIONS true"),
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"),
        ] {
            there.execute(AssertSqlSafe(statement)).await.expect("a copy");
        }
        let limit = with_database(server, &name);
        for url in [&limit, &on_server(server, &urls[1])] {
            let mut there = PgConnection::connect(url).await.expect("a connection");
            there.execute("VACUUM ANALYZE").await.expect("tidy tables");
        }
        // A service asks a connection whether it is still there if it lay about for five seconds.
        tokio::time::sleep(Duration::from_secs(6)).await;
        town.until_in_the_ledger(&services).await;
        Self { services, town, limit, databases, name, server: server.to_owned() }
    }

    /// A session of the superuser in the copy.
    pub async fn limits_session(&self) -> PgConnection {
        PgConnection::connect(&self.limit).await.expect("a connection")
    }
}

impl Drop for OnPostgres {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        // On a thread of its own, because a runtime is at work on this one.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let mut there = PgConnection::connect(&server).await?;
                there.execute(AssertSqlSafe(statement)).await
            })
        });
        if !matches!(dropped.join(), Ok(Ok(_))) {
            eprintln!("the database {} was left on the server", self.name);
        }
    }
}

/// The database of `url` as the superuser sees it, whose address of another one is `server`.
pub fn on_server(server: &str, url: &str) -> String {
    with_database(server, &database_of(url))
}

fn database_of(url: &str) -> String {
    let options: sqlx::postgres::PgConnectOptions = url.parse().expect("an address");
    options.get_database().expect("its database").to_owned()
}

/// As text: programs of PostgreSQL know no parameters of our client's.
fn with_database(url: &str, database: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, ""), |(a, p)| (a, p));
    let (server, _) = address.rsplit_once('/').expect("the address of a database");
    let mark = if parameters.is_empty() { "" } else { "?" };
    format!("{server}/{database}{mark}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_of_the_same_server() {
        let url = "postgres://postgres:secret@127.0.0.1:5432/postgres";
        assert_eq!(with_database(url, "one"), "postgres://postgres:secret@127.0.0.1:5432/one");
        let url = "postgres://a@h/b?sslmode=disable";
        assert_eq!(with_database(url, "one"), "postgres://a@h/one?sslmode=disable");
    }
}
