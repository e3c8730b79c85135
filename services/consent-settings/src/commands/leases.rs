//! Leases on the rules: why nobody reveals by a right that was taken away (TRAPS 6).
//!
//! Two sides meet in the database:
//!
//! | a holder renews ([`Leases::renew`]) | a call takes a right away ([`Leases::settled`]) |
//! |---|---|
//! | 1. commits its lease, with what it has applied | 1. commits the change, with its revision |
//! | 2. then reads the revision | 2. then reads the leases |
//!
//! Each writes before it reads what the other writes, so one of them sees the other (Dekker). If the
//! call does not see the lease, the lease was committed after the call's read, hence after its
//! change: the holder reads the new revision and is told of it with the very answer that gives it
//! the lease. If the call does see the lease, it waits until the holder has acknowledged the
//! revision, or for [`Lease::DURATION`] since the commit. By then every lease that was granted
//! without the revision has run out: the holder counts from when it *asked*, and asked before the
//! commit. No two machines' wall clocks are compared for this, only how long a second and a half is
//! on each.
//!
//! A revision is the number of a change *and* its place in the order of commits
//! ([`crate::store::policy::advance`]), so who has applied r has applied all up to r.
//!
//! Wake-ups make this fast and nothing depends on them: both sides also look by themselves.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use yinyom_db::{Db, DbError};
use yinyom_failpoints::{Point, reached};
use yinyom_kernel::{SharedClock, let_go};
use yinyom_policy::Renewal;

use super::unit::POLICY;
use crate::domain::{Lease, News, Revision};
use crate::store::{leases, policy};

/// Wakes whoever waits for holders to apply a change.
const APPLIED: &str = "policy-applied";

/// How often one looks without having been woken.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The two sides.
#[derive(Clone)]
pub struct Leases {
    db: Db,
    clock: SharedClock,
}

impl Leases {
    /// Leases in `db`.
    pub fn new(db: Db, clock: SharedClock) -> Self {
        Self { db, clock }
    }

    /// Renews the lease of `holder`, who says it has applied everything up to `claimed`, and tells it
    /// what it has not. If that is nothing, waits up to `max_wait` for something.
    pub async fn renew(
        &self,
        holder: Uuid,
        claimed: Revision,
        max_wait: Duration,
    ) -> Result<Renewal, DbError> {
        let until = Instant::now() + max_wait.min(Lease::MAX_WAIT);
        let lease = self.record(holder, claimed).await?;
        // The lease is committed. Only from here on may the revision be read; see above.
        let mut changes = self.db.listen(POLICY);
        loop {
            let (revision, news) = self.news(lease.applied).await?;
            let now = Instant::now();
            if news != News::Nothing || now >= until {
                return Ok(renewal(revision, news));
            }
            // In one process no wake-up is lost.
            let pause = if self.db.is_postgres() { LOOK_AGAIN } else { Lease::MAX_WAIT };
            let_go();
            let wake = changes.changed();
            let _ = tokio::time::timeout_at(until.min(now + pause), wake).await;
        }
    }

    async fn record(&self, holder: Uuid, claimed: Revision) -> Result<Lease, DbError> {
        let now = self.clock.now();
        self.db
            .write_unscoped(move |mut tx| async move {
                let before = leases::get(&mut tx, holder).await?;
                let current = policy::current(&mut tx).await?;
                let lease = Lease::renewed(claimed, current, before, now);
                leases::save(&mut tx, holder, lease).await?;
                if before.is_some_and(|before| before.applied < lease.applied) {
                    tx.announce(APPLIED);
                }
                tx.done(lease)
            })
            .await
    }

    /// The revision, and what was changed up to it after `applied`. In this order: a change between
    /// the two reads is then told too early, which does no harm, and not too late.
    async fn news(&self, applied: Revision) -> Result<(Revision, News), DbError> {
        let mut tx = self.db.read_unscoped().await?;
        let revision = policy::current(&mut tx).await?;
        if applied == revision {
            return Ok((revision, News::since(applied, Vec::new())));
        }
        let most = i64::try_from(News::MOST).unwrap_or(i64::MAX).saturating_add(1);
        let changed = policy::changed_since(&mut tx, applied, most).await?;
        Ok((revision, News::since(applied, changed)))
    }

    /// Returns once nobody decides by rules from before `revision`, which must be committed: after
    /// all live holders have applied it, or after [`Lease::DURATION`].
    ///
    /// Does not fail: what cannot be read is waited out.
    pub async fn settled(&self, revision: Revision) {
        if reached(Point::LeaseWait).await.is_err() {
            return;
        }
        let until = self.clock.since_boot() + Lease::DURATION;
        let mut applied = self.db.listen(APPLIED);
        loop {
            let left = until.saturating_sub(self.clock.since_boot());
            if left.is_zero() {
                tracing::warn!(revision, "a holder did not apply a change while its lease held");
                return;
            }
            // A database that does not answer must not hold the call beyond the leases.
            let behind = tokio::time::timeout(left, self.behind(revision)).await;
            if matches!(behind, Ok(Ok(0))) {
                return;
            }
            let_go();
            let _ = tokio::time::timeout(left.min(LOOK_AGAIN), applied.changed()).await;
        }
    }

    /// How many holders that may be alive have not applied `revision`.
    async fn behind(&self, revision: Revision) -> Result<i64, DbError> {
        let alive_after = Lease::dead_before(self.clock.now());
        leases::behind(&mut self.db.read_unscoped().await?, revision, alive_after).await
    }
}

fn renewal(revision: Revision, news: News) -> Renewal {
    let (changed, drop_all) = match news {
        News::Nothing => (Vec::new(), false),
        News::Changed(businesses) => (businesses, false),
        News::All => (Vec::new(), true),
    };
    Renewal { revision, changed, drop_all, duration: Lease::DURATION }
}
