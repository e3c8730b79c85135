//! Kept counts against a recount of random ledgers by somebody who knows nothing of how they are kept.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;
use yinyom_consent::{
    Actor, ByChannel, Cause, Channel, ChannelChange, ConsentChange, ConsentState, Surface,
};
use yinyom_kernel::ContactId;

use super::{Batch, ChannelTrend, QUARTER_MICROS, Submission};

const MINUTE: i64 = 60_000_000;
const START: i64 = 1_767_225_600_000_000;

/// What happens next, to one of a few contacts.
#[derive(Debug, Clone)]
struct Step {
    contact: u128,
    /// Minutes since the step before.
    after: i64,
    deleted: bool,
    /// State and minutes to the expiry, if it is a grant.
    phone: Option<(ConsentState, Option<i64>)>,
    email: Option<(ConsentState, Option<i64>)>,
    /// Whether the directory noticed that a grant had run out.
    noticed: bool,
}

fn channel() -> impl Strategy<Value = Option<(ConsentState, Option<i64>)>> {
    let state = prop_oneof![
        Just(ConsentState::NotSet),
        Just(ConsentState::Granted),
        Just(ConsentState::Denied),
    ];
    let expiry = proptest::option::of(1_i64..400);
    proptest::option::weighted(0.7, (state, expiry))
}

fn step() -> impl Strategy<Value = Step> {
    (0_u128..4, 0_i64..120, proptest::bool::weighted(0.1), channel(), channel(), any::<bool>())
        .prop_map(|(contact, after, deleted, phone, email, noticed)| Step {
            contact,
            after,
            deleted,
            phone,
            email,
            noticed,
        })
}

/// A directory: turns steps into changes as they would be sent, with their `from`, and expiries recorded by the way.
fn changes(steps: &[Step]) -> Vec<ConsentChange> {
    type State = Option<(ConsentState, Option<i64>)>;
    let mut now = START;
    let mut contacts: HashMap<u128, (i64, Option<ByChannel<State>>)> = HashMap::new();
    let mut changes = Vec::new();
    for step in steps {
        // Never on the edge of a quarter, so that «before» and «at» are the same for the recount.
        now += step.after * MINUTE + 1;
        let (seq, current) = contacts.entry(step.contact).or_default();
        *seq += 1;
        let new = current.is_none();
        let mut carried = Vec::new();
        for (channel, said) in [(Channel::Phone, step.phone), (Channel::Email, step.email)] {
            let before = current.as_ref().and_then(|states| *states.get(channel));
            let ran_out = before
                .is_some_and(|(s, e)| s == ConsentState::Granted && e.is_some_and(|e| e <= now));
            let from =
                before.map(
                    |(state, _)| {
                        if ran_out && step.noticed { ConsentState::NotSet } else { state }
                    },
                );
            let to = match said {
                _ if step.deleted && !new => None,
                Some((state, expiry)) => {
                    let expiry = expiry.map(|minutes| now + minutes * MINUTE + 7);
                    Some((state, expiry.filter(|_| state == ConsentState::Granted)))
                }
                None if new => Some((ConsentState::NotSet, None)),
                None => continue,
            };
            carried.push(ChannelChange {
                channel,
                from,
                to: to.map(|(state, _)| state),
                expires_at: to
                    .and_then(|(_, expiry)| expiry)
                    .map(|at| Timestamp::from_microsecond(at).unwrap()),
            });
            *current.get_or_insert_default().get_mut(channel) = to;
        }
        if carried.is_empty() {
            *seq -= 1;
            continue;
        }
        let deleted = step.deleted && !new;
        if deleted {
            *current = None;
        }
        changes.push(ConsentChange {
            business: Uuid::from_u128(1).into(),
            contact: Uuid::from_u128(step.contact).into(),
            seq: *seq,
            recorded_at: Timestamp::from_microsecond(now).unwrap(),
            cause: match (new, deleted) {
                (true, _) => Cause::Created,
                (_, true) => Cause::Deleted,
                _ => Cause::Set,
            },
            surface: Surface::Contacts,
            surface_parent: None,
            actor: Actor::Service { name: "test".to_owned() },
            channels: carried,
            method: None,
            notice_version: None,
            claimed_at: None,
            evidence_commitment: None,
        });
    }
    changes
}

