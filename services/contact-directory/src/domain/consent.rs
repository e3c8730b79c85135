//! What one channel of a contact consents to, as it is stored and as it counts.

use jiff::{SignedDuration, Timestamp};
use yinyom_consent::{ByChannel, Cause, Channel, ChannelChange, ConsentState};

/// The consent of one channel, as stored. What counts is [`state_at`](Self::state_at).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    /// As it was last written. A grant here may have run out.
    pub state: ConsentState,
    /// When the grant runs out; beside `NOT_SET`, when the grant before it ran out.
    pub expires_at: Option<Timestamp>,
    /// When somebody last said something, by the server's clock. An expiry says nothing, so a reader cannot
    /// tell whether it was recorded yet.
    pub updated_at: Timestamp,
    /// Whether the channel, merged predecessors included, has ever been `DENIED`; never forgotten.
    pub refused_before: bool,
}

impl Consent {
    /// A channel that nobody asked for yet.
    pub const fn not_asked(at: Timestamp) -> Self {
        Self {
            state: ConsentState::NotSet,
            expires_at: None,
            updated_at: at,
            refused_before: false,
        }
    }

    /// The state that counts at `now`: a grant is `NOT_SET` from the instant it runs out at.
    pub fn state_at(&self, now: Timestamp) -> ConsentState {
        if self.ran_out(now) { ConsentState::NotSet } else { self.state }
    }

    /// Whether the last thing that happened here is that a grant ran out, recorded or not.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.ran_out(now) || (self.state == ConsentState::NotSet && self.expires_at.is_some())
    }

    /// Whether a stored grant has run out, with nobody having recorded it yet.
    pub(super) fn ran_out(&self, now: Timestamp) -> bool {
        self.state == ConsentState::Granted && self.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether the channel refuses or has ever refused.
    pub fn ever_refused(&self) -> bool {
        self.refused_before || self.state == ConsentState::Denied
    }

    /// What this becomes when `state` is said at `now`.
    pub(super) fn say(
        &self,
        state: ConsentState,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let expires_at = expires_at.filter(|_| state == ConsentState::Granted);
        let refused_before = self.ever_refused() || state == ConsentState::Denied;
        // Saying it again is told by the time, for the undo of a merge (migration 0012): clocks of two replicas may agree.
        let again = now.saturating_add(SignedDuration::from_micros(1)).unwrap_or(now);
        let updated_at = if now == self.updated_at { again } else { now };
        Self { state, expires_at, updated_at, refused_before }
    }
}

/// What a rule made of a contact's consents: one change with one number, if it is carried out.
///
/// A grant that has run out but whose expiry is not recorded counts as `NOT_SET` here. To keep the ledger's
/// chain whole, record it first, as a change of its own: [`expiry::settle`](super::expiry::settle).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub cause: Cause,
    /// Both channels as they are afterwards.
    pub consents: ByChannel<Consent>,
    /// The channels that the change speaks of, at least one, phone first.
    pub changes: Vec<ChannelChange>,
}

impl Outcome {
    /// The outcome that speaks of the channels that were `touched`.
    pub(super) fn of(
        cause: Cause,
        before: &ByChannel<Consent>,
        after: ByChannel<Consent>,
        touched: ByChannel<bool>,
        now: Timestamp,
    ) -> Self {
        let changes = (touched.iter().filter(|(_, touched)| **touched))
            .map(|(channel, _)| {
                let from = before.get(channel).state_at(now);
                change(channel, Some(from), Some(after.get(channel)))
            })
            .collect();
        Self { cause, consents: after, changes }
    }

    /// `None` if this speaks of no channel.
    pub(super) fn unless_empty(self) -> Option<Self> {
        (!self.changes.is_empty()).then_some(self)
    }
}

/// The record of one channel. A time goes with a grant only.
pub(super) fn change(
    channel: Channel,
    from: Option<ConsentState>,
    to: Option<&Consent>,
) -> ChannelChange {
    let expires_at = to.filter(|to| to.state == ConsentState::Granted).and_then(|to| to.expires_at);
    ChannelChange { channel, from, to: to.map(|to| to.state), expires_at }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::samples::{at, said, until};

    #[rstest]
    #[case(9, ConsentState::Granted)]
    #[case(10, ConsentState::NotSet)]
    #[case(11, ConsentState::NotSet)]
    fn a_grant_counts_as_not_set_from_the_instant_it_runs_out_at(
        #[case] second: i64,
        #[case] state: ConsentState,
    ) {
        let grant = until(10);
        assert_eq!(grant.state_at(at(second)), state);
        assert_eq!(grant.expired(at(second)), state == ConsentState::NotSet);
    }

    #[test]
    fn only_a_grant_runs_out() {
        for state in [ConsentState::NotSet, ConsentState::Denied] {
            let consent = said(ConsentState::NotSet).say(state, Some(at(1)), at(0));
            assert_eq!((consent.state_at(at(9)), consent.expired(at(9))), (state, false));
        }
        assert!(!said(ConsentState::Granted).expired(at(i64::from(u32::MAX))));
    }

    #[test]
    fn a_refusal_is_never_forgotten() {
        let mut consent = said(ConsentState::Denied);
        for state in [ConsentState::Granted, ConsentState::NotSet, ConsentState::Granted] {
            consent = consent.say(state, None, at(1));
            assert!(consent.refused_before);
        }
        assert!(!said(ConsentState::Granted).ever_refused());
    }

    #[test]
    fn a_new_word_ends_an_expiry() {
        let again = until(10).say(ConsentState::NotSet, None, at(20));
        assert!(!again.expired(at(21)), "somebody said NOT_SET after the grant ran out");
    }
}
