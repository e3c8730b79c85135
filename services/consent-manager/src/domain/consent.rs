//! The current consent of a contact, and what a change makes of it.

use jiff::Timestamp;
use yinyom_consent::{
    Actor, ByChannel, Cause, Channel, ChannelChange, ConsentChange, ConsentState, Surface,
};

use super::Tally;

/// The consent of one contact in one channel, as last recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// As recorded; see [`Self::state_at`].
    pub state: ConsentState,
    /// When the grant runs out, or ran out.
    pub expires_at: Option<Timestamp>,
    /// The change that made it so.
    pub seq: i64,
    pub updated_at: Timestamp,
    pub cause: Cause,
    pub surface: Surface,
    pub actor: Actor,
}

impl Consent {
    /// The state at `now`: a grant is `NOT_SET` from the instant that it runs out, recorded or not (TRAPS 19).
    pub fn state_at(&self, now: Timestamp) -> ConsentState {
        match self.expired_by(now) {
            Some(_) => ConsentState::NotSet,
            None => self.state,
        }
    }

    /// When a recorded grant ran out, if it had by `now`.
    fn expired_by(&self, now: Timestamp) -> Option<Timestamp> {
        self.expires_at.filter(|at| self.state == ConsentState::Granted && *at <= now)
    }
}

/// From when each of a contact's changes counts, given when each was recorded, in the order of their numbers.
///
/// Numbers order, and clocks do not (TRAPS 11): a change that was recorded before an earlier one puts that one in its own
/// moment. So what stands at a moment is what the changes make up to the last one that was recorded by then.
pub fn moments(recorded: impl DoubleEndedIterator<Item = Timestamp>) -> Vec<Timestamp> {
    let mut earliest = Timestamp::MAX;
    let back = recorded.rev().map(|at| {
        earliest = earliest.min(at);
        earliest
    });
    let mut moments: Vec<_> = back.collect();
    moments.reverse();
    moments
}

/// What all changes of a contact make of it, in the order of their numbers.
pub fn retrace(changes: &[ConsentChange], tally: &mut Tally) -> Option<ByChannel<Consent>> {
    let moments = moments(changes.iter().map(|change| change.recorded_at));
    let mut contact = None;
    for (change, at) in changes.iter().zip(moments) {
        contact = advance(contact.as_ref(), change, at, tally);
    }
    contact
}

/// What `change`, which counts from `at` on, makes of a contact's consent; `None` is a contact that is not there.
///
/// The directory is the authority: a change is taken even where its `from` is not what the ledger had. The counts go
/// from what the ledger had to what the change says, so that they always add up to the current consents; the
/// difference is noted in the tally.
///
/// A grant that had run out by then goes to `NOT_SET` at its expiry first, whether the change is the record of the expiry
/// or anything else. A channel that the first change of a contact does not name starts as `NOT_SET`.
pub fn advance(
    before: Option<&ByChannel<Consent>>,
    change: &ConsentChange,
    at: Timestamp,
    tally: &mut Tally,
) -> Option<ByChannel<Consent>> {
    let gone = ends(change);
    tally.change(change, at);
    tally.contacts += i64::from(!gone) - i64::from(before.is_some());
    let after = ByChannel::from_fn(|channel| {
        let before = before.map(|contact| contact.get(channel));
        let carried = change.channels.iter().find(|carried| carried.channel == channel);
        if let (Some(before), None, false) = (before, carried, gone) {
            return Some(before.clone());
        }
        if carried.is_some_and(|carried| !fits(before, carried.from, change.recorded_at)) {
            tally.mismatches += 1;
        }
        let after = (!gone).then(|| next(before, carried, change));
        count(channel, before, after.as_ref(), (change, at), tally);
        after
    });
    Some(ByChannel { phone: after.phone?, email: after.email? })
}

/// Whether the contact is gone with `change`.
pub fn ends(change: &ConsentChange) -> bool {
    change.cause == Cause::Deleted || change.channels.iter().all(|carried| carried.to.is_none())
}

/// Whether the ledger had what the directory says that there was. The directory may or may not have seen that a grant
/// ran out.
fn fits(before: Option<&Consent>, from: Option<ConsentState>, at: Timestamp) -> bool {
    let ran_out =
        |consent: &Consent| consent.state == ConsentState::NotSet && consent.expires_at.is_some();
    before.map(|consent| consent.state) == from
        || before.map(|consent| consent.state_at(at)) == from
        || (from == Some(ConsentState::Granted) && before.is_some_and(ran_out))
}

