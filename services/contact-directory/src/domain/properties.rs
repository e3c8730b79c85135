//! Whatever happens to contacts, in whatever order and by whomever: the promises that span several rules.

#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use proptest::prelude::*;
use yinyom_consent::{ByChannel, Channel, ConsentState};
use yinyom_policy::Rules;

use super::carry::{Coming, carry, start};
use super::delete::delete;
use super::expiry::settle;
use super::import::import;
use super::merge::{Side, Since, Undo, merge, undo};
use super::samples::{any_rules, any_state, any_viewer, at, by_channel};
use super::set::{AssignmentInput, Assignments, Withdrawal, set, withdraw};
use super::viewer::may_import;
use super::{Consent, Outcome, View, Viewer, guard};

/// Something that somebody tries.
#[derive(Debug, Clone)]
enum Attempt {
    Set(ByChannel<Option<(ConsentState, Option<i64>)>>),
    Withdraw(Channel),
    Point { adds: ByChannel<bool>, refused: ByChannel<bool> },
    RemovePoints,
    Import(ByChannel<Option<ConsentState>>),
    DeleteAndEnterAnew,
    MergeInto(usize),
    UndoMerge,
    RecordExpiry,
}

#[derive(Debug, Clone)]
struct Step {
    viewer: Viewer,
    contact: usize,
    after_seconds: i64,
    attempt: Attempt,
}

/// A contact, and what a witness remembers of it.
#[derive(Debug, Clone)]
struct Contact {
    consents: ByChannel<Consent>,
    has_address: ByChannel<bool>,
    /// Whether the last clear word was no: set by every refusal, taken away only by an explicit grant.
    last_said_no: ByChannel<bool>,
    merged: Option<Box<(Contact, Contact)>>,
    since: Vec<Outcome>,
}

impl Contact {
    fn new(outcome: &Outcome, has_address: ByChannel<bool>) -> Self {
        let last_said_no =
            ByChannel::from_fn(|c| outcome.consents.get(c).state == ConsentState::Denied);
        let consents = outcome.consents;
        Self { consents, has_address, last_said_no, merged: None, since: Vec::new() }
    }

    fn side(&self) -> Side {
        // Whether the channel has a history is left to what its consent shows: the harder case.
        let has_history = ByChannel::default();
        Side { consents: self.consents, has_address: self.has_address, has_history }
    }

    fn take(&mut self, outcome: Outcome, grants_explicitly: bool) {
        self.consents = outcome.consents;
        for change in &outcome.changes {
            match change.to {
                Some(ConsentState::Denied) => *self.last_said_no.get_mut(change.channel) = true,
                Some(ConsentState::Granted) if grants_explicitly => {
                    *self.last_said_no.get_mut(change.channel) = false;
                }
                _ => {}
            }
        }
        self.since.push(outcome);
    }
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let says = prop::option::of(any_state());
    let sets = prop::option::of((any_state(), prop::option::of(1_i64..8)));
    prop_oneof![
        4 => by_channel(sets).prop_map(Attempt::Set),
        2 => prop::sample::select(Channel::ALL).prop_map(Attempt::Withdraw),
        2 => (by_channel(any::<bool>()), by_channel(prop::bool::weighted(0.1)))
            .prop_map(|(adds, refused)| Attempt::Point { adds, refused }),
        1 => Just(Attempt::RemovePoints),
        3 => by_channel(says).prop_map(Attempt::Import),
        1 => Just(Attempt::DeleteAndEnterAnew),
        2 => (0_usize..3).prop_map(Attempt::MergeInto),
        2 => Just(Attempt::UndoMerge),
        1 => Just(Attempt::RecordExpiry),
    ]
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any_viewer(), 0_usize..3, 0_i64..4, any_attempt()).prop_map(
        |(viewer, contact, after_seconds, attempt)| Step {
            viewer,
            contact,
            after_seconds,
            attempt,
        },
    );
    prop::collection::vec(step, 1..40)
}

fn assignments(
    given: ByChannel<Option<(ConsentState, Option<i64>)>>,
    now: Timestamp,
) -> Option<Assignments> {
    let inputs: Vec<_> = given
        .iter()
        .filter_map(|(channel, said)| said.map(|(state, expiry)| (channel, state, expiry)))
        .map(|(channel, state, expiry)| AssignmentInput {
            channel: Some(channel),
            state: Some(state),
            expires_at: expiry
                .filter(|_| state == ConsentState::Granted)
                .map(|seconds| now + jiff::SignedDuration::from_secs(seconds)),
        })
        .collect();
    Assignments::read(&inputs).ok()
}

