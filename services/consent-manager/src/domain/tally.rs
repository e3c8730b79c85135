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
    /// By what, where the series tells that apart; see [`value_of`].
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
        let (answers, start) = (counts.answers(), self.series.start(self.unit));
        let is_base = self.series == Series::Quarter && !self.value.is_empty();
        let start = start.filter(|_| is_base && !answers.is_nothing());
        start.into_iter().flat_map(move |start| {
            let at =
                move |series: Series| Self { series, unit: series.unit(start), ..self.clone() };
            Series::DERIVED.into_iter().map(move |series| (at(series), answers))
        })
    }
}

/// What tells the counts of a series apart. By all together: a digit for the surface, a digit for the method, 0 if there is
/// none, and the actor; or one of them. Nobody's doing, and where nothing is told apart, is empty.
pub fn value_of(series: Series, doing: Doing<'_>) -> String {
    let Some(change) = doing else { return String::new() };
    let surface = change.surface.code();
    let method = change.method.map_or(0, yinyom_consent::EvidenceMethod::code);
    match series {
        Series::Quarter | Series::HourByDoing | Series::DayByDoing => {
            let mut value = actor(&change.actor);
            value.insert_str(0, &format!("{surface}{method}"));
            value
        }
        Series::MonthBySurface => surface.to_string(),
        Series::MonthByMethod => method.to_string(),
        Series::MonthByActor => actor(&change.actor),
        Series::Instant | Series::Hour | Series::Day | Series::Month => String::new(),
    }
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
    rollups: BTreeMap<Spot, Counts>,
}

impl Tally {
    /// How many more consents are recorded in each state; none is zero.
    pub fn totals(&self) -> impl Iterator<Item = (Channel, ConsentState, i64)> {
        self.totals
            .iter()
            .filter(|(_, n)| **n != 0)
            .map(|((channel, state), n)| (*channel, *state, *n))
    }

    /// What happened when; none is nothing.
    pub fn rollups(&self) -> impl Iterator<Item = (&Spot, &Counts)> {
        self.rollups.iter().filter(|(_, counts)| !counts.is_nothing())
    }

    /// What happened when, alone.
    #[must_use]
    pub fn by_time(self) -> Self {
        Self { rollups: self.rollups, ..Self::default() }
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
        for (spot, counts) in other.rollups {
            self.rollups.entry(spot).or_default().add(&counts, times);
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
        let counted = Series::ALL.into_iter().filter(|series| !Series::DERIVED.contains(series));
        for series in counted {
            let counts = match series {
                Series::MonthBySurface | Series::MonthByActor | Series::MonthByMethod => {
                    if doing.is_none() {
                        continue;
                    }
                    counts.answers()
                }
                _ => *counts,
            };
            if !counts.is_nothing() {
                let unit = series.unit(at.as_microsecond());
                let spot = Spot { series, unit, value: value_of(series, doing), channel };
                self.rollups.entry(spot).or_default().add(&counts, 1);
            }
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
