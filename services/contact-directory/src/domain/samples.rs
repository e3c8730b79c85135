//! What the tests of the rules start from.

use jiff::Timestamp;
use proptest::prelude::*;
use yinyom_consent::{ByChannel, ConsentState, Role};
use yinyom_kernel::from_micros;
use yinyom_policy::{Membership, NotSetVisibility, PolicyMember, Rules, SharedAddressPolicy};

use super::{Consent, View, Viewer};

pub const STATES: [ConsentState; 3] =
    [ConsentState::NotSet, ConsentState::Granted, ConsentState::Denied];

pub const VIEWERS: [Viewer; 6] = [
    Viewer::SeesEverything,
    Viewer::User,
    Viewer::Presumed,
    Viewer::Unknown,
    Viewer::ScopedService,
    Viewer::Service,
];

pub const SHOW: Rules = Rules { enforcement: true, ..Rules::INITIAL };
pub const MASK: Rules = Rules { not_set_visibility: NotSetVisibility::Mask, ..SHOW };
pub const OFF: Rules = Rules::INITIAL;
pub const REGRANT: Rules = Rules { members_may_regrant: true, ..SHOW };

pub const EVERYWHERE: ByChannel<bool> = ByChannel { phone: true, email: true };
pub const NOWHERE: ByChannel<bool> = ByChannel { phone: false, email: false };

/// The tests' clock, in seconds.
pub fn at(second: i64) -> Timestamp {
    from_micros(second * 1_000_000)
}

pub fn user(rules: Rules) -> View {
    View::new(Viewer::User, rules)
}

pub fn admin(rules: Rules) -> View {
    View::new(Viewer::SeesEverything, rules)
}

pub const fn member(role: Role, listed: bool, protection_officer: bool) -> Membership {
    Membership::Member(PolicyMember { role, listed, protection_officer })
}

/// A channel that was put into `state` at second 0.
pub fn said(state: ConsentState) -> Consent {
    Consent::not_asked(at(0)).say(state, None, at(0))
}

/// A grant that runs out at `second`.
pub fn until(second: i64) -> Consent {
    Consent::not_asked(at(0)).say(ConsentState::Granted, Some(at(second)), at(0))
}

pub fn of(phone: ConsentState, email: ConsentState) -> ByChannel<Consent> {
    ByChannel { phone: said(phone), email: said(email) }
}

pub fn states(consents: &ByChannel<Consent>, now: Timestamp) -> (ConsentState, ConsentState) {
    (consents.phone.state_at(now), consents.email.state_at(now))
}

pub fn any_state() -> prop::sample::Select<ConsentState> {
    prop::sample::select(&STATES[..])
}

pub fn any_viewer() -> impl Strategy<Value = Viewer> {
    prop::sample::select(&VIEWERS[..])
}

/// Rules without the right to regrant.
pub fn any_rules() -> impl Strategy<Value = Rules> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(enforcement, mask, heed)| Rules {
        enforcement,
        not_set_visibility: if mask { NotSetVisibility::Mask } else { NotSetVisibility::Show },
        members_may_regrant: false,
        shared_address_policy: if heed {
            SharedAddressPolicy::MostRestrictive
        } else {
            SharedAddressPolicy::RecordOnly
        },
        default_grant_lifetime: None,
    })
}

/// Any consent that the rules can leave behind, grants that have run out at [`NOW`](now) included.
pub fn any_consent() -> impl Strategy<Value = Consent> {
    (any_state(), prop::option::of(1_i64..20), any::<bool>()).prop_map(
        |(state, expiry, refused)| {
            let denied = state == ConsentState::Denied;
            Consent {
                state,
                expires_at: expiry.filter(|_| !denied).map(at),
                updated_at: at(0),
                refused_before: refused || denied,
            }
        },
    )
}

/// In the middle of the times at which [`any_consent`] runs out.
pub fn now() -> Timestamp {
    at(10)
}

pub fn by_channel<S: Strategy + Clone>(of: S) -> impl Strategy<Value = ByChannel<S::Value>> {
    (of.clone(), of).prop_map(|(phone, email)| ByChannel { phone, email })
}

pub fn any_consents() -> impl Strategy<Value = ByChannel<Consent>> {
    (any_consent(), any_consent()).prop_map(|(phone, email)| ByChannel { phone, email })
}
