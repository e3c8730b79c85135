//! The lease protocol (`commands/leases.rs`) as a small model, every interleaving of it.
//!
//! One call takes a right away while a holder renews its lease, through replicas of settings whose wall clocks
//! differ; any answer may be lost, any step may come late. One holder is enough: the call waits for each of
//! them, and they know nothing of each other. The promise: once the call has returned, no
//! holder that still has a lease decides by rules from before it. Each guard of the protocol is also taken away
//! once, and the checker must then find how somebody would see what they should not.

#![allow(clippy::unwrap_used)]

use stateright::{Checker, Model, Property};

/// How long a lease lasts, in ticks.
const DURATION: u8 = 2;
/// How far a wall clock of settings may be off, and how long a lease that ran out still counts for that.
const OFF: i16 = 1;
const SKEW: i16 = 2 * OFF;
/// After so many ticks nothing new can happen.
const END: u8 = 7;

/// Which guard is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Nothing,
    /// The call returns at once.
    Wait,
    /// A holder is told the revision that was read before its lease was committed.
    Order,
    /// A holder counts its lease from the answer instead of from the question.
    FromQuestion,
    /// A lease counts as dead as soon as it ran out by the caller's own wall clock.
    Skew,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    /// Committed.
    revision: u8,
    holder: Holder,
    call: Call,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Holder {
    applied: u8,
    /// Decides by its copy before this.
    until: u8,
    renewal: Renewal,
    /// What settings has stored of it: what it has applied, and the wall time that its lease ends at.
    row: Option<(u8, i16)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
enum Renewal {
    #[default]
    None,
    Asked {
        at: u8,
        claimed: u8,
        read: Option<u8>,
    },
    Recorded {
        at: u8,
        read: Option<u8>,
    },
    Answered {
        at: u8,
        revision: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Call {
    NotYet,
    /// Committed then; waits.
    Committed {
        at: u8,
    },
    Returned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Tick,
    Ask,
    /// A replica whose wall clock is off by so much commits the lease.
    Record(i16),
    Read,
    Apply,
    Lose,
    Commit,
    /// A replica whose wall clock is off by so much looks at the leases, and returns if it may.
    Look(i16),
}

struct Protocol(Missing);

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let holder = Holder::default();
        vec![State { now: 0, revision: 1, holder, call: Call::NotYet }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < END {
            actions.push(Action::Tick);
        }
        match state.holder.renewal {
            Renewal::None if state.now < END => actions.push(Action::Ask),
            Renewal::None => {}
            Renewal::Asked { .. } => {
                actions.extend([-OFF, 0, OFF].map(Action::Record));
                actions.push(Action::Lose);
            }
            Renewal::Recorded { .. } => actions.extend([Action::Read, Action::Lose]),
            Renewal::Answered { .. } => actions.extend([Action::Apply, Action::Lose]),
        }
        match state.call {
            Call::NotYet => actions.push(Action::Commit),
            Call::Committed { .. } => actions.extend([-OFF, 0, OFF].map(Action::Look)),
            Call::Returned => {}
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let (now, revision) = (state.now, state.revision);
        match action {
            Action::Tick => state.now += 1,
            Action::Ask => {
                let early = self.0 == Missing::Order;
                let claimed = state.holder.applied;
                let read = early.then_some(revision);
                state.holder.renewal = Renewal::Asked { at: now, claimed, read };
            }
            Action::Record(off) => {
                let Renewal::Asked { at, claimed, read } = state.holder.renewal else {
                    return None;
                };
                let ends = i16::from(now) + off + i16::from(DURATION);
                state.holder.row = Some((claimed, ends));
                state.holder.renewal = Renewal::Recorded { at, read };
            }
            Action::Read => {
                let Renewal::Recorded { at, read } = state.holder.renewal else { return None };
                let revision = read.unwrap_or(revision);
                state.holder.renewal = Renewal::Answered { at, revision };
            }
            Action::Apply => {
                let Renewal::Answered { at, revision } = state.holder.renewal else {
                    return None;
                };
                let from = if self.0 == Missing::FromQuestion { now } else { at };
                let holder = &mut state.holder;
                holder.applied = revision;
                holder.until = holder.until.max(from + DURATION);
                holder.renewal = Renewal::None;
            }
            Action::Lose => state.holder.renewal = Renewal::None,
            Action::Commit => {
                state.revision += 1;
                state.call = Call::Committed { at: now };
            }
            Action::Look(off) => {
                let Call::Committed { at } = state.call else { return None };
                let waited = now >= at + DURATION;
                if !(waited || self.0 == Missing::Wait || self.settled(&state, off)) {
                    return None;
                }
                state.call = Call::Returned;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nobody decides by what was taken away", |_, state: &State| {
                state.call != Call::Returned
                    || state.holder.until <= state.now
                    || state.holder.applied >= state.revision
            }),
            Property::sometimes("a call returns although a holder is alive", |_, state: &State| {
                state.call == Call::Returned && state.holder.until > state.now
            }),
        ]
    }
}

impl Protocol {
    /// Whether every holder that may be alive has acknowledged the revision.
    fn settled(&self, state: &State, off: i16) -> bool {
        let margin = if self.0 == Missing::Skew { 0 } else { SKEW };
        let dead_before = i16::from(state.now) + off - margin;
        state
            .holder
            .row
            .is_none_or(|(applied, ends)| ends < dead_before || applied >= state.revision)
    }
}

const PROMISE: &str = "nobody decides by what was taken away";

#[test]
fn the_protocol_keeps_its_promise_in_every_interleaving() {
    let checker = Protocol(Missing::Nothing).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 10_000, "{}", checker.unique_state_count());
}

#[test]
fn without_any_one_of_its_guards_it_does_not() {
    for missing in [Missing::Wait, Missing::Order, Missing::FromQuestion, Missing::Skew] {
        let checker = Protocol(missing).checker().threads(2).spawn_bfs().join();
        assert!(checker.discovery(PROMISE).is_some(), "guard {} is not needed", missing as u8);
    }
}
