//! One connection with one use: a unit of work or a read. All that is specific to a database's
//! connection is here, in `query` and in `answers`.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Executor, PgConnection, Postgres, SqlSafeStr, Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;
use yinyom_kernel::Scope;

use crate::kept::{Kept, Lent, Seat};
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
    /// With its seat, if it is a snapshot.
    SqliteUnit(Transaction<'static, Sqlite>, #[expect(dead_code, reason = "held")] Option<Seat>),
    /// sqlx is not told of the transaction: it would take the connection with it when it ends.
    PostgresUnit(Lent<Postgres>),
    SqliteRead(Lent<Sqlite>),
    /// Or a unit of work that is one statement.
    PostgresRead(Lent<Postgres>),
}

/// A connection to run a statement on.
pub(crate) enum Connection<'t> {
    Sqlite(&'t mut SqliteConnection),
    Postgres(&'t mut PgConnection),
}

/// A connection that waits for its unit of work.
pub(crate) enum Idle {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Lent<Postgres>),
}

/// A connection that waits for its read.
pub(crate) enum IdleReader {
    Sqlite(Lent<Sqlite>),
    Postgres(Lent<Postgres>),
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
    ) -> Result<Session, DbError> {
        match self {
            Self::Sqlite(reader) => {
                let (connection, seat) = reader.into_parts();
                begin_sqlite(connection, "BEGIN", Some(seat)).await
            }
            Self::Postgres(reader) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
                begin_postgres(reader, begin, business, within).await
            }
        }
    }
}

impl Idle {
    /// Begins a unit of work. Must not be cancelled (TRAPS 5).
    pub(crate) async fn begin(
        self,
        business: Option<Uuid>,
        within: Duration,
    ) -> Result<Session, DbError> {
        match self {
            Self::Sqlite(connection) => begin_sqlite(connection, "BEGIN IMMEDIATE", None).await,
            Self::Postgres(writer) => begin_postgres(writer, "BEGIN", business, within).await,
        }
    }
}

/// `Transaction::begin` is what `Pool::begin_with` does once it has a connection. Taking the connection first keeps the
/// wait for one in the caller's hands, where it can be cancelled.
async fn begin_sqlite(
    connection: PoolConnection<Sqlite>,
    how: &'static str,
    seat: Option<Seat>,
) -> Result<Session, DbError> {
    let begun = Transaction::begin(connection, Some(how.into_sql_str())).await?;
    Ok(Session::SqliteUnit(begun, seat))
}

async fn begin_postgres(
    mut connection: Lent<Postgres>,
    how: &'static str,
    business: Option<Uuid>,
    within: Duration,
) -> Result<Session, DbError> {
    let begin = row_security::begin(how, business);
    in_time(within, connection.execute(begin)).await?;
    Ok(Session::PostgresUnit(connection))
}

impl Session {
    /// For one statement that is about `scope` and is a transaction by itself.
    pub(crate) async fn of_postgres(
        connections: &Kept<Postgres>,
        scope: Scope,
    ) -> Result<Self, DbError> {
        Ok(Self::PostgresRead(connections.acquire(Some(scope.business().uuid())).await?))
    }

    pub(crate) fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::SqliteUnit(transaction, _) => Connection::Sqlite(transaction),
            Self::SqliteRead(reader) => Connection::Sqlite(reader),
            Self::PostgresUnit(reader) | Self::PostgresRead(reader) => Connection::Postgres(reader),
        }
    }

    /// What business it works for before it is told of any.
    pub(crate) const fn told(&self) -> Option<Uuid> {
        match self {
            Self::PostgresRead(reader) | Self::PostgresUnit(reader) => reader.told(),
            Self::SqliteRead(_) | Self::SqliteUnit(..) => None,
        }
    }

    /// Ends a read that only fetched rows, each time to the end, or a unit of work that was one statement, and told its
    /// connection of `told`. All else is for the pool to clean.
    pub(crate) fn keep(self, told: Option<Uuid>) {
        match self {
            Self::SqliteRead(reader) => reader.keep(told),
            Self::PostgresRead(reader) => reader.keep(told),
            Self::PostgresUnit(reader) => {
                // A snapshot that was read to its end. Nobody waits for that.
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move { end(reader, "COMMIT", LAST_WORDS).await });
                }
            }
            Self::SqliteUnit(..) => {}
        }
    }

    /// Whether what it is told is forgotten with it.
    pub(crate) fn is_transaction(&self) -> bool {
        matches!(self, Self::SqliteUnit(..) | Self::PostgresUnit(_))
    }

    /// Ends a unit of work. An error of class `Unavailable` leaves open whether it took effect.
    pub(crate) async fn commit(self, within: Duration) -> Result<(), DbError> {
        match self {
            Self::SqliteUnit(transaction, _) => transaction.commit().await?,
            Self::PostgresUnit(connection) => end(connection, "COMMIT", within).await?,
            Self::SqliteRead(_) | Self::PostgresRead(_) => {}
        }
        Ok(())
    }

    /// Undoes a unit of work. Where that fails the connection is beyond use, and the pool, which
    /// tries it before it keeps it, throws it away: the database then undoes the unit itself.
    pub(crate) async fn rollback(self, within: Duration) {
        let undone = match self {
            Self::SqliteUnit(transaction, _) => transaction.rollback().await.map_err(DbError::from),
            // A server that has let the caller's time pass gets none of it for its goodbye.
            Self::PostgresUnit(connection) => {
                end(connection, "ROLLBACK", within.min(LAST_WORDS)).await
            }
            Self::SqliteRead(_) | Self::PostgresRead(_) => Ok(()),
        };
        if let Err(error) = undone {
            tracing::debug!(%error, "a rollback was left to the database");
        }
    }
}

/// Ends a transaction. What it had told the server ends with it, so the connection is as it was before, and is kept; one
/// whose transaction may not have ended is for the pool to clean.
async fn end(
    mut connection: Lent<Postgres>,
    how: &'static str,
    within: Duration,
) -> Result<(), DbError> {
    in_time(within, connection.execute(how)).await?;
    let told = connection.told();
    connection.keep(told);
    Ok(())
}
