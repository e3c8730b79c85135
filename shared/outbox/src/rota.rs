//! Whose turn it is: businesses one after the other, and one turn of a business at a time.
//!
//! A turn is bounded, so a business waits for as many turns as there are busy businesses, however
//! much any of them has to send. Bounded in memory, too: what it does not take the sweep finds.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;
use yinyom_kernel::BusinessId;

/// How many streams are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) of_a_business: usize,
    pub(crate) in_all: usize,
}

/// A business's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) business: BusinessId,
    /// Streams that were offered, the longest waiting first.
    pub(crate) streams: Vec<Uuid>,
}

/// Businesses that wait for their turn.
#[derive(Debug)]
pub(crate) struct Rota {
    bounds: Bounds,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    line: VecDeque<BusinessId>,
    work: HashMap<BusinessId, Work>,
    /// In all queues.
    streams: usize,
}

/// What a business waits with. It stands in the line if it is `wanted` and not `busy`.
#[derive(Debug, Default)]
struct Work {
    queue: VecDeque<Uuid>,
    queued: HashSet<Uuid>,
    wanted: bool,
    busy: bool,
}

impl Rota {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::default(), arrived: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a business in the line.
    pub(crate) fn call(&self, business: BusinessId) {
        self.state().line_up(business);
        self.arrived.notify_one();
    }

    /// Puts a business in the line with `streams`, as far as there is room for them.
    pub(crate) fn offer(&self, business: BusinessId, streams: impl IntoIterator<Item = Uuid>) {
        let mut state = self.state();
        let queued = state.queue(self.bounds, business, streams);
        drop(state);
        if queued {
            self.arrived.notify_one();
        }
    }

    /// Waits for the next turn, with `most` streams. Whoever gets it says [`Rota::finish`] when it
    /// is over. Can be cancelled.
    pub(crate) async fn next(&self, most: usize) -> Turn {
        loop {
            // A permit is kept for whatever arrives between the look and the wait.
            if let Some(turn) = self.take(most) {
                return turn;
            }
            self.arrived.notified().await;
        }
    }

    fn take(&self, most: usize) -> Option<Turn> {
        let mut state = self.state();
        let turn = state.take(most)?;
        if !state.line.is_empty() {
            self.arrived.notify_one();
        }
        Some(turn)
    }

    /// Ends a turn. A business that was offered something in the meantime goes to the end of the
    /// line.
    pub(crate) fn finish(&self, business: BusinessId) {
        let mut state = self.state();
        state.finish(business);
        drop(state);
        self.arrived.notify_one();
    }

    /// Forgets whoever waits.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.line.clear();
        state.streams = 0;
        state.work.retain(|_, work| work.busy);
        for work in state.work.values_mut() {
            *work = Work { busy: true, ..Work::default() };
        }
    }

    /// How many businesses wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state().line.len()
    }
}

impl State {
    fn line_up(&mut self, business: BusinessId) {
        let work = self.work.entry(business).or_default();
        if !work.busy && !work.wanted {
            self.line.push_back(business);
        }
        work.wanted = true;
    }

    /// Whether the business waits with any stream.
    fn queue(
        &mut self,
        bounds: Bounds,
        business: BusinessId,
        streams: impl IntoIterator<Item = Uuid>,
    ) -> bool {
        let mut work = self.work.remove(&business).unwrap_or_default();
        for stream in streams {
            let room = work.queue.len() < bounds.of_a_business && self.streams < bounds.in_all;
            if room && work.queued.insert(stream) {
                work.queue.push_back(stream);
                self.streams += 1;
            }
        }
        let waits = !work.queue.is_empty();
        if waits || work.wanted || work.busy {
            self.work.insert(business, work);
        }
        if waits {
            self.line_up(business);
        }
        waits
    }

    fn take(&mut self, most: usize) -> Option<Turn> {
        let business = self.line.pop_front()?;
        let work = self.work.entry(business).or_default();
        let streams: Vec<Uuid> = work.queue.drain(..most.min(work.queue.len())).collect();
        for stream in &streams {
            work.queued.remove(stream);
        }
        self.streams = self.streams.saturating_sub(streams.len());
        work.wanted = !work.queue.is_empty();
        work.busy = true;
        Some(Turn { business, streams })
    }

