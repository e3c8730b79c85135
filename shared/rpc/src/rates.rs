//! How many calls may come: to a server, and from the members of one business. Each replica counts by itself. And how many
//! of those who are turned away are told of one by one.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use tokio::time::Instant;
use yinyom_kernel::BusinessId;

use crate::{EdgeFault, Rate, ServerConfig};

/// How many calls pass between two clean-ups of what is remembered.
const TIDY_EVERY: u64 = 65_536;

/// How many of those who are turned away the log names in a second. In a rush they are thousands, which metrics count.
const NAMED: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// What is left to the server, and to each business.
pub(crate) struct Rates {
    all: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    businesses:
        RateLimiter<BusinessId, HashMapStateStore<BusinessId>, Ticks, NoOpMiddleware<Duration>>,
    named: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    ticks: Ticks,
    counted: AtomicU64,
}

impl Rates {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let ticks = Ticks(Instant::now());
        let quota = |Rate { per_second, burst }| Quota::per_second(per_second).allow_burst(burst);
        Self {
            all: RateLimiter::direct_with_clock(quota(config.rate), ticks.clone()),
            businesses: RateLimiter::hashmap_with_clock(
                quota(config.rate_per_business),
                ticks.clone(),
            ),
            named: RateLimiter::direct_with_clock(Quota::per_second(NAMED), ticks.clone()),
            ticks,
            counted: AtomicU64::new(0),
        }
    }

    /// Takes one call from what the server has left.
    pub(crate) fn take(&self) -> Result<(), EdgeFault> {
        self.all.check().map_err(|until| EdgeFault::RateLimited(self.wait(&until)))
    }

    /// Takes one call from what `business` has left.
    pub(crate) fn take_of(&self, business: BusinessId) -> Result<(), EdgeFault> {
        // A business that has all of it again is forgotten: what is kept grows with who calls now.
        if self.counted.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.businesses.retain_recent();
            self.businesses.shrink_to_fit();
        }
        let taken = self.businesses.check_key(&business);
        taken.map_err(|until| EdgeFault::BusinessRateLimited(self.wait(&until)))
    }

    /// Whether the log has room for one more who is turned away.
    pub(crate) fn names(&self) -> bool {
        self.named.check().is_ok()
    }

    /// Not less than a client's timer can tell from nothing.
    fn wait(&self, until: &NotUntil<Duration>) -> Duration {
        until.wait_time_from(self.ticks.now()).max(Duration::from_millis(1))
    }
}

/// tokio's clock, as the limiters ask for it.
#[derive(Debug, Clone)]
struct Ticks(Instant);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use yinyom_kernel::Fault;

    use super::*;

    fn rates(rate: Rate, rate_per_business: Rate) -> Rates {
        Rates::new(&ServerConfig { rate, rate_per_business, ..ServerConfig::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_business_uses_up_its_own_rate_and_gets_it_back_by_the_second() {
        let rates = rates(Rate::UNLIMITED, Rate::new(2, 3));
        let (busy, other) = (BusinessId::generate(), BusinessId::generate());
        for _ in 0..3 {
            rates.take_of(busy).unwrap();
        }
        let refused = rates.take_of(busy).unwrap_err();
        assert_eq!(refused, EdgeFault::BusinessRateLimited(Duration::from_millis(500)));
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(500)));
        rates.take_of(other).unwrap();
        tokio::time::advance(Duration::from_millis(500)).await;
        rates.take_of(busy).unwrap();
        assert!(rates.take_of(busy).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_has_a_rate_of_its_own() {
        let rates = rates(Rate::new(1, 2), Rate::UNLIMITED);
        assert!(rates.take().is_ok() && rates.take().is_ok());
        assert_eq!(rates.take(), Err(EdgeFault::RateLimited(Duration::from_secs(1))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_business_with_everything_left_is_forgotten() {
        let rates = rates(Rate::UNLIMITED, Rate::new(10, 10));
        rates.take_of(BusinessId::generate()).unwrap();
        assert_eq!(rates.businesses.len(), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        let busy = BusinessId::generate();
        for _ in 0..TIDY_EVERY {
            let _ = rates.take_of(busy);
        }
        assert_eq!(rates.businesses.len(), 1);
    }
}
