//! The clocks of a simulated machine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use yinyom_kernel::Clock;

use crate::dice::Dice;

/// When every run begins.
const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Follows the simulated time, as well as a machine's clocks follow the true one: the wall clock is wrong by a constant,
/// and both run at a rate that is not quite one.
#[derive(Debug)]
pub struct HostClock {
    /// Milliseconds.
    ahead: i64,
    /// Microseconds a second.
    fast: i64,
    /// What it showed last, for the moments in which the machine does not run.
    last: AtomicU64,
}

impl HostClock {
    /// The true clock.
    pub fn exact() -> Self {
        Self { ahead: 0, fast: 0, last: AtomicU64::default() }
    }

    /// One that is wrong as a machine's may be: up to two seconds ahead or behind, and by four parts in a thousand
    /// fast or slow. Two of these lie within what the leases allow for, and not far within.
    pub fn wrong(dice: &Dice) -> Self {
        let offset = |most: u64| {
            let number = i64::try_from(dice.number(0..=2 * most)).unwrap_or_default();
            number - i64::try_from(most).unwrap_or_default()
        };
        Self { ahead: offset(2_000), fast: offset(4_000), last: AtomicU64::default() }
    }

    /// Microseconds since the run began, as this machine counts them.
    fn micros(&self) -> i64 {
        if let Some(elapsed) = turmoil::sim_elapsed() {
            let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            self.last.store(micros, Ordering::Relaxed);
        }
        let elapsed = i64::try_from(self.last.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        elapsed + elapsed * self.fast / 1_000_000
    }
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        let micros = self.micros() + self.ahead * 1_000;
        START.saturating_add(SignedDuration::from_micros(micros)).unwrap_or(START)
    }

    fn since_boot(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.micros()).unwrap_or_default())
    }
}

/// The true time since the run began; zero outside of it.
pub fn elapsed() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}
