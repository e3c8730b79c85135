//! What an address does to a consent (PRODUCT.md, "Carry-through"; the end of "Import" on deleted contacts).
//!
//! Removing an address, or writing the same one in another format, is nothing and does not come here:
//! [`points::plan`](super::points::plan) leaves those out.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, ConsentState};

use super::{Consent, Outcome};

/// What addresses come to a channel that it did not have before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coming {
    /// At least one is added or changed to.
    pub any: bool,
    /// A deleted contact refused at least one of them.
    pub refused: bool,
}

/// What the addresses that come make of a contact's consents: a refused one makes its channel `DENIED`, any
/// other asks a grant anew, and a denial stays.
///
/// One outcome for each cause, in the order in which they are to be recorded; the last one holds both
/// channels as they end up.
pub fn carry(
    consents: &ByChannel<Consent>,
    coming: ByChannel<Coming>,
    now: Timestamp,
) -> Vec<Outcome> {
    let refused = ByChannel::from_fn(|channel| {
        coming.get(channel).refused && consents.get(channel).state_at(now) != ConsentState::Denied
    });
    let asked_anew = ByChannel::from_fn(|channel| {
        let granted = consents.get(channel).state_at(now) == ConsentState::Granted;
        coming.get(channel).any && granted && !*refused.get(channel)
    });
    let mut current = *consents;
    let mut outcomes = Vec::new();
    for (cause, touched, state) in [
        (Cause::RefusedAddress, refused, ConsentState::Denied),
        (Cause::ContactPointChanged, asked_anew, ConsentState::NotSet),
    ] {
        let after =
            current.map(
                |channel, before| {
                    if *touched.get(channel) { before.say(state, None, now) } else { before }
                },
            );
        outcomes.extend(Outcome::of(cause, &current, after, touched, now).unless_empty());
        current = after;
    }
    outcomes
}

/// How a new contact starts: `NOT_SET`, or `DENIED` where a deleted contact refused one of its addresses.
pub fn start(refused: ByChannel<bool>, now: Timestamp) -> Outcome {
    let consents = refused.map(|_, refused| {
        let fresh = Consent::not_asked(now);
        if refused { fresh.say(ConsentState::Denied, None, now) } else { fresh }
    });
    let changes = (consents.iter())
        .map(|(channel, consent)| super::consent::change(channel, None, Some(consent)))
        .collect();
    Outcome { cause: Cause::Created, consents, changes }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use yinyom_consent::ConsentState::{Denied, Granted, NotSet};

    use super::*;
    use crate::domain::samples::{NOWHERE, at, of, said, states, until};

    const NONE: Coming = Coming { any: false, refused: false };
    const ADDED: Coming = Coming { any: true, refused: false };
    const REFUSED: Coming = Coming { any: true, refused: true };

    /// Every old state × what comes.
    #[rstest]
    #[case(Granted, NONE, Granted, None)]
    #[case(NotSet, NONE, NotSet, None)]
    #[case(Denied, NONE, Denied, None)]
    #[case(Granted, ADDED, NotSet, Some(Cause::ContactPointChanged))]
    #[case(NotSet, ADDED, NotSet, None)]
    #[case(Denied, ADDED, Denied, None)]
    #[case(Granted, REFUSED, Denied, Some(Cause::RefusedAddress))]
    #[case(NotSet, REFUSED, Denied, Some(Cause::RefusedAddress))]
    #[case(Denied, REFUSED, Denied, None)]
    fn an_address_that_comes_asks_a_grant_anew_and_a_denial_stays(
        #[case] old: ConsentState,
        #[case] coming: Coming,
        #[case] new: ConsentState,
        #[case] cause: Option<Cause>,
    ) {
        let before = of(old, old);
        let outcomes = carry(&before, ByChannel { phone: coming, email: NONE }, at(1));
        assert_eq!(outcomes.first().map(|outcome| outcome.cause), cause);
        for outcome in &outcomes {
            assert_eq!(states(&outcome.consents, at(1)), (new, old));
            assert_eq!(outcome.consents.email, before.email, "the other channel is not touched");
            let [change] = outcome.changes[..] else { unreachable!("one channel changes") };
            assert_eq!((change.from, change.to), (Some(old), Some(new)));
        }
    }

    #[test]
    fn two_causes_are_two_changes_and_the_last_holds_both() {
        let outcomes =
            carry(&of(Granted, Granted), ByChannel { phone: ADDED, email: REFUSED }, at(1));
        let causes: Vec<_> = outcomes.iter().map(|outcome| outcome.cause).collect();
        assert_eq!(causes, [Cause::RefusedAddress, Cause::ContactPointChanged]);
        assert_eq!(states(&outcomes[1].consents, at(1)), (NotSet, Denied));
        assert!(outcomes[1].consents.email.refused_before);
    }

    #[test]
    fn a_grant_that_ran_out_is_not_asked_anew() {
        let before = ByChannel { phone: until(10), email: said(NotSet) };
        let coming = ByChannel { phone: ADDED, email: NONE };
        assert_eq!(carry(&before, coming, at(10)), []);
        let asked = carry(&before, coming, at(9));
        assert_eq!(asked[0].consents.phone.expires_at, None, "the grant and its end are gone");
    }

    #[test]
    fn a_new_contact_starts_not_set_and_denied_where_its_address_was_refused() {
        let fresh = start(NOWHERE, at(1));
        assert_eq!(
            (fresh.cause, states(&fresh.consents, at(1))),
            (Cause::Created, (NotSet, NotSet))
        );
        let back = start(ByChannel { phone: false, email: true }, at(1));
        assert_eq!(states(&back.consents, at(1)), (NotSet, Denied));
        assert!(back.consents.email.refused_before && !back.consents.phone.refused_before);
        let ends: Vec<_> = back.changes.iter().map(|change| (change.from, change.to)).collect();
        assert_eq!(ends, [(None, Some(NotSet)), (None, Some(Denied))]);
    }
}
