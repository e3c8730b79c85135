//! How many calls are worked on at a time. More than a few for each core make every one of them late and none of them
//! sooner; so the others wait for their turn. While that line is empty now and then, it is a burst, and whoever came with
//! it is served a little later. A line that does not end is more than the server can do: then it is kept so short that
//! whoever is in it is served in a moment, and most are told at once to come again, which costs next to nothing.
//!
//! A turn ends when its answer is made; that of a large one when it has gone out (`made`). Streams take no turns: most of
//! their time they wait for their clients. Who only waits for others lets go of its turn
//! (`yinyom_kernel::let_go`). A quarter of the turns is never one business's: whoever floods us stands in a line of his own.

mod line;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

pub(crate) use line::Line;
use line::{BURST, Held, TooMany};

use crate::{EdgeFault, ServerConfig};

/// The turns of a server.
pub(crate) struct Turns {
    all: Arc<Line>,
    /// For urgent calls alone, who wait for as long as they are waited for.
    urgent: Arc<Semaphore>,
    /// For those that are kept while an answer goes out.
    kept: Arc<Semaphore>,
    most_of_a_business: usize,
}

/// A turn that somebody has.
pub(crate) struct Turn {
    _turn: One,
    _of_business: Option<Held>,
}

enum One {
    OfAll { _held: Held },
    Urgent { _permit: OwnedSemaphorePermit },
}

