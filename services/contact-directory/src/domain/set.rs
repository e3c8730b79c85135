//! What a customer said, as somebody records it: `SetContactConsents`, its batch, and `WithdrawConsent`.
//!
//! Whether the surface is true is [`surface`](super::surface)'s; etags and replays are the command's.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, Channel, ConsentState};
use yinyom_kernel::{InvalidInput, Text, Violations, from_micros};

use super::expiry::default_end;
use super::{Consent, Outcome, Refusal, View, guard};

/// What a client says that a channel shall be; `None` is a field that it did not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssignmentInput {
    pub channel: Option<Channel>,
    pub state: Option<ConsentState>,
    pub expires_at: Option<Timestamp>,
}

/// What a channel shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    pub state: ConsentState,
    pub expires_at: Option<Timestamp>,
}

/// One or both channels, each with what it shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignments(ByChannel<Option<Assignment>>);

impl Assignments {
    /// Reads `assignments`: one or two, each channel once, an expiry for grants only. Whether that is yet to come is
    /// told by [`refuse_past`], because it was when a request came first that is sent again.
    pub fn read(given: &[AssignmentInput]) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        refuse_wrong_count(&mut wrong, "assignments", given.len());
        let mut read = ByChannel::default();
        for (i, input) in given.iter().take(Channel::ALL.len()).enumerate() {
            let at = format!("assignments[{i}]");
            let assignment = read_one(&mut wrong, &at, input);
            let Some(channel) = input.channel else {
                wrong.missing(format!("{at}.channel"));
                continue;
            };
            if i > 0 && given.iter().take(i).any(|earlier| earlier.channel == Some(channel)) {
                wrong.push(
                    format!("{at}.channel"),
                    "DUPLICATE_CHANNEL",
                    Text::new("must be given once only.", "ต้องระบุเพียงครั้งเดียว"),
                );
            }
            *read.get_mut(channel) = assignment;
        }
        wrong.finish(Some(Self(read)))
    }

    /// As a client would say it, phone first.
    pub fn inputs(&self) -> Vec<AssignmentInput> {
        let given = self.0.iter().filter_map(|(channel, assigned)| {
            let Assignment { state, expires_at } = (*assigned)?;
            Some(AssignmentInput { channel: Some(channel), state: Some(state), expires_at })
        });
        given.collect()
    }
}

/// Notes each expiry of `assignments` that is not in the future.
pub fn refuse_past(wrong: &mut Violations, given: &[AssignmentInput], now: Timestamp) {
    let given = given.iter().take(Channel::ALL.len()).enumerate();
    for (i, _) in given.filter(|(_, input)| expiry_of(input).is_some_and(|at| at <= now)) {
        wrong.push(
            format!("assignments[{i}].expire_time"),
            "NOT_IN_FUTURE",
            Text::new("must be in the future.", "ต้องเป็นเวลาในอนาคต"),
        );
    }
}

/// Stores and ledgers keep microseconds: what is checked is what will be kept.
fn expiry_of(input: &AssignmentInput) -> Option<Timestamp> {
    input.expires_at.map(|at| from_micros(at.as_microsecond()))
}

fn refuse_wrong_count(wrong: &mut Violations, field: &str, given: usize) {
    if given == 0 {
        wrong.missing(field);
    } else if given > Channel::ALL.len() {
        wrong.push(
            field,
            "TOO_MANY",
            Text::new("must have two items at most.", "ต้องมีไม่เกินสองรายการ"),
        );
    }
}

fn read_one(wrong: &mut Violations, at: &str, input: &AssignmentInput) -> Option<Assignment> {
    let Some(state) = input.state else {
        wrong.missing(format!("{at}.state"));
        return None;
    };
    let expires_at = expiry_of(input);
    if expires_at.is_some() && state != ConsentState::Granted {
        wrong.push(
            format!("{at}.expire_time"),
            "EXPIRE_TIME_WITHOUT_GRANT",
            Text::new("is for GRANTED only.", "ใช้ได้กับสถานะยินยอมเท่านั้น"),
        );
    }
    Some(Assignment { state, expires_at })
}

