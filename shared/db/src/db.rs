//! The database of one service: pools, units of work, reads.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;
use yinyom_failpoints::{Point, reached};
use yinyom_kernel::Scope;

use crate::DbError;
use crate::changes::{Changes, Listener};
use crate::config::{Gate, Pass};
use crate::migrations::Migrated;
use crate::pools::{self, Pools};
use crate::session::{Idle, Session};
use crate::tx::{AtOnce, Done, Limits, State, Tx};

/// A database, open and up to date. Cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) migrated: Migrated,
    pub(crate) pools: Pools,
    pub(crate) changes: Changes,
    pub(crate) begin_within: Duration,
    pub(crate) answer_within: Duration,
    pub(crate) gate: Option<Gate>,
    /// Where `sqlite::memory:` lives. Removed when this is dropped.
    pub(crate) _directory: Option<tempfile::TempDir>,
}

impl Db {
    pub(crate) fn of(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// What opening it did to its schema.
    pub fn migrated(&self) -> &Migrated {
        &self.0.migrated
    }

    /// Runs a unit of work about one business: all of it happens, or nothing.
    ///
    /// The unit is committed if `work` returns [`Tx::done`] and rolled back if it returns an error
    /// or panics. Once begun it runs to its end even if the caller goes away (TRAPS 5); a caller
    /// that goes away before leaves nothing behind. A unit in which any statement failed is never
    /// committed, on either database.
    ///
    /// Do not begin a unit inside another one: on SQLite it would wait for itself.
    ///
    /// ```
    /// # use yinyom_db::{Db, DbError, Tx};
    /// # use yinyom_kernel::Scope;
    /// # async fn raise(_: &mut Tx) -> Result<i64, DbError> { Ok(1) }
    /// async fn next(db: &Db, scope: Scope) -> Result<i64, DbError> {
    ///     db.write(scope, |mut tx| async move {
    ///         let seq = raise(&mut tx).await?;
    ///         tx.announce("outbox");
    ///         tx.done(seq)
    ///     })
    ///     .await
    /// }
    /// ```
    pub async fn write<T, E, F, Fut>(&self, scope: Scope, work: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Done<T>, E>> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.unit(Some(scope), work).await
    }

    /// Like [`Db::write`], for work that is about no business yet (an operator creates one), or
    /// about several, one at a time, by [`Tx::enter`] (TRAPS 16).
    pub async fn write_unscoped<T, E, F, Fut>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Done<T>, E>> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.unit(None, work).await
    }

    /// Like [`Db::write`], for a unit of work that is one statement on PostgreSQL, which is a transaction by itself: that spares
    /// three round trips, and locks are held for as long as the statement takes. A second statement fails. On SQLite there
    /// may be several.
    ///
    /// Once the statement has succeeded it has happened, whatever `work` returns afterwards. Of one that failed with
    /// [`DbError::Unavailable`], or whose caller went away, nobody knows: it needs no task of its own (TRAPS 5), since there is
    /// nothing that it could leave half done.
    pub async fn write_at_once<T, E, F, Fut>(&self, scope: Scope, work: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Done<T>, E>> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let Some(writers) = self.0.pools.postgres_writers() else {
            return self.write(scope, work).await;
        };
        let pass = pass(self.0.gate.as_ref()).await;
        let session = Session::of_postgres(writers, scope).await?;
        reached(Point::BeforeCommit).await.map_err(DbError::from)?;
        let state = State::of(session, true, Some(scope), self.limits(), pass);
        let mut tx = Tx { state: Arc::clone(&state).lock_owned().await };
        tx.state.at_once = AtOnce::NotYet;
        let done = work(tx).await;
        let state = state.lock().await;
        if state.failed {
            // Perhaps the server starts anew, and has closed all that were kept: the next one shall not find out, too.
            self.0.pools.let_go_of_writers();
        }
        let done = done?;
        if let Some(objection) = state.objection() {
            return Err(DbError::bug(objection).into());
        }
        self.announce(&state).await?;
        Ok(done.into_inner())
    }