impl Turns {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let number = config.max_busy_calls.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Line::of(number)),
            urgent: Arc::new(Semaphore::new(number.div_ceil(4))),
            kept: Arc::new(Semaphore::new(number - number / 4)),
            most_of_a_business: number - number / 4,
        }
    }

    /// Whether it is in vain to come now. Known before anything else is, and so told at once.
    pub(crate) fn in_vain(&self) -> bool {
        self.all.in_vain()
    }

    /// Leave to keep a turn whose work is done, until it is dropped. A quarter of them is never kept: clients who take their time
    /// never have all. Fewer that may be kept would let answers pile up when there are too many.
    pub(crate) fn keep(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.kept).try_acquire_owned().ok()
    }

    /// What one business may have of them.
    pub(crate) fn share(&self) -> Arc<Line> {
        Arc::new(Line::of(self.most_of_a_business))
    }

    /// Waits for a turn, and, of a business, first for one of its `share`. It has ended when what is returned is dropped.
    pub(crate) async fn take(
        &self,
        urgent: bool,
        share: Option<Arc<Line>>,
    ) -> Result<Turn, EdgeFault> {
        let all = &self.all;
        if urgent {
            let turn = match Arc::clone(&all.free).try_acquire_owned() {
                Ok(free) => Ok(One::OfAll { _held: all.hold(free) }),
                Err(_) => tokio::select! {
                    turn = Arc::clone(&self.urgent).acquire_owned() =>
                        turn.map(|permit| One::Urgent { _permit: permit }),
                    turn = Arc::clone(&all.free).acquire_owned() =>
                        turn.map(|free| One::OfAll { _held: all.hold(free) }),
                },
            };
            let turn = turn.map_err(|_| EdgeFault::Overloaded)?;
            return Ok(Turn { _turn: turn, _of_business: None });
        }
        let until = Instant::now() + BURST;
        let of_business = match share {
            None => None,
            Some(share) => match share.take(until).await {
                Ok(free) => Some((share, free, Instant::now())),
                Err(TooMany) => return Err(EdgeFault::BusinessOverloaded),
            },
        };
        let free = all.take(until).await.map_err(|TooMany| EdgeFault::Overloaded)?;
        // Whoever is refused on the way has had no turn: how long it waited is not how long one takes.
        let of_business = of_business.map(|(share, free, since)| share.hold_since(free, since));
        Ok(Turn { _turn: One::OfAll { _held: all.hold(free) }, _of_business: of_business })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::line::{MOMENT, REMEMBERED, micros};
    use super::*;

    fn turns(max_busy_calls: usize) -> Turns {
        Turns::new(&ServerConfig { max_busy_calls, ..<_>::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_a_burst_takes() {
        let turns = turns(1);
        let _held = turns.take(false, None).await.unwrap();
        for _ in 0..2 {
            let came = Instant::now();
            assert_eq!(turns.take(false, None).await.err(), Some(EdgeFault::Overloaded));
            assert_eq!(came.elapsed(), BURST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_short_until_nobody_is_refused_or_nobody_waits() {
        let tick = Duration::from_millis(1);
        for (then, short) in [(tick, true), (MOMENT + tick, false), (BURST + tick, false)] {
            let turns = Arc::new(turns(1));
            let is_short = || turns.all.since(&turns.all.calm_at) > BURST;
            end(turns.take(false, None).await.unwrap(), MOMENT).await;
            tokio::time::advance(BURST * 2).await;
            let held = turns.take(false, None).await.unwrap();
            assert!(!is_short(), "one was free");
            tokio::time::advance(BURST + MOMENT).await;
            assert!(is_short(), "nobody found one free");
            let waiting = [1, 2].map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.take(false, None).await.map(drop) })
            });
            tokio::task::yield_now().await;
            assert_eq!(turns.take(false, None).await.err(), Some(EdgeFault::Overloaded));
            drop(held);
            for waits in waiting {
                waits.await.unwrap().unwrap();
            }
            tokio::time::advance(then).await;
            drop(turns.take(false, None).await.unwrap());
            assert_eq!(is_short(), short, "{then:?} after one was told to come again");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_stands_and_turns_nobody_away_for_a_while_is_long_again_once_it_ends() {
        let turns = Arc::new(turns(1));
        let is_short = || turns.all.since(&turns.all.calm_at) > BURST;
        end(turns.take(false, None).await.unwrap(), MOMENT).await;
        let mut held = turns.take(false, None).await.unwrap();
        assert_eq!(turns.take(false, None).await.err(), Some(EdgeFault::Overloaded));
        for _ in 0..=BURST.as_millis() / MOMENT.as_millis() {
            let next = tokio::spawn({
                let turns = Arc::clone(&turns);
                async move { turns.take(false, None).await }
            });
            tokio::task::yield_now().await;
            end(held, MOMENT).await;
            held = next.await.unwrap().unwrap();
        }
        assert!(is_short());
        drop(held);
        drop(turns.take(false, None).await.unwrap());
        assert!(!is_short());
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_burst_nobody_is_refused_before_its_time() {
        let turns = Arc::new(turns(1));
        end(turns.take(false, None).await.unwrap(), MOMENT).await;
        let _held = turns.take(false, None).await.unwrap();
        let waits = async || (turns.take(false, None).await.err(), Instant::now());
        let came = Instant::now();
        for (refused, at) in futures::future::join_all((0..100).map(|_| waits())).await {
            assert_eq!((refused, at - came), (Some(EdgeFault::Overloaded), BURST));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stands_in_two_lines_waits_no_longer_and_has_a_turn_of_its_business_meanwhile()
    {
        let wait = Duration::from_millis(20);
        for (given_up, gets_it) in [(BURST.saturating_sub(wait * 2), true), (BURST, false)] {
            let turns = Arc::new(turns(4));
            let share = turns.share();
            let stand = |share: Option<&Arc<Line>>| {
                let (turns, share) = (Arc::clone(&turns), share.map(Arc::clone));
                tokio::spawn(async move { turns.take(false, share).await })
            };
            let take = || turns.take(false, Some(Arc::clone(&share)));
            let first = take().await.unwrap();
            let _others = (take().await.unwrap(), take().await.unwrap());
            let stranger = turns.take(false, None).await.unwrap();
            let came = Instant::now();
            let another = stand(None);
            let waits = stand(Some(&share));
            tokio::time::sleep(given_up).await;
            // Its place is the other one's, and what is left is that of the business.
            drop(first);
            let _another = another.await.unwrap().unwrap();
            tokio::time::sleep_until(came + given_up + wait).await;
            drop(stranger);
            let outcome = waits.await.unwrap();
            assert_eq!(outcome.is_ok(), gets_it);
            drop(outcome);
            let before = micros(given_up);
            let mean = if gets_it { (before * 15 + micros(wait)) / 16 } else { before };
            assert_eq!(share.taken_for.load(Ordering::Relaxed), mean);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_business_leaves_a_quarter_to_others() {
        let turns = turns(4);
        let share = turns.share();
        let take = |urgent| turns.take(urgent, Some(Arc::clone(&share)));
        let held =
            (take(false).await.unwrap(), take(false).await.unwrap(), take(false).await.unwrap());
        assert_eq!(take(false).await.err(), Some(EdgeFault::BusinessOverloaded));
        let _urgent = take(true).await.unwrap();
        drop(held.0);
        take(false).await.unwrap();
        let _others = turns.take(false, Some(turns.share())).await.unwrap();
    }

    /// Ends a turn that took so long.
    async fn end(turn: Turn, after: Duration) {
        tokio::time::advance(after).await;
        drop(turn);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_stand_in_line_as_are_served_in_a_moment() {
        for (one_takes, stand) in [(MOMENT / 5, 6), (MOMENT / 250, 251), (MOMENT * 2, 1)] {
            let turns = Arc::new(turns(1));
            end(turns.take(false, None).await.unwrap(), one_takes).await;
            let _held = turns.take(false, None).await.unwrap();
            tokio::time::advance(BURST * 2).await;
            let line: Vec<_> = (0..stand)
                .map(|_| {
                    let turns = Arc::clone(&turns);
                    tokio::spawn(async move { turns.take(false, None).await.map(drop) })
                })
                .collect();
            while turns.all.waiting.load(Ordering::Relaxed) < stand {
                tokio::task::yield_now().await;
                assert!(line.iter().all(|waiting| !waiting.is_finished()), "nobody is refused yet");
            }
            let came = Instant::now();
            assert_eq!(turns.take(false, None).await.err(), Some(EdgeFault::Overloaded));
            assert_eq!(came.elapsed(), Duration::ZERO, "nobody waits in vain");
            for waiting in line {
                assert_eq!(waiting.await.unwrap(), Err(EdgeFault::Overloaded));
            }
            assert_eq!(turns.all.waiting.load(Ordering::Relaxed), 0, "nobody is left in it");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_refused_says_nothing_of_how_long_a_turn_takes() {
        let turns = turns(4);
        let share = turns.share();
        let take = || turns.take(false, Some(Arc::clone(&share)));
        end(take().await.unwrap(), Duration::from_millis(10)).await;
        let others: Vec<_> =
            futures::future::join_all((0..4).map(|_| turns.take(false, None))).await;
        assert_eq!(take().await.err(), Some(EdgeFault::Overloaded));
        assert_eq!(share.taken_for.load(Ordering::Relaxed), 10_000);
        drop(others);
    }

    #[test]
    fn a_quarter_of_the_turns_is_never_kept() {
        let turns = turns(4);
        let kept = (turns.keep().unwrap(), turns.keep().unwrap(), turns.keep().unwrap());
        assert!(turns.keep().is_none());
        drop(kept);
        assert!(turns.keep().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_a_turn_takes_is_learnt_anew() {
        let turns = turns(1);
        let learn = async |times: u64, each: Duration| {
            for _ in 0..times {
                end(turns.take(false, None).await.unwrap(), each).await;
            }
            turns.all.taken_for.load(Ordering::Relaxed)
        };
        assert_eq!(learn(1, Duration::from_millis(50)).await, 50_000);
        assert!(learn(REMEMBERED * 8, Duration::from_millis(1)).await < 1_100);
        assert!(learn(1, Duration::from_millis(50)).await < 5_000, "one is an accident");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_floods_us_is_told_so_as_soon_as_everybody_would_be() {
        let turns = turns(4);
        let share = turns.share();
        let take = || turns.take(false, Some(Arc::clone(&share)));
        end(take().await.unwrap(), MOMENT / 5).await;
        let _held = (take().await.unwrap(), take().await.unwrap(), take().await.unwrap());
        let waited = async || {
            let came = Instant::now();
            (take().await.err(), came.elapsed().as_millis())
        };
        tokio::time::advance(BURST + Duration::from_millis(1)).await;
        // Each of the three turns serves five in a moment.
        let waiting = futures::future::join_all((0..17).map(|_| waited())).await;
        let at_once = waiting.iter().filter(|(_, after)| *after == 0).count();
        assert_eq!(at_once, 1, "{waiting:?}");
        turns.take(false, Some(turns.share())).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_served_in_turn() {
        let turns = Arc::new(turns(1));
        let held = turns.take(false, None).await.unwrap();
        let waits = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(false, None).await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(waits.await.unwrap(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn urgent_calls_have_turns_of_their_own_and_wait_for_as_long_as_it_takes() {
        let turns = Arc::new(turns(4));
        let held: Vec<_> = futures::future::join_all((0..4).map(|_| turns.take(false, None))).await;
        let urgent = turns.take(true, None).await.unwrap();
        let waits = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(true, None).await.map(drop) }
        });
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!waits.is_finished());
        drop(urgent);
        waits.await.unwrap().unwrap();
        drop(held);
        assert_eq!((turns.all.free.available_permits(), turns.urgent.available_permits()), (4, 1));
    }
}