    fn finish(&mut self, business: BusinessId) {
        let Some(work) = self.work.get_mut(&business) else { return };
        work.busy = false;
        if work.wanted {
            self.line.push_back(business);
        } else {
            self.work.remove(&business);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { of_a_business: 3, in_all: 4 };

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn business(n: u128) -> BusinessId {
        id(n).into()
    }

    fn turn(b: u128, streams: &[u128]) -> Turn {
        Turn { business: business(b), streams: streams.iter().map(|s| id(*s)).collect() }
    }

    #[test]
    fn a_business_with_much_gets_one_turn_before_the_next_business() {
        let rota = Rota::new(BOUNDS);
        rota.offer(business(1), [id(11), id(12), id(13)]);
        rota.offer(business(2), [id(21)]);
        assert_eq!(rota.take(2), Some(turn(1, &[11, 12])));
        rota.finish(business(1));
        assert_eq!(rota.take(2), Some(turn(2, &[21])));
        assert_eq!(rota.take(2), Some(turn(1, &[13])));
    }

    #[test]
    fn a_business_never_has_two_turns_at_once() {
        let rota = Rota::new(BOUNDS);
        rota.offer(business(1), [id(11), id(12)]);
        assert_eq!(rota.take(1), Some(turn(1, &[11])));
        rota.offer(business(1), [id(11)]);
        rota.call(business(1));
        assert_eq!(rota.take(1), None);
        rota.finish(business(1));
        assert_eq!(rota.take(3), Some(turn(1, &[12, 11])));
        rota.offer(business(1), [id(13)]);
        assert_eq!(rota.take(3), None, "nor with something new");
        rota.finish(business(1));
        assert_eq!(rota.take(3), Some(turn(1, &[13])));
        rota.finish(business(1));
        assert_eq!(rota.take(3), None);
        assert!(rota.state().work.is_empty(), "a business that is done leaves nothing behind");
    }

    #[test]
    fn a_stream_that_is_woken_twice_waits_once() {
        let rota = Rota::new(BOUNDS);
        rota.offer(business(1), [id(11), id(11)]);
        rota.offer(business(1), [id(11)]);
        assert_eq!(rota.take(9), Some(turn(1, &[11])));
    }

    #[test]
    fn no_business_and_no_crowd_of_them_takes_more_than_its_room() {
        let rota = Rota::new(BOUNDS);
        rota.offer(business(1), (0..9).map(id));
        rota.offer(business(2), (0..9).map(id));
        rota.offer(business(3), (0..9).map(id));
        assert_eq!(rota.take(9), Some(turn(1, &[0, 1, 2])));
        assert_eq!(rota.take(9), Some(turn(2, &[0])));
        assert_eq!(rota.take(9), None, "there was no room for the third");
        rota.offer(business(3), [id(31)]);
        assert_eq!(rota.take(9), Some(turn(3, &[31])), "and there is again");
    }

    #[test]
    fn what_was_cleared_does_not_come_back_and_does_not_block_what_is_new() {
        let rota = Rota::new(BOUNDS);
        rota.offer(business(1), [id(11), id(12)]);
        rota.offer(business(2), [id(21)]);
        assert_eq!(rota.take(1), Some(turn(1, &[11])));
        rota.clear();
        rota.finish(business(1));
        assert_eq!(rota.take(9), None);
        rota.offer(business(1), (0..4).map(id));
        assert_eq!(rota.take(9), Some(turn(1, &[0, 1, 2])));
    }

    #[tokio::test]
    async fn every_waiting_worker_is_woken_for_what_arrives() {
        let rota = std::sync::Arc::new(Rota::new(BOUNDS));
        let worker = || {
            let rota = std::sync::Arc::clone(&rota);
            tokio::spawn(async move { rota.next(9).await.business })
        };
        let (one, two) = (worker(), worker());
        tokio::task::yield_now().await;
        rota.call(business(1));
        rota.call(business(2));
        let mut got = [one.await.ok(), two.await.ok()];
        got.sort();
        assert_eq!(got, [Some(business(1)), Some(business(2))]);
    }
}
