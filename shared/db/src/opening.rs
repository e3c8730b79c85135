//! From an address to a database that is open and up to date.

use std::time::Duration;

use log::LevelFilter;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;

use crate::changes::Changes;
use crate::db::{Inner, pass};
use crate::error::is_busy;
use crate::kept::Kept;
use crate::migrations::{HISTORY, Migrated, Migrations, OpenError, lock, run};
use crate::pools::{self, Pools};
use crate::{Db, DbConfig, DbError, Durability, row_security};

/// How long after its own limit the server may still say that a statement took too long.
const GRACE: Duration = Duration::from_secs(1);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Db {
    /// Opens the database, creates it if it is a file, and brings its schema up to date.
    ///
    /// `sqlite::memory:` is a file in a temporary directory, so that readers see what is written.
    pub async fn connect(config: &DbConfig, migrations: &Migrations) -> Result<Self, OpenError> {
        let _pass = pass(config.gate.as_ref()).await;
        let scheme = config.url.split(':').next().unwrap_or_default();
        match scheme {
            "sqlite" => Self::connect_sqlite(config, migrations).await,
            "postgres" | "postgresql" => Self::connect_postgres(config, migrations).await,
            _ => Err(OpenError::Url),
        }
    }

    /// Like [`Db::connect`], but waits, for ever, for a server that cannot be reached: it may be
    /// starting, or failing over. What another try would not mend still fails at once.
    pub async fn connect_patiently(
        config: &DbConfig,
        migrations: &Migrations,
    ) -> Result<Self, OpenError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match Self::connect(config, migrations).await {
                Err(error) if config.url.starts_with("postgres") && error.may_pass() => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, ?pause, "the database is tried again");
                }
                opened => return opened,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect_sqlite(config: &DbConfig, migrations: &Migrations) -> Result<Self, OpenError> {
        let unreachable = |error: std::io::Error| OpenError::Directory(error.kind());
        let mut options: SqliteConnectOptions = config.url.parse().map_err(|_| OpenError::Url)?;
        let mut directory = None;
        if config.url.contains(":memory:") || config.url.contains("mode=memory") {
            let temporary = tempfile::tempdir().map_err(unreachable)?;
            options = SqliteConnectOptions::new().filename(temporary.path().join("yinyom.db"));
            directory = Some(temporary);
        } else if let Some(parent) = options.get_filename().parent() {
            tokio::fs::create_dir_all(parent).await.map_err(unreachable)?;
        }
        let synchronous = match config.durability {
            _ if directory.is_some() => SqliteSynchronous::Off,
            Durability::PowerCut => SqliteSynchronous::Full,
            Durability::ProcessDeath => SqliteSynchronous::Normal,
        };
        let options = quiet(options)
            .foreign_keys(true)
            .busy_timeout(config.acquire_timeout)
            .synchronous(synchronous);
        let pool = || pools::sqlite(config);
        // What is deleted is overwritten: who was erased is not to be found in freed pages.
        let writing = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("secure_delete", "ON")
            .create_if_missing(true);
        // sqlx takes no lock on SQLite; a writing transaction around all migrations is one.
        let open = async || {
            let writer = pool().max_connections(1).connect_with(writing.clone()).await?;
            let transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
            Ok((writer, transaction))
        };
        // Who turns a new file to WAL, or closes the last connection to one, has it alone for a moment, and SQLite tells whoever
        // opens it then that it is busy, without the wait that it was asked for.
        let patient_until = Instant::now() + config.acquire_timeout;
        let (writer, mut transaction) = loop {
            match open().await {
                Err(error) if is_busy(&error) && Instant::now() < patient_until => {
                    tokio::time::sleep(FIRST_PAUSE).await;
                }
                opened => break opened?,
            }
        };
        lock(&mut *transaction).await?;
        let history = sqlx::query_as(HISTORY).fetch_all(&mut *transaction).await?;
        let migrated = run(&migrations.sqlite, &mut *transaction, history).await?;
        transaction.commit().await?;
        let reading = options.read_only(true);
        let readers = pool().max_connections(config.readers.max(1)).connect_with(reading).await?;
        Ok(Self::of(Inner {
            migrated,
            pools: Pools::Sqlite { writer, readers: Kept::of(readers) },
            changes: Changes::in_process(),
            gate: config.gate.clone(),
            begin_within: config.acquire_timeout,
            answer_within: config.statement_timeout,
            _directory: directory,
        }))
    }

    async fn connect_postgres(
        config: &DbConfig,
        migrations: &Migrations,
    ) -> Result<Self, OpenError> {
        let options: PgConnectOptions = config.url.parse().map_err(|_| OpenError::Url)?;
        let options = quiet(options).application_name("yinyom");
        // A connection of its own: the lock that sqlx takes is the session's, and is freed with it
        // even when a migration fails.
        let connecting = PgConnection::connect_with(&options);
        let mut connection = tokio::time::timeout(config.acquire_timeout, connecting)
            .await
            .map_err(|_| DbError::unavailable("the server did not answer in time"))??;
        let opened = open_postgres(config, migrations, &mut connection).await;
        let partitioned = sqlx::query_scalar(PARTITIONED).fetch_one(&mut connection).await;
        let _ = connection.close().await;
        let migrated = opened?;
        // One plan for all businesses is one for all partitions, and sorts what a single one has in order.
        let plans = if partitioned? { "auto" } else { "force_generic_plan" };

        let timeout = config.statement_timeout.as_millis();
        let working = options.clone().options([
            ("statement_timeout", timeout.to_string()),
            ("idle_in_transaction_session_timeout", timeout.to_string()),
            ("lock_timeout", config.lock_timeout.as_millis().to_string()),
            // Its planning costs more than our short statements do.
            ("jit", "off".to_owned()),
            // Nor does it pay to start workers for them: that takes ten milliseconds, also for a range that has no rows and
            // that a plan for any values takes for a third of a large business.
            ("max_parallel_workers_per_gather", "0".to_owned()),
            // A plan that was made while a table was empty is kept until the table has been analysed, and would read all of it.
            ("enable_seqscan", "off".to_owned()),
            // Nor is a statement planned anew for each value; [`crate::Query::plan_for_values`] says where it must be.
            ("plan_cache_mode", plans.to_owned()),
        ]);
        let reading = working.clone().options([("default_transaction_read_only", "on")]);
        let writers = pools::postgres(config, config.writers).connect_lazy_with(working);
        let writers = Kept::of(writers);
        let readers = pools::postgres(config, config.readers).connect_with(reading).await?;
        let changes = Changes::across_processes(writers.clone(), options);
        let pools = Pools::Postgres { writers, readers: Kept::of(readers) };
        Ok(Self::of(Inner {
            migrated,
            pools,
            changes,
            gate: config.gate.clone(),
            begin_within: config.acquire_timeout,
            answer_within: config.statement_timeout.saturating_add(GRACE),
            _directory: None,
        }))
    }
}

/// Only slow statements are told of. sqlx would ask after each one whether somebody wants to hear of it, which costs more than
/// a page of the log; nobody may (`yinyom_telemetry`).
fn quiet<O: ConnectOptions>(options: O) -> O {
    options.log_statements(LevelFilter::Off)
}

/// Whether tables were partitioned (`deploy/partition.sql`).
const PARTITIONED: &str = "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relkind = 'p')";

/// Sees to it that row-level security binds us, and brings the schema up to date.
async fn open_postgres(
    config: &DbConfig,
    migrations: &Migrations,
    connection: &mut PgConnection,
) -> Result<Migrated, OpenError> {
    if row_security::is_bypassed(connection).await? {
        if !config.allow_rls_bypass {
            return Err(OpenError::Unbound);
        }
        tracing::warn!(
            "row-level security does not bind the database's role: the code alone keeps businesses apart"
        );
    }
    lock(connection).await?;
    let history = sqlx::query_as(HISTORY).fetch_all(&mut *connection).await?;
    run(&migrations.postgres, connection, history).await
}
