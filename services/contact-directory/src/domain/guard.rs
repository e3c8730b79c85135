//! No one lifts a mask from themself, and no one edits what they cannot see (PRODUCT.md, "Who may change consent").

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Channel};

use super::{Consent, Refusal, View, Viewer};

/// Refuses a change of consent that would show the actor what is masked to them now, unless the business lets
/// its members do that.
pub fn refuse_lift(
    actor: &View,
    before: &ByChannel<Consent>,
    after: &ByChannel<Consent>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if actor.rules().members_may_regrant {
        return Ok(());
    }
    let actor = actor.once_known();
    let (before, after) = (actor.sights(before, now), actor.sights(after, now));
    let lifted = |channel: &Channel| !before.get(*channel).visible && after.get(*channel).visible;
    let channels: Vec<_> = Channel::ALL.iter().copied().filter(lifted).collect();
    if channels.is_empty() {
        return Ok(());
    }
    Err(refused(actor, Refusal::CannotLiftOwnMask { channels }))
}

/// Refuses to touch the points of a contact of which the actor sees at least one masked. For point edits,
/// deletes, merges and their undo; the right to regrant is no right to edit blindly.
pub fn refuse_masked(
    actor: &View,
    consents: &ByChannel<Consent>,
    has_address: ByChannel<bool>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let sights = actor.sights(consents, now);
    let masked = has_address.iter().any(|(channel, has)| *has && !sights.get(channel).visible);
    if masked { Err(refused(*actor, Refusal::ContactPointMasked)) } else { Ok(()) }
}

/// While the rules cannot be had, nobody knows whether the actor may: that is said, so that they ask again.
fn refused(actor: View, refusal: Refusal) -> Refusal {
    match actor.viewer() {
        Viewer::Presumed | Viewer::Unknown => Refusal::PolicyUnavailable,
        _ => refusal,
    }
}

#[cfg(test)]
mod tests {
    use yinyom_consent::ConsentState::{Denied, Granted, NotSet};

    use super::*;
    use crate::domain::samples::{
        EVERYWHERE, MASK, NOWHERE, OFF, REGRANT, SHOW, VIEWERS, admin, at, of, user,
    };

    #[test]
    fn a_point_that_the_actor_cannot_see_cannot_be_edited() {
        let denied = of(Denied, Granted);
        let refused = Err(Refusal::ContactPointMasked);
        assert_eq!(refuse_masked(&user(SHOW), &denied, EVERYWHERE, at(1)), refused);
        assert_eq!(refuse_masked(&admin(SHOW), &denied, EVERYWHERE, at(1)), Ok(()));
        assert_eq!(refuse_masked(&user(OFF), &denied, EVERYWHERE, at(1)), Ok(()));
    }

    #[test]
    fn one_masked_point_is_enough_whichever_channel_is_edited() {
        for consents in [of(Denied, Granted), of(Granted, Denied)] {
            let refused = refuse_masked(&user(SHOW), &consents, EVERYWHERE, at(1));
            assert_eq!(refused, Err(Refusal::ContactPointMasked));
        }
    }

    #[test]
    fn a_masked_channel_without_an_address_hides_nothing() {
        let email_only = ByChannel { phone: false, email: true };
        assert_eq!(refuse_masked(&user(MASK), &of(Denied, Granted), email_only, at(1)), Ok(()));
        assert_eq!(refuse_masked(&user(MASK), &of(Denied, Denied), NOWHERE, at(1)), Ok(()));
    }

    #[test]
    fn the_right_to_regrant_is_no_right_to_edit_blindly() {
        let refused = refuse_masked(&user(REGRANT), &of(Denied, Granted), EVERYWHERE, at(1));
        assert_eq!(refused, Err(Refusal::ContactPointMasked));
    }

    #[test]
    fn a_service_without_the_scope_edits_no_points_even_with_enforcement_off() {
        let service = View::new(Viewer::Service, OFF);
        let refused = refuse_masked(&service, &of(Granted, Granted), EVERYWHERE, at(1));
        assert_eq!(refused, Err(Refusal::ContactPointMasked));
    }

    #[test]
    fn who_sees_nothing_for_a_while_lifts_no_mask_for_later_and_may_ask_again() {
        for viewer in [Viewer::Presumed, Viewer::Unknown] {
            let view = View::new(viewer, REGRANT);
            for before in [Denied, NotSet] {
                let (before, after) = (of(before, Granted), of(Granted, Granted));
                let unavailable = Err(Refusal::PolicyUnavailable);
                assert_eq!(refuse_lift(&view, &before, &after, at(1)), unavailable);
                assert_eq!(refuse_masked(&view, &before, EVERYWHERE, at(1)), unavailable);
            }
        }
    }

    #[test]
    fn nobody_is_refused_for_hiding_something() {
        for viewer in VIEWERS {
            for before in [Granted, NotSet, Denied] {
                let (before, after) = (of(before, before), of(Denied, Denied));
                assert_eq!(refuse_lift(&View::new(viewer, MASK), &before, &after, at(1)), Ok(()));
            }
        }
    }
}
