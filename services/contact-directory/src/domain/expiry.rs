//! What happens when a grant runs out: nothing but its record.
//!
//! Everybody counts a grant as `NOT_SET` from its `expires_at` on, whether or not this was called.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, ChannelChange, ConsentState};
use yinyom_policy::Rules;

use super::{Consent, Outcome};

/// The change that records every grant that has run out by `now`; `None` if there is none, or it is recorded.
///
/// `expires_at` stays in the consent and in the change: it says when this happened (TRAPS 19).
pub fn settle(consents: &ByChannel<Consent>, now: Timestamp) -> Option<Outcome> {
    let changes: Vec<_> = (consents.iter().filter(|(_, consent)| consent.ran_out(now)))
        .map(|(channel, consent)| ChannelChange {
            channel,
            from: Some(ConsentState::Granted),
            to: Some(ConsentState::NotSet),
            expires_at: consent.expires_at,
        })
        .collect();
    let after = consents.map(|_, consent| Consent { state: consent.state_at(now), ..consent });
    (!changes.is_empty()).then_some(Outcome { cause: Cause::Expired, consents: after, changes })
}

/// When a grant that is given at `now` and says nothing of its end runs out under `rules`.
pub fn default_end(rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    let lifetime = rules.default_grant_lifetime?;
    // What is longer than time itself is for ever.
    now.checked_add(lifetime).ok()
}

/// When [`settle`] will next have something to record.
pub fn due(consents: &ByChannel<Consent>) -> Option<Timestamp> {
    (consents.iter().map(|(_, consent)| consent))
        .filter(|consent| consent.state == ConsentState::Granted)
        .filter_map(|consent| consent.expires_at)
        .min()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::domain::View;
    use crate::domain::check::{Reach, check};
    use crate::domain::samples::{any_consents, any_rules, any_viewer, at, said, until};

    #[test]
    fn an_expiry_is_recorded_once_with_when_it_happened() {
        let consents = ByChannel { phone: until(10), email: until(20) };
        assert_eq!(settle(&consents, at(9)), None);
        let outcome = settle(&consents, at(15)).unwrap();
        assert_eq!(outcome.cause, Cause::Expired);
        let [change] = outcome.changes[..] else { unreachable!("one channel ran out") };
        assert_eq!(change.from, Some(ConsentState::Granted));
        assert_eq!((change.to, change.expires_at), (Some(ConsentState::NotSet), Some(at(10))));
        assert_eq!(settle(&outcome.consents, at(15)), None, "recorded already");
        assert_eq!(outcome.consents.email, consents.email);
    }

    #[test]
    fn two_grants_that_ran_out_are_one_change() {
        let consents = ByChannel { phone: until(10), email: until(20) };
        assert_eq!(settle(&consents, at(20)).unwrap().changes.len(), 2);
    }

    #[test]
    fn the_next_one_is_the_earliest_grant() {
        let mut consents = ByChannel { phone: until(20), email: until(10) };
        assert_eq!(due(&consents), Some(at(10)));
        consents = settle(&consents, at(10)).unwrap().consents;
        assert_eq!(due(&consents), Some(at(20)), "what is recorded is not due");
        consents.phone = said(ConsentState::Denied);
        assert_eq!(due(&consents), None);
    }

    proptest! {
        /// A grant past `expires_at` counts as `NOT_SET` "whether or not a job has run".
        #[test]
        fn nobody_can_tell_whether_an_expiry_was_recorded(
            consents in any_consents(),
            viewer in any_viewer(),
            rules in any_rules(),
            second in 0_i64..25,
        ) {
            let now = at(second);
            let settled = settle(&consents, now).map_or(consents, |outcome| outcome.consents);
            let view = View::new(viewer, rules);
            prop_assert_eq!(view.sights(&consents, now), view.sights(&settled, now));
            let reach = Reach { has_address: true, refused_by_another: false };
            for (channel, consent) in consents.iter() {
                let recorded = settled.get(channel);
                let shown = |c: &Consent| (c.state_at(now), c.expires_at, c.updated_at);
                prop_assert_eq!(shown(consent), shown(recorded));
                prop_assert_eq!(
                    check(consent, reach, &Rules::INITIAL, now),
                    check(recorded, reach, &Rules::INITIAL, now)
                );
            }
        }
    }
}
