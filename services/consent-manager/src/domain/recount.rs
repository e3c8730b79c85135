//! Kept counts against a recount, in memory that does not grow with the ledger.
//!
//! Counts by time are compared month by month: by their sums, and by a sum of random-looking numbers, one for each place
//! and kind of count, times the count. Two different sets of counts of a month have the same one by a chance of 2⁻⁶⁴.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use yinyom_consent::{Channel, ConsentState};
use yinyom_kernel::ContactId;

use super::{Counts, Series, Spot};

/// A month's counts of a series, by value where months are told apart by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    pub series: Series,
    /// Months since 1970.
    pub month: i64,
    pub value: String,
    pub channel: Channel,
}

/// Counts of a month, put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Print {
    sum: Counts,
    fingerprint: u64,
}

/// Counts by time, put together month by month. The order in which they are added does not matter, nor how they are
/// split.
#[derive(Debug, Default)]
pub struct Prints(BTreeMap<Stretch, Print>);

impl Prints {
    /// Adds counts.
    pub fn add(&mut self, spot: &Spot, counts: &Counts) {
        let Spot { series, unit, value, channel } = spot;
        let month = series.start(*unit).map_or(i64::MAX, |start| Series::Month.unit(start));
        let value = if series.is_by_doing() { String::new() } else { value.clone() };
        let print = self.0.entry(Stretch { series: *series, month, value, channel: *channel });
        let print = print.or_default();
        print.sum.add(counts, 1);
        for (kind, n) in counts.each().into_iter().enumerate().filter(|(_, n)| *n != 0) {
            let mut hash = DefaultHasher::new();
            (spot, kind).hash(&mut hash);
            let term = hash.finish().wrapping_mul(n.cast_unsigned());
            print.fingerprint = print.fingerprint.wrapping_add(term);
        }
    }

    /// Where `kept` differs from these.
    pub fn differences(&self, kept: &Self) -> Vec<Difference> {
        let all = self.0.keys().chain(kept.0.keys().filter(|key| !self.0.contains_key(key)));
        let of = |prints: &Self, key: &Stretch| prints.0.get(key).copied().unwrap_or_default();
        all.filter_map(|key| {
            let (counted, kept) = (of(self, key), of(kept, key));
            (counted != kept).then(|| Difference::Counts {
                of: key.clone(),
                kept: kept.sum,
                counted: counted.sum,
            })
        })
        .collect()
    }
}

/// What was kept is not what a recount finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Counts by time.
    Counts { of: Stretch, kept: Counts, counted: Counts },
    /// How many current consents are in a state.
    Total { channel: Channel, state: ConsentState, kept: i64, counted: i64 },
    /// How many contacts there are.
    Contacts { kept: i64, counted: i64 },
    /// A current consent that is missing, is there without reason, or is another one.
    Consent { contact: ContactId, channel: Channel },
    /// The end of a contact's stream.
    Stream { contact: ContactId },
    /// Changes from before counts by time are not counted yet.
    NotCountedYet,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counts { of, kept, counted } => {
                let Stretch { series, month, value, channel } = of;
                let (year, month) = (1970 + month.div_euclid(12), month.rem_euclid(12) + 1);
                write!(f, "rollups: {series:?} of {year}-{month:02}, {channel:?}")?;
                if !value.is_empty() {
                    write!(f, ", {value}")?;
                }
                if kept == counted {
                    return write!(f, ": the same sums at other moments");
                }
                let names = [
                    "changes", "grants", "refusals", "resets", "opt_outs", "not_set", "granted",
                    "denied",
                ];
                let pairs = kept.each().into_iter().zip(counted.each());
                for (name, (kept, counted)) in names.into_iter().zip(pairs) {
                    if kept != counted {
                        write!(f, ": {name} {kept}, and should be {counted}")?;
                    }
                }
                Ok(())
            }
            Self::Total { channel, state, kept, counted } => {
                write!(f, "totals: {channel:?} {state:?}: {kept}, and should be {counted}")
            }
            Self::Contacts { kept, counted } => {
                write!(f, "ledger_heads: contacts: {kept}, and should be {counted}")
            }
            Self::Consent { contact, channel } => {
                write!(f, "consents: {channel:?} of contact {contact}")
            }
            Self::Stream { contact } => write!(f, "streams: the end of contact {contact}"),
            Self::NotCountedYet => write!(f, "rollups: not counted yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(unit: i64) -> Spot {
        Spot { series: Series::Day, unit, value: String::new(), channel: Channel::Phone }
    }

    #[test]
    fn neither_order_nor_how_counts_are_split_matters_and_their_place_does() {
        let (one, two) =
            (Counts { grants: 1, ..Counts::default() }, Counts { grants: 2, ..Counts::default() });
        let prints = |all: &[(i64, Counts)]| {
            let mut prints = Prints::default();
            for (unit, counts) in all {
                prints.add(&spot(*unit), counts);
            }
            prints
        };
        let kept = prints(&[(3, one), (4, two), (3, one)]);
        assert_eq!(prints(&[(4, two), (3, two)]).differences(&kept), []);
        let moved = prints(&[(3, one), (4, two), (5, one)]).differences(&kept);
        assert_eq!(moved.len(), 1);
        assert!(moved[0].to_string().ends_with("the same sums at other moments"), "{}", moved[0]);
        let other = prints(&[(3, two), (4, one)]).differences(&kept);
        assert!(other[0].to_string().ends_with("grants 4, and should be 3"), "{}", other[0]);
    }
}