/// The consent that `change` makes. A grant that had run out when it was recorded never was one.
pub fn next(
    before: Option<&Consent>,
    carried: Option<&ChannelChange>,
    change: &ConsentChange,
) -> Consent {
    let said = carried.and_then(|carried| carried.expires_at);
    let (state, expires_at) = match carried.and_then(|carried| carried.to) {
        Some(ConsentState::Granted) if said.is_some_and(|at| at <= change.recorded_at) => {
            (ConsentState::NotSet, said)
        }
        Some(ConsentState::Granted) => (ConsentState::Granted, said),
        Some(ConsentState::NotSet) if change.cause == Cause::Expired => {
            (ConsentState::NotSet, said.or_else(|| before.and_then(|consent| consent.expires_at)))
        }
        state => (state.unwrap_or(ConsentState::NotSet), None),
    };
    Consent {
        state,
        expires_at,
        seq: change.seq,
        updated_at: change.recorded_at,
        cause: change.cause,
        surface: change.surface,
        actor: change.actor.clone(),
    }
}

/// A grant that had run out goes to `NOT_SET` when it did, and that is nobody's doing. Where the record of an expiry is
/// ahead of it, since clocks differ, it did when that was recorded: from then on the ledger had no grant.
fn count(
    channel: Channel,
    before: Option<&Consent>,
    after: Option<&Consent>,
    (change, at): (&ConsentChange, Timestamp),
    tally: &mut Tally,
) {
    let (was, is) = (before.map(|c| c.state), after.map(|c| c.state));
    tally.move_total(channel, was, is);
    let not_set = Some(ConsentState::NotSet);
    if let Some(expired) = before.and_then(|consent| consent.expired_by(at)) {
        tally.transition(channel, expired, (was, not_set), None);
        tally.transition(channel, at, (not_set, is), Some(change));
    } else if change.cause == Cause::Expired && is == not_set {
        tally.transition(channel, at, (was, is), None);
    } else {
        tally.transition(channel, at, (was, is), Some(change));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use uuid::Uuid;
    use yinyom_consent::Role;
    use yinyom_kernel::MemberId;

    use super::*;
    use crate::domain::{Counts, Series};
    use ConsentState::{Denied, Granted, NotSet};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn change(seq: i64, minute: i64, cause: Cause, phone: ChannelChange) -> ConsentChange {
        ConsentChange {
            business: Uuid::from_u128(1).into(),
            contact: Uuid::from_u128(2).into(),
            seq,
            recorded_at: at(minute),
            cause,
            surface: Surface::Contacts,
            surface_parent: None,
            actor: Actor::Member { member: MemberId::generate(), role: Some(Role::User) },
            channels: vec![phone],
            method: None,
            notice_version: None,
            claimed_at: None,
            evidence_commitment: None,
        }
    }

    fn phone(
        from: Option<ConsentState>,
        to: Option<ConsentState>,
        expiry: Option<i64>,
    ) -> ChannelChange {
        ChannelChange { channel: Channel::Phone, from, to, expires_at: expiry.map(at) }
    }

    fn fold(changes: &[ConsentChange]) -> (Option<ByChannel<Consent>>, Tally) {
        let mut tally = Tally::default();
        (retrace(changes, &mut tally), tally)
    }

    /// Of the phone: minute, and what happened, but for how many changes there were.
    fn moves(tally: &Tally) -> Vec<(i64, Counts)> {
        let rollups = tally.rollups();
        let of_phone = rollups
            .iter()
            .filter(|(spot, _)| spot.channel == Channel::Phone && spot.series == Series::Instant);
        of_phone
            .map(|(spot, counts)| (spot.unit / 60_000_000, Counts { changes: 0, ..*counts }))
            .filter(|(_, counts)| *counts != Counts::default())
            .collect()
    }

    fn moved(from: Option<ConsentState>, to: Option<ConsentState>) -> Counts {
        Counts::of(from, to)
    }

    /// Granted in minute 0 until minute 15.
    fn granted() -> ConsentChange {
        change(1, 0, Cause::Created, phone(None, Some(Granted), Some(15)))
    }

    #[test]
    fn a_grant_is_not_set_from_the_very_instant_that_it_runs_out() {
        let (contact, _) = fold(&[granted()]);
        let consent = contact.unwrap().phone;
        assert_eq!(consent.state_at(at(15) - jiff::SignedDuration::from_micros(1)), Granted);
        assert_eq!(consent.state_at(at(15)), NotSet);
    }

    #[test]
    fn a_recorded_expiry_counts_when_the_grant_ran_out_and_not_when_it_was_recorded() {
        let record = change(2, 100, Cause::Expired, phone(Some(Granted), Some(NotSet), Some(15)));
        let (contact, tally) = fold(&[granted(), record]);
        assert_eq!(
            moves(&tally),
            [(0, moved(None, Some(Granted))), (15, moved(Some(Granted), Some(NotSet)))]
        );
        assert_eq!(contact.unwrap().phone.expires_at, Some(at(15)), "when it ran out");
        assert_eq!(tally.mismatches, 0);
    }

    #[test]
    fn an_expiry_that_nobody_recorded_counts_before_whatever_came_next() {
        for from in [Granted, NotSet] {
            let denied = change(2, 100, Cause::Withdrawn, phone(Some(from), Some(Denied), None));
            let (_, tally) = fold(&[granted(), denied]);
            assert_eq!(
                moves(&tally),
                [
                    (0, moved(None, Some(Granted))),
                    (15, moved(Some(Granted), Some(NotSet))),
                    (100, moved(Some(NotSet), Some(Denied)))
                ]
            );
            assert_eq!(tally.mismatches, 0, "the directory may or may not have noticed");
        }
    }

    #[test]
    fn a_renewed_grant_is_recorded_and_counts_in_no_trend() {
        let renewed = change(2, 10, Cause::Set, phone(Some(Granted), Some(Granted), Some(90)));
        let (contact, tally) = fold(&[granted(), renewed]);
        let consent = contact.unwrap().phone;
        assert_eq!((consent.seq, consent.expires_at), (2, Some(at(90))));
        assert_eq!(moves(&tally), [(0, moved(None, Some(Granted)))]);
    }

    #[test]
    fn a_channel_that_is_not_named_starts_as_not_set() {
        let (contact, tally) = fold(&[granted()]);
        assert_eq!(contact.unwrap().email.state, NotSet);
        assert_eq!(
            tally.totals().collect::<Vec<_>>(),
            [(Channel::Phone, Granted, 1), (Channel::Email, NotSet, 1)]
        );
    }

    #[test]
    fn a_change_of_one_channel_does_not_touch_the_other_one() {
        let mut email = change(2, 100, Cause::Set, phone(Some(NotSet), Some(Denied), None));
        email.channels[0].channel = Channel::Email;
        let (contact, tally) = fold(&[granted(), email]);
        // Its grant ran out meanwhile; that is for the reader to see, as before.
        assert_eq!(contact.unwrap().phone.seq, 1);
        assert_eq!(moves(&tally), [(0, moved(None, Some(Granted)))]);
    }

    #[test]
    fn a_deleted_contact_counts_no_longer_in_any_channel() {
        let deleted = change(2, 10, Cause::Deleted, phone(Some(Granted), None, None));
        let (contact, tally) = fold(&[granted(), deleted]);
        assert_eq!(contact, None);
        assert_eq!(tally.contacts, 0);
        assert_eq!(tally.totals().count(), 0);
        let expected = [(0, moved(None, Some(Granted))), (10, moved(Some(Granted), None))];
        assert_eq!(moves(&tally), expected);
    }

    #[test]
    fn a_change_from_a_state_that_was_not_is_taken_and_noted_and_counted_from_what_was() {
        let odd = change(2, 10, Cause::Set, phone(Some(Denied), Some(NotSet), None));
        let (contact, tally) = fold(&[granted(), odd]);
        assert_eq!(contact.unwrap().phone.state, NotSet);
        assert_eq!(tally.mismatches, 1);
        assert!(moves(&tally).contains(&(10, moved(Some(Granted), Some(NotSet)))));
    }

    #[test]
    fn a_change_that_was_recorded_before_an_earlier_one_takes_that_one_along() {
        let renewed = change(2, 12, Cause::Set, phone(Some(Granted), Some(Granted), Some(90)));
        let denied = change(3, 5, Cause::Withdrawn, phone(Some(Granted), Some(Denied), None));
        assert_eq!(
            moments([at(0), at(12), at(5)].into_iter()),
            [at(0), at(5), at(5)],
            "numbers order, clocks do not"
        );
        let (contact, tally) = fold(&[granted(), renewed, denied]);
        assert_eq!(contact.unwrap().phone.state, Denied);
        let expected = [(0, moved(None, Some(Granted))), (5, moved(Some(Granted), Some(Denied)))];
        assert_eq!(moves(&tally), expected);
    }

    #[test]
    fn a_grant_that_had_run_out_when_it_was_recorded_never_was_one() {
        let late = change(1, 20, Cause::Created, phone(None, Some(Granted), Some(15)));
        let (contact, tally) = fold(&[late]);
        let consent = contact.unwrap().phone;
        assert_eq!((consent.state, consent.expires_at), (NotSet, Some(at(15))));
        assert_eq!(moves(&tally), [(20, moved(None, Some(NotSet)))]);
    }

    #[test]
    fn the_record_of_an_expiry_that_is_ahead_of_it_ends_the_grant() {
        let record = change(2, 14, Cause::Expired, phone(Some(Granted), Some(NotSet), Some(15)));
        let (_, tally) = fold(&[granted(), record]);
        let expected = [(0, moved(None, Some(Granted))), (14, moved(Some(Granted), Some(NotSet)))];
        assert_eq!(moves(&tally), expected);
    }
}
