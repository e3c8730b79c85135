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

/// What `change` makes of a contact's consent; `None` is a contact that is not there.
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
    tally: &mut Tally,
) -> Option<ByChannel<Consent>> {
    let gone = change.cause == Cause::Deleted
        || change.channels.iter().all(|carried| carried.to.is_none());
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
        count(channel, before, after.as_ref(), change, tally);
        after
    });
    Some(ByChannel { phone: after.phone?, email: after.email? })
}

/// Whether the ledger had what the directory says that there was. The directory may or may not have seen that a grant
/// ran out.
fn fits(before: Option<&Consent>, from: Option<ConsentState>, at: Timestamp) -> bool {
    before.map(|consent| consent.state) == from
        || before.map(|consent| consent.state_at(at)) == from
}

fn next(
    before: Option<&Consent>,
    carried: Option<&ChannelChange>,
    change: &ConsentChange,
) -> Consent {
    let state = carried.and_then(|carried| carried.to).unwrap_or(ConsentState::NotSet);
    let said = carried.and_then(|carried| carried.expires_at);
    let expires_at = match (state, change.cause) {
        (ConsentState::Granted, _) => said,
        (ConsentState::NotSet, Cause::Expired) => expiry(before, carried),
        _ => None,
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

/// When the grant ran out that a recorded expiry speaks of.
fn expiry(before: Option<&Consent>, carried: Option<&ChannelChange>) -> Option<Timestamp> {
    before.and_then(|consent| consent.expires_at).or(carried.and_then(|carried| carried.expires_at))
}

fn count(
    channel: Channel,
    before: Option<&Consent>,
    after: Option<&Consent>,
    change: &ConsentChange,
    tally: &mut Tally,
) {
    let (was, is) = (before.map(|c| c.state), after.map(|c| c.state));
    tally.move_total(channel, was, is);
    let expired = before.and_then(|consent| consent.expired_by(change.recorded_at));
    if let Some(at) = expired {
        tally.transition(channel, at, was, Some(ConsentState::NotSet));
        tally.transition(channel, change.recorded_at, Some(ConsentState::NotSet), is);
    } else if change.cause == Cause::Expired && is == Some(ConsentState::NotSet) {
        // The directory's clock was ahead of the expiry that it recorded.
        let at = after.and_then(|consent| consent.expires_at).unwrap_or(change.recorded_at);
        tally.transition(channel, at, was, is);
    } else {
        tally.transition(channel, change.recorded_at, was, is);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use uuid::Uuid;
    use yinyom_consent::Role;
    use yinyom_kernel::MemberId;

    use super::*;
    use crate::domain::Transition;
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
        let contact = changes.iter().fold(None, |before: Option<ByChannel<Consent>>, change| {
            advance(before.as_ref(), change, &mut tally)
        });
        (contact, tally)
    }

    /// Of the phone: quarter, from, to.
    fn moves(tally: &Tally) -> Vec<(i64, Option<ConsentState>, Option<ConsentState>)> {
        let of_phone = |(it, _): &(Transition, i64)| it.channel == Channel::Phone;
        tally.transitions().filter(of_phone).map(|(it, _)| (it.quarter, it.from, it.to)).collect()
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
        assert_eq!(moves(&tally), [(0, None, Some(Granted)), (1, Some(Granted), Some(NotSet))]);
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
                    (0, None, Some(Granted)),
                    (1, Some(Granted), Some(NotSet)),
                    (6, Some(NotSet), Some(Denied))
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
        assert_eq!(moves(&tally), [(0, None, Some(Granted))]);
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
        assert_eq!(moves(&tally), [(0, None, Some(Granted))]);
    }

    #[test]
    fn a_deleted_contact_counts_no_longer_in_any_channel() {
        let deleted = change(2, 10, Cause::Deleted, phone(Some(Granted), None, None));
        let (contact, tally) = fold(&[granted(), deleted]);
        assert_eq!(contact, None);
        assert_eq!(tally.contacts, 0);
        assert_eq!(tally.totals().count(), 0);
        assert_eq!(moves(&tally), [(0, None, Some(Granted)), (0, Some(Granted), None)]);
    }

    #[test]
    fn a_change_from_a_state_that_was_not_is_taken_and_noted_and_counted_from_what_was() {
        let odd = change(2, 10, Cause::Set, phone(Some(Denied), Some(NotSet), None));
        let (contact, tally) = fold(&[granted(), odd]);
        assert_eq!(contact.unwrap().phone.state, NotSet);
        assert_eq!(tally.mismatches, 1);
        assert!(moves(&tally).contains(&(0, Some(Granted), Some(NotSet))));
    }
}
