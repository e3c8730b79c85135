//! Who sees a contact point (PRODUCT.md, "Who sees"), and who may ask what hidden points would answer.
//!
//! [`decide`] is the only place that decides on a mask; every way out of the directory asks it.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, ConsentState};
use yinyom_policy::{Membership, NotSetVisibility, Rules};

use super::{Consent, Refusal};

/// Somebody who looks, as far as the rules tell people apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Viewer {
    /// Owner, admin, or a user on the viewer list.
    SeesEverything,
    /// A user who is not on the viewer list.
    User,
    /// A member while the rules cannot be had (TRAPS 6): an unlisted user under the strictest rules.
    Presumed,
    /// Perhaps a member: the rules cannot be had, and none are known that could say so. Sees nothing.
    Unknown,
    /// A service with the scope `addresses.read`.
    ScopedService,
    /// A service without it.
    Service,
}

impl Viewer {
    /// How a member looks; a stranger does not look at all.
    pub fn of_member(membership: Membership) -> Option<Self> {
        match membership {
            Membership::Member(member) if member.sees_everything() => Some(Self::SeesEverything),
            Membership::Member(_) => Some(Self::User),
            Membership::Presumed => Some(Self::Presumed),
            Membership::Unknown => Some(Self::Unknown),
            Membership::Stranger => None,
        }
    }

    /// How a service looks, with the scope `addresses.read` or without.
    pub const fn of_service(reads_addresses: bool) -> Self {
        if reads_addresses { Self::ScopedService } else { Self::Service }
    }
}

/// Whether a contact point is shown, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    pub visible: bool,
    pub reason: SightReason,
}

/// Why a contact point is shown or masked; the protobuf enum `VisibilityReason` has the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SightReason {
    /// Shown: the business does not enforce consent.
    EnforcementOff,
    /// Shown: owner, admin or on the viewer list, whatever the customer said.
    Privileged,
    /// Shown: a service with the scope, whatever the customer said.
    ScopedService,
    /// Shown: the customer said yes.
    Granted,
    /// Shown: not asked yet, and the business shows those.
    NotSetShown,
    /// Masked: not asked yet, and the business masks those.
    NotSetMasked,
    /// Masked: the customer said no.
    Denied,
    /// Masked: a service without the scope.
    UnscopedService,
    /// Masked: the rules cannot be had.
    PolicyUnavailable,
    /// Masked: it would be shown by privilege alone, and that could not be recorded.
    RevealNotRecorded,
}

impl SightReason {
    const fn shows(self) -> bool {
        match self {
            Self::EnforcementOff
            | Self::Privileged
            | Self::ScopedService
            | Self::Granted
            | Self::NotSetShown => true,
            Self::NotSetMasked
            | Self::Denied
            | Self::UnscopedService
            | Self::PolicyUnavailable
            | Self::RevealNotRecorded => false,
        }
    }
}

/// Whether `viewer` sees the points of a channel in `state`. The truth table of PRODUCT.md.
///
/// A service's sight comes from its scope alone, so the rules do not touch it; a presumed member's rules
/// are the strictest, whichever are given.
pub const fn decide(viewer: Viewer, rules: &Rules, state: ConsentState) -> Sight {
    let reason = match viewer {
        Viewer::ScopedService => SightReason::ScopedService,
        Viewer::Service => SightReason::UnscopedService,
        Viewer::Unknown => SightReason::PolicyUnavailable,
        Viewer::Presumed => match state {
            ConsentState::Granted => SightReason::Granted,
            ConsentState::NotSet | ConsentState::Denied => SightReason::PolicyUnavailable,
        },
        Viewer::SeesEverything | Viewer::User if !rules.enforcement => SightReason::EnforcementOff,
        Viewer::SeesEverything => SightReason::Privileged,
        Viewer::User => match (state, rules.not_set_visibility) {
            (ConsentState::Granted, _) => SightReason::Granted,
            (ConsentState::NotSet, NotSetVisibility::Show) => SightReason::NotSetShown,
            (ConsentState::NotSet, NotSetVisibility::Mask) => SightReason::NotSetMasked,
            (ConsentState::Denied, _) => SightReason::Denied,
        },
    };
    Sight { visible: reason.shows(), reason }
}

/// Whether `viewer` may ask what rests on the equality of addresses: duplicates, conflicts,
/// `BatchCheckConsent`, `StreamReachable`.
pub const fn may_use_address_equality(viewer: Viewer, rules: &Rules) -> Result<(), Refusal> {
    match viewer {
        Viewer::SeesEverything | Viewer::ScopedService => Ok(()),
        Viewer::User if !rules.enforcement => Ok(()),
        Viewer::User | Viewer::Service => Err(Refusal::HiddenAddresses),
        Viewer::Presumed | Viewer::Unknown => Err(Refusal::PolicyUnavailable),
    }
}

