//! The copy of the rules, and its lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::global;
use rand::Rng;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yinyom_kernel::{BusinessId, MemberId, SharedClock};

use crate::{Membership, Policy, PolicySource, Renewal, Rules, SourceError};

/// How the copy behaves.
#[derive(Debug, Clone, Copy)]
pub struct PoliciesConfig {
    /// How long a renewal waits at settings for a change.
    pub max_wait: Duration,
    /// After this long without an answer a renewal is given up.
    pub renewal_timeout: Duration,
    /// How many businesses are kept.
    pub capacity: u64,
}

impl Default for PoliciesConfig {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(300),
            renewal_timeout: Duration::from_millis(700),
            capacity: 100_000,
        }
    }
}

/// How much of a lease is not used: two machines' clocks run at rates that differ by far less.
const DRIFT_MARGIN: u32 = 100;
const STRIPES: usize = 64;
const FETCH_TRIES: usize = 3;

/// Under which rules a business stands at this moment.
#[derive(Debug, Clone)]
pub enum Standing {
    /// The rules hold now.
    Live(Arc<Policy>),
    /// They may be out of date; the last known ones, unless there are none or they are known to have changed
    /// since. Nothing is revealed by them.
    Lapsed(Option<Arc<Policy>>),
    /// There is no such business.
    NoSuchBusiness,
}

impl Standing {
    /// The rules to decide by.
    pub fn rules(&self) -> Rules {
        match self {
            Self::Live(policy) => policy.rules,
            Self::Lapsed(Some(last)) => Rules::strictest_after(last.rules),
            Self::Lapsed(None) | Self::NoSuchBusiness => Rules::STRICTEST,
        }
    }

    /// The policy, if it holds now.
    pub fn live(&self) -> Option<&Arc<Policy>> {
        match self {
            Self::Live(policy) => Some(policy),
            Self::Lapsed(_) | Self::NoSuchBusiness => None,
        }
    }

    /// How `member` stands.
    pub fn membership(&self, member: MemberId) -> Membership {
        match self {
            Self::Live(policy) => policy
                .members
                .get(&member)
                .copied()
                .map_or(Membership::Stranger, Membership::Member),
            Self::Lapsed(Some(policy)) if !policy.members.contains_key(&member) => {
                Membership::Stranger
            }
            Self::Lapsed(Some(_)) => Membership::Presumed,
            Self::Lapsed(None) => Membership::Unknown,
            Self::NoSuchBusiness => Membership::Stranger,
        }
    }
}

/// The copy of the rules that one replica keeps. Cheap to clone.
#[derive(Clone)]
pub struct Policies(Arc<Inner>);

struct Inner {
    source: Arc<dyn PolicySource>,
    clock: SharedClock,
    config: PoliciesConfig,
    holder: Uuid,
    lease: Mutex<Lease>,
    /// The newest rules seen of each business, current or not.
    known: moka::sync::Cache<BusinessId, Arc<Policy>>,
    /// One fetch at a time for businesses that share a stripe.
    fetching: [tokio::sync::Mutex<()>; STRIPES],
    renewed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Lease {
    /// On the clock that counts sleep.
    until: Duration,
    /// When the renewal was asked for that gave it; at first, when the copy was made.
    renewed: Duration,
    applied: i64,
    /// Rules of a business that are older than this may not be used.
    floors: HashMap<BusinessId, i64>,
    /// The same for every business.
    floor: i64,
}

impl Lease {
    fn floor(&self, business: BusinessId) -> i64 {
        self.floors.get(&business).copied().unwrap_or_default().max(self.floor)
    }
}

impl Policies {
    /// A copy that holds nothing and has no lease yet; [`Policies::keep_lease`] gets one.
    pub fn new(source: Arc<dyn PolicySource>, clock: SharedClock, config: PoliciesConfig) -> Self {
        let lease = Lease { renewed: clock.since_boot(), ..Lease::default() };
        Self(Arc::new(Inner {
            source,
            clock,
            config,
            holder: Uuid::now_v7(),
            lease: Mutex::new(lease),
            known: moka::sync::Cache::new(config.capacity),
            fetching: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            renewed: watch::Sender::new(0),
        }))
    }

    /// Under which rules `business` stands. Fetches them only under a live lease, so that an absent settings
    /// costs no time.
    pub async fn of(&self, business: BusinessId) -> Standing {
        if let Some(standing) = self.at_hand(business) {
            return standing;
        }
        let stripe = business.uuid().as_u128() % STRIPES as u128;
        let _one_at_a_time =
            self.0.fetching[usize::try_from(stripe).unwrap_or_default()].lock().await;
        for _ in 0..FETCH_TRIES {
            if let Some(standing) = self.at_hand(business) {
                return standing;
            }
            // What arrives after the lease has ended is of no use to who waits for it.
            let asked = tokio::time::timeout(self.lease_left(), self.0.source.policy(business));
            match asked.await.unwrap_or_else(|_| Err(unanswered())) {
                Ok(Some(policy)) => self.0.known.insert(business, Arc::new(policy)),
                Ok(None) => return Standing::NoSuchBusiness,
                Err(error) => {
                    tracing::warn!(%error, "rules cannot be fetched: masking");
                    break;
                }
            }
        }
        self.at_hand(business).unwrap_or(Standing::Lapsed(None))
    }