/// What `assignments` make of a contact's consents. Both channels change or neither: one that would lift the
/// actor's own mask refuses both. The same state again is a change too: its evidence is new. A grant that says nothing of
/// its end has the business's.
pub fn set(
    actor: &View,
    consents: &ByChannel<Consent>,
    assignments: &Assignments,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let end = default_end(actor.rules(), now);
    let after = ByChannel::from_fn(|channel| {
        let before = consents.get(channel);
        match assignments.0.get(channel) {
            Some(assigned) => before.say(assigned.state, assigned.expires_at.or(end), now),
            None => *before,
        }
    });
    guard::refuse_lift(actor, consents, &after, now)?;
    let touched = assignments.0.map(|_, assigned| assigned.is_some());
    Ok(Outcome::of(Cause::Set, consents, after, touched, now))
}

/// The channels that a customer withdraws from, one or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawal(ByChannel<bool>);

impl Withdrawal {
    /// Reads `channels`: one or two. Saying no to the same channel twice is saying no.
    pub fn read(given: &[Option<Channel>]) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        refuse_wrong_count(&mut wrong, "channels", given.len());
        let mut channels = ByChannel::default();
        for (i, channel) in given.iter().take(Channel::ALL.len()).enumerate() {
            match channel {
                Some(channel) => *channels.get_mut(*channel) = true,
                None => wrong.missing(format!("channels[{i}]")),
            }
        }
        wrong.finish(Some(Self(channels)))
    }
}

