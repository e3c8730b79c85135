//! The replicas behind one name: asked for again and again, so that a new one gets calls within seconds; each call goes to
//! the less busy of two, and one that fails is left alone for a while.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use rand::seq::IndexedRandom;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::transport::Channel;

use super::route::jittered;
use crate::metrics;

/// How often the name is asked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Not more often than this, however many calls fail.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// How long one that failed once is left alone; twice as long after each failure in a row.
const REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// A call that is given up earlier says nothing of whom it was made to.
const PATIENCE: Duration = Duration::from_millis(250);

/// Tells the addresses that there are now.
pub(crate) type Lookup =
    Box<dyn Fn() -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Prepares a connection to one of them.
pub(crate) type Dial = Box<dyn Fn(SocketAddr) -> Channel + Send + Sync>;

/// The replicas of a service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Replicas(Arc<Inner>);

struct Inner {
    lookup: Lookup,
    dial: Dial,
    known: Mutex<Vec<Arc<Replica>>>,
    /// Somebody could not reach one of them.
    missed: Arc<Notify>,
}

/// One of them.
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    pub(crate) channel: Channel,
    under_way: AtomicUsize,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    failures: u32,
    until: Option<Instant>,
}

impl Replicas {
    /// Looks for them from now on, within a tokio runtime, for as long as a clone is kept.
    pub(crate) fn watch(lookup: Lookup, dial: Dial) -> Self {
        let missed = Arc::new(Notify::new());
        let inner = Inner { lookup, dial, known: Mutex::default(), missed: Arc::clone(&missed) };
        let replicas = Self(Arc::new(inner));
        let watched = Arc::downgrade(&replicas.0);
        tokio::spawn(async move {
            loop {
                let Some(inner) = watched.upgrade() else { return };
                Self(inner).look().await;
                tokio::time::sleep(LOOK_PAUSE).await;
                let _ = tokio::time::timeout(LOOK_EVERY, missed.notified()).await;
            }
        });
        replicas
    }

    /// One that takes calls, as far as is known; not `other`, if there is a choice. `None` if there is none at all.
    pub(crate) async fn pick(&self, other: Option<SocketAddr>) -> Option<Arc<Replica>> {
        if self.known().is_empty() {
            self.look().await;
        }
        let known = self.known();
        let now = Instant::now();
        let fit: Vec<_> = known
            .iter()
            .filter(|replica| replica.is_up(now) && Some(replica.address) != other)
            .collect();
        if fit.is_empty() {
            // Whoever has rested longest is the likeliest to be back; not the one that has just failed.
            let others = || known.iter().filter(|replica| Some(replica.address) != other);
            let rested = others().min_by_key(|replica| replica.rests_until());
            return rested.or_else(|| known.first()).cloned();
        }
        let mut two = fit.choose_multiple(&mut rand::rng(), 2);
        let (first, second) = (two.next()?, two.next());
        let less_busy = second.filter(|second| second.busy() < first.busy()).unwrap_or(first);
        Some(Arc::clone(less_busy))
    }

    /// Whether another one than `this` would take a call now.
    pub(crate) fn has_other(&self, this: SocketAddr) -> bool {
        let now = Instant::now();
        self.known().iter().any(|replica| replica.address != this && replica.is_up(now))
    }

    /// Looks soon whether there are others.
    pub(crate) fn missed(&self) {
        self.0.missed.notify_one();
    }

    /// A name that cannot be asked for leaves what is known.
    async fn look(&self) {
        let found = match (self.0.lookup)().await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the replicas of a service cannot be looked up");
                return;
            }
        };
        let mut known = self.known();
        let gone = known.iter().filter(|replica| !found.contains(&replica.address)).count();
        known.retain(|replica| found.contains(&replica.address));
        let new: Vec<_> = found
            .into_iter()
            .filter(|address| known.iter().all(|replica| replica.address != *address))
            .collect();
        if known.is_empty() && gone == 0 {
            tracing::debug!(replicas = new.len(), "the replicas of a service are known");
        } else if gone > 0 || !new.is_empty() {
            tracing::info!(new = new.len(), gone, "the replicas of a service have changed");
        }
        known.extend(new.into_iter().map(|address| {
            Arc::new(Replica {
                address,
                channel: (self.0.dial)(address),
                under_way: AtomicUsize::new(0),
                rest: Mutex::default(),
            })
        }));
    }

    fn known(&self) -> MutexGuard<'_, Vec<Arc<Replica>>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known().iter().map(|replica| replica.address)).finish()
    }
}

impl Replica {
    /// Begins a call.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay { replica: Arc::clone(self), began: Instant::now(), ended: false }
    }

    /// It gets no calls for a while, as long as there is another one.
    fn failed(&self) {
        let mut rest = self.rest();
        // Calls that were under way at the same time fail for one reason.
        if rest.until.is_some_and(|until| until > Instant::now()) {
            return;
        }
        let full = REST.saturating_mul(1 << rest.failures.min(10)).min(LONGEST_REST);
        rest.failures = rest.failures.saturating_add(1);
        rest.until = Some(Instant::now() + jittered(full));
        drop(rest);
        metrics::rested();
    }

    fn is_up(&self, now: Instant) -> bool {
        self.rests_until().is_none_or(|until| until <= now)
    }

    fn rests_until(&self) -> Option<Instant> {
        self.rest().until
    }

    fn busy(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way.
pub(crate) struct UnderWay {
    replica: Arc<Replica>,
    began: Instant,
    ended: bool,
}

impl UnderWay {
    /// It was answered, by somebody who takes calls or not.
    pub(crate) fn end(mut self, takes_calls: bool) {
        self.ended = true;
        if takes_calls {
            *self.replica.rest() = Rest::default();
        } else {
            self.replica.failed();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.replica.under_way.fetch_sub(1, Ordering::Relaxed);
        // Whoever asked has waited long enough: one that is frozen says nothing, and so is left alone as well.
        if !self.ended && self.began.elapsed() >= PATIENCE {
            self.replica.failed();
        }
    }
}

#[cfg(test)]
mod tests;
