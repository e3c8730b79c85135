//! What a batch adds to the kept counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use yinyom_consent::{Actor, Channel, ConsentChange, ConsentState};

use super::Series;

/// A quarter of an hour: the offset of every time zone is a multiple of it.
pub const QUARTER_MICROS: i64 = 15 * 60 * 1_000_000;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    pub series: Series,
    /// See [`Series::unit`].
    pub unit: i64,
    /// By what, where the series tells that apart; see [`Series::value`].
    pub value: String,
    pub channel: Channel,
}

/// How often what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Changes, each in the first channel that it carries. Not by value.
    pub changes: i64,
    /// Contacts that came to GRANTED.
    pub grants: i64,
    /// That came to DENIED.
    pub refusals: i64,
    /// That came back to `NOT_SET` from a yes or a no.
    pub resets: i64,
    /// That went from GRANTED to DENIED.
    pub opt_outs: i64,
    /// How many more contacts are in each state. Not by value.
    pub not_set: i64,
    pub granted: i64,
    pub denied: i64,
}

impl Counts {
    /// A consent that went from one state to another; `None` is «no contact». One that is made with `NOT_SET` comes back
    /// from nothing, and one that is gone comes to nothing: neither is counted but in the states.
    pub fn of(from: Option<ConsentState>, to: Option<ConsentState>) -> Self {
        let mut counts = Self::default();
        if from == to {
            return counts;
        }
        match (from, to) {
            (_, Some(ConsentState::Granted)) => counts.grants = 1,
            (from, Some(ConsentState::Denied)) => {
                counts.refusals = 1;
                counts.opt_outs = i64::from(from == Some(ConsentState::Granted));
            }
            (Some(_), Some(ConsentState::NotSet)) => counts.resets = 1,
            (None, Some(ConsentState::NotSet)) | (_, None) => {}
        }
        for (state, n) in [(from, -1), (to, 1)] {
            match state {
                Some(ConsentState::NotSet) => counts.not_set += n,
                Some(ConsentState::Granted) => counts.granted += n,
                Some(ConsentState::Denied) => counts.denied += n,
                None => {}
            }
        }
        counts
    }

    /// Adds `other` so many times.
    pub fn add(&mut self, other: &Self, times: i64) {
        for (sum, n) in self.each_mut().into_iter().zip(other.each()) {
            *sum += n * times;
        }
    }

    /// Every one, in the order of the fields.
    pub const fn each(&self) -> [i64; 8] {
        let Self { changes, grants, refusals, resets, opt_outs, not_set, granted, denied } = *self;
        [changes, grants, refusals, resets, opt_outs, not_set, granted, denied]
    }

    /// The other way round.
    pub const fn from_each(each: [i64; 8]) -> Self {
        let [changes, grants, refusals, resets, opt_outs, not_set, granted, denied] = each;
        Self { changes, grants, refusals, resets, opt_outs, not_set, granted, denied }
    }

    const fn each_mut(&mut self) -> [&mut i64; 8] {
        let Self { changes, grants, refusals, resets, opt_outs, not_set, granted, denied } = self;
        [changes, grants, refusals, resets, opt_outs, not_set, granted, denied]
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What is kept by value, where something tells it apart.
    const fn answers(&self) -> Self {
        Self { changes: 0, not_set: 0, granted: 0, denied: 0, ..*self }
    }
}

/// Whose doing something was; an expiry is nobody's.
type Doing<'a> = Option<&'a ConsentChange>;

impl Spot {
    /// What the store makes of these counts itself.
    pub fn derived(&self, counts: &Counts) -> impl Iterator<Item = (Self, Counts)> {
        self.coarser(counts, &Series::DERIVED)
    }

