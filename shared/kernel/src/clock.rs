//! The only place that asks the machine for the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Two clocks in one: wall time for records, and time since boot for leases.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, cut to the microseconds that the stores keep.
    fn now(&self) -> Timestamp;

    /// Time since boot. Unlike `Instant` on Linux it counts the time that the machine slept, so a
    /// lease that ran out while a laptop was closed is not mistaken for a live one (TRAPS 6).
    fn since_boot(&self) -> Duration;
}

/// A clock that is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The earliest instant that a protobuf timestamp can say: 0001-01-01T00:00:00Z.
pub const EARLIEST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the ban points to")]
    fn now(&self) -> Timestamp {
        from_micros(Timestamp::now().as_microsecond())
    }

    fn since_boot(&self) -> Duration {
        let spec = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            u64::try_from(spec.tv_sec).unwrap_or_default(),
            u32::try_from(spec.tv_nsec).unwrap_or_default(),
        )
    }
}

/// A clock that moves when it is told to; both of its faces move together.
#[derive(Debug)]
pub struct ManualClock {
    start: i64,
    now: AtomicI64,
}

impl ManualClock {
    /// A clock that stands still at `start`.
    pub fn at(start: Timestamp) -> Self {
        let start = start.as_microsecond();
        Self { start, now: AtomicI64::new(start) }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.now.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        from_micros(self.now.load(Ordering::SeqCst))
    }

    fn since_boot(&self) -> Duration {
        let elapsed = self.now.load(Ordering::SeqCst) - self.start;
        Duration::from_micros(u64::try_from(elapsed).unwrap_or_default())
    }
}

/// The instant that a store kept as microseconds since 1970, UTC. A number that no calendar holds
/// becomes the nearest instant that one does.
pub fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
