//! One connection with one use: a unit of work or a read. All that is specific to a database's
//! connection is here and in `query`.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, SqlSafeStr, Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use crate::readers::{Reader, Seat};
use crate::{DbError, row_security};

/// How long a rollback may take before it is left to the pool and the database.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the server answers, if it does so in time. One that is stopped or cut off does not, and its sockets say
/// nothing for a quarter of an hour. What was asked is then left to the pool, which closes the connection if it is
/// not soon in order.
pub(crate) async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, DbError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(DbError::unavailable("the server did not answer in time")),
    }
}

/// A connection in use.
pub(crate) enum Session {
    SqliteUnit(Transaction<'static, Sqlite>),
    PostgresUnit(Transaction<'static, Postgres>),
    SqliteRead(Reader<Sqlite>),
    PostgresRead(Reader<Postgres>),
}

/// A connection to run a statement on.
pub(crate) enum Connection<'t> {
    Sqlite(&'t mut SqliteConnection),
    Postgres(&'t mut PgConnection),
}

/// A connection that waits for its unit of work.
pub(crate) enum Idle {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A connection that waits for its read.
pub(crate) enum IdleReader {
    Sqlite(Reader<Sqlite>),
    Postgres(Reader<Postgres>),
}

impl IdleReader {
    /// A read outside any transaction: each statement sees what was committed when it began.
    pub(crate) fn read(self) -> Session {
        match self {
            Self::Sqlite(reader) => Session::SqliteRead(reader),
            Self::Postgres(reader) => Session::PostgresRead(reader),
        }
    }

    /// Begins a read that sees one moment. Must not be cancelled (TRAPS 5).
    pub(crate) async fn begin_snapshot(
        self,
        business: Option<Uuid>,
        within: Duration,
    ) -> Result<(Session, Seat), DbError> {
        let (idle, seat) = match self {
            Self::Sqlite(reader) => {
                let (connection, seat) = reader.into_parts();
                (Idle::Sqlite(connection), seat)
            }
            Self::Postgres(reader) => {
                let (connection, seat) = reader.into_parts();
                (Idle::Postgres(connection), seat)
            }
        };
        let postgres = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        Ok((idle.begin_with("BEGIN", postgres, business, within).await?, seat))
    }
}

impl Idle {
    /// Begins a unit of work. Must not be cancelled (TRAPS 5).
    pub(crate) async fn begin(
        self,
        business: Option<Uuid>,
        within: Duration,
    ) -> Result<Session, DbError> {
        self.begin_with("BEGIN IMMEDIATE", "BEGIN", business, within).await
    }

    async fn begin_with(
        self,
        sqlite: &'static str,
        postgres: &'static str,
        business: Option<Uuid>,
        within: Duration,
    ) -> Result<Session, DbError> {
        // `Transaction::begin` is what `Pool::begin_with` does once it has a connection. Taking the
        // connection first keeps the wait for one in the caller's hands, where it can be cancelled.
        Ok(match self {
            Self::Sqlite(connection) => Session::SqliteUnit(
                Transaction::begin(connection, Some(sqlite.into_sql_str())).await?,
            ),
            Self::Postgres(connection) => {
                let statement = row_security::begin(postgres, business);
                let begun = Transaction::begin(connection, Some(statement));
                Session::PostgresUnit(in_time(within, begun).await?)
            }
        })
    }
}

impl Session {
    pub(crate) fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::SqliteUnit(transaction) => Connection::Sqlite(transaction),
            Self::PostgresUnit(transaction) => Connection::Postgres(transaction),
            Self::SqliteRead(reader) => Connection::Sqlite(reader),
            Self::PostgresRead(reader) => Connection::Postgres(reader),
        }
    }

    /// What business it works for before it is told of any.
    pub(crate) const fn told(&self) -> Option<Uuid> {
        match self {
            Self::PostgresRead(reader) => reader.told(),
            Self::SqliteRead(_) | Self::SqliteUnit(_) | Self::PostgresUnit(_) => None,
        }
    }

    /// Ends a read that only fetched rows, each time to the end, and told its connection of `told`. All else is for
    /// the pool to clean.
    pub(crate) fn keep(self, told: Option<Uuid>) {
        match self {
            Self::SqliteRead(reader) => reader.keep(told),
            Self::PostgresRead(reader) => reader.keep(told),
            Self::SqliteUnit(_) | Self::PostgresUnit(_) => {}
        }
    }

    /// Whether what it is told is forgotten with it.
    pub(crate) fn is_transaction(&self) -> bool {
        matches!(self, Self::SqliteUnit(_) | Self::PostgresUnit(_))
    }

    /// Ends a unit of work. An error of class `Unavailable` leaves open whether it took effect.
    pub(crate) async fn commit(self, within: Duration) -> Result<(), DbError> {
        match self {
            Self::SqliteUnit(transaction) => transaction.commit().await?,
            Self::PostgresUnit(transaction) => in_time(within, transaction.commit()).await?,
            Self::SqliteRead(_) | Self::PostgresRead(_) => {}
        }
        Ok(())
    }

    /// Undoes a unit of work. Where that fails the connection is beyond use, and the pool, which
    /// tries it before it keeps it, throws it away: the database then undoes the unit itself.
    pub(crate) async fn rollback(self, within: Duration) {
        let undone = match self {
            Self::SqliteUnit(transaction) => transaction.rollback().await.map_err(DbError::from),
            Self::PostgresUnit(transaction) => {
                // A server that has let the caller's time pass gets none of it for its goodbye.
                in_time(within.min(LAST_WORDS), transaction.rollback()).await
            }
            Self::SqliteRead(_) | Self::PostgresRead(_) => Ok(()),
        };
        if let Err(error) = undone {
            tracing::debug!(%error, "a rollback was left to the database");
        }
    }
}
