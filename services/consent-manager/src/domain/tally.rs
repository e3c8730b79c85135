//! What a batch adds to the kept counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use yinyom_consent::{Channel, ConsentState};

/// A quarter of an hour: the offset of every time zone is a multiple of it.
pub const QUARTER_MICROS: i64 = 15 * 60 * 1_000_000;

/// A consent went from one state to another. `None` is «no contact».
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transition {
    pub channel: Channel,
    /// Quarters of an hour since 1970, UTC.
    pub quarter: i64,
    pub from: Option<ConsentState>,
    pub to: Option<ConsentState>,
}

/// Differences to the counts of one business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many more contacts there are.
    pub contacts: i64,
    /// Channels whose `from` was not what the ledger had. Nothing is wrong with the ledger then, but something is with
    /// the directory.
    pub mismatches: u64,
    totals: BTreeMap<(Channel, ConsentState), i64>,
    transitions: BTreeMap<Transition, i64>,
}

impl Tally {
    /// How many more consents are recorded in each state; none is zero.
    pub fn totals(&self) -> impl Iterator<Item = (Channel, ConsentState, i64)> {
        self.totals
            .iter()
            .filter(|(_, n)| **n != 0)
            .map(|((channel, state), n)| (*channel, *state, *n))
    }

    /// How often what happened.
    pub fn transitions(&self) -> impl Iterator<Item = (Transition, i64)> {
        self.transitions.iter().map(|(transition, times)| (*transition, *times))
    }

    /// A consent is recorded in another state than before.
    pub(super) fn move_total(
        &mut self,
        channel: Channel,
        from: Option<ConsentState>,
        to: Option<ConsentState>,
    ) {
        for (state, n) in [(from, -1), (to, 1)] {
            if let Some(state) = state {
                *self.totals.entry((channel, state)).or_default() += n;
            }
        }
    }

    /// Something happened at `at`, unless it set the same state again.
    pub(super) fn transition(
        &mut self,
        channel: Channel,
        at: Timestamp,
        from: Option<ConsentState>,
        to: Option<ConsentState>,
    ) {
        if from != to {
            let quarter = at.as_microsecond().div_euclid(QUARTER_MICROS);
            *self.transitions.entry(Transition { channel, quarter, from, to }).or_default() += 1;
        }
    }
}