/// Carries an attempt out as the commands do. What is refused changes nothing.
fn try_it(world: &mut [Option<Contact>], view: View, step: &Step, now: Timestamp) {
    if let Attempt::MergeInto(survivor) = step.attempt {
        return try_merge(world, view, survivor, step.contact, now);
    }
    if matches!(step.attempt, Attempt::UndoMerge) {
        return try_undo(world, view, step.contact, now);
    }
    let Some(contact) = world[step.contact].as_mut() else { return };
    match step.attempt.clone() {
        Attempt::Set(given) => {
            let Some(assignments) = assignments(given, now) else { return };
            if let Ok(outcome) = set(&view, &contact.consents, &assignments, now) {
                contact.take(outcome, true);
            }
        }
        Attempt::Withdraw(channel) => {
            let channel = Withdrawal::read(&[Some(channel)]).unwrap();
            contact.take(withdraw(&contact.consents, channel, now), false);
        }
        Attempt::Point { adds, refused } => {
            if guard::refuse_masked(&view, &contact.consents, contact.has_address, now).is_err() {
                return;
            }
            let coming = ByChannel::from_fn(|c| Coming {
                any: *adds.get(c),
                refused: *adds.get(c) && *refused.get(c),
            });
            for outcome in carry(&contact.consents, coming, now) {
                contact.take(outcome, false);
            }
            contact.has_address = contact.has_address.map(|c, has| has || *adds.get(c));
        }
        Attempt::RemovePoints => {
            if guard::refuse_masked(&view, &contact.consents, contact.has_address, now).is_ok() {
                contact.has_address = ByChannel::default();
            }
        }
        Attempt::Import(says) => {
            if may_import(view.viewer()).is_ok()
                && let Some(outcome) = import(&contact.consents, says, now).outcome
            {
                contact.take(outcome, false);
            }
        }
        Attempt::DeleteAndEnterAnew => {
            let has = contact.has_address;
            if let Ok(deletion) = delete(&view, &contact.consents, has, now) {
                let refused = ByChannel::from_fn(|c| *has.get(c) && *deletion.keeps_refusal.get(c));
                let no = contact.last_said_no;
                *contact = Contact::new(&start(refused, now), has);
                // Whoever is entered without an address is somebody else to everybody.
                contact.last_said_no = ByChannel::from_fn(|c| {
                    *contact.last_said_no.get(c) || (*no.get(c) && *has.get(c))
                });
            }
        }
        Attempt::RecordExpiry => {
            if let Some(outcome) = settle(&contact.consents, now) {
                contact.take(outcome, false);
            }
        }
        Attempt::MergeInto(_) | Attempt::UndoMerge => {}
    }
}

fn try_merge(world: &mut [Option<Contact>], view: View, into: usize, from: usize, now: Timestamp) {
    let (Some(survivor), Some(absorbed)) = (world[into].clone(), world[from].clone()) else {
        return;
    };
    if into == from {
        return;
    }
    let Ok(merged) = merge(&view, &survivor.side(), &absorbed.side(), now) else { return };
    let mut contact = Contact {
        has_address: ByChannel::from_fn(|c| {
            *survivor.has_address.get(c) || *absorbed.has_address.get(c)
        }),
        last_said_no: ByChannel::from_fn(|c| {
            *survivor.last_said_no.get(c) || *absorbed.last_said_no.get(c)
        }),
        consents: merged.survivor.consents,
        merged: None,
        since: Vec::new(),
    };
    contact.merged = Some(Box::new((survivor, absorbed)));
    world[into] = Some(contact);
    world[from] = None;
}

fn try_undo(world: &mut [Option<Contact>], view: View, at: usize, now: Timestamp) {
    let Some(contact) = world[at].clone() else { return };
    let (Some(merged), Some(free)) = (&contact.merged, world.iter().position(Option::is_none))
    else {
        return;
    };
    let (mut survivor, mut absorbed) = (**merged).clone();
    let changes =
        contact.since.iter().flat_map(|o| o.changes.iter().map(|change| (o.cause, change)));
    let of = Undo {
        survivor: survivor.consents,
        absorbed: absorbed.consents,
        merged: contact.consents,
        has_address: contact.has_address,
        since: Since::of(changes),
    };
    let Ok(undone) = undo(&view, &of, now) else { return };
    // Of whom a refusal since the merge was, nobody can tell: the witness holds both to it.
    for (channel, _) in of.since.iter().filter(|(_, since)| since.refused) {
        *survivor.last_said_no.get_mut(channel) = true;
        *absorbed.last_said_no.get_mut(channel) = true;
    }
    survivor.take(undone.survivor, false);
    absorbed.take(undone.absorbed, false);
    survivor.has_address = contact.has_address;
    world[at] = Some(survivor);
    world[free] = Some(absorbed);
}