/// The state of a contact's channel just before `at`, read off its changes.
fn state_before(
    changes: &[ConsentChange],
    contact: ContactId,
    channel: Channel,
    at: i64,
) -> Option<ConsentState> {
    let last = changes
        .iter()
        .filter(|change| change.contact == contact && change.recorded_at.as_microsecond() < at)
        .filter_map(|change| change.channels.iter().find(|carried| carried.channel == channel))
        .next_back()?;
    let ran_out = last.expires_at.is_some_and(|expiry| expiry.as_microsecond() < at);
    match last.to {
        Some(ConsentState::Granted) if ran_out => Some(ConsentState::NotSet),
        state => state,
    }
}

fn batch(changes: &[ConsentChange]) -> Batch {
    let taken = changes
        .iter()
        .enumerate()
        .map(|(place, change)| Submission {
            place,
            change: change.clone(),
            leaf_hash: change.leaf_hash(),
            sealed_evidence: None,
            subject_key: None,
        })
        .collect();
    Batch::append(0, HashMap::new(), taken, Timestamp::UNIX_EPOCH)
}

proptest! {
    #[test]
    fn kept_counts_are_a_recount(steps in proptest::collection::vec(step(), 1..60)) {
        let changes = changes(&steps);
        let batch = batch(&changes);
        let end = START + 10_000 * MINUTE;
        let now = Timestamp::from_microsecond(end).unwrap();

        prop_assert_eq!(batch.tally.mismatches, 0);
        prop_assert_eq!(batch.tally.contacts, i64::try_from(batch.current.len()).unwrap());
        for channel in [Channel::Phone, Channel::Email] {
            for state in ConsentState::ALL {
                let kept = batch.tally.totals()
                    .filter(|(c, s, _)| c == &channel && s == state)
                    .map(|(.., n)| n).sum::<i64>();
                let recount = batch.current.iter()
                    .filter(|(_, both)| both.get(channel).state == *state).count();
                prop_assert_eq!(kept, i64::try_from(recount).unwrap(), "{:?} {:?}", channel, state);
            }
            // Who says yes before each quarter of an hour: kept transitions, corrected by the grants that are due.
            for quarter in (START / QUARTER_MICROS..=end / QUARTER_MICROS).step_by(3) {
                let at = quarter * QUARTER_MICROS;
                let mut trend = ChannelTrend::default();
                for (it, times) in batch.tally.transitions() {
                    if it.channel == channel && it.quarter < quarter {
                        trend.count(it.from, it.to, times);
                    }
                }
                let due = batch.current.iter().map(|(_, both)| both.get(channel)).filter(|one| {
                    one.state != one.state_at(now)
                        && one.expires_at.unwrap().as_microsecond() < at
                }).count();
                let granted = (0..4).filter(|contact| {
                    let contact = Uuid::from_u128(*contact).into();
                    state_before(&changes, contact, channel, at) == Some(ConsentState::Granted)
                }).count();
                prop_assert_eq!(
                    trend.net_granted - i64::try_from(due).unwrap(),
                    i64::try_from(granted).unwrap(),
                    "{:?} before quarter {}", channel, quarter
                );
            }
        }
    }

    #[test]
    fn a_ledger_taken_in_parts_is_the_ledger_taken_at_once(
        steps in proptest::collection::vec(step(), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let changes = changes(&steps);
        let (first, second) = changes.split_at(cut.index(changes.len() + 1));
        let once = batch(&changes);
        let before = batch(first);
        let (known, next) = (before.current.iter().cloned().collect(), first.len());
        let taken = second.iter().enumerate().map(|(place, change)| Submission {
            place, change: change.clone(), leaf_hash: change.leaf_hash(),
            sealed_evidence: None, subject_key: None,
        }).collect();
        let next = i64::try_from(next).unwrap();
        let after = Batch::append(next, known, taken, Timestamp::UNIX_EPOCH);
        let joined: Vec<_> = before.entries.into_iter().chain(after.entries).collect();
        prop_assert_eq!(joined, once.entries);
        prop_assert_eq!(before.tally.contacts + after.tally.contacts, once.tally.contacts);
        let mut current: HashMap<_, _> = before.current.into_iter().collect();
        current.extend(after.current);
        current.retain(|contact, _| !after.gone.contains(contact));
        prop_assert_eq!(current, once.current.into_iter().collect());
    }
}
