//! A fresh database for one test, on SQLite and on PostgreSQL.

#![expect(clippy::panic, reason = "a test that cannot have its database must fail, loudly")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use uuid::Uuid;
use yinyom_db::{Db, DbConfig, Migrations};

const SERVER: &str = "YINYOM_TEST_POSTGRES_URL";

/// Into how many partitions each table is split by hash of its business. Not at all, if it is missing.
const PARTITIONS: &str = "YINYOM_TEST_PARTITIONS";

/// What does that to a schema without rows; the same that an operator runs.
const PARTITION: &str = include_str!("../../../deploy/partition.sql");

const NO_SUCH_DATABASE: &str = "3D000";
const NO_SUCH_ROLE: &str = "42704";

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
/// a plain role, like a service's, that all tests of these migrations share. Where `YINYOM_TEST_PARTITIONS` says a number, its
/// tables have so many partitions.
///
/// # Panics
/// If the address is missing, the number is none, the server cannot be reached or the migrations fail.
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
    let template = Template::of(migrations);
    template
        .copy(&server, migrations, &name)
        .await
        .unwrap_or_else(|error| panic!("the server that {SERVER} names does not serve: {error}"));
    let there = server.clone().database(&name);
    let unbound = DbConfig { allow_rls_bypass: true, ..DbConfig::new(url_of(&there)) };
    let config = template.config(&there);
    open(config, Some(unbound), migrations, OnServer { server, name }).await
}

/// How many partitions each table of a business has; `None` is a table as the migrations make it.
fn partitions() -> Option<u16> {
    let number = std::env::var_os(PARTITIONS)?;
    let number = number.to_str().and_then(|number| number.parse::<u16>().ok());
    Some(number.filter(|number| (1..=999).contains(number)).unwrap_or_else(|| {
        panic!("{PARTITIONS} is not a number from 1 to 999; without it, tables are not partitioned")
    }))
}

fn url_of(options: &PgConnectOptions) -> String {
    options.to_url_lossy().to_string()
}

/// A database in which the migrations were applied, once for all tests on a server: copying one takes a fraction of the
/// time.
struct Template {
    /// Also of the role that owns it, and the role's password.
    name: String,
    partitions: Option<u16>,
}

impl Template {
    fn of(migrations: &Migrations) -> Self {
        let mut hasher = DefaultHasher::new();
        for migration in migrations.postgres.iter() {
            (migration.version, &migration.checksum).hash(&mut hasher);
        }
        let mut name = format!("template_{:016x}", hasher.finish());
        let partitions = partitions();
        if let Some(partitions) = partitions {
            // As partition.sql is now: a server may outlive a change of it.
            PARTITION.hash(&mut hasher);
            name = format!("template_{:016x}_{partitions}", hasher.finish());
        }
        Self { name, partitions }
    }

    fn config(&self, there: &PgConnectOptions) -> DbConfig {
        DbConfig::new(url_of(&there.clone().username(&self.name).password(&self.name)))
    }

    async fn copy(
        &self,
        server: &PgConnectOptions,
        migrations: &Migrations,
        name: &str,
    ) -> sqlx::Result<()> {
        let template = &self.name;
        let copy = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER {template}");
        let mut connection = PgConnection::connect_with(server).await?;
        let copied = run_on(&mut connection, &copy).await;
        let none = |error: &sqlx::Error| {
            let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
            matches!(code.as_deref(), Some(NO_SUCH_DATABASE | NO_SUCH_ROLE))
        };
        if copied.as_ref().is_err_and(none) {
            self.make(server, &mut connection, migrations).await?;
            run_on(&mut connection, &copy).await?;
        } else {
            copied?;
        }
        connection.close().await
    }

    /// Makes it, unless another test has done so meanwhile.
    async fn make(
        &self,
        server: &PgConnectOptions,
        connection: &mut PgConnection,
        migrations: &Migrations,
    ) -> sqlx::Result<()> {
        let template = &self.name;
        // Held until the end of the connection at the latest.
        let lock = format!("SELECT pg_advisory_lock(hashtextextended('{template}', 0))");
        run_on(connection, &lock).await?;
        let there = format!("SELECT 1 FROM pg_database WHERE datname = '{template}'");
        if connection.fetch_optional(AssertSqlSafe(there)).await?.is_some() {
            return Ok(());
        }
        let role = format!("SELECT 1 FROM pg_roles WHERE rolname = '{template}'");
        if connection.fetch_optional(AssertSqlSafe(role)).await?.is_none() {
            let role = format!(
                "CREATE ROLE {template} LOGIN PASSWORD '{template}' NOSUPERUSER NOBYPASSRLS"
            );
            run_on(connection, &role).await?;
        }
        // One that was begun and not ended is of no use.
        run_on(connection, &format!("DROP DATABASE IF EXISTS {template}_new WITH (FORCE)")).await?;
        run_on(connection, &format!("CREATE DATABASE {template}_new OWNER {template}")).await?;
        let there = server.clone().database(&format!("{template}_new"));
        match Db::connect(&self.config(&there), migrations).await {
            Ok(db) => db.close().await,
            Err(error) => panic!("the template of test databases cannot be made: {error:?}"),
        }
        if let Some(partitions) = self.partitions {
            let owner = there.username(template).password(template);
            let mut owner = PgConnection::connect_with(&owner).await?;
            run_on(&mut owner, &format!("SET yinyom.partitions = {partitions}")).await?;
            owner.execute(PARTITION).await?;
            owner.close().await?;
        }
        for statement in [
            format!("ALTER DATABASE {template}_new ALLOW_CONNECTIONS false"),
            format!("ALTER DATABASE {template}_new RENAME TO {template}"),
            "SELECT pg_advisory_unlock_all()".to_owned(),
        ] {
            run_on(connection, &statement).await?;
        }
        Ok(())
    }
}

/// The names in `statement` are made of digits and of words of ours.
async fn run_on(connection: &mut PgConnection, statement: &str) -> sqlx::Result<()> {
    connection.execute(AssertSqlSafe(statement.to_owned())).await.map(drop)
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

/// A database on a server that others use, too.
#[derive(Debug)]
struct OnServer {
    server: PgConnectOptions,
    name: String,
}

impl Drop for OnServer {
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropping = async move {
            let mut connection = PgConnection::connect_with(&server).await?;
            run_on(&mut connection, &statement).await?;
            connection.close().await
        };
        // On a thread of its own, because a runtime may be at work on this one.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(dropping))
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
