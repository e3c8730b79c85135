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

use super::{
    Batch, Consent, Counting, Counts, Cover, Known, Series, StreamEnd, Submission, Tally, moments,
    retrace,
};

const MINUTE: i64 = 60_000_000;
const START: i64 = 1_767_225_600_000_000;

/// What happens next, to one of a few contacts.
#[derive(Debug, Clone)]
struct Step {
    contact: u128,
    /// Minutes since the step before. Clocks differ, so there may be less than none.
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
    (0_u128..4, -20_i64..120, proptest::bool::weighted(0.1), channel(), channel(), any::<bool>())
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

/// What happened to a contact's channel, by somebody who looks at the whole history: moment, and state after it. An expiry
/// comes at its time, unless something else came first.
fn story(
    changes: &[ConsentChange],
    contact: ContactId,
    channel: Channel,
) -> Vec<(i64, Option<ConsentState>)> {
    let own: Vec<_> = changes.iter().filter(|change| change.contact == contact).collect();
    let moment = |i: usize| own[i..].iter().map(|it| it.recorded_at.as_microsecond()).min();
    let mut story: Vec<(i64, Option<ConsentState>)> = Vec::new();
    let mut expires = None;
    for (i, change) in own.iter().enumerate() {
        let at = moment(i).unwrap();
        let Some(carried) = change.channels.iter().find(|it| it.channel == channel) else {
            continue;
        };
        if let Some(expiry) = expires.take().filter(|expiry| *expiry <= at) {
            story.push((expiry, Some(ConsentState::NotSet)));
        }
        story.push((at, carried.to));
        if carried.to == Some(ConsentState::Granted) {
            expires = carried.expires_at.map(Timestamp::as_microsecond);
        }
    }
    story.extend(expires.map(|expiry| (expiry, Some(ConsentState::NotSet))));
    story
}

fn submissions(changes: &[ConsentChange]) -> Vec<Submission> {
    let all = changes.iter().enumerate();
    all.map(|(place, change)| Submission {
        place,
        change: change.clone(),
        leaf_hash: change.leaf_hash(),
        sealed_evidence: None,
        subject_key: None,
    })
    .collect()
}

fn batch(changes: &[ConsentChange]) -> Batch {
    Batch::append(0, HashMap::new(), submissions(changes), Timestamp::UNIX_EPOCH)
}

/// What the ledger knows of every contact after these changes, for the next ones.
fn known(before: &[ConsentChange], next: &[ConsentChange]) -> HashMap<ContactId, Known> {
    let of = |contact| {
        let own = before.iter().filter(move |change| change.contact == contact);
        own.cloned().collect::<Vec<_>>()
    };
    let contacts: std::collections::HashSet<_> = next.iter().map(|it| it.contact).collect();
    let known = contacts.into_iter().map(|contact| {
        let own = of(contact);
        let last = own.last().map(|change| change.recorded_at);
        let mut coming = next.iter().filter(|change| change.contact == contact);
        let behind = coming.any(|change| last.is_some_and(|last| change.recorded_at < last));
        let current = retrace(&own, &mut Tally::default());
        let counting = if behind { Counting::Anew(own) } else { Counting::Onward };
        (contact, Known { current, counting })
    });
    known.collect()
}

/// The consents of the contacts that changed and are there.
fn there(batch: &Batch) -> impl Iterator<Item = (ContactId, ByChannel<Consent>)> {
    batch.appeared.iter().chain(&batch.current).cloned()
}

/// Sums of everything in `tally`, between moments in order.
fn sums(tally: &Tally, cover: &Cover, channel: Channel) -> Vec<Counts> {
    let rollups = tally.rollups();
    cover
        .pieces
        .iter()
        .map(|piece| {
            let mut sum = Counts::default();
            for (spot, counts) in &rollups {
                let inside = (piece.since..piece.beyond).contains(&spot.unit);
                if spot.series == piece.series && spot.channel == channel && inside {
                    sum.add(counts, 1);
                }
            }
            sum
        })
        .collect()
}

/// The same, read off the stories of all contacts.
fn told(changes: &[ConsentChange], channel: Channel, since: i64, before: i64) -> Counts {
    let mut sum = Counts::default();
    for contact in 0..4 {
        let mut state = None;
        for (at, to) in story(changes, Uuid::from_u128(contact).into(), channel) {
            if (since..before).contains(&at) {
                sum.add(&Counts::of(state, to), 1);
            }
            state = to;
        }
    }
    sum
}

proptest! {
    #[test]
    fn kept_counts_are_a_recount(
        steps in proptest::collection::vec(step(), 1..60),
        mut cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
        mut edges in proptest::collection::vec(0_i64..10_000 * MINUTE, 2..6),
        exact in any::<prop::sample::Index>(),
    ) {
        let changes = changes(&steps);
        // Taken in several batches, as it comes.
        cuts.sort_by_key(|cut| cut.index(changes.len() + 1));
        let mut tally = Tally::default();
        let mut current = HashMap::new();
        let mut from = 0;
        for to in cuts.iter().map(|cut| cut.index(changes.len() + 1)).chain([changes.len()]) {
            let (before, next) = (&changes[..from], &changes[from..to]);
            let taken = submissions(next);
            let batch = Batch::append(0, known(before, next), taken, Timestamp::UNIX_EPOCH);
            current.extend(there(&batch));
            current.retain(|contact, _| !batch.gone.contains(contact));
            tally.take_states(&batch.tally);
            tally.take_rollups(batch.tally, 1);
            from = to;
        }
        prop_assert_eq!(tally.mismatches, 0);
        prop_assert_eq!(tally.contacts, i64::try_from(current.len()).unwrap());
        let mut anew = Tally::default();
        for contact in 0..4 {
            let contact: ContactId = Uuid::from_u128(contact).into();
            let own: Vec<_> =
                changes.iter().filter(|change| change.contact == contact).cloned().collect();
            let consents = retrace(&own, &mut anew);
            prop_assert_eq!(current.get(&contact), consents.as_ref());
        }
        prop_assert_eq!(tally.rollups(), anew.rollups(), "a recount is the same");

        // Moments anywhere, and one at the very moment of a change.
        for at in &mut edges {
            *at += START - 2_000 * MINUTE;
        }
        if !changes.is_empty() {
            edges.push(changes[exact.index(changes.len())].recorded_at.as_microsecond());
        }
        edges.sort_unstable();
        edges.dedup();
        let now = Timestamp::from_microsecond(START + 20_000 * MINUTE).unwrap();
        let cover = Cover::of(&edges, &Series::TIME, &Series::TIME);
        for channel in [Channel::Phone, Channel::Email] {
            for state in ConsentState::ALL {
                let kept: i64 = tally.totals()
                    .filter(|(c, s, _)| c == &channel && s == state)
                    .map(|(.., n)| n).sum();
                let recount = current.values().filter(|both| both.get(channel).state == *state);
                prop_assert_eq!(kept, i64::try_from(recount.count()).unwrap());
            }
            // Grants that ran out and nobody recorded it, as the reader corrects them.
            let due = |since: i64, before: i64| {
                let mut sum = Counts::default();
                for both in current.values() {
                    let one = both.get(channel);
                    let at = one.expires_at.map_or(i64::MAX, Timestamp::as_microsecond);
                    if one.state != one.state_at(now) && (since..before).contains(&at) {
                        sum.add(&Counts::of(Some(one.state), Some(ConsentState::NotSet)), 1);
                    }
                }
                sum
            };
            let sums = sums(&tally, &cover, channel);
            let mut found = vec![cover.before(&sums)];
            found.extend(cover.between(&sums));
            let mut since = i64::MIN;
            for (before, mut found) in edges.iter().zip(found) {
                found.add(&due(since, *before), 1);
                found.changes = 0;
                prop_assert_eq!(
                    found, told(&changes, channel, since, *before), "{:?} before {}", channel, before
                );
                since = *before;
            }
        }
    }

    #[test]
    fn a_change_counts_from_when_a_later_one_was_recorded_at_the_latest(
        recorded in proptest::collection::vec(0_i64..100, 0..20),
    ) {
        let at = |micros: &i64| Timestamp::from_microsecond(*micros).unwrap();
        let moments = moments(recorded.iter().map(at));
        prop_assert!(moments.is_sorted());
        // The last change that was recorded by some moment, and all before it, count by then.
        for now in 0..100 {
            let last = recorded.iter().rposition(|at| *at <= now).map_or(0, |place| place + 1);
            let by_then = moments.iter().filter(|moment| **moment <= at(&now)).count();
            prop_assert_eq!(by_then, last);
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
        let next = i64::try_from(first.len()).unwrap();
        let taken = submissions(second);
        let after = Batch::append(next, known(first, second), taken, Timestamp::UNIX_EPOCH);
        let joined: Vec<_> = before.entries.iter().chain(&after.entries).collect();
        prop_assert_eq!(joined, once.entries.iter().collect::<Vec<_>>());
        prop_assert_eq!(before.tally.contacts + after.tally.contacts, once.tally.contacts);
        let mut current: HashMap<_, _> = there(&before).collect();
        // What is inserted without a look must not be there, and what is looked for must.
        for (contact, _) in &after.appeared {
            prop_assert!(!current.contains_key(contact));
        }
        for (contact, _) in &after.current {
            prop_assert!(current.contains_key(contact));
        }
        let has_begun = |of: &StreamEnd| first.iter().any(|change| change.contact == of.contact);
        prop_assert!(!after.begun.iter().any(has_begun) && after.moved.iter().all(has_begun));
        current.extend(there(&after));
        current.retain(|contact, _| !after.gone.contains(contact));
        prop_assert_eq!(current, there(&once).collect());
    }
}
