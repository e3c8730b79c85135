//! Samples of both sides in turn: A B A B.

use std::time::Duration;

use crate::goal::{Goal, Outcome, Sample};
use crate::machine::{Watch, is_quiet};

/// How often and how long is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    pub pairs: usize,
    pub lasts: Duration,
    /// How often a pair is taken again that somebody else spoiled.
    pub again: usize,
    pub watch: Watch,
}

impl Plan {
    /// Measures it. The first pair warms up and does not count.
    pub async fn measure(&self, mut goal: Goal) -> Outcome {
        let warm_up = self.lasts.min(Duration::from_secs(1));
        goal.sides.limit(warm_up).await;
        goal.sides.service(warm_up).await;
        let mut samples = Vec::with_capacity(self.pairs);
        while samples.len() < self.pairs {
            samples.push(self.pair(&mut goal).await);
        }
        Outcome::of([goal.id, goal.what, goal.against, goal.unit], goal.bar, samples)
    }

    /// A pair during which nobody else used the machine, or else the quietest of those that were tried.
    async fn pair(&self, goal: &mut Goal) -> Sample {
        let mut best: Option<Sample> = None;
        for taken_again in 0..=self.again {
            let before = self.watch.look();
            let limit = goal.sides.limit(self.lasts).await;
            let between = self.watch.look();
            let value = goal.sides.service(self.lasts).await;
            let after = self.watch.look();
            let others_limit = before.by_others_until(between);
            let others_value = between.by_others_until(after);
            let quiet = is_quiet(others_limit) && is_quiet(others_value);
            let sample = Sample { limit, value, others_limit, others_value, taken_again, quiet };
            let noise = |sample: &Sample| sample.others_limit.max(sample.others_value);
            best = match best {
                Some(best) if noise(&best) <= noise(&sample) => {
                    Some(Sample { taken_again, ..best })
                }
                _ => Some(sample),
            };
            if quiet {
                break;
            }
        }
        best.expect("at least one")
    }
}