/// Whether `viewer` may import, whether consent is enforced or not.
///
/// A row's outcome tells whether the contact has the row's addresses, and its addresses are added. So a service needs
/// the scope `addresses.read` for it: without, it could find out hidden numbers by trying them.
pub const fn may_import(viewer: Viewer) -> Result<(), Refusal> {
    match viewer {
        Viewer::SeesEverything | Viewer::ScopedService => Ok(()),
        Viewer::User | Viewer::Service => Err(Refusal::ImportNotAllowed),
        Viewer::Presumed | Viewer::Unknown => Err(Refusal::PolicyUnavailable),
    }
}

/// Somebody who looks, with the rules that hold for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    viewer: Viewer,
    rules: Rules,
    /// What privilege alone would show is masked.
    unrecorded: bool,
}

impl View {
    /// `viewer` under `rules`, or under the strictest ones where the rules cannot be had.
    pub const fn new(viewer: Viewer, rules: Rules) -> Self {
        let rules = match viewer {
            Viewer::Presumed | Viewer::Unknown => Rules::strictest_after(rules),
            _ => rules,
        };
        Self { viewer, rules, unrecorded: false }
    }

    /// The same, where it could not be recorded what it [reveals](Self::reveals): that is masked then (TRAPS 18).
    #[must_use]
    pub const fn unrecorded(mut self) -> Self {
        self.unrecorded = true;
        self
    }

    /// Who looks.
    pub const fn viewer(&self) -> Viewer {
        self.viewer
    }

    /// Under which rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What the viewer will see at least, once the rules can be had again.
    #[must_use]
    pub const fn once_known(&self) -> Self {
        match self.viewer {
            Viewer::Unknown => Self::new(Viewer::Presumed, self.rules),
            _ => *self,
        }
    }

    /// What is seen of a channel in `state`.
    pub const fn sight(&self, state: ConsentState) -> Sight {
        if self.unrecorded && self.reveals(state) {
            return Sight { visible: false, reason: SightReason::RevealNotRecorded };
        }
        decide(self.viewer, &self.rules, state)
    }

    /// What is seen of both channels at `now`.
    pub fn sights(&self, consents: &ByChannel<Consent>, now: Timestamp) -> ByChannel<Sight> {
        ByChannel::from_fn(|channel| self.sight(consents.get(channel).state_at(now)))
    }

