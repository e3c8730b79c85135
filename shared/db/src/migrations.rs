//! The schema: brought up to date when a service starts, and refused when it is from a later one.

use sqlx::error::DatabaseError;
use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::DbError;

/// The schema's history, once for each database.
///
/// ```ignore
/// pub static MIGRATIONS: Migrations = Migrations {
///     sqlite: sqlx::migrate!("migrations/sqlite"),
///     postgres: sqlx::migrate!("migrations/postgres"),
/// };
/// ```
/// A crate that says so needs a `build.rs` with `println!("cargo:rerun-if-changed=migrations");`,
/// or a new file is not noticed.
#[derive(Debug)]
pub struct Migrations {
    pub sqlite: Migrator,
    pub postgres: Migrator,
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not one of ours.
    #[error("the database's address must begin with sqlite: or postgres:// and be well-formed")]
    Url,

    /// A later release has been here. To write with this one would damage what that one wrote.
    #[error(
        "the database has migration {found}, which this release does not know (it knows {known} \
         and earlier): start the later release instead"
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

/// Runs what is missing on `connection`. The caller sees to it that no other process does the same.
pub(crate) async fn run<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
) -> Result<(), OpenError> {
    let known = migrator.iter().map(|m| m.version).max().unwrap_or_default();
    migrator.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) if found > known => OpenError::Newer { found, known },
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => {
            OpenError::Altered { version }
        }
        MigrateError::ExecuteMigration(source, version) => {
            OpenError::Migration { version, source: source.into() }
        }
        MigrateError::Execute(source) => OpenError::Db(source.into()),
        _ => OpenError::Db(DbError::bug("the migrations are not well-formed")),
    })
}
