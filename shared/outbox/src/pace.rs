//! When to hold back: the whole sink while it does not answer, one business while its batches are
//! not taken.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;
use yinyom_kernel::BusinessId;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// `first` doubled with each failure up to `longest`; less a random part of up to a half, so that
/// replicas do not come back all at once.
fn backoff(first: Duration, longest: Duration, failures: u32) -> Duration {
    let whole = first.saturating_mul(1 << failures.min(16)).min(longest);
    whole.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// Open while the sink, or our own database, answers.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Closed>);

#[derive(Debug, Default)]
struct Closed {
    failures: u32,
    since: Option<Instant>,
    until: Option<Instant>,
}

impl Gate {
    fn closed(&self) -> MutexGuard<'_, Closed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is worth a try.
    pub(crate) async fn open(&self) {
        loop {
            let until = self.closed().until;
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => tokio::time::sleep_until(until).await,
                None => return,
            }
        }
    }

    /// Closes for a while. Attempts that were under way together count as one.
    pub(crate) fn failed(&self) {
        let now = Instant::now();
        let mut closed = self.closed();
        if closed.until.is_some_and(|until| until > now) {
            return;
        }
        if closed.since.is_none() {
            tracing::warn!("events are held back: the receiver or the database does not answer");
        }
        closed.since.get_or_insert(now);
        closed.until = Some(now + backoff(FIRST, LONGEST, closed.failures));
        closed.failures = closed.failures.saturating_add(1);
    }

    /// The sink answered.
    pub(crate) fn answered(&self) {
        let mut closed = self.closed();
        if closed.since.is_some() {
            tracing::info!("events flow again");
            *closed = Closed::default();
        }
    }

    /// How long nothing has been answered; zero while all is well.
    pub(crate) fn down_for(&self) -> Duration {
        self.closed().since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Businesses whose batches were not taken as a whole. Nobody else waits for them.
#[derive(Debug, Default)]
pub(crate) struct Rests(Mutex<HashMap<BusinessId, Rest>>);

#[derive(Debug)]
struct Rest {
    failures: u32,
    until: Option<Instant>,
    /// How many events it is worth to try with.
    batch: usize,
}

impl Rests {
    fn all(&self) -> MutexGuard<'_, HashMap<BusinessId, Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this business has to wait.
    pub(crate) fn rests(&self, business: BusinessId) -> bool {
        let until = self.all().get(&business).and_then(|rest| rest.until);
        until.is_some_and(|until| until > Instant::now())
    }

    /// How many events of `business` to send at once.
    pub(crate) fn batch(&self, business: BusinessId, usual: usize) -> usize {
        self.all().get(&business).map_or(usual, |rest| rest.batch.min(usual))
    }

    /// A batch of several events was not taken: half as many may be.
    pub(crate) fn narrow(&self, business: BusinessId, batch: usize) {
        let mut all = self.all();
        let rest = all.entry(business).or_insert(Rest { failures: 0, until: None, batch });
        rest.batch = batch;
    }

    /// Not even one event, or nothing could be read: it waits.
    pub(crate) fn failed(&self, business: BusinessId) {
        let mut all = self.all();
        let rest = all.entry(business).or_insert(Rest { failures: 0, until: None, batch: 1 });
        rest.until = Some(Instant::now() + backoff(FIRST, LONGEST_REST, rest.failures));
        rest.failures = rest.failures.saturating_add(1);
    }

    /// A batch was taken: twice as many events may be.
    pub(crate) fn taken(&self, business: BusinessId, usual: usize) {
        let mut all = self.all();
        if let Some(rest) = all.get_mut(&business) {
            rest.batch = rest.batch.saturating_mul(2);
            rest.failures = 0;
            rest.until = None;
            if rest.batch >= usual {
                all.remove(&business);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn closed_for(gate: &Gate) -> Duration {
        let now = Instant::now();
        gate.open().await;
        now.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_does_not_answer_is_tried_ever_more_seldom_but_each_second() {
        let gate = Gate::default();
        assert_eq!(closed_for(&gate).await, Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            gate.failed();
            pauses.push(closed_for(&gate).await);
        }
        // tokio's timer is exact to the millisecond.
        let longest = LONGEST + Duration::from_millis(2);
        assert!(pauses.iter().all(|pause| (FIRST / 2..=longest).contains(pause)), "{pauses:?}");
        assert!(pauses[39] >= LONGEST / 2);
        assert!(gate.down_for() > LONGEST);
        gate.answered();
        assert_eq!((closed_for(&gate).await, gate.down_for()), (Duration::ZERO, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_that_fail_together_count_as_one() {
        let gate = Gate::default();
        for _ in 0..40 {
            gate.failed();
        }
        assert!(closed_for(&gate).await <= FIRST + Duration::from_millis(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_business_rests_alone_and_not_for_ever() {
        let (bad, good) = (BusinessId::generate(), BusinessId::generate());
        let rests = Rests::default();
        for _ in 0..40 {
            rests.failed(bad);
            assert!(rests.rests(bad) && !rests.rests(good));
            assert_eq!((rests.batch(bad, 500), rests.batch(good, 500)), (1, 500));
        }
        tokio::time::advance(LONGEST_REST).await;
        assert!(!rests.rests(bad));
    }

    #[tokio::test(start_paused = true)]
    async fn batches_grow_again_once_they_are_taken() {
        let (business, rests) = (BusinessId::generate(), Rests::default());
        rests.narrow(business, 125);
        assert!(!rests.rests(business), "the smaller batch is sent at once");
        let batches = std::iter::repeat_with(|| {
            let batch = rests.batch(business, 500);
            rests.taken(business, 500);
            batch
        });
        assert_eq!(batches.take(4).collect::<Vec<_>>(), [125, 250, 500, 500]);
        assert!(rests.all().is_empty(), "a business that is well leaves nothing behind");
    }
}
