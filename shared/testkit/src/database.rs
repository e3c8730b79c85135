//! A fresh database for one test, on SQLite and on PostgreSQL.

#![expect(clippy::panic, reason = "a test that cannot have its database must fail, loudly")]

use std::ops::Deref;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use uuid::Uuid;
use yinyom_db::{Db, DbConfig, Migrations};

const SERVER: &str = "YINYOM_TEST_POSTGRES_URL";

/// A database that belongs to one test and is gone after it.
#[derive(Debug)]
pub struct TestDb {
    db: Db,
    config: DbConfig,
    /// Where row-level security does not bind.
    unbound: Option<DbConfig>,
    /// Removes the file, or the database on the server, when dropped.
    _place: Box<dyn std::fmt::Debug + Send>,
}

impl TestDb {
    /// How to reach this database once more, as another process would.
    pub fn config(&self) -> &DbConfig {
        &self.config
    }

    /// The same database, for who looks into all businesses or breaks something behind a service's back: as PostgreSQL's
    /// superuser, whom row-level security does not bind.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn unbound(&self) -> Db {
        let Some(config) = &self.unbound else { return self.handle() };
        as_it_is(config).await
    }

    /// A handle that outlives no test, for code that wants to own one.
    pub fn handle(&self) -> Db {
        self.db.clone()
    }
}

impl Deref for TestDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

/// A new SQLite file.
///
/// # Panics
/// If it cannot be made or migrated.
pub async fn sqlite(migrations: &Migrations) -> TestDb {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("a directory: {error}"));
    let config = DbConfig::new(format!("sqlite:{}", directory.path().join("test.db").display()));
    open(config, None, migrations, directory).await
}

/// A new database on the server that `YINYOM_TEST_POSTGRES_URL` names, for whose superuser it is. The database belongs to
/// a plain role, like a service's.
///
/// # Panics
/// If the variable is missing, the server cannot be reached or the migrations fail.
pub async fn postgres(migrations: &Migrations) -> TestDb {
    let url = std::env::var(SERVER).unwrap_or_else(|_| {
        panic!(
            "{SERVER} is not set. `make test` starts a private PostgreSQL and sets it; \
             by hand: postgres://postgres@localhost:5432/postgres"
        )
    });
    let server: PgConnectOptions =
        url.parse().unwrap_or_else(|_| panic!("{SERVER} is not a postgres:// address"));
    let name = format!("test_{}", Uuid::now_v7().simple());
    let role = format!("CREATE ROLE {name} LOGIN PASSWORD '{name}' NOSUPERUSER NOBYPASSRLS");
    administer(&server, [role, format!("CREATE DATABASE {name} OWNER {name}")])
        .await
        .unwrap_or_else(|error| panic!("the server that {SERVER} names does not serve: {error}"));
    let there = server.clone().database(&name);
    let url = |options: PgConnectOptions| options.to_url_lossy().to_string();
    let unbound = DbConfig { allow_rls_bypass: true, ..DbConfig::new(url(there.clone())) };
    let config = DbConfig::new(url(there.username(&name).password(&name)));
    open(config, Some(unbound), migrations, OnServer { server, name }).await
}

/// A database that is the test's own: to be made before and removed after by whoever has it.
///
/// # Panics
/// If it cannot be opened or migrated.
pub async fn existing(config: DbConfig, migrations: &Migrations) -> TestDb {
    open(config, None, migrations, ()).await
}

/// Opens a database and leaves its schema as it is.
pub(crate) async fn as_it_is(config: &DbConfig) -> Db {
    let nothing = || {
        let mut nothing = Migrator::with_migrations(Vec::new());
        nothing.set_ignore_missing(true);
        nothing
    };
    let schema = Migrations { sqlite: nothing(), postgres: nothing() };
    Db::connect(config, &schema).await.unwrap_or_else(|error| panic!("once more: {error}"))
}

async fn open(
    config: DbConfig,
    unbound: Option<DbConfig>,
    migrations: &Migrations,
    place: impl std::fmt::Debug + Send + 'static,
) -> TestDb {
    match Db::connect(&config, migrations).await {
        Ok(db) => TestDb { db, config, unbound, _place: Box::new(place) },
        Err(error) => panic!("the test database cannot be opened: {error}: {error:?}"),
    }
}

async fn administer(server: &PgConnectOptions, statements: [String; 2]) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect_with(server).await?;
    for statement in statements {
        // The name in it is made of a UUID's digits.
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    connection.close().await
}

/// A database on a server that others use, too.
#[derive(Debug)]
struct OnServer {
    server: PgConnectOptions,
    name: String,
}

impl Drop for OnServer {
    fn drop(&mut self) {
        let server = self.server.clone();
        let statements = [
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
            format!("DROP ROLE IF EXISTS {}", self.name),
        ];
        // On a thread of its own, because a runtime may be at work on this one.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(administer(&server, statements)))
        });
        if !matches!(dropped.join(), Ok(Ok(Ok(())))) {
            eprintln!("the test database {} was left on the server", self.name);
        }
    }
}

/// Runs a test on SQLite; see [`both_databases!`](crate::both_databases).
pub fn on_sqlite<F: Future>(migrations: &'static Migrations, test: impl FnOnce(TestDb) -> F) {
    run(async { test(sqlite(migrations).await).await });
}

/// Runs a test on PostgreSQL; see [`both_databases!`](crate::both_databases).
pub fn on_postgres<F: Future>(migrations: &'static Migrations, test: impl FnOnce(TestDb) -> F) {
    run(async { test(postgres(migrations).await).await });
}

fn run(test: impl Future) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("a runtime: {error}"));
    runtime.block_on(test);
}

/// Makes two tests, `name::sqlite` and `name::postgres`, of each `async fn name(db: TestDb)`.
///
/// ```ignore
/// async fn a_lead_is_found_in_its_business_alone(db: TestDb) { … }
///
/// yinyom_testkit::both_databases!(MIGRATIONS => a_lead_is_found_in_its_business_alone);
/// ```
#[macro_export]
macro_rules! both_databases {
    ($migrations:expr => $($rule:ident),+ $(,)?) => {
        $(
            mod $rule {
                #[test]
                fn sqlite() {
                    use super::*;
                    $crate::on_sqlite(&$migrations, super::$rule);
                }

                #[test]
                fn postgres() {
                    use super::*;
                    $crate::on_postgres(&$migrations, super::$rule);
                }
            }
        )+
    };
}