    /// Whether a channel in `state` is a reveal: shown by privilege, masked to any other user. It is to be recorded
    /// before it is shown.
    pub const fn reveals(&self, state: ConsentState) -> bool {
        decide(self.viewer, &self.rules, state).visible
            && !decide(Viewer::User, &self.rules, state).visible
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use yinyom_consent::Role;

    use super::SightReason as R;
    use super::*;
    use crate::domain::samples::{MASK, OFF, REGRANT, SHOW, STATES, VIEWERS, member};

    /// PRODUCT.md, "Who sees": every row, under every kind of rules; the cells are `GRANTED`, `NOT_SET`, `DENIED`.
    #[rstest]
    #[case(OFF, Viewer::SeesEverything, [R::EnforcementOff; 3])]
    #[case(OFF, Viewer::User, [R::EnforcementOff; 3])]
    #[case(OFF, Viewer::Presumed, [R::Granted, R::PolicyUnavailable, R::PolicyUnavailable])]
    #[case(OFF, Viewer::Unknown, [R::PolicyUnavailable; 3])]
    #[case(OFF, Viewer::ScopedService, [R::ScopedService; 3])]
    #[case(OFF, Viewer::Service, [R::UnscopedService; 3])]
    #[case(SHOW, Viewer::SeesEverything, [R::Privileged; 3])]
    #[case(SHOW, Viewer::User, [R::Granted, R::NotSetShown, R::Denied])]
    #[case(SHOW, Viewer::Presumed, [R::Granted, R::PolicyUnavailable, R::PolicyUnavailable])]
    #[case(SHOW, Viewer::Unknown, [R::PolicyUnavailable; 3])]
    #[case(SHOW, Viewer::ScopedService, [R::ScopedService; 3])]
    #[case(SHOW, Viewer::Service, [R::UnscopedService; 3])]
    #[case(MASK, Viewer::SeesEverything, [R::Privileged; 3])]
    #[case(MASK, Viewer::User, [R::Granted, R::NotSetMasked, R::Denied])]
    #[case(MASK, Viewer::Presumed, [R::Granted, R::PolicyUnavailable, R::PolicyUnavailable])]
    #[case(MASK, Viewer::Unknown, [R::PolicyUnavailable; 3])]
    #[case(MASK, Viewer::ScopedService, [R::ScopedService; 3])]
    #[case(MASK, Viewer::Service, [R::UnscopedService; 3])]
    fn the_truth_table(#[case] rules: Rules, #[case] viewer: Viewer, #[case] cells: [R; 3]) {
        let columns = [ConsentState::Granted, ConsentState::NotSet, ConsentState::Denied];
        for (state, reason) in columns.into_iter().zip(cells) {
            let visible = !matches!(
                reason,
                R::NotSetMasked | R::Denied | R::UnscopedService | R::PolicyUnavailable
            );
            let sight = decide(viewer, &rules, state);
            assert_eq!(sight, Sight { visible, reason }, "{viewer:?} {state:?}");
            assert_eq!(
                View::new(viewer, rules).sight(state),
                sight,
                "a view decides nothing itself"
            );
        }
    }

    #[test]
    fn owner_admin_and_listed_users_see_everything_and_nobody_else_does() {
        let all = |role| [(role, false, false), (role, true, false), (role, false, true)];
        for (role, listed, officer) in
            [Role::Owner, Role::Admin, Role::User].into_iter().flat_map(all)
        {
            let expected =
                if role == Role::User && !listed { Viewer::User } else { Viewer::SeesEverything };
            let viewer = Viewer::of_member(member(role, listed, officer));
            assert_eq!(viewer, Some(expected), "{role:?} listed {listed} officer {officer}");
        }
    }

    #[test]
    fn who_may_be_no_member_any_more_is_shown_nothing() {
        assert_eq!(Viewer::of_member(Membership::Unknown), Some(Viewer::Unknown));
    }

    #[test]
    fn another_businesss_member_does_not_look_at_all() {
        assert_eq!(Viewer::of_member(Membership::Stranger), None);
    }

    #[test]
    fn without_a_lease_nobody_is_more_than_an_unlisted_user_under_the_strictest_rules() {
        assert_eq!(Viewer::of_member(Membership::Presumed), Some(Viewer::Presumed));
        for rules in [OFF, SHOW, MASK, REGRANT] {
            let view = View::new(Viewer::Presumed, rules);
            assert_eq!(*view.rules(), Rules::STRICTEST);
            assert_eq!(*View::new(Viewer::Unknown, rules).rules(), Rules::STRICTEST);
            for state in STATES {
                let strictest = decide(Viewer::User, &Rules::STRICTEST, state).visible;
                assert_eq!(view.sight(state).visible, strictest);
            }
        }
    }

    #[test]
    fn a_service_sees_by_its_scope_alone() {
        assert_eq!(Viewer::of_service(true), Viewer::ScopedService);
        assert_eq!(Viewer::of_service(false), Viewer::Service);
    }

    #[rstest]
    #[case(Viewer::SeesEverything, true, true)]
    #[case(Viewer::ScopedService, true, true)]
    #[case(Viewer::User, false, true)]
    #[case(Viewer::Service, false, false)]
    #[case(Viewer::Presumed, false, false)]
    #[case(Viewer::Unknown, false, false)]
    fn equality_of_hidden_addresses_is_for_those_who_see_them(
        #[case] viewer: Viewer,
        #[case] while_enforced: bool,
        #[case] while_off: bool,
    ) {
        for rules in [SHOW, MASK] {
            assert_eq!(may_use_address_equality(viewer, &rules).is_ok(), while_enforced);
        }
        assert_eq!(may_use_address_equality(viewer, &OFF).is_ok(), while_off);
    }

    #[test]
    fn imports_are_for_owner_admin_listed_users_and_scoped_services() {
        let refused: Vec<_> = VIEWERS.into_iter().filter(|v| may_import(*v).is_err()).collect();
        assert_eq!(refused, [Viewer::User, Viewer::Presumed, Viewer::Unknown, Viewer::Service]);
    }

    #[test]
    fn a_call_gated_by_a_role_is_unavailable_without_a_lease() {
        for viewer in [Viewer::Presumed, Viewer::Unknown] {
            assert_eq!(may_import(viewer), Err(Refusal::PolicyUnavailable));
            let equality = may_use_address_equality(viewer, &OFF);
            assert_eq!(equality, Err(Refusal::PolicyUnavailable));
        }
    }

    #[test]
    fn a_reveal_is_what_privilege_alone_shows() {
        let reveals = |viewer, rules| STATES.map(|state| View::new(viewer, rules).reveals(state));
        for viewer in [Viewer::SeesEverything, Viewer::ScopedService] {
            assert_eq!(reveals(viewer, OFF), [false, false, false]);
            assert_eq!(reveals(viewer, SHOW), [false, false, true]);
            assert_eq!(reveals(viewer, MASK), [true, false, true]);
        }
        for viewer in [Viewer::User, Viewer::Presumed, Viewer::Unknown, Viewer::Service] {
            assert_eq!(reveals(viewer, MASK), [false, false, false]);
        }
    }

    #[test]
    fn a_reveal_that_is_not_recorded_is_masked_and_nothing_else_is() {
        let cases = VIEWERS.into_iter().flat_map(|viewer| {
            let rules = [OFF, SHOW, MASK, REGRANT].into_iter();
            rules.flat_map(move |rules| STATES.map(move |state| (viewer, rules, state)))
        });
        for (viewer, rules, state) in cases {
            let view = View::new(viewer, rules);
            let withheld = view.unrecorded();
            let masked = Sight { visible: false, reason: R::RevealNotRecorded };
            let expected = if view.reveals(state) { masked } else { view.sight(state) };
            assert_eq!(withheld.sight(state), expected, "{viewer:?} {rules:?} {state:?}");
            let anybody = decide(Viewer::User, view.rules(), state).visible;
            assert!(anybody || !withheld.sight(state).visible, "{viewer:?} {rules:?} {state:?}");
        }
    }
}
