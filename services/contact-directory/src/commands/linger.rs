//! Waits a moment for company before a commit, where company is to be expected.
//!
//! Who waits for the same commit pays for it together. Whoever was just answered, and calls again, comes a moment too late
//! for the next one, so that two crowds would take turns, each half as large and at the same price. So if there was a crowd,
//! the next commit waits until as many more are there as most of it. Who is alone waits for nobody. Where not even half of it
//! comes, for some dozens of commits nobody is waited for.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// How long; tokio's timer makes it up to twice as much. A commit takes longer than that.
const MOMENT: Duration = Duration::from_millis(1);

/// How many commits nobody is waited for, after a crowd that did not come back.
const REST: u32 = 32;

/// Whether those who are answered come back.
#[derive(Debug, Default)]
pub(super) struct Linger {
    resting: u32,
}

impl Linger {
    /// Waits, if the commit that has just ended was for a crowd: `answered`. `come` ends when so many as it is told are there, of
    /// whom `here` are already, and can be cancelled.
    pub(super) async fn wait(
        &mut self,
        answered: usize,
        here: usize,
        mut come: impl AsyncFnMut(usize),
    ) {
        if answered < 2 {
            return;
        }
        if self.resting > 0 {
            self.resting -= 1;
            return;
        }
        let until = Instant::now() + MOMENT;
        let (half, most) = (answered / 2, answered - answered / 4);
        if timeout_at(until, come(here + half)).await.is_err() {
            self.resting = REST;
        } else {
            // Nor would it be worth while to wait longer for the others.
            let _ = timeout_at(until, come(here + most)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// How long a commit after one for so many waits with three who are there, and for how many at most. So many more come.
    async fn waits(linger: &mut Linger, answered: usize, more: usize) -> (Duration, usize) {
        let (began, mut told) = (Instant::now(), 0);
        let come = async |wanted| {
            told = wanted;
            if wanted > 3 + more {
                pending::<()>().await;
            }
        };
        linger.wait(answered, 3, come).await;
        (began.elapsed(), told)
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_alone_waits_for_nobody() {
        let mut linger = Linger::default();
        for answered in [0, 1] {
            assert_eq!(waits(&mut linger, answered, 0).await, (Duration::ZERO, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_waited_for_until_most_of_it_is_back() {
        let mut linger = Linger::default();
        for (answered, wanted) in [(2, 5), (4, 6), (8, 9), (100, 78)] {
            let waited = waits(&mut linger, answered, answered).await;
            assert_eq!(waited, (Duration::ZERO, wanted));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_crowd_is_worth_a_moment_each_time() {
        let mut linger = Linger::default();
        for _ in 0..10 {
            let (waited, wanted) = waits(&mut linger, 8, 4).await;
            assert!((MOMENT..=2 * MOMENT).contains(&waited), "{waited:?}");
            assert_eq!(wanted, 9);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_does_not_come_back_costs_a_moment_once_in_a_while() {
        let mut linger = Linger::default();
        let mut waited = Vec::new();
        for _ in 0..=2 * (REST + 1) {
            waited.push(waits(&mut linger, 8, 3).await.0);
        }
        let moments = waited.iter().filter(|waited| !waited.is_zero()).count();
        assert_eq!(moments, 3);
        assert!(waited.iter().all(|waited| *waited <= 2 * MOMENT), "{waited:?}");
    }
}