/// What a withdrawal makes of a contact's consents. It has no way to be refused: who records it, what they
/// see and which rules hold are no arguments (PDPA s.19).
pub fn withdraw(consents: &ByChannel<Consent>, from: Withdrawal, now: Timestamp) -> Outcome {
    let after = consents.map(|channel, before| {
        if *from.0.get(channel) { before.say(ConsentState::Denied, None, now) } else { before }
    });
    Outcome::of(Cause::Withdrawn, consents, after, from.0, now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use rstest::rstest;
    use yinyom_consent::ConsentState::{Denied, Granted, NotSet};
    use yinyom_kernel::Fault;
    use yinyom_policy::Rules;

    use super::*;
    use crate::domain::Viewer;
    use crate::domain::samples::{
        MASK, OFF, REGRANT, SHOW, STATES, VIEWERS, at, of, states, until, user,
    };

    const PHONE: Channel = Channel::Phone;
    const EMAIL: Channel = Channel::Email;

    fn input(channel: Channel, state: ConsentState) -> AssignmentInput {
        AssignmentInput { channel: Some(channel), state: Some(state), expires_at: None }
    }

    fn assign(given: &[(Channel, ConsentState)]) -> Assignments {
        let given: Vec<_> = given.iter().map(|(c, s)| input(*c, *s)).collect();
        Assignments::read(&given).unwrap()
    }

    fn wrong(given: &[AssignmentInput]) -> Vec<(String, &'static str)> {
        let invalid = Assignments::read(given).unwrap_err();
        invalid.violations().iter().map(|v| (v.field.clone(), v.reason)).collect()
    }

    /// Every old state × new state × viewer × rules: refused exactly where the mask of the actor would lift.
    #[rstest]
    #[case(Viewer::User, SHOW, &[(Denied, NotSet), (Denied, Granted)])]
    #[case(Viewer::User, MASK, &[(Denied, Granted), (NotSet, Granted)])]
    #[case(Viewer::User, OFF, &[])]
    #[case(Viewer::User, REGRANT, &[])]
    #[case(Viewer::Presumed, OFF, &[(Denied, Granted), (NotSet, Granted)])]
    #[case(Viewer::Presumed, REGRANT, &[(Denied, Granted), (NotSet, Granted)])]
    #[case(Viewer::Unknown, OFF, &[(Denied, Granted), (NotSet, Granted)])]
    #[case(Viewer::SeesEverything, MASK, &[])]
    #[case(Viewer::ScopedService, MASK, &[])]
    #[case(Viewer::Service, MASK, &[])]
    fn no_one_lifts_a_mask_from_themself(
        #[case] viewer: Viewer,
        #[case] rules: Rules,
        #[case] refused: &[(ConsentState, ConsentState)],
    ) {
        for (old, new) in STATES.into_iter().flat_map(|o| STATES.map(|n| (o, n))) {
            let given = assign(&[(PHONE, new)]);
            let outcome = set(&View::new(viewer, rules), &of(old, old), &given, at(1));
            let lifts = match viewer {
                Viewer::Presumed | Viewer::Unknown => Refusal::PolicyUnavailable,
                _ => Refusal::CannotLiftOwnMask { channels: vec![PHONE] },
            };
            match outcome {
                Ok(outcome) => {
                    assert!(!refused.contains(&(old, new)), "{old:?} → {new:?} lifts a mask");
                    assert_eq!(states(&outcome.consents, at(1)), (new, old));
                }
                Err(refusal) => {
                    assert_eq!(refusal, lifts);
                    assert!(refused.contains(&(old, new)), "{old:?} → {new:?} lifts no mask");
                }
            }
        }
    }

    #[test]
    fn both_channels_change_or_neither() {
        let both = assign(&[(EMAIL, Denied), (PHONE, Granted)]);
        let refusal = set(&user(SHOW), &of(Denied, Granted), &both, at(1)).unwrap_err();
        assert_eq!(refusal, Refusal::CannotLiftOwnMask { channels: vec![PHONE] });

        let outcome = set(&user(SHOW), &of(NotSet, Granted), &both, at(1)).unwrap();
        assert_eq!(outcome.cause, Cause::Set);
        assert_eq!(states(&outcome.consents, at(1)), (Granted, Denied));
        let channels: Vec<_> = outcome.changes.iter().map(|change| change.channel).collect();
        assert_eq!(channels, [PHONE, EMAIL], "one change, phone first");
    }

    #[test]
    fn a_channel_that_is_not_assigned_is_not_touched() {
        let before = of(Granted, Denied);
        let outcome = set(&user(SHOW), &before, &assign(&[(PHONE, Denied)]), at(1)).unwrap();
        assert_eq!(outcome.consents.email, before.email);
        assert_eq!(outcome.changes.len(), 1);
    }

    #[test]
    fn the_same_state_again_is_recorded() {
        for state in STATES {
            let given = assign(&[(PHONE, state)]);
            let outcome = set(&user(MASK), &of(state, NotSet), &given, at(5)).unwrap();
            let change = outcome.changes[0];
            assert_eq!((change.from, change.to), (Some(state), Some(state)));
            assert_eq!(outcome.consents.phone.updated_at, at(5));
        }
    }

    #[test]
    fn a_grant_that_ran_out_is_granted_anew_only_by_who_sees_it() {
        let ran_out = ByChannel { phone: until(10), email: until(10) };
        let given = assign(&[(PHONE, Granted)]);
        assert!(set(&user(MASK), &ran_out, &given, at(9)).is_ok());
        let refusal = set(&user(MASK), &ran_out, &given, at(10)).unwrap_err();
        assert_eq!(refusal, Refusal::CannotLiftOwnMask { channels: vec![PHONE] });
        let outcome = set(&user(SHOW), &ran_out, &given, at(10)).unwrap();
        assert_eq!(outcome.changes[0].from, Some(NotSet));
    }

    #[test]
    fn an_expiry_goes_with_its_grant_alone() {
        let expiring = AssignmentInput { expires_at: Some(at(20)), ..input(PHONE, Granted) };
        let given = Assignments::read(&[expiring, input(EMAIL, Granted)]).unwrap();
        let outcome = set(&user(SHOW), &of(NotSet, NotSet), &given, at(10)).unwrap();
        assert_eq!(outcome.consents.phone.expires_at, Some(at(20)));
        assert_eq!(outcome.changes[0].expires_at, Some(at(20)));
        assert_eq!(
            (outcome.consents.email.expires_at, outcome.changes[1].expires_at),
            (None, None)
        );
    }

    #[test]
    fn a_word_without_expiry_ends_the_old_expiry() {
        let before = ByChannel { phone: until(10), email: until(10) };
        let outcome = set(&user(SHOW), &before, &assign(&[(PHONE, Granted)]), at(1)).unwrap();
        assert_eq!(outcome.consents.phone.state_at(at(99)), Granted);
    }

    #[test]
    fn a_grant_that_says_nothing_of_its_end_has_the_one_of_the_business() {
        let rules = Rules { default_grant_lifetime: Some(Duration::from_secs(30)), ..SHOW };
        let own = AssignmentInput { expires_at: Some(at(20)), ..input(PHONE, Granted) };
        for view in
            [user(rules), View::new(Viewer::Service, rules), View::new(Viewer::Presumed, rules)]
        {
            let before = of(Granted, Granted);
            let given = Assignments::read(&[own, input(EMAIL, Granted)]).unwrap();
            let outcome = set(&view, &before, &given, at(10)).unwrap();
            assert_eq!(outcome.consents.phone.expires_at, Some(at(20)), "its own is kept");
            assert_eq!(outcome.consents.email.expires_at, Some(at(40)));
            assert_eq!(outcome.changes[1].expires_at, Some(at(40)), "and the ledger is told");
            for state in [NotSet, Denied] {
                let outcome = set(&view, &before, &assign(&[(PHONE, state)]), at(10)).unwrap();
                assert_eq!(outcome.consents.phone.expires_at, None, "only a grant runs out");
            }
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let denied = AssignmentInput { expires_at: Some(at(20)), ..input(PHONE, Denied) };
        assert_eq!(
            wrong(&[denied, input(PHONE, Granted)]),
            [
                ("assignments[0].expire_time".to_owned(), "EXPIRE_TIME_WITHOUT_GRANT"),
                ("assignments[1].channel".to_owned(), "DUPLICATE_CHANNEL"),
            ]
        );
        let forgot = AssignmentInput { channel: None, state: None, expires_at: None };
        assert_eq!(
            wrong(&[forgot]),
            [
                ("assignments[0].state".to_owned(), "REQUIRED"),
                ("assignments[0].channel".to_owned(), "REQUIRED"),
            ]
        );
        assert_eq!(wrong(&[]), [("assignments".to_owned(), "REQUIRED")]);
        let three = [input(PHONE, Denied), input(EMAIL, Denied), input(PHONE, Denied)];
        assert_eq!(wrong(&three), [("assignments".to_owned(), "TOO_MANY")]);
    }

    #[test]
    fn a_grant_does_not_start_with_its_end() {
        let until =
            |second| AssignmentInput { expires_at: Some(at(second)), ..input(PHONE, Granted) };
        let refused = |given: &[AssignmentInput]| {
            let mut wrong = Violations::new();
            refuse_past(&mut wrong, given, at(10));
            wrong.into_inner().into_iter().map(|v| (v.field, v.reason)).collect::<Vec<_>>()
        };
        let past = ("assignments[1].expire_time".to_owned(), "NOT_IN_FUTURE");
        assert_eq!(refused(&[until(11), until(10)]), [past]);
        assert_eq!(refused(&[input(PHONE, Granted)]), []);
    }

    /// PDPA s.19. No viewer and no rules are arguments, so none can refuse; no state can either.
    #[test]
    fn withdrawing_is_always_taken() {
        for (phone, email) in STATES.into_iter().flat_map(|p| STATES.map(|e| (p, e))) {
            let both = Withdrawal::read(&[Some(EMAIL), Some(PHONE)]).unwrap();
            let outcome = withdraw(&of(phone, email), both, at(1));
            assert_eq!(outcome.cause, Cause::Withdrawn);
            assert_eq!(states(&outcome.consents, at(1)), (Denied, Denied));
            assert_eq!(outcome.changes.len(), 2);
            for viewer in VIEWERS {
                let (before, after) = (of(phone, email), outcome.consents);
                let view = View::new(viewer, MASK);
                assert_eq!(guard::refuse_lift(&view, &before, &after, at(1)), Ok(()));
            }
        }
    }

    #[test]
    fn a_withdrawal_ends_a_grant_with_its_expiry_and_leaves_the_other_channel() {
        let phone = Withdrawal::read(&[Some(PHONE), Some(PHONE)]).unwrap();
        let before = ByChannel { phone: until(10), email: until(10) };
        let outcome = withdraw(&before, phone, at(1));
        assert_eq!((outcome.consents.phone.expires_at, outcome.changes.len()), (None, 1));
        assert_eq!(outcome.consents.email, before.email);
        assert_eq!(outcome.consents.phone.state_at(at(99)), Denied);
    }

    #[test]
    fn a_withdrawal_names_one_or_two_channels() {
        assert!(Withdrawal::read(&[]).is_err());
        assert!(Withdrawal::read(&[Some(PHONE), None]).is_err());
        assert!(Withdrawal::read(&[Some(PHONE); 3]).is_err());
    }
}
