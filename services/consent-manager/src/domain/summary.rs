//! How many said yes, no, or nothing.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Channel, ConsentState};

use super::{Counts, share};

/// The current consents of a business, counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub channels: ByChannel<ChannelSummary>,
    pub contacts: i64,
    /// How many changes the ledger holds.
    pub changes: i64,
    /// The moment that this is true of.
    pub as_of: Timestamp,
}

/// The current consents of one channel, counted. The three add up to the contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelSummary {
    pub not_set: i64,
    pub granted: i64,
    pub denied: i64,
}

impl ChannelSummary {
    /// Share of contacts that said yes or no, from 0 to 1; 0 if there are no contacts.
    pub fn coverage(&self) -> f64 {
        share(self.granted + self.denied, self.contacts())
    }

    /// Each contact is in one of the three states.
    const fn contacts(&self) -> i64 {
        self.not_set + self.granted + self.denied
    }
}

impl Summary {
    /// From kept counts, which do not know the clock: `due` are grants that ran out and nobody has recorded it yet
    /// (TRAPS 19).
    pub fn count(
        contacts: i64,
        changes: i64,
        totals: &[(Channel, ConsentState, i64)],
        due: &[(Channel, i64)],
        as_of: Timestamp,
    ) -> Self {
        let mut channels = ByChannel::<ChannelSummary>::default();
        for (channel, state, n) in totals {
            let summary = channels.get_mut(*channel);
            *match state {
                ConsentState::NotSet => &mut summary.not_set,
                ConsentState::Granted => &mut summary.granted,
                ConsentState::Denied => &mut summary.denied,
            } += n;
        }
        for (channel, n) in due {
            let summary = channels.get_mut(*channel);
            summary.granted -= n;
            summary.not_set += n;
        }
        Self { channels, contacts, changes, as_of }
    }

    /// From everything that happened up to `as_of`.
    pub fn of(happened: &ByChannel<Counts>, as_of: Timestamp) -> Self {
        let channels = ByChannel::from_fn(|channel| {
            let Counts { not_set, granted, denied, .. } = *happened.get(channel);
            ChannelSummary { not_set, granted, denied }
        });
        let changes = happened.iter().map(|(_, counts)| counts.changes).sum();
        Self { channels, contacts: channels.phone.contacts(), changes, as_of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn no_contacts_are_no_coverage() {
        let summary = Summary::count(0, 0, &[], &[], NOW);
        assert!(summary.channels.phone.coverage().abs() < f64::EPSILON);
    }

    #[test]
    fn a_grant_that_ran_out_does_not_count_as_a_yes() {
        let totals = [
            (Channel::Phone, ConsentState::Granted, 3),
            (Channel::Phone, ConsentState::NotSet, 1),
            (Channel::Email, ConsentState::Denied, 4),
        ];
        let summary = Summary::count(4, 9, &totals, &[(Channel::Phone, 2)], NOW);
        assert_eq!(summary.channels.phone, ChannelSummary { not_set: 3, granted: 1, denied: 0 });
        assert!((summary.channels.phone.coverage() - 0.25).abs() < f64::EPSILON);
        assert!((summary.channels.email.coverage() - 1.0).abs() < f64::EPSILON);
    }
}
