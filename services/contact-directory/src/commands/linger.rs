//! Waits a moment for company before a commit, where company is to be expected.
//!
//! Who waits for the same commit pays for it together. Whoever was just answered, and calls again, comes a moment too late
//! for the next one, so that two crowds would take turns, each half as large and at the same price. So if there was a crowd,
//! the next commit waits until as many more are there as most of it. Who is alone waits for nobody. Where they do not come in
//! that moment, for some dozens of commits nobody is waited for: callers, or processors, are slower than that, and whoever waits
//! for them each time commits less often and no more at once.

use std::time::Duration;

use tokio::time::timeout;

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
    /// How many should be there for the next commit, if it should wait: the one that has just ended was for `answered`, and `here`
    /// wait already.
    pub(super) fn wanted(&mut self, answered: usize, here: usize) -> Option<usize> {
        if answered < 2 {
            return None;
        }
        if self.resting > 0 {
            self.resting -= 1;
            return None;
        }
        // Of a larger crowd not to the last one.
        Some(here + answered - answered / 4)
    }

    /// Whether those who were wanted came in the [moment].
    pub(super) fn waited(&mut self, came: bool) {
        if !came {
            self.resting = REST;
        }
    }
}

/// Lets `they_come` end, for a moment, and says whether it did. It is cancelled then.
pub(super) async fn moment(they_come: impl Future<Output = ()>) -> bool {
    timeout(MOMENT, they_come).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_alone_waits_for_nobody() {
        let mut linger = Linger::default();
        assert_eq!([0, 1].map(|answered| linger.wanted(answered, 3)), [None, None]);
    }

    #[test]
    fn most_of_a_crowd_is_waited_for_beside_those_who_are_there() {
        let mut linger = Linger::default();
        for (answered, wanted) in [(2, 5), (4, 6), (8, 9), (100, 78)] {
            assert_eq!(linger.wanted(answered, 3), Some(wanted));
            linger.waited(true);
        }
    }

    #[test]
    fn a_crowd_that_does_not_come_back_is_waited_for_once_in_a_while() {
        let mut linger = Linger::default();
        let mut waited = 0;
        for _ in 0..=2 * (REST + 1) {
            if linger.wanted(8, 0).is_some() {
                waited += 1;
                linger.waited(false);
            }
        }
        assert_eq!(waited, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_longer_than_a_moment() {
        let began = tokio::time::Instant::now();
        assert!(!moment(std::future::pending()).await);
        assert!((MOMENT..=2 * MOMENT).contains(&began.elapsed()));
        assert!(moment(std::future::ready(())).await);
        assert!(began.elapsed() <= 2 * MOMENT);
    }
}
