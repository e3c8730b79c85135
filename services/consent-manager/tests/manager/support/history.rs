//! Histories of a few contacts by dice, and what they come to, by somebody who reads every one of them from its beginning and
//! knows nothing of how it is kept.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use yinyom_consent::{
    Actor, ByChannel, Cause, Channel, ConsentChange, ConsentState, EvidenceMethod, Role, Surface,
    wire,
};
use yinyom_kernel::{BusinessId, ContactId, MemberId};
use yinyom_proto::manager::v1 as pb;

use super::{Contact, To};

/// A fixed, unremarkable sequence (Knuth's MMIX).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Below `sides`.
    pub fn roll(&mut self, sides: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        i64::try_from(self.0 >> 33).unwrap() % sides
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(i64::try_from(of.len()).unwrap())).unwrap()].clone()
    }
}

/// What happened to a channel of a contact: a change, or an expiry, which is nobody's doing.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: Timestamp,
    pub from: Option<ConsentState>,
    pub to: Option<ConsentState>,
    pub by: Option<ConsentChange>,
}

/// Every change, in the order of the numbers of each contact.
#[derive(Default)]
pub struct Histories {
    pub changes: Vec<ConsentChange>,
}

impl Histories {
    /// So many changes of a few contacts of one business from `start` to `end`, which come, go, and come back; by people
    /// whose clocks differ by minutes.
    pub fn throw(
        dice: &mut Dice,
        business: BusinessId,
        changes: i64,
        (start, end): (Timestamp, Timestamp),
    ) -> Self {
        let mut contacts: Vec<_> = (0..7).map(|_| (Contact::new(business), false)).collect();
        let member = |role| Actor::Member { member: MemberId::generate(), role: Some(role) };
        let actors = [
            member(Role::Owner),
            member(Role::User),
            Actor::Member { member: MemberId::generate(), role: None },
            Actor::Service { name: "campaigns".to_owned() },
        ];
        let step = (end.as_microsecond() - start.as_microsecond()) / changes;
        let mut all = Self::default();
        for i in 0..changes {
            let minutes = 60_000_000 * (dice.roll(40) - 20);
            let at = start.as_microsecond() + i * step + dice.roll(step) + minutes * dice.roll(2);
            let at = Timestamp::from_microsecond(at).unwrap().min(end);
            let place = usize::try_from(dice.roll(7)).unwrap();
            let (contact, there) = &mut contacts[place];
            contact.actor = dice.pick(&actors);
            contact.surface = dice.pick(Surface::ALL);
            let said = |dice: &mut Dice| To::State(dice.pick(ConsentState::ALL));
            let (cause, to) = if !*there {
                (Cause::Created, ByChannel { phone: said(dice), email: said(dice) })
            } else if dice.roll(12) == 0 {
                (Cause::Deleted, ByChannel { phone: To::Nothing, email: To::Nothing })
            } else {
                match dice.roll(3) {
                    0 => (Cause::Set, ByChannel { phone: said(dice), email: To::Same }),
                    1 => (Cause::Imported, ByChannel { phone: To::Same, email: said(dice) }),
                    _ => (Cause::Set, ByChannel { phone: said(dice), email: said(dice) }),
                }
            };
            *there = cause != Cause::Deleted;
            let expiry = (dice.roll(3) == 0)
                .then(|| at + SignedDuration::from_micros(1 + dice.roll(3 * step.max(1))));
            let mut change = contact.change(at, cause, to, expiry);
            change.method = (dice.roll(2) == 0).then(|| dice.pick(EvidenceMethod::ALL));
            change.notice_version = (dice.roll(2) == 0).then(|| format!("v{}", dice.roll(3)));
            all.changes.push(change);
        }
        all
    }

    pub fn to_wire(&self) -> Vec<pb::ConsentChange> {
        self.changes.iter().map(wire::change_to_wire).collect()
    }

    pub fn contacts(&self) -> Vec<ContactId> {
        let mut contacts: Vec<_> = self.changes.iter().map(|change| change.contact).collect();
        contacts.sort_unstable();
        contacts.dedup();
        contacts
    }

    /// Everything that happened to a channel of a contact, without what is still to come at `now`.
    pub fn events(&self, contact: ContactId, channel: Channel, now: Timestamp) -> Vec<Event> {
        let own: Vec<_> = self.changes.iter().filter(|change| change.contact == contact).collect();
        let mut events: Vec<Event> = Vec::new();
        let (mut state, mut expires): (Option<ConsentState>, Option<Timestamp>) = (None, None);
        for (i, change) in own.iter().enumerate() {
            // Numbers order: what was recorded before an earlier one takes that one along.
            let at = own[i..].iter().map(|it| it.recorded_at).min().unwrap();
            let Some(carried) = change.channels.iter().find(|it| it.channel == channel) else {
                continue;
            };
            if let Some(at) = expires.take().filter(|expiry| *expiry <= at) {
                let to = Some(ConsentState::NotSet);
                events.push(Event { at, from: state, to, by: None });
                state = to;
            }
            let by = Some((*change).clone());
            events.push(Event { at, from: state, to: carried.to, by });
            state = carried.to;
            if state == Some(ConsentState::Granted) {
                expires = carried.expires_at;
            }
        }
        if let Some(at) = expires.filter(|expiry| *expiry <= now) {
            events.push(Event { at, from: state, to: Some(ConsentState::NotSet), by: None });
        }
        events
    }

    /// The state of every contact that there was at `at`.
    pub fn states(&self, channel: Channel, at: Timestamp) -> HashMap<ContactId, ConsentState> {
        let state = |contact| {
            let events = self.events(contact, channel, at);
            let last = events.into_iter().rfind(|event| event.at <= at)?;
            Some((contact, last.to?))
        };
        self.contacts().into_iter().filter_map(state).collect()
    }

    /// The changes of a contact up to the last one that was recorded by `at`.
    pub fn up_to(&self, contact: ContactId, at: Timestamp) -> Vec<i64> {
        let own = || self.changes.iter().filter(|change| change.contact == contact);
        let last = own().filter(|it| it.recorded_at <= at).map(|it| it.seq).max().unwrap_or(0);
        own().map(|it| it.seq).filter(|seq| *seq <= last).collect()
    }
}
