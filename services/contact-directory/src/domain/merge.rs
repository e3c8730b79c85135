//! Two contacts become one, and come apart again (PRODUCT.md, "Carry-through").
//!
//! What happens to names, links and points is not decided here, but for which addresses go where.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, ChannelChange, ConsentState};

use super::consent::change;
use super::delete::gone;
use super::{Consent, Contact, Outcome, Refusal, View, guard};

const BOTH: ByChannel<bool> = ByChannel { phone: true, email: true };

/// One of the two contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    pub consents: ByChannel<Consent>,
    pub has_address: ByChannel<bool>,
    /// Whether anything but its creation was ever recorded of the channel.
    pub has_history: ByChannel<bool>,
}

impl Side {
    /// A contact as it is, whose grants that have run out are recorded.
    pub fn of(contact: &Contact) -> Self {
        let has_history = contact.consents.map(|_, consent| {
            // A contact's creation says what its channels start with.
            consent.updated_at > contact.created_at || consent.expires_at.is_some()
        });
        Self { consents: contact.consents, has_address: contact.has_address(), has_history }
    }

    /// The side's word on a channel; one with neither address nor history has none.
    fn word(&self, channel: yinyom_consent::Channel) -> Option<&Consent> {
        let consent = self.consents.get(channel);
        let silent = consent.state == ConsentState::NotSet && !consent.ever_refused();
        let counts = *self.has_address.get(channel) || *self.has_history.get(channel) || !silent;
        counts.then_some(consent)
    }
}

/// What a merge, or its undo, records in the two streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Of the contact that stays. Speaks of both channels, changed or not.
    pub survivor: Outcome,
    /// Of the contact that goes: both channels, gone.
    pub absorbed: Vec<ChannelChange>,
}

/// Merges `absorbed` into `survivor`, unless the actor sees a point of either masked.
pub fn merge(
    actor: &View,
    survivor: &Side,
    absorbed: &Side,
    now: Timestamp,
) -> Result<Merged, Refusal> {
    for side in [survivor, absorbed] {
        guard::refuse_masked(actor, &side.consents, side.has_address, now)?;
    }
    let consents =
        ByChannel::from_fn(|channel| match (survivor.word(channel), absorbed.word(channel)) {
            (Some(one), Some(other)) => stricter(one, other, now),
            (Some(only), None) | (None, Some(only)) => as_it_counts(only, now),
            // Nothing was said by that, either: else it would count as a history in the next merge.
            (None, None) => {
                let since = survivor.consents.get(channel).updated_at;
                Consent::not_asked(since.min(absorbed.consents.get(channel).updated_at))
            }
        });
    guard::refuse_lift(actor, &survivor.consents, &consents, now)?;
    let survivor = Outcome::of(Cause::Merged, &survivor.consents, consents, BOTH, now);
    Ok(Merged { survivor, absorbed: gone(&absorbed.consents, now) })
}

/// `DENIED` over `NOT_SET` over `GRANTED`; of two alike, the one that runs out, or ran out, earlier.
fn stricter(one: &Consent, other: &Consent, now: Timestamp) -> Consent {
    let strictness = |consent: &Consent| match consent.state_at(now) {
        ConsentState::Granted => 0,
        ConsentState::NotSet => 1,
        ConsentState::Denied => 2,
    };
    let expires_at = match strictness(one).cmp(&strictness(other)) {
        std::cmp::Ordering::Greater => one.expires_at,
        std::cmp::Ordering::Less => other.expires_at,
        std::cmp::Ordering::Equal => [one.expires_at, other.expires_at].into_iter().flatten().min(),
    };
    let state =
        if strictness(one) >= strictness(other) { one.state_at(now) } else { other.state_at(now) };
    let refused_before = one.ever_refused() || other.ever_refused();
    Consent { state, expires_at, updated_at: now, refused_before }
}

/// `consent`, said anew; a grant that has run out is no grant any more.
fn as_it_counts(consent: &Consent, now: Timestamp) -> Consent {
    Consent { state: consent.state_at(now), updated_at: now, ..*consent }
}

/// What happened to a channel of the merged contact since the merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Since {
    /// It became `DENIED`, whatever came after.
    pub refused: bool,
    /// It became `NOT_SET` otherwise than by an expiry: a grant from before the merge holds no more.
    pub asked_anew: bool,
}

impl Since {
    /// Reads the changes that the survivor's stream holds after the merge's own.
    pub fn of<'a>(
        changes: impl IntoIterator<Item = (Cause, &'a ChannelChange)>,
    ) -> ByChannel<Self> {
        let mut since = ByChannel::<Self>::default();
        for (cause, change) in changes {
            let channel = since.get_mut(change.channel);
            channel.refused |= change.to == Some(ConsentState::Denied);
            channel.asked_anew |=
                change.to == Some(ConsentState::NotSet) && cause != Cause::Expired;
        }
        since
    }
}

/// A merge that is to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undo {
    /// The survivor as it was before the merge.
    pub survivor: ByChannel<Consent>,
    /// The absorbed contact as it was before the merge.
    pub absorbed: ByChannel<Consent>,
    /// The merged contact as it is now.
    pub merged: ByChannel<Consent>,
    /// Where the merged contact has an address now.
    pub has_address: ByChannel<bool>,
    /// What happened to it since.
    pub since: ByChannel<Since>,
}

/// Two contacts again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    pub survivor: Outcome,
    /// It comes back: its changes have no `from`.
    pub absorbed: Outcome,
}

/// Undoes a merge, unless the actor sees a point of the merged contact masked. Both get back what they had
/// said, less what was refused or asked anew since: of whom that was said, nobody can tell any more.
pub fn undo(actor: &View, of: &Undo, now: Timestamp) -> Result<Undone, Refusal> {
    guard::refuse_masked(actor, &of.merged, of.has_address, now)?;
    let restore = |before: &ByChannel<Consent>| {
        before.map(|channel, consent| restored(&consent, *of.since.get(channel), now))
    };
    let (survivor, absorbed) = (restore(&of.survivor), restore(&of.absorbed));
    for contact in [&survivor, &absorbed] {
        guard::refuse_lift(actor, &of.merged, contact, now)?;
    }
    let back = absorbed.iter().map(|(channel, c)| change(channel, None, Some(c))).collect();
    Ok(Undone {
        survivor: Outcome::of(Cause::MergeUndone, &of.merged, survivor, BOTH, now),
        absorbed: Outcome { cause: Cause::MergeUndone, consents: absorbed, changes: back },
    })
}

/// What was said before the merge was said then.
fn restored(before: &Consent, since: Since, now: Timestamp) -> Consent {
    let granted = before.state_at(now) == ConsentState::Granted;
    if since.refused {
        before.say(ConsentState::Denied, None, now)
    } else if since.asked_anew && granted {
        before.say(ConsentState::NotSet, None, now)
    } else {
        Consent { state: before.state_at(now), ..*before }
    }
}

#[cfg(test)]
mod tests;
