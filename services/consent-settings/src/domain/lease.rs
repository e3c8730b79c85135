//! Leases on the rules: what a holder is believed, and who must be waited for (TRAPS 6).
//!
//! A holder is a replica of another service that keeps a copy of the rules. It may decide by its copy
//! until its lease runs out, and it renews the lease by telling which revision it has applied. The
//! order of reads and writes that makes this safe is in `commands::leases`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use yinyom_kernel::BusinessId;

use super::Revision;

/// What is stored of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The holder decides by nothing older than this.
    pub applied: Revision,
    /// By the clock of the replica of settings that granted it.
    pub expires_at: Timestamp,
}

impl Lease {
    /// How long a holder may decide by its copy, counted by the holder from when it asked. A call
    /// that takes a right away waits this long at most.
    pub const DURATION: Duration = Duration::from_millis(1_500);

    /// The longest that a renewal waits for news. Well below [`Lease::DURATION`], so that a holder
    /// has its answer while the lease before still holds.
    pub const MAX_WAIT: Duration = Duration::from_millis(500);

    /// How far the wall clocks of two replicas of settings may lie apart. Until then a lease that
    /// another replica granted counts as live here; that a dead one does too costs a revoker
    /// [`Lease::DURATION`], never more.
    const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);

    /// After this long a lease that ran out is forgotten.
    const MEMORY: SignedDuration = SignedDuration::from_hours(1);

    /// The lease of a holder that says it has applied `claimed`.
    ///
    /// It is believed if its lease is live or the claim is what it said before. Else the claim may be
    /// from another history: the database was restored from a backup since, and the revisions that
    /// the holder has applied are not those that the restored counter is handing out. Nor is a claim
    /// believed that the counter has not reached. Who is not believed has applied nothing, and is
    /// told to drop everything.
    pub fn renewed(
        claimed: Revision,
        current: Revision,
        before: Option<Self>,
        now: Timestamp,
    ) -> Self {
        let known = before.is_some_and(|lease| lease.expires_at >= now || lease.applied == claimed);
        let applied = if known && claimed <= current { claimed } else { 0 };
        Self {
            applied,
            expires_at: later(now, SignedDuration::try_from(Self::DURATION).unwrap_or_default()),
        }
    }

    /// A lease that ran out before this instant is certainly dead.
    pub fn dead_before(now: Timestamp) -> Timestamp {
        later(now, -Self::CLOCK_SKEW)
    }

    /// A lease that ran out before this instant is forgotten.
    pub fn forgotten_before(now: Timestamp) -> Timestamp {
        later(now, -Self::MEMORY)
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// What a holder does not know yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It knows everything.
    Nothing,
    /// The rules of these businesses have changed.
    Changed(Vec<BusinessId>),
    /// The rules of all businesses may have changed.
    All,
}

impl News {
    /// The most businesses that are named one by one.
    pub const MOST: usize = 1_000;

    /// The news for a holder that has applied `applied`. `changed` are the businesses that changed
    /// since, all of them or more than [`News::MOST`].
    pub fn since(applied: Revision, changed: Vec<BusinessId>) -> Self {
        if applied <= 0 || changed.len() > Self::MOST {
            Self::All
        } else if changed.is_empty() {
            Self::Nothing
        } else {
            Self::Changed(changed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_000, 0);

    fn lease(applied: Revision, expires_in: i64) -> Lease {
        Lease { applied, expires_at: later(NOW, SignedDuration::from_millis(expires_in)) }
    }

    fn believed(claimed: Revision, before: impl Into<Option<Lease>>) -> Revision {
        Lease::renewed(claimed, 50, before.into(), NOW).applied
    }

    #[test]
    fn a_holder_that_nobody_knows_has_applied_nothing() {
        assert_eq!(believed(0, None), 0);
        assert_eq!(believed(50, None), 0);
    }

    #[test]
    fn a_live_holder_is_believed() {
        assert_eq!(believed(50, lease(40, 1_000)), 50);
        assert_eq!(believed(40, lease(40, 1_000)), 40);
    }

    #[test]
    fn a_claim_that_the_counter_has_not_reached_is_from_another_history() {
        assert_eq!(believed(51, lease(40, 1_000)), 0);
        assert_eq!(believed(51, lease(51, 1_000)), 0);
    }

    #[test]
    fn a_holder_that_was_away_is_believed_what_it_said_before_and_no_more() {
        assert_eq!(believed(40, lease(40, -60_000)), 40);
        // It applied 41 to 45 before a restore gave these numbers to other changes.
        assert_eq!(believed(45, lease(40, -60_000)), 0);
    }

    #[test]
    fn a_lease_lasts_a_second_and_a_half() {
        let renewed = Lease::renewed(0, 50, None, NOW);
        assert_eq!(renewed.expires_at, Timestamp::constant(1_001, 500_000_000));
    }

    #[test]
    fn a_lease_of_a_replica_whose_clock_is_behind_is_waited_for() {
        assert!(Lease::dead_before(NOW) < later(NOW, SignedDuration::from_secs(-4)));
        assert!(Lease::forgotten_before(NOW) < Lease::dead_before(NOW));
    }

    #[test]
    fn who_has_applied_nothing_or_missed_too_much_drops_everything() {
        let businesses = |n| (0..n).map(|_| BusinessId::generate()).collect::<Vec<_>>();
        assert_eq!(News::since(0, vec![]), News::All);
        assert_eq!(News::since(-1, vec![]), News::All);
        assert_eq!(News::since(7, businesses(1_001)), News::All);
        assert_eq!(News::since(7, vec![]), News::Nothing);
        let some = businesses(1_000);
        assert_eq!(News::since(7, some.clone()), News::Changed(some));
    }
}
