//! Connections, kept ready between their uses.
//!
//! A pool cleans what comes back to it, in round trips of its own: it cannot know what was done there. Whose transaction
//! has ended, or who only ran statements to their end outside of one, has left nothing behind but the business that
//! PostgreSQL was told, and may say so ([`Lent::keep`]). Then the connection waits here as it is, together with that business. Its
//! next user takes it without a word to the server, and must tell it another business before the first
//! statement. Who does not say so, whatever the reason, gives it to the pool.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use uuid::Uuid;

use crate::DbError;
use crate::pools::{self, PROMPT, TRUSTED};
use crate::session::in_time;

/// How long a connection stays away from its pool, which closes what is too old or too many.
const AWAY_AT_MOST: Duration = Duration::from_mins(1);

/// The connections of a pool, all of which are taken through this. Cheap to clone.
pub(crate) struct Kept<D: Database> {
    shelf: Arc<Shelf<D>>,
    /// As many as the pool has connections: who has a seat finds one here, or the pool has one to give.
    seats: Arc<Semaphore>,
    /// How long one waits for a seat who has no caller.
    patience: Duration,
}

/// The right to use one of the connections. To be dropped after it.
pub(crate) type Seat = OwnedSemaphorePermit;

struct Shelf<D: Database> {
    pool: Pool<D>,
    /// Those that were put here last are last.
    waiting: Mutex<Vec<Waiting<D>>>,
}

struct Waiting<D: Database> {
    connection: PoolConnection<D>,
    told: Option<Uuid>,
    away_since: Instant,
    here_since: Instant,
}

/// A connection in use. Unless it is kept, its end is a gift to the pool, which cleans it.
pub(crate) struct Lent<D: Database> {
    connection: PoolConnection<D>,
    told: Option<Uuid>,
    away_since: Instant,
    shelf: Arc<Shelf<D>>,
    seat: Seat,
}

impl<D: Database> Clone for Kept<D> {
    fn clone(&self) -> Self {
        Self {
            shelf: Arc::clone(&self.shelf),
            seats: Arc::clone(&self.seats),
            patience: self.patience,
        }
    }
}

impl<D: Database> Kept<D> {
    pub(crate) fn of(pool: Pool<D>) -> Self {
        let (connections, patience) =
            (pool.options().get_max_connections(), pool.options().get_acquire_timeout());
        let seats = usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS);
        let shelf = Shelf { pool, waiting: Mutex::default() };
        Self { shelf: Arc::new(shelf), seats: Arc::new(Semaphore::new(seats)), patience }
    }

    /// A connection that knows of `business` already, if there is one ready.
    pub(crate) async fn acquire(&self, business: Option<Uuid>) -> Result<Lent<D>, DbError> {
        let patience = pools::patience().unwrap_or(self.patience).min(self.patience);
        let seat = tokio::time::timeout(patience, Arc::clone(&self.seats).acquire_owned())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, told, away_since) = match self.ready(business).await {
            Some(Waiting { connection, told, away_since, .. }) => (connection, told, away_since),
            None => (pools::acquire(&self.shelf.pool).await?, None, Instant::now()),
        };
        Ok(Lent { connection, told, away_since, shelf: Arc::clone(&self.shelf), seat })
    }

    /// One that waits. If it has lain about and does not answer, there is none: the pool makes a new one.
    async fn ready(&self, business: Option<Uuid>) -> Option<Waiting<D>> {
        let mut found = self.shelf.take(business)?;
        if found.here_since.elapsed() >= TRUSTED
            && in_time(PROMPT, found.connection.ping()).await.is_err()
        {
            drop(found.connection.detach());
            return None;
        }
        Some(found)
    }

    /// Throws away those that wait.
    pub(crate) fn let_go(&self) {
        for waiting in std::mem::take(&mut *self.shelf.waiting()) {
            drop(waiting.connection.detach());
        }
    }

    /// Waits for what is under way and refuses all else. To be bounded where the server may be silent.
    pub(crate) async fn close(&self) {
        self.seats.close();
        // From here on nothing is kept.
        let closed = self.shelf.pool.close();
        drop(std::mem::take(&mut *self.shelf.waiting()));
        closed.await;
    }
}

impl<D: Database> Shelf<D> {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<D>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, business: Option<Uuid>) -> Option<Waiting<D>> {
        let mut waiting = self.waiting();
        let last = waiting.len().checked_sub(1)?;
        let fits = waiting.iter().rposition(|waiting| waiting.told == business);
        Some(waiting.remove(fits.unwrap_or(last)))
    }

    /// Puts one back, and takes out the one that nobody has wanted for long.
    fn put(&self, back: Waiting<D>) {
        let (now, mut waiting) = (back.here_since, self.waiting());
        // Asked under the lock, which whoever closes the pool takes afterwards.
        let refused = if self.pool.is_closed() {
            Some(back)
        } else {
            waiting.push(back);
            let unwanted = now.duration_since(waiting[0].here_since) >= AWAY_AT_MOST;
            unwanted.then(|| waiting.remove(0))
        };
        drop(waiting);
        drop(refused);
    }
}

impl<D: Database> Drop for Shelf<D> {
    /// A connection that goes back to its pool needs a runtime, which may be gone.
    fn drop(&mut self) {
        for waiting in std::mem::take(&mut *self.waiting()) {
            drop(waiting.connection.detach());
        }
    }
}

impl<D: Database> Lent<D> {
    /// What business its session works for.
    pub(crate) const fn told(&self) -> Option<Uuid> {
        self.told
    }

    /// For work that leaves more behind than rows that were fetched to the end. The connection goes to the pool
    /// afterwards.
    pub(crate) fn into_parts(self) -> (PoolConnection<D>, Seat) {
        (self.connection, self.seat)
    }

    /// Ends a use that leaves nothing behind: nothing was done outside of transactions, which have ended, but to tell the
    /// session of `told` and to run statements, each to its end.
    pub(crate) fn keep(self, told: Option<Uuid>) {
        let Self { connection, away_since, shelf, seat, .. } = self;
        let here_since = Instant::now();
        if here_since.duration_since(away_since) < AWAY_AT_MOST {
            shelf.put(Waiting { connection, told, away_since, here_since });
        } else {
            drop(connection);
        }
        // Whoever waited for it finds the connection.
        drop(seat);
    }
}

impl<D: Database> Deref for Lent<D> {
    type Target = D::Connection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<D: Database> DerefMut for Lent<D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}
