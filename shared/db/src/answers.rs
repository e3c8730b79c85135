//! Runs statements and reads what they answer.

use std::time::Duration;

use sqlx::{Executor, SqlStr};
use tokio::time::Instant;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use crate::DbError;
use crate::query::{Query, Scalar, Target};
use crate::record::{Places, Record, read, read_all};
use crate::session::in_time;
use crate::tx::Left;

/// A statement that takes longer is told of in the log.
const SLOW: Duration = Duration::from_secs(1);

/// Sends the statement, takes what comes back in one way from either database, and keeps the books on failure.
macro_rules! run {
    ($query:expr, $fetch:ident, |$answer:ident| $read:expr) => {{
        let (keeps_plan, limit) = ($query.keeps_plan, $query.limit);
        let (target, sql, failed) = $query.ready().await?;
        let watch = Watch::of(&sql);
        let answer = match target {
            Target::Sqlite(connection, values) => {
                let statement = sqlx::query_with(sql, values).persistent(keeps_plan);
                let $answer = unheard(connection.$fetch(statement)).await?;
                $read
            }
            Target::Postgres(connection, values) => {
                let statement = sqlx::query_with(sql, values).persistent(keeps_plan);
                let answer = unheard(connection.$fetch(statement));
                let $answer = in_time(limit, answer).await?;
                $read
            }
        };
        drop(watch);
        *failed = false;
        Ok(answer)
    }};
}

impl Query<'_> {
    /// Runs the statement; how many rows it changed.
    pub async fn execute(self) -> Result<u64, DbError> {
        if self.leaves == Left::Something {
            *self.left = Left::Something;
        }
        run!(self, execute, |done| done.rows_affected())
    }

    /// The one row, if there is one.
    pub async fn fetch_optional<R: Record>(self) -> Result<Option<R>, DbError> {
        run!(self, fetch_optional, |row| match &row {
            Some(row) => Some(read(row, Places::Unknown)?.0),
            None => None,
        })
    }

    /// The one row; that there is none is a bug.
    pub async fn fetch_one<R: Record>(self) -> Result<R, DbError> {
        run!(self, fetch_one, |row| read(&row, Places::Unknown)?.0)
    }

    /// All rows. Give the statement a `LIMIT`.
    pub async fn fetch_all<R: Record>(self) -> Result<Vec<R>, DbError> {
        run!(self, fetch_all, |rows| read_all(&rows)?)
    }

    /// The first column of the one row; that there is none is a bug.
    pub async fn scalar<T: Scalar>(self) -> Result<T, DbError> {
        Ok(self.fetch_one::<(T,)>().await?.0)
    }

    /// The first column of the one row, if there is one.
    pub async fn scalar_optional<T: Scalar>(self) -> Result<Option<T>, DbError> {
        Ok(self.fetch_optional::<(T,)>().await?.map(|(first,)| first))
    }

    /// The first column of all rows.
    pub async fn scalars<T: Scalar>(self) -> Result<Vec<T>, DbError> {
        let rows = self.fetch_all::<(T,)>().await?;
        Ok(rows.into_iter().map(|(first,)| first).collect())
    }
}

/// What sqlx says meanwhile is heard by nobody. It would enter the caller's span twice for each row, which costs as much as
/// reading it, to say no more than [`Watch`] does; the server's notices are lost with it. Nothing of ours may speak in there.
fn unheard<F: Future>(answer: F) -> impl Future<Output = F::Output> {
    answer.with_subscriber(Dispatch::none())
}

/// Tells of a slow statement, also of one whose caller went away: its text, as values are not in it. What begins and ends a
/// transaction is for sqlx to tell.
struct Watch {
    sql: SqlStr,
    began: Instant,
}

impl Watch {
    fn of(sql: &SqlStr) -> Self {
        Self { sql: sql.clone(), began: Instant::now() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        if took >= SLOW {
            tracing::warn!(statement = self.sql.as_str(), ?took, "slow statement");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io;
    use std::sync::{Arc, Mutex};

    use sqlx::SqlSafeStr;

    use super::*;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the log says of a statement that took so long.
    fn told(took: Duration) -> String {
        let heard = Heard::default();
        let writer = heard.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(lines, || {
            let began = Instant::now().checked_sub(took).unwrap();
            drop(Watch { sql: "SELECT 1".into_sql_str(), began });
        });
        let bytes = heard.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_slow_statement_is_told_of_and_no_other() {
        let line = told(SLOW);
        assert!(line.contains("WARN") && line.contains("slow statement"), "{line}");
        assert!(line.contains("SELECT 1"), "{line}");
        assert_eq!(told(Duration::ZERO), "");
    }
}