    /// The same counts in longer units, and as far as these tell them apart: of what a quarter of an hour has, nothing else.
    fn coarser(
        &self,
        counts: &Counts,
        of: &'static [Series],
    ) -> impl Iterator<Item = (Self, Counts)> {
        let start = self.series.start(self.unit).filter(|_| self.series == Series::Quarter);
        start.into_iter().flat_map(move |start| {
            of.iter().filter_map(move |series| {
                let counts = if series.is_by_value() { counts.answers() } else { *counts };
                let is_nobodys = series.is_by_value() && self.value.is_empty();
                let is_counted = !is_nobodys && !counts.is_nothing();
                is_counted.then(|| {
                    let value = series.value(&self.value).to_owned();
                    (Self { series: *series, unit: series.unit(start), value, ..*self }, counts)
                })
            })
        })
    }
}

/// Whose doing something was, as it is kept: a digit for the surface, a digit for the method, 0 if there is none, and the actor.
/// Nobody's doing is empty. [`Series::value`] tells its parts.
fn value_of(doing: Doing<'_>) -> String {
    let Some(change) = doing else { return String::new() };
    let surface = change.surface.code();
    let method = change.method.map_or(0, yinyom_consent::EvidenceMethod::code);
    let mut value = actor(&change.actor);
    value.insert_str(0, &format!("{surface}{method}"));
    value
}

/// `m` and the member's id, or `s` and the service's name.
fn actor(actor: &Actor) -> String {
    let mut value = String::new();
    // Writing to a string does not fail.
    let _ = match actor {
        Actor::Member { member, .. } => write!(value, "m{}", member.uuid().simple()),
        Actor::Service { name } => write!(value, "s{name}"),
    };
    value
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
    /// Instants and quarters of an hour, of which all else is made.
    finest: BTreeMap<Spot, Counts>,
}

impl Tally {
    /// How many more consents are recorded in each state; none is zero.
    pub fn totals(&self) -> impl Iterator<Item = (Channel, ConsentState, i64)> {
        self.totals
            .iter()
            .filter(|(_, n)| **n != 0)
            .map(|((channel, state), n)| (*channel, *state, *n))
    }

    /// What happened when, but for what the store derives; none is nothing.
    pub fn rollups(&self) -> BTreeMap<Spot, Counts> {
        let mut rollups = self.finest.clone();
        for (spot, counts) in &self.finest {
            for (coarser, counts) in spot.coarser(counts, &Series::COARSER) {
                rollups.entry(coarser).or_default().add(&counts, 1);
            }
        }
        rollups.retain(|_, counts| !counts.is_nothing());
        rollups
    }

    /// What happened when, alone.
    #[must_use]
    pub fn by_time(self) -> Self {
        Self { finest: self.finest, ..Self::default() }
    }

    /// Takes over what `other` says of contacts and states.
    pub fn take_states(&mut self, other: &Self) {
        self.contacts += other.contacts;
        self.mismatches += other.mismatches;
        for (of, n) in &other.totals {
            *self.totals.entry(*of).or_default() += n;
        }
    }

    /// Takes over what `other` says of what happened when, so many times.
    pub(super) fn take_rollups(&mut self, other: Self, times: i64) {
        for (spot, counts) in other.finest {
            self.finest.entry(spot).or_default().add(&counts, times);
        }
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

    /// A change was made at `at`.
    pub(super) fn change(&mut self, change: &ConsentChange, at: Timestamp) {
        let first = change.channels.first().map_or(Channel::Phone, |carried| carried.channel);
        let counts = Counts { changes: 1, ..Counts::default() };
        self.happened(first, at, Some(change), &counts);
    }

    /// Something happened at `at`, unless it set the same state again.
    pub(super) fn transition(
        &mut self,
        channel: Channel,
        at: Timestamp,
        (from, to): (Option<ConsentState>, Option<ConsentState>),
        doing: Doing<'_>,
    ) {
        self.happened(channel, at, doing, &Counts::of(from, to));
    }

    fn happened(&mut self, channel: Channel, at: Timestamp, doing: Doing<'_>, counts: &Counts) {
        if counts.is_nothing() {
            return;
        }
        for (series, value) in
            [(Series::Instant, String::new()), (Series::Quarter, value_of(doing))]
        {
            let unit = series.unit(at.as_microsecond());
            self.finest.entry(Spot { series, unit, value, channel }).or_default().add(counts, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConsentState::{Denied, Granted, NotSet};

    #[test]
    fn only_what_moves_a_consent_is_counted() {
        let answers = |from, to| Counts::of(from, to).answers();
        for (from, to) in [
            (None, Some(NotSet)),
            (Some(Granted), Some(Granted)),
            (Some(NotSet), Some(NotSet)),
            (Some(Denied), None),
            (Some(Granted), None),
            (Some(NotSet), None),
        ] {
            assert_eq!(answers(from, to), Counts::default(), "{from:?} {to:?}");
        }
        let granted = Counts { grants: 1, granted: 1, ..Counts::default() };
        assert_eq!(Counts::of(None, Some(Granted)), granted);
        assert_eq!(Counts::of(Some(Granted), None), Counts { granted: -1, ..Counts::default() });
        let back = Counts { resets: 1, not_set: 1, denied: -1, ..Counts::default() };
        assert_eq!(Counts::of(Some(Denied), Some(NotSet)), back);
    }

    #[test]
    fn an_opt_out_is_a_refusal_by_who_had_said_yes() {
        let out = Counts { refusals: 1, opt_outs: 1, granted: -1, denied: 1, ..Counts::default() };
        assert_eq!(Counts::of(Some(Granted), Some(Denied)), out);
        for from in [None, Some(NotSet)] {
            assert_eq!(Counts::of(from, Some(Denied)).opt_outs, 0);
        }
    }
}
