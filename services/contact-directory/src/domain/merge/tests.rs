#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;
use yinyom_consent::Channel;
use yinyom_consent::ConsentState::{Denied, Granted, NotSet};

use super::*;
use crate::domain::samples::{
    EVERYWHERE, MASK, NOWHERE, REGRANT, SHOW, admin, any_consents, at, by_channel, now, of, said,
    states, until, user,
};

fn side(phone: Consent) -> Side {
    let consents = ByChannel { phone, email: said(NotSet) };
    Side { consents, has_address: EVERYWHERE, has_history: NOWHERE }
}

fn merged(one: &Side, other: &Side) -> Consent {
    merge(&admin(SHOW), one, other, at(5)).unwrap().survivor.consents.phone
}

/// Every state × every state; both sides have an address.
#[rstest]
#[case(Granted, Granted, Granted)]
#[case(Granted, NotSet, NotSet)]
#[case(Granted, Denied, Denied)]
#[case(NotSet, NotSet, NotSet)]
#[case(NotSet, Denied, Denied)]
#[case(Denied, Denied, Denied)]
fn the_most_restrictive_wins(
    #[case] one: ConsentState,
    #[case] other: ConsentState,
    #[case] expected: ConsentState,
) {
    for (a, b) in [(one, other), (other, one)] {
        let result = merged(&side(said(a)), &side(said(b)));
        assert_eq!(result.state_at(at(5)), expected, "{a:?} and {b:?}");
        assert_eq!(result.refused_before, [a, b].contains(&Denied));
    }
}

#[test]
fn a_side_with_no_address_and_no_history_is_ignored() {
    let silent = Side { has_address: NOWHERE, ..side(said(NotSet)) };
    let granted = side(until(99));
    for (a, b) in [(&silent, &granted), (&granted, &silent)] {
        let result = merged(a, b);
        assert_eq!((result.state, result.expires_at), (Granted, Some(at(99))));
    }
    assert_eq!(merged(&silent, &silent).state, NotSet);
}

#[test]
fn a_side_with_an_address_or_a_history_counts() {
    let asked = Side { has_address: NOWHERE, has_history: EVERYWHERE, ..side(said(NotSet)) };
    for not_asked in [asked, side(said(NotSet))] {
        assert_eq!(merged(&side(said(Granted)), &not_asked).state, NotSet);
    }
    let refused = Side { has_address: NOWHERE, ..side(said(Denied)) };
    assert_eq!(merged(&side(said(Granted)), &refused).state, Denied, "a refusal is a history");
    let once = side(Consent { refused_before: true, ..said(NotSet) });
    let once = Side { has_address: NOWHERE, ..once };
    assert_eq!(merged(&side(said(Granted)), &once).state, NotSet);
}

#[test]
fn the_earlier_expiry_wins() {
    for (a, b) in [(until(20), until(30)), (until(30), until(20)), (until(20), said(Granted))] {
        assert_eq!(merged(&side(a), &side(b)).expires_at, Some(at(20)));
    }
    assert_eq!(merged(&side(until(20)), &side(said(Denied))).expires_at, None);
    assert_eq!(merged(&side(until(20)), &side(said(NotSet))).expires_at, None);
}

#[test]
fn a_grant_that_ran_out_is_no_grant_in_a_merge() {
    let result = merged(&side(said(Granted)), &side(until(5)));
    assert_eq!((result.state, result.expired(at(5))), (NotSet, true));
}

#[test]
fn a_masked_point_on_either_side_refuses_the_merge() {
    let (open, masked) = (side(said(Granted)), side(said(Denied)));
    for view in [user(SHOW), user(REGRANT)] {
        for (a, b) in [(&open, &masked), (&masked, &open)] {
            assert_eq!(merge(&view, a, b, at(5)), Err(Refusal::ContactPointMasked));
        }
        assert!(merge(&view, &open, &open, at(5)).is_ok());
    }
}

#[test]
fn a_merge_lifts_no_mask_of_the_contact_that_stays() {
    let phone_only = ByChannel { phone: true, email: false };
    let survivor =
        Side { consents: of(Granted, NotSet), has_address: phone_only, has_history: NOWHERE };
    let absorbed = Side { consents: of(Granted, Granted), ..survivor };
    let refused = merge(&user(MASK), &survivor, &absorbed, at(5));
    assert_eq!(refused, Err(Refusal::CannotLiftOwnMask { channels: vec![Channel::Email] }));
    assert!(merge(&user(SHOW), &survivor, &absorbed, at(5)).is_ok());
}

#[test]
fn both_streams_tell_of_the_merge() {
    let merged = merge(&admin(SHOW), &side(said(Granted)), &side(said(Denied)), at(5)).unwrap();
    let ends = |changes: &[ChannelChange]| {
        changes.iter().map(|change| (change.from, change.to)).collect::<Vec<_>>()
    };
    assert_eq!(merged.survivor.cause, Cause::Merged);
    assert_eq!(
        ends(&merged.survivor.changes),
        [(Some(Granted), Some(Denied)), (Some(NotSet), Some(NotSet))]
    );
    assert_eq!(ends(&merged.absorbed), [(Some(Denied), None), (Some(NotSet), None)]);
}

