//! The schema: brought up to date when a service starts, and refused when it is from a later one.

use std::borrow::Cow;

use include_dir::{Dir, File};
use sqlx::SqlStr;
use sqlx::error::DatabaseError;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use crate::DbError;

/// The schema's history, once for each database.
///
/// ```ignore
/// pub static MIGRATIONS: LazyLock<Migrations> = LazyLock::new(|| {
///     Migrations::of(
///         &include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite"),
///         &include_dir!("$CARGO_MANIFEST_DIR/migrations/postgres"),
///     )
/// });
/// ```
/// A crate that says so needs a `build.rs` with `println!("cargo:rerun-if-changed=migrations");`,
/// or a new file is not noticed.
#[derive(Debug)]
pub struct Migrations {
    pub sqlite: Migrator,
    pub postgres: Migrator,
}

impl Migrations {
    /// Of directories in the program with files such as `0002_expand_names.sql`; whatever is named otherwise is none. The
    /// macro of sqlx that does this makes a compiler build sqlx, SQLite and TLS once more, to run them itself.
    pub fn of(sqlite: &Dir<'static>, postgres: &Dir<'static>) -> Self {
        let history = |of: &Dir<'static>| {
            let mut all: Vec<_> = of.files().filter_map(migration).collect();
            all.sort();
            Migrator::with_migrations(all)
        };
        Self { sqlite: history(sqlite), postgres: history(postgres) }
    }
}

fn migration(file: &'static File<'static>) -> Option<Migration> {
    let (version, name) = file.path().to_str()?.strip_suffix(".sql")?.split_once('_')?;
    let sql = file.contents_utf8()?;
    let (no_tx, sql) = (sql.starts_with("-- no-transaction"), SqlStr::from_static(sql));
    let (version, name) = (version.parse().ok()?, Cow::Owned(name.replace('_', " ")));
    Some(Migration::new(version, name, MigrationType::Simple, sql, no_tx))
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not one of ours.
    #[error("the database's address must begin with sqlite: or postgres:// and be well-formed")]
    Url,

    /// A later release has been here, and did not say that this one may go on beside it. To write with this one could
    /// damage what that one wrote.
    #[error(
        "the database has migration {found}, which this release does not know (it knows {known} \
         and earlier) and may not run beside: start the later release instead"
    )]
    Newer { found: i64, known: i64 },

    /// A migration that was applied is not the one that this release carries.
    #[error("migration {version} was changed after it had been applied")]
    Altered { version: i64 },

    /// A migration did not run.
    #[error("migration {version} failed")]
    Migration {
        version: i64,
        #[source]
        source: DbError,
    },

    /// The directory of a SQLite file could not be made.
    #[error("the directory of the database file cannot be made: {0}")]
    Directory(std::io::ErrorKind),

    /// The server is there and does not let us in.
    #[error("the database refuses the user, the password or the database that its address names")]
    Refused(#[source] DbError),

    /// The role is a superuser or has `BYPASSRLS`.
    #[error(
        "the database role that the address names is a superuser or has BYPASSRLS, so nothing in \
         the database would keep businesses apart: make a plain role that owns the service's \
         database, or allow this one explicitly"
    )]
    Unbound,

    /// The database could not be reached.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl OpenError {
    /// Whether the database may be there later, with the same configuration.
    pub(crate) fn may_pass(&self) -> bool {
        let (Self::Db(cause) | Self::Migration { source: cause, .. }) = self else {
            return false;
        };
        matches!(cause, DbError::Unavailable(_) | DbError::Conflict(_))
    }
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(DatabaseError::code);
        let refused = code.is_some_and(|code| matches!(code.get(..2), Some("28" | "3D")));
        if refused { Self::Refused(error.into()) } else { Self::Db(error.into()) }
    }
}

/// How the name of a migration begins beside which the releases before it may run: after its number, `expand_`.
pub const EXPAND: &str = "expand ";

/// What was applied before, and by what name.
pub(crate) const HISTORY: &str =
    "SELECT version, description FROM _sqlx_migrations ORDER BY version";

/// What opening a database did to its schema.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Migrated {
    /// The newest migration that was there before, if any was.
    pub from: Option<i64>,
    /// What was applied, in order: number and name.
    pub applied: Vec<(i64, String)>,
    /// The newest migration that is there now.
    pub to: i64,
    /// The newest migration that this release knows.
    pub known: i64,
}

/// Waits until no other process migrates, and sees to it that there is a history, however short. On PostgreSQL the lock is
/// the session's; SQLite has none but the transaction's.
pub(crate) async fn lock<C: Migrate>(connection: &mut C) -> Result<(), OpenError> {
    connection.lock().await.map_err(|error| cause(error, 0))?;
    let table = &Migrator::DEFAULT.table_name;
    connection.ensure_migrations_table(table).await.map_err(|error| cause(error, 0))
}

/// Runs what is missing in `history` on `connection`, which is locked.
pub(crate) async fn run<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
    history: Vec<(i64, String)>,
) -> Result<Migrated, OpenError> {
    let known = migrator.iter().map(|m| m.version).max().unwrap_or_default();
    let from = history.last().map(|(version, _)| *version);
    let later = || history.iter().filter(|(version, _)| *version > known);
    let mut lenient = Migrator::with_migrations(migrator.iter().cloned().collect());
    lenient.set_ignore_missing(migrator.ignore_missing || later().next().is_some());
    if !migrator.ignore_missing {
        admit(migrator, known, &history)?;
        if let Some((newest, _)) = later().next_back() {
            tracing::info!(
                newest,
                known,
                "a later release has migrated the database, and lets this one go on"
            );
        }
    }
    lenient.run_direct(None, connection, false).await.map_err(|error| cause(error, known))?;
    let missing =
        |migration: &&Migration| !history.iter().any(|(version, _)| *version == migration.version);
    let applied: Vec<_> = migrator
        .iter()
        .filter(missing)
        .map(|migration| (migration.version, migration.description.clone().into_owned()))
        .collect();
    let to = applied.iter().map(|(version, _)| *version).chain(from).max().unwrap_or_default();
    Ok(Migrated { from, applied, to, known })
}

/// Whether this release may go on with what others have applied.
fn admit(migrator: &Migrator, known: i64, history: &[(i64, String)]) -> Result<(), OpenError> {
    for (version, name) in history {
        if *version > known {
            if !name.starts_with(EXPAND) {
                return Err(OpenError::Newer { found: *version, known });
            }
        } else if !migrator.version_exists(*version) {
            return Err(OpenError::Altered { version: *version });
        }
    }
    Ok(())
}

fn cause(error: MigrateError, known: i64) -> OpenError {
    match error {
        MigrateError::VersionMissing(found) if found > known => OpenError::Newer { found, known },
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => {
            OpenError::Altered { version }
        }
        MigrateError::ExecuteMigration(source, version) => {
            OpenError::Migration { version, source: source.into() }
        }
        MigrateError::Execute(source) => OpenError::Db(source.into()),
        _ => OpenError::Db(DbError::bug("the migrations are not well-formed")),
    }
}