    /// `standing`, if it still holds; else where the business stands by now. Call it after the store was read and
    /// before anything is rendered: what was taken away in between is then not shown.
    pub async fn confirm(&self, business: BusinessId, standing: Standing) -> Standing {
        match (&standing, self.at_hand(business)) {
            (Standing::Live(before), Some(Standing::Live(now))) if Arc::ptr_eq(before, &now) => {
                standing
            }
            (Standing::Lapsed(_) | Standing::NoSuchBusiness, _) => standing,
            _ => self.of(business).await,
        }
    }

    /// Whether the lease is live at this moment.
    pub fn is_live(&self) -> bool {
        self.live(&self.lease())
    }

    /// How long the lease still holds; zero if it is not live.
    pub fn lease_left(&self) -> Duration {
        self.lease().until.saturating_sub(self.0.clock.since_boot())
    }

    /// Renews the lease until `stop`. A replica runs one of these.
    pub async fn keep_lease(self, stop: CancellationToken) {
        self.measure();
        let mut failures = 0_u32;
        loop {
            // Who has no answer is in a hurry: news can wait until the lease is safe.
            let max_wait = if failures == 0 { self.0.config.max_wait } else { Duration::ZERO };
            let pause = match stop.run_until_cancelled(self.renewed(max_wait)).await {
                None => return,
                Some(Ok(changed)) => {
                    failures = 0;
                    self.fetch_again(changed);
                    continue;
                }
                Some(Err(error)) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, failures, live = self.is_live(), "no policy lease");
                    backoff(failures)
                }
            };
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Tells how long ago the lease was renewed, as long as there is a copy.
    fn measure(&self) {
        let copy = Arc::downgrade(&self.0);
        let age = move || {
            let copy = Self(copy.upgrade()?);
            let renewed = copy.lease().renewed;
            Some(copy.0.clock.since_boot().saturating_sub(renewed))
        };
        global::meter("yinyom")
            .f64_observable_gauge("yinyom.policy.lease.age")
            .with_unit("s")
            .with_description(
                "Since the policy lease was last renewed: after two seconds everything is masked",
            )
            .with_callback(move |gauge| {
                if let Some(age) = age() {
                    gauge.observe(age.as_secs_f64(), &[]);
                }
            })
            .build();
    }

    /// Waits until the lease has been live once.
    pub async fn ready(&self) {
        let mut renewed = self.0.renewed.subscribe();
        while !self.is_live() {
            if renewed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Renews the lease once and applies what comes with it.
    pub async fn renew(&self) -> Result<(), SourceError> {
        self.renewed(self.0.config.max_wait).await.map(drop)
    }

    /// The businesses whose rules have changed.
    async fn renewed(&self, max_wait: Duration) -> Result<Vec<BusinessId>, SourceError> {
        let applied = self.lease().applied;
        // Before the request leaves: settings counts from later, so this lease ends first.
        let asked = self.0.clock.since_boot();
        let renewal = self.0.source.renew(self.0.holder, applied, max_wait);
        let renewal = tokio::time::timeout(self.0.config.renewal_timeout, renewal)
            .await
            .map_err(|_| unanswered())??;
        let changed = renewal.changed.clone();
        self.apply(asked, renewal);
        self.0.renewed.send_modify(|times| *times = times.wrapping_add(1));
        Ok(changed)
    }

    /// Fetches the rules of those of `changed` that are in use before somebody asks for them: should settings
    /// not answer any more by then, nobody of that business would be known to be a member.
    fn fetch_again(&self, mut changed: Vec<BusinessId>) {
        changed.retain(|business| self.0.known.contains_key(business));
        if changed.is_empty() {
            return;
        }
        let copy = self.clone();
        tokio::spawn(async move {
            for business in changed {
                copy.of(business).await;
            }
        });
    }

    fn apply(&self, asked: Duration, renewal: Renewal) {
        let mut lease = self.lease();
        if renewal.drop_all {
            lease.floor = renewal.revision;
            lease.floors.clear();
        }
        for business in renewal.changed {
            lease.floors.insert(business, renewal.revision);
        }
        lease.applied = renewal.revision;
        let usable = renewal.duration.saturating_sub(renewal.duration / DRIFT_MARGIN);
        lease.until = lease.until.max(asked + usable);
        lease.renewed = lease.renewed.max(asked);
    }

    /// The standing of `business` as far as no question to settings is needed.
    fn at_hand(&self, business: BusinessId) -> Option<Standing> {
        let lease = self.lease();
        let known = self.usable(&lease, business);
        if self.live(&lease) { known.map(Standing::Live) } else { Some(Standing::Lapsed(known)) }
    }

    /// The known rules of `business`, unless they are known to have changed since. Settings was told so, and let
    /// the call return that changed them: who was a member by the rules before may be none.
    fn usable(&self, lease: &Lease, business: BusinessId) -> Option<Arc<Policy>> {
        self.0.known.get(&business).filter(|policy| policy.revision >= lease.floor(business))
    }

    fn live(&self, lease: &Lease) -> bool {
        self.0.clock.since_boot() < lease.until
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        // The lease is a few numbers, each written whole: a panic elsewhere leaves it usable.
        self.0.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unanswered() -> SourceError {
    SourceError("no answer in time".to_owned())
}

/// 25 ms, doubled to 400 ms, with jitter, so that replicas do not come back in step.
fn backoff(failures: u32) -> Duration {
    let full = 25_u64 << failures.min(4);
    Duration::from_millis(rand::rng().random_range(full / 2..=full))
}
