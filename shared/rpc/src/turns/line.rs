//! A line before turns that are handed out to whoever came first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// How long one waits for a turn at most.
pub(super) const BURST: Duration = Duration::from_millis(100);

/// A line that has not been empty for [`BURST`] is kept so short that it is served in this time, if each takes as long as those
/// before did; until nobody has been refused for a [`BURST`], or nobody has waited for as long as this. That it is short, and not
/// that one waits no longer, keeps it quick: what holds up all for once, like a disk, sends nobody away who waits.
pub(super) const MOMENT: Duration = Duration::from_millis(15);

/// So many calls count for how long one takes.
pub(super) const REMEMBERED: u64 = 16;

/// Turns that are handed out one after the other, to whoever came first.
pub(crate) struct Line {
    turns: u64,
    pub(super) free: Arc<Semaphore>,
    began: Instant,
    /// When it was last no longer than one can bear; in microseconds from then, as what follows.
    pub(super) calm_at: AtomicU64,
    refused_at: AtomicU64,
    waited_at: AtomicU64,
    pub(super) waiting: AtomicU64,
    /// How long a turn takes, in microseconds.
    pub(super) taken_for: AtomicU64,
}

/// A turn of a line; tells it how long it took.
pub(super) struct Held {
    line: Arc<Line>,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

/// There is none for who comes now.
pub(super) struct TooMany;

impl Line {
    pub(super) fn of(turns: usize) -> Self {
        Self {
            turns: u64::try_from(turns).unwrap_or(u64::MAX),
            free: Arc::new(Semaphore::new(turns)),
            began: Instant::now(),
            calm_at: AtomicU64::new(0),
            refused_at: AtomicU64::new(0),
            waited_at: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            taken_for: AtomicU64::new(0),
        }
    }

    /// Whether whoever comes now would wait in vain. If so, it counts as refused.
    pub(super) fn in_vain(&self) -> bool {
        let one = self.taken_for.load(Ordering::Relaxed);
        // By then, if all turns are at it.
        let served = micros(MOMENT).saturating_mul(self.turns);
        let in_vain = self.waiting.load(Ordering::Relaxed).saturating_mul(one) > served
            && self.since(&self.calm_at) > BURST;
        if in_vain {
            self.note(&self.refused_at);
        }
        in_vain
    }

    pub(super) fn since(&self, last: &AtomicU64) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_micros(last.load(Ordering::Relaxed)))
    }

    fn note(&self, last: &AtomicU64) {
        last.store(micros(self.began.elapsed()), Ordering::Relaxed);
    }

    pub(super) fn hold(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Held {
        self.hold_since(permit, Instant::now())
    }

    pub(super) fn hold_since(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        since: Instant,
    ) -> Held {
        Held { line: Arc::clone(self), since, _permit: permit }
    }

    /// Waits for a turn, until then at most.
    pub(super) async fn take(&self, until: Instant) -> Result<OwnedSemaphorePermit, TooMany> {
        if let Ok(free) = Arc::clone(&self.free).try_acquire_owned() {
            if self.since(&self.refused_at) > BURST || self.since(&self.waited_at) > MOMENT {
                self.note(&self.calm_at);
            }
            return Ok(free);
        }
        if self.in_vain() {
            return Err(TooMany);
        }
        let _in_line = InLine::stand(self);
        let turn = timeout_at(until, Arc::clone(&self.free).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| {
            self.note(&self.refused_at);
            TooMany
        })
    }

    /// That two at once forget one of them does no harm.
    fn took(&self, turn: Duration) {
        let before = self.taken_for.load(Ordering::Relaxed);
        let sum = before.saturating_mul(REMEMBERED - 1).saturating_add(micros(turn));
        let mean = if before == 0 { micros(turn) } else { sum / REMEMBERED };
        self.taken_for.store(mean, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.line.took(self.since.elapsed());
    }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Somebody who waits, until it is dropped.
struct InLine<'a>(&'a Line);

impl<'a> InLine<'a> {
    fn stand(line: &'a Line) -> Self {
        line.waiting.fetch_add(1, Ordering::Relaxed);
        Self(line)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.note(&self.0.waited_at);
    }
}
