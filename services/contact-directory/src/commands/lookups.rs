//! How often one caller may ask who has a phone number or an e-mail address. Each answer tells whether a contact
//! has it, so that whoever may ask without end can find out all of them by trying (TRAPS 8).
//!
//! Counted in each replica by itself, before anything is looked up: a refusal says nothing of an address.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use yinyom_kernel::{BusinessId, Code, Fault, SharedClock, Text};

/// How many look-ups pass between two clean-ups of what is remembered.
const TIDY_EVERY: u64 = 1_024;

/// How often one caller may look up an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct LookupRate {
    /// Look-ups by phone or e-mail that one caller may make a minute, in the long run
    #[arg(
        long = "lookups-per-minute",
        env = "YINYOM_LOOKUPS_PER_MINUTE",
        default_value = "60",
        value_name = "NUMBER"
    )]
    pub per_minute: NonZeroU32,

    /// Of these, how many at once after a pause
    #[arg(
        long = "lookup-burst",
        env = "YINYOM_LOOKUP_BURST",
        default_value = "20",
        value_name = "NUMBER"
    )]
    pub burst: NonZeroU32,
}

impl LookupRate {
    /// As good as none.
    pub const UNLIMITED: Self = Self { per_minute: NonZeroU32::MAX, burst: NonZeroU32::MAX };
}

impl Default for LookupRate {
    fn default() -> Self {
        const fn some(number: u32) -> NonZeroU32 {
            NonZeroU32::MIN.saturating_add(number - 1)
        }
        Self { per_minute: some(60), burst: some(20) }
    }
}

/// The caller has looked up too many addresses. Says when the next one may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many look-ups by phone or e-mail")]
pub struct TooManyLookups {
    wait: Duration,
}

impl Fault for TooManyLookups {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn reason(&self) -> &'static str {
        "LOOKUP_RATE_LIMITED"
    }

    fn text(&self) -> Text {
        Text::new(
            "Too many look-ups by phone or e-mail in a short time. Try again later.",
            "ค้นหาด้วยเบอร์โทรศัพท์หรืออีเมลถี่เกินไป กรุณาลองอีกครั้งภายหลัง",
        )
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(self.wait)
    }
}

/// What each caller has left.
pub(crate) struct Lookups {
    limiter: RateLimiter<Asker, HashMapStateStore<Asker>, SinceBoot, NoOpMiddleware<Duration>>,
    clock: SinceBoot,
    asked: AtomicU64,
}

type Asker = (BusinessId, String);

impl Lookups {
    pub(crate) fn new(rate: LookupRate, clock: SharedClock) -> Self {
        let clock = SinceBoot(clock);
        let quota = Quota::per_minute(rate.per_minute).allow_burst(rate.burst);
        let limiter = RateLimiter::hashmap_with_clock(quota, clock.clone());
        Self { limiter, clock, asked: AtomicU64::new(0) }
    }

    /// Takes one look-up from what `caller` has left in `business`.
    pub(crate) fn take(&self, business: BusinessId, caller: &str) -> Result<(), TooManyLookups> {
        // Who has all of it again is forgotten: what is kept grows with who asks now, not with who ever did.
        if self.asked.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        self.limiter.check_key(&(business, caller.to_owned())).map_err(|until| {
            let wait = until.earliest_possible().saturating_sub(self.clock.now());
            // Not less than a client's timer can tell from nothing.
            TooManyLookups { wait: wait.max(Duration::from_millis(1)) }
        })
    }
}

/// The clock that is handed around, as the limiter asks for it.
#[derive(Clone)]
struct SinceBoot(SharedClock);

impl Clock for SinceBoot {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.since_boot()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use jiff::Timestamp;
    use yinyom_kernel::ManualClock;

    use super::*;

    fn lookups() -> (Arc<ManualClock>, Lookups) {
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let shared: SharedClock = clock.clone();
        (clock, Lookups::new(LookupRate::default(), shared))
    }

    #[test]
    fn a_burst_is_used_up_and_comes_back_by_the_minute_to_whoever_used_it() {
        let (clock, lookups) = lookups();
        let business = BusinessId::generate();
        for _ in 0..20 {
            lookups.take(business, "member:a").unwrap();
        }
        let refused = lookups.take(business, "member:a").unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
        lookups.take(business, "member:b").unwrap();
        lookups.take(BusinessId::generate(), "member:a").unwrap();
        clock.advance(Duration::from_secs(1));
        lookups.take(business, "member:a").unwrap();
        assert!(lookups.take(business, "member:a").is_err());
        clock.advance(Duration::from_hours(1));
        let taken = (0..60).take_while(|_| lookups.take(business, "member:a").is_ok()).count();
        assert_eq!(taken, 20, "what was not used does not add up");
    }

    #[test]
    fn who_has_everything_left_is_forgotten() {
        let (clock, lookups) = lookups();
        let business = BusinessId::generate();
        for round in 0..10 {
            for of in 0..TIDY_EVERY {
                lookups.take(business, &format!("member:{round}:{of}")).unwrap();
            }
            clock.advance(Duration::from_mins(1));
        }
        let kept = u64::try_from(lookups.limiter.len()).unwrap();
        assert!(kept <= 2 * TIDY_EVERY, "{kept}");
    }
}
