//! Pools of connections, and how long one waits for one of them.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection, Database, Executor, Pool, Postgres, Sqlite, SqlitePool};
use yinyom_kernel::{Scope, time_left};

use crate::kept::Kept;
use crate::row_security::CLEAN;
use crate::session::{Idle, IdleReader, in_time};
use crate::{DbConfig, DbError};

/// A connection that lay unused for longer is tried before it is used.
pub(crate) const TRUSTED: Duration = Duration::from_secs(5);

/// How long it has to answer; then a new one is made, for the same caller.
pub(crate) const PROMPT: Duration = Duration::from_millis(500);

/// How long the connections of a pool have to be closed when nothing is asked of them any more.
const GOODBYE: Duration = Duration::from_secs(5);

/// The connections of one database.
pub(crate) enum Pools {
    Sqlite { writer: SqlitePool, readers: Kept<Sqlite> },
    Postgres { writers: Kept<Postgres>, readers: Kept<Postgres> },
}

impl Pools {
    pub(crate) async fn idle_writer(&self) -> Result<Idle, DbError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Idle::Sqlite(acquire(writer).await?),
            Self::Postgres { writers, .. } => Idle::Postgres(writers.acquire(None).await?),
        })
    }

    /// Of PostgreSQL alone.
    pub(crate) const fn postgres_writers(&self) -> Option<&Kept<Postgres>> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Postgres { writers, .. } => Some(writers),
        }
    }

    pub(crate) async fn idle_reader(&self, scope: Option<Scope>) -> Result<IdleReader, DbError> {
        let business = scope.map(|scope| scope.business().uuid());
        Ok(match self {
            // A file is told of no business.
            Self::Sqlite { readers, .. } => IdleReader::Sqlite(readers.acquire(None).await?),
            Self::Postgres { readers, .. } => {
                IdleReader::Postgres(readers.acquire(business).await?)
            }
        })
    }

    /// Keeps none of the connections that wait.
    pub(crate) fn let_go_of_writers(&self) {
        if let Self::Postgres { writers, .. } = self {
            writers.let_go();
        }
    }

    /// Waits for what is under way, though not for a silent server, and refuses all later work.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { writers, readers } => {
                tokio::join!(goodbye(readers.close()), goodbye(writers.close()));
            }
        }
    }
}

/// Closes a pool, or leaves its connections to a server that does not even say goodbye.
async fn goodbye(closed: impl Future<Output = ()>) {
    if tokio::time::timeout(GOODBYE, closed).await.is_err() {
        tracing::warn!("connections were left to the database");
    }
}

/// How long the caller of the running task waits, less what it takes to tell it: whoever hears
/// `UNAVAILABLE` in time knows more than whoever hears nothing.
pub(crate) fn patience() -> Option<Duration> {
    time_left().map(|left| left / 10 * 9)
}

pub(crate) async fn acquire<D: Database>(pool: &Pool<D>) -> Result<PoolConnection<D>, DbError> {
    // The pool has a limit of its own. Boxed, because it holds all that connecting may take, and is part of every
    // future that comes to the database.
    in_time(patience().unwrap_or(Duration::MAX), Box::pin(pool.acquire())).await
}

/// A pool that tries a connection when it has lain about, not each time, and that takes none back
/// with an open transaction or a business.
pub(crate) fn postgres(config: &DbConfig, connections: u32) -> PgPoolOptions {
    let limit = config.acquire_timeout;
    PgPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                Ok(meta.idle_for < TRUSTED || in_time(PROMPT, connection.ping()).await.is_ok())
            })
        })
        .after_release(move |connection, _| {
            // The next user must find neither an open transaction nor a business. In a failed
            // transaction it fails, and the connection is closed; so is one whose server does not
            // answer, which would else keep its place in the pool.
            Box::pin(async move { Ok(in_time(limit, connection.execute(CLEAN)).await.is_ok()) })
        })
}

/// A pool that takes no connection back whose transactions sqlx has lost count of.
pub(crate) fn sqlite(config: &DbConfig) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .max_lifetime(None)
        .idle_timeout(None)
        .after_release(|connection, _| {
            // A full disk can make SQLite roll back by itself. sqlx, which counts, then takes the
            // transaction for open and would begin no other on this connection. The ping comes first:
            // a rollback may be on its way.
            Box::pin(async move {
                Ok(connection.ping().await.is_ok() && !connection.is_in_transaction())
            })
        })
}
