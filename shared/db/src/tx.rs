//! One unit of work, or one read, as a store sees it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{SqlSafeStr, SqlStr};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use uuid::Uuid;
use yinyom_kernel::Scope;

use crate::DbError;
use crate::config::Pass;
use crate::query::Query;
use crate::session::Session;

/// A transaction that is committed by [`crate::Db::write`] alone, a statement that is one by itself
/// ([`crate::Db::write_at_once`]), or a read.
///
/// Store functions take `&mut Tx` and run statements on it; they neither commit nor roll back.
pub struct Tx {
    pub(crate) state: OwnedMutexGuard<State>,
}

/// A unit of work that wants to be committed, and what its caller gets when it is.
/// Only [`Tx::done`] makes one.
#[derive(Debug)]
#[must_use = "only a unit of work that returns this is committed"]
pub struct Done<T>(T);

impl<T> Done<T> {
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

/// What `Db::write` and the unit's `Tx` share: the one lends it to the other.
pub(crate) struct State {
    pub(crate) session: Option<Session>,
    pub(crate) postgres: bool,
    pub(crate) scope: Option<Scope>,
    /// What business PostgreSQL believes that this is about.
    pub(crate) told: Option<Uuid>,
    pub(crate) plans: Plans,
    /// A statement was begun and did not succeed. PostgreSQL would answer "committed" to such a unit
    /// and roll it back.
    pub(crate) failed: bool,
    pub(crate) left: Left,
    pub(crate) at_once: AtOnce,
    /// A request was begun and has no outcome yet.
    pub(crate) unanswered: bool,
    pub(crate) announcements: Vec<&'static str>,
    pub(crate) limits: Limits,
    /// Given back last, when the session is.
    _pass: Option<Pass>,
}

/// What the statements so far have left behind in the session, for all that one can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    /// One was run that is not there to fetch rows.
    Something,
}

/// Whether the work is one statement, without a transaction around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtOnce {
    No,
    NotYet,
    /// Its statement is run.
    Done,
}

/// What PostgreSQL was told to plan statements for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plans {
    /// Any values: once for all.
    ForAll,
    /// Those that are bound: each time.
    ForValues,
}

/// How long PostgreSQL has for its answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For each.
    pub(crate) each: Duration,
    /// For all but the commit's: afterwards the caller could not be told of them.
    pub(crate) until: Option<Instant>,
}

impl Limits {
    /// What the next answer has left.
    pub(crate) fn next(&self) -> Duration {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(self.each, |left| left.min(self.each))
    }
}

impl State {
    pub(crate) fn of(
        session: Session,
        postgres: bool,
        scope: Option<Scope>,
        limits: Limits,
        pass: Option<Pass>,
    ) -> Arc<Mutex<Self>> {
        let begun_with = scope.filter(|_| session.is_transaction());
        let begun_with = begun_with.map(|scope| scope.business().uuid());
        Arc::new(Mutex::new(Self {
            told: begun_with.or(session.told()),
            session: Some(session),
            postgres,
            limits,
            scope,
            plans: Plans::ForAll,
            failed: false,
            left: Left::Nothing,
            at_once: AtOnce::No,
            unanswered: false,
            announcements: Vec::new(),
            _pass: pass,
        }))
    }

    /// Why this unit must not be committed.
    pub(crate) const fn objection(&self) -> Option<&'static str> {
        if self.failed {
            Some("a statement of this unit had failed")
        } else if self.unanswered {
            Some("a request was begun in this unit and not finished")
        } else {
            None
        }
    }

    /// Commits, or rolls back and says why this unit must not be committed.
    pub(crate) async fn commit(&mut self) -> Result<(), DbError> {
        if let Some(objection) = self.objection() {
            self.rollback().await;
            return Err(DbError::bug(objection));
        }
        match self.session.take() {
            Some(session) => session.commit(self.limits.each).await,
            None => Err(DbError::bug("this unit of work is over")),
        }
    }

    pub(crate) async fn rollback(&mut self) {
        if let Some(session) = self.session.take() {
            session.rollback(self.limits.next()).await;
        }
    }
}

impl Drop for State {
    /// A read that fetched all that it asked for, or one statement that has happened, leaves its connection as it is; any other leaves it to the pool.
    fn drop(&mut self) {
        if !self.failed
            && self.left == Left::Nothing
            && let Some(session) = self.session.take()
        {
            session.keep(self.told);
        }
    }
}

impl Tx {
    /// A statement, with `$1`, `$2`… for values. It may hold these marks, filled by the method of
    /// that name: `{list}` by [`Query::list`], `{rows}` by [`Query::rows`].
    pub fn query(&mut self, sql: impl SqlSafeStr) -> Query<'_> {
        self.prepare(sql.into_sql_str())
    }

    /// A statement whose `$1` is the business that this transaction is about; the first
    /// [`Query::bind`] is `$2`. Fails when it runs if the work has no business.
    pub fn scoped(&mut self, sql: impl SqlSafeStr) -> Query<'_> {
        let business = self.business();
        let query = self.prepare(sql.into_sql_str());
        match business {
            Ok(business) => query.bind(business),
            Err(error) => query.fail(error),
        }
    }

    fn prepare(&mut self, sql: SqlStr) -> Query<'_> {
        Query::new(&mut self.state, sql)
    }

    /// Ends the unit of work well. [`crate::Db::write`] commits it and gives `value` to its caller.
    pub fn done<T, E>(self, value: T) -> Result<Done<T>, E> {
        Ok(Done(value))
    }

    /// The id of the business that this transaction is about, to be bound.
    pub fn business(&self) -> Result<Uuid, DbError> {
        self.scope().map(|scope| scope.business().uuid())
    }

    /// The business that this transaction is about.
    pub fn scope(&self) -> Result<Scope, DbError> {
        self.state.scope.ok_or_else(|| DbError::bug("this work is not about one business"))
    }

    /// From here on the transaction is about `scope`: for work that makes a business, or that goes
    /// through several, one at a time (TRAPS 16).
    pub fn enter(&mut self, scope: Scope) {
        self.state.scope = Some(scope);
    }

    /// Wakes the listeners of `topic` once this is committed.
    pub fn announce(&mut self, topic: &'static str) {
        if !self.state.announcements.contains(&topic) {
            self.state.announcements.push(topic);
        }
    }

    /// Which of two texts this database understands. For what `{list}`, `{rows}` and
    /// [`Query::for_update`] do not cover.
    pub fn dialect(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        if self.is_postgres() { postgres } else { sqlite }
    }

    /// Whether this is PostgreSQL; SQLite otherwise.
    pub fn is_postgres(&self) -> bool {
        self.state.postgres
    }
}