fn new_world() -> Vec<Option<Contact>> {
    let fresh = start(ByChannel::default(), at(0));
    let has_address = ByChannel { phone: true, email: true };
    vec![Some(Contact::new(&fresh, has_address)); 3]
}

/// Runs `steps`; `look` sees the world before and after each.
fn run(
    steps: &[Step],
    rules: Rules,
    mut look: impl FnMut(View, &Step, Timestamp, &[Option<Contact>], &[Option<Contact>]),
) {
    let mut world = new_world();
    let mut second = 0;
    for step in steps {
        second += step.after_seconds;
        let (now, view) = (at(second), View::new(step.viewer, rules));
        let before = world.clone();
        try_it(&mut world, view, step, now);
        look(view, step, now, &before, &world);
    }
}

fn hides(view: View, contact: &Contact, now: Timestamp) -> ByChannel<bool> {
    view.sights(&contact.consents, now).map(|_, sight| !sight.visible)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// PRODUCT.md: no one lifts a mask from themself, on any path that changes a state or a point.
    #[test]
    fn nothing_that_somebody_does_shows_them_what_was_masked_to_them(
        steps in any_steps(),
        rules in any_rules(),
    ) {
        run(&steps, rules, |view, step, now, before, after| {
            for (before, after) in before.iter().zip(after) {
                let (Some(before), Some(after)) = (before, after) else { continue };
                let (was, is) = (hides(view, before, now), hides(view, after, now));
                let is_new = matches!(step.attempt, Attempt::DeleteAndEnterAnew);
                for channel in Channel::ALL.iter().copied() {
                    let hid = *was.get(channel) && (!is_new || *before.has_address.get(channel));
                    assert!(!hid || *is.get(channel), "{channel:?}: {step:?}");
                }
            }
        });
    }

    /// The same for the two contacts of a merge, whose points change places.
    #[test]
    fn no_point_comes_out_of_its_mask_by_changing_its_contact(
        steps in any_steps(),
        rules in any_rules(),
    ) {
        run(&steps, rules, |view, step, now, before, after| {
            let hidden = |c: &Contact| {
                let hides = hides(view, c, now);
                Channel::ALL.iter().any(|ch| *c.has_address.get(*ch) && *hides.get(*ch))
            };
            let moved: Vec<_> = (before.iter().zip(after))
                .filter(|(before, after)| before.is_some() != after.is_some())
                .collect();
            if let (Attempt::MergeInto(into), [(Some(absorbed), None)]) = (&step.attempt, &moved[..]) {
                assert!(!hidden(absorbed) && !hidden(before[*into].as_ref().unwrap()));
            }
            if let (Attempt::UndoMerge, [(None, Some(_))]) = (&step.attempt, &moved[..]) {
                assert!(!hidden(before[step.contact].as_ref().unwrap()));
            }
        });
    }

    /// After a refusal only an explicit grant, by somebody who may give it, grants.
    #[test]
    fn who_last_said_no_is_not_granted_without_an_explicit_grant(
        steps in any_steps(),
        rules in any_rules(),
    ) {
        run(&steps, rules, |_, step, now, _, after| {
            for contact in after.iter().flatten() {
                for (channel, consent) in contact.consents.iter() {
                    let granted = consent.state_at(now) == ConsentState::Granted;
                    assert!(!granted || !*contact.last_said_no.get(channel), "{step:?}");
                }
            }
        });
    }

    /// Each change starts where the one before it ended, once expiries are recorded as they fall due.
    #[test]
    fn every_change_speaks_of_states_that_were_and_are(steps in any_steps(), rules in any_rules()) {
        run(&steps, rules, |_, step, now, before, after| {
            let (Some(before), Some(after)) = (&before[step.contact], &after[step.contact]) else {
                return;
            };
            let is_same = after.since.len() == before.since.len() + 1;
            let [.., outcome] = &after.since[..] else { return };
            if !is_same || matches!(step.attempt, Attempt::UndoMerge | Attempt::Point { .. }) {
                return;
            }
            assert!(!outcome.changes.is_empty());
            for change in &outcome.changes {
                let (from, to) =
                    (before.consents.get(change.channel), after.consents.get(change.channel));
                let recorded = matches!(step.attempt, Attempt::RecordExpiry);
                let was = if recorded { from.state } else { from.state_at(now) };
                assert_eq!((change.from, change.to), (Some(was), Some(to.state)));
            }
        });
    }
}
