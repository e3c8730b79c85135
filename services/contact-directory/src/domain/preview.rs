//! What other settings would hide from members who see by consent alone, and what they would show.
//!
//! From counts that are kept: which contacts these are is not looked at, so it costs the same for any business.

use std::ops::{AddAssign, Neg};

use yinyom_consent::{ByChannel, ConsentState};
use yinyom_policy::Rules;

use super::{Viewer, decide};

/// Contacts that are alike, as far as anybody's sight depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind {
    pub states: ByChannel<ConsentState>,
    pub has_address: ByChannel<bool>,
}

/// How many contacts, with how many addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub contacts: i64,
    pub points: ByChannel<i64>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.contacts += more.contacts;
        self.points.phone += more.points.phone;
        self.points.email += more.points.email;
    }
}

impl Neg for Tally {
    type Output = Self;

    fn neg(self) -> Self {
        Self { contacts: -self.contacts, points: self.points.map(|_, points| -points) }
    }
}

/// What a change of the rules does to sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// Contacts with at least one point that is seen now and would not be then, and these points.
    pub hidden: Tally,
    /// The other way round.
    pub shown: Tally,
}

/// What an unlisted user sees by `before` and not by `after`, and the other way round.
pub fn effect(
    counts: impl IntoIterator<Item = (Kind, Tally)>,
    before: &Rules,
    after: &Rules,
) -> Effect {
    let mut effect = Effect::default();
    for (kind, tally) in counts {
        let sees =
            |rules: &Rules| kind.states.map(|_, state| decide(Viewer::User, rules, state).visible);
        let (before, after) = (sees(before), sees(after));
        let of = |from: ByChannel<bool>, to: ByChannel<bool>| {
            let changes = ByChannel::from_fn(|channel| {
                *kind.has_address.get(channel) && *from.get(channel) && !*to.get(channel)
            });
            let points = tally.points.map(|channel, n| if *changes.get(channel) { n } else { 0 });
            let any = changes.phone || changes.email;
            Tally { contacts: if any { tally.contacts } else { 0 }, points }
        };
        effect.hidden += of(before, after);
        effect.shown += of(after, before);
    }
    effect
}

#[cfg(test)]
mod tests {
    use yinyom_consent::ConsentState::{Denied, Granted, NotSet};

    use super::*;
    use crate::domain::samples::{MASK, OFF, REGRANT, SHOW, STATES};

    fn kind(phone: ConsentState, email: ConsentState, has: (bool, bool)) -> Kind {
        Kind {
            states: ByChannel { phone, email },
            has_address: ByChannel { phone: has.0, email: has.1 },
        }
    }

    const fn tally(contacts: i64, phone: i64, email: i64) -> Tally {
        Tally { contacts, points: ByChannel { phone, email } }
    }

    #[test]
    fn a_contact_counts_once_and_each_of_its_addresses_once() {
        let counts = [
            (kind(Denied, Denied, (true, true)), tally(2, 3, 2)),
            (kind(Denied, Granted, (true, true)), tally(10, 20, 30)),
            (kind(NotSet, Denied, (true, false)), tally(100, 100, 0)),
            (kind(Granted, NotSet, (true, true)), tally(1_000, 1_000, 1_000)),
        ];
        let on = effect(counts, &OFF, &SHOW);
        assert_eq!(on.hidden, tally(12, 23, 2));
        assert_eq!(on.shown, Tally::default());
        let masked = effect(counts, &OFF, &MASK);
        assert_eq!(masked.hidden, tally(1_112, 123, 1_002));
        assert_eq!(effect(counts, &SHOW, &MASK).hidden, tally(1_100, 100, 1_000));
    }

    #[test]
    fn the_way_back_shows_what_the_way_there_hides() {
        let rules = [OFF, SHOW, MASK, REGRANT];
        let counts: Vec<_> = (STATES.into_iter().flat_map(|p| STATES.map(|e| (p, e))))
            .map(|(phone, email)| (kind(phone, email, (true, true)), tally(1, 1, 1)))
            .collect();
        for (one, other) in rules.iter().flat_map(|one| rules.iter().map(move |o| (one, o))) {
            let there = effect(counts.clone(), one, other);
            let back = effect(counts.clone(), other, one);
            assert_eq!((there.hidden, there.shown), (back.shown, back.hidden));
            if one.enforcement == other.enforcement
                && one.not_set_visibility == other.not_set_visibility
            {
                assert_eq!(there, Effect::default(), "nothing else has to do with sight");
            }
        }
    }
}