fn any_side() -> impl Strategy<Value = Side> {
    (any_consents(), by_channel(any::<bool>()), by_channel(any::<bool>())).prop_map(
        |(consents, has_address, has_history)| Side { consents, has_address, has_history },
    )
}

proptest! {
    #[test]
    fn who_is_merged_into_whom_does_not_matter(one in any_side(), other in any_side()) {
        let merge = |a, b| merge(&admin(SHOW), a, b, now()).unwrap().survivor.consents;
        prop_assert_eq!(merge(&one, &other), merge(&other, &one));
    }

    #[test]
    fn a_merge_never_forgets_a_refusal(one in any_side(), other in any_side()) {
        let after = merge(&admin(SHOW), &one, &other, now()).unwrap().survivor.consents;
        for (channel, consent) in after.iter() {
            let sides = [one.consents.get(channel), other.consents.get(channel)];
            let refused = sides.iter().any(|side| side.ever_refused());
            prop_assert_eq!(consent.refused_before, refused);
            let denied = sides.iter().any(|side| side.state == Denied);
            prop_assert_eq!(consent.state == Denied, denied);
        }
    }
}

fn undo_of(survivor: Consent, absorbed: Consent, since: Since) -> Undo {
    let both = |consent| ByChannel { phone: consent, email: said(NotSet) };
    Undo {
        survivor: both(survivor),
        absorbed: both(absorbed),
        merged: both(said(Granted)),
        has_address: EVERYWHERE,
        since: ByChannel { phone: since, email: Since::default() },
    }
}

/// Every pair of states before × what happened since.
#[test]
fn undoing_a_merge_restores_both_and_applies_every_refusal_made_since() {
    for (a, b) in [Granted, NotSet, Denied].into_iter().flat_map(|a| [(a, Granted), (a, Denied)]) {
        let undone = |since| {
            let undone = undo(&admin(SHOW), &undo_of(said(a), said(b), since), at(5)).unwrap();
            (undone.survivor.consents.phone, undone.absorbed.consents.phone)
        };
        let (one, other) = undone(Since::default());
        assert_eq!((one.state, other.state), (a, b));
        assert_eq!((one.refused_before, other.refused_before), (a == Denied, b == Denied));
        for asked_anew in [true, false] {
            let (one, other) = undone(Since { refused: true, asked_anew });
            assert_eq!((one.state, other.state), (Denied, Denied));
            assert!(one.refused_before && other.refused_before);
        }
        let (one, other) = undone(Since { refused: false, asked_anew: true });
        let less = |state| if state == Granted { NotSet } else { state };
        assert_eq!((one.state, other.state), (less(a), less(b)), "no grant comes back");
    }
}

#[test]
fn the_history_since_the_merge_tells_what_to_apply() {
    let change = |to, expires_at| ChannelChange {
        channel: Channel::Phone,
        from: Some(Granted),
        to: Some(to),
        expires_at,
    };
    let of = |cause, to| Since::of([(cause, &change(to, None))]);
    assert_eq!(of(Cause::Withdrawn, Denied).phone, Since { refused: true, asked_anew: false });
    assert_eq!(
        of(Cause::ContactPointChanged, NotSet).phone,
        Since { refused: false, asked_anew: true }
    );
    assert_eq!(of(Cause::Expired, NotSet).phone, Since::default(), "each side has its own expiry");
    let (no, yes) = (change(Denied, None), change(Granted, None));
    let since = Since::of([(Cause::Withdrawn, &no), (Cause::Set, &yes)]);
    assert!(since.phone.refused, "a grant after it tells not of whom it was");
    assert_eq!(since.email, Since::default());
}

#[test]
fn a_masked_point_refuses_the_undo() {
    let mut of = undo_of(said(Granted), said(Granted), Since::default());
    of.merged.phone = said(Denied);
    assert_eq!(undo(&user(SHOW), &of, at(5)), Err(Refusal::ContactPointMasked));
    assert_eq!(undo(&user(REGRANT), &of, at(5)), Err(Refusal::ContactPointMasked));
    of.has_address = NOWHERE;
    let lifts = Err(Refusal::CannotLiftOwnMask { channels: vec![Channel::Phone] });
    assert_eq!(undo(&user(SHOW), &of, at(5)), lifts, "its points come back with it");
    assert!(undo(&admin(SHOW), &of, at(5)).is_ok());
}

#[test]
fn the_absorbed_contact_comes_back_in_its_own_stream() {
    let of = undo_of(said(Granted), until(3), Since::default());
    let undone = undo(&admin(SHOW), &of, at(5)).unwrap();
    assert_eq!(undone.absorbed.cause, Cause::MergeUndone);
    assert!(undone.absorbed.changes.iter().all(|change| change.from.is_none()));
    assert_eq!(states(&undone.absorbed.consents, at(5)), (NotSet, NotSet), "its grant has run out");
    assert_eq!(undone.survivor.changes[0].from, Some(Granted));
}