    async fn unit<T, E, F, Fut>(&self, scope: Option<Scope>, work: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Done<T>, E>> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let pass = pass(self.0.gate.as_ref()).await;
        let idle = self.0.pools.idle_writer().await?;
        let (db, limits) = (self.clone(), self.limits());
        let unit = async move { db.run_unit(idle, limits, pass, scope, work).await };
        match tokio::spawn(unit.in_current_span()).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => Err(DbError::unavailable("the process is going down").into()),
        }
    }

    /// The body of a unit: nothing in it can be cancelled. The outer error is a panic of `work`.
    async fn run_unit<T, E, F, Fut>(
        &self,
        idle: Idle,
        limits: Limits,
        pass: Option<Pass>,
        scope: Option<Scope>,
        work: F,
    ) -> std::thread::Result<Result<T, E>>
    where
        F: FnOnce(Tx) -> Fut,
        Fut: Future<Output = Result<Done<T>, E>>,
        E: From<DbError>,
    {
        let business = scope.map(|scope| scope.business().uuid());
        let session = match self.begin(idle, business, limits).await {
            Ok(session) => session,
            Err(error) => return Ok(Err(error.into())),
        };
        let state = State::of(session, self.is_postgres(), scope, limits, pass);
        let tx = Tx { state: Arc::clone(&state).lock_owned().await };
        let result = AssertUnwindSafe(async move { work(tx).await }).catch_unwind().await;
        // Waits for the `Tx` in case `work` handed it to a task that still runs.
        let mut state = state.lock().await;
        match result {
            Ok(Ok(done)) => Ok(match self.commit(&mut state).await {
                Ok(()) => Ok(done.into_inner()),
                Err(error) => Err(error.into()),
            }),
            Ok(Err(error)) => {
                state.rollback().await;
                Ok(Err(error))
            }
            Err(panic) => {
                state.rollback().await;
                Err(panic)
            }
        }
    }

    /// Begins a unit of work. A connection that was kept may have been closed by the server, which starts anew or goes
    /// over to another one: that shows at once, before anything was asked, and then the unit begins on a new one.
    async fn begin(
        &self,
        idle: Idle,
        business: Option<Uuid>,
        limits: Limits,
    ) -> Result<Session, DbError> {
        let began = Instant::now();
        match idle.begin(business, self.begin_within(limits)).await {
            Err(DbError::Unavailable(_)) if began.elapsed() < pools::PROMPT => {
                self.0.pools.let_go_of_writers();
                let (left, anew) = (self.begin_within(limits), self.0.pools.idle_writer());
                let idle = tokio::time::timeout(left, anew)
                    .await
                    .map_err(|_| DbError::unavailable("no connection in time"))??;
                idle.begin(business, self.begin_within(limits)).await
            }
            session => session,
        }
    }

    async fn commit(&self, state: &mut State) -> Result<(), DbError> {
        if let Err(cut) = reached(Point::BeforeCommit).await {
            state.rollback().await;
            return Err(cut.into());
        }
        state.commit().await?;
        self.announce(state).await
    }

    /// Says what is committed to whoever listens.
    async fn announce(&self, state: &State) -> Result<(), DbError> {
        reached(Point::AfterCommit).await?;
        state.announcements.iter().for_each(|topic| self.notify(topic));
        Ok(())
    }

    /// Reads about one business. Each statement sees what was committed when it began, so two
    /// statements may see two moments: see [`Db::snapshot`]. Writing is refused by the database.
    /// On PostgreSQL one round trip says what business it is about, unless the connection's last read was about it.
    ///
    /// The read ends when the `Tx` is dropped. Can be cancelled at any time.
    pub async fn read(&self, scope: Scope) -> Result<Tx, DbError> {
        self.read_with(Some(scope)).await
    }

    /// Like [`Db::read`], for tables that are about no business (TRAPS 16: nothing personal).
    pub async fn read_unscoped(&self) -> Result<Tx, DbError> {
        self.read_with(None).await
    }

    async fn read_with(&self, scope: Option<Scope>) -> Result<Tx, DbError> {
        let pass = pass(self.0.gate.as_ref()).await;
        let session = self.0.pools.idle_reader(scope).await?.read();
        let state = State::of(session, self.is_postgres(), scope, self.limits(), pass);
        Ok(Tx { state: state.lock_owned().await })
    }

    /// Like [`Db::read`], but all statements see one moment: a consent state and the addresses that
    /// it speaks of must not be from two. Costs two more round trips on PostgreSQL: one to begin, and one to end,
    /// for which nobody waits.
    pub async fn snapshot(&self, scope: Scope) -> Result<Tx, DbError> {
        let pass = pass(self.0.gate.as_ref()).await;
        let idle = self.0.pools.idle_reader(Some(scope)).await?;
        // In a task because a `begin` must not be cancelled (TRAPS 5).
        let limits = self.limits();
        let business = scope.business().uuid();
        let opening = idle.begin_snapshot(Some(business), self.begin_within(limits));
        let begun = tokio::spawn(opening.in_current_span()).await;
        let session = begun.map_err(|_| DbError::unavailable("the process is going down"))??;
        let state = State::of(session, self.is_postgres(), Some(scope), limits, pass);
        Ok(Tx { state: state.lock_owned().await })
    }

    fn limits(&self) -> Limits {
        Limits {
            each: self.0.answer_within,
            until: pools::patience().map(|left| Instant::now() + left),
        }
    }

    /// Nothing but a round trip, so it has no more time than the wait for a connection.
    fn begin_within(&self, limits: Limits) -> Duration {
        limits.next().min(self.0.begin_within)
    }

    /// Wakes the listeners of `topic`. For a change that a unit of work makes, say
    /// [`Tx::announce`] in it.
    pub fn notify(&self, topic: &'static str) {
        self.0.changes.notify(topic);
    }

    /// Listens to `topic`. Wake-ups may be lost and may come for nothing: look by yourself, too.
    pub fn listen(&self, topic: &'static str) -> Listener {
        self.0.changes.listen(topic)
    }

    /// Whether the database answers, for a health check.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read_unscoped().await?.query("SELECT 1").scalar::<i32>().await.map(drop)
    }

    /// Writes SQLite's journal back into the file and empties it, so that what was deleted is in neither. While somebody
    /// reads some of it may stay, until the next time. PostgreSQL's journal is the server's own.
    pub async fn write_back_journal(&self) -> Result<(), DbError> {
        if let Pools::Sqlite { writer, .. } = &self.0.pools {
            let mut connection = pools::acquire(writer).await?;
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Whether this is PostgreSQL; SQLite otherwise.
    pub fn is_postgres(&self) -> bool {
        matches!(self.0.pools, Pools::Postgres { .. })
    }

    /// Waits for what is under way, though not for a silent server, and refuses all later work.
    pub async fn close(&self) {
        self.0.changes.close();
        self.0.pools.close().await;
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_postgres() { "Db(PostgreSQL)" } else { "Db(SQLite)" })
    }
}

pub(crate) async fn pass(gate: Option<&Gate>) -> Option<Pass> {
    match gate {
        Some(gate) => Some(gate().await),
        None => None,
    }
}
