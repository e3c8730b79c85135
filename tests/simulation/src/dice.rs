//! All chance of a run comes from its seed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Dice of one purpose in one run: those of another purpose fall the same however often these are thrown. Clones
/// throw the same dice.
#[derive(Debug, Clone)]
pub struct Dice(Arc<Mutex<StdRng>>);

impl Dice {
    /// The dice for `purpose` in the run of `seed`.
    pub fn of(seed: u64, purpose: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, purpose).hash(&mut hasher);
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(hasher.finish()))))
    }

    /// A number of `range`.
    pub fn number(&self, range: RangeInclusive<u64>) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random_range(range)
    }

    /// Whether it happens, in so many of a hundred cases.
    pub fn chance(&self, percent: u64) -> bool {
        self.number(1..=100) <= percent
    }

    /// A time in milliseconds.
    pub fn millis(&self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    /// One of `things`, which must not be empty.
    pub fn pick<'a, T>(&self, things: &'a [T]) -> &'a T {
        let last = u64::try_from(things.len()).unwrap_or(u64::MAX).saturating_sub(1);
        &things[usize::try_from(self.number(0..=last)).unwrap_or_default()]
    }
}
