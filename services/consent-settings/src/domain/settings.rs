//! The consent settings of a business, and who may change which.

use std::time::Duration;

use jiff::Timestamp;
use yinyom_kernel::{BusinessId, Etag};
use yinyom_policy::{NotSetVisibility, Rules, SharedAddressPolicy};

use super::{Actor, Effect, Plan, Refusal, Revision};

/// The shortest that grants may be given for if nothing is said.
pub const SHORTEST_GRANT: Duration = Duration::from_hours(24);

/// The longest: ten years, with their leap days.
pub const LONGEST_GRANT: Duration = Duration::from_hours(24 * 3_660);

/// The settings of one business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub business: BusinessId,
    pub rules: Rules,
    pub revision: Revision,
    pub updated_at: Timestamp,
}

/// What of the rules shall be changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RulesPatch {
    pub enforcement: Option<bool>,
    pub not_set_visibility: Option<NotSetVisibility>,
    pub members_may_regrant: Option<bool>,
    pub shared_address_policy: Option<SharedAddressPolicy>,
    /// `Some(None)` is for ever.
    pub default_grant_lifetime: Option<Option<Duration>>,
}

impl RulesPatch {
    const fn applied(self, mut rules: Rules) -> Rules {
        if let Some(enforcement) = self.enforcement {
            rules.enforcement = enforcement;
        }
        if let Some(visibility) = self.not_set_visibility {
            rules.not_set_visibility = visibility;
        }
        if let Some(regrant) = self.members_may_regrant {
            rules.members_may_regrant = regrant;
        }
        if let Some(policy) = self.shared_address_policy {
            rules.shared_address_policy = policy;
        }
        if let Some(lifetime) = self.default_grant_lifetime {
            rules.default_grant_lifetime = lifetime;
        }
        rules
    }
}

impl Settings {
    /// The settings of a new business.
    pub const fn initial(business: BusinessId, now: Timestamp) -> Self {
        Self { business, rules: Rules::INITIAL, revision: 1, updated_at: now }
    }

    /// Their current etag.
    pub const fn etag(&self) -> Etag {
        Etag::of(self.revision)
    }

    /// The settings with `patch` applied. Owner and admins change them; only the owner switches
    /// enforcement off; it is switched on only with a plan that has it, also when it was on before a
    /// downgrade and then switched off.
    pub fn edited(
        &self,
        actor: &Actor,
        plan: Plan,
        patch: RulesPatch,
        now: Timestamp,
    ) -> Result<(Self, Effect), Refusal> {
        actor.must_administer()?;
        let (before, rules) = (self.rules, patch.applied(self.rules));
        if before.enforcement && !rules.enforcement {
            actor.must_own()?;
        }
        if !before.enforcement && rules.enforcement && !plan.has_enforcement() {
            return Err(Refusal::PlanNotEligible { plan });
        }
        let effect = Effect::of(before != rules, takes(before, rules));
        let mut after = Self { rules, ..self.clone() };
        if before != rules {
            after.revision += 1;
            after.updated_at = now;
        }
        Ok((after, effect))
    }
}

/// Whether somebody may see or do less by `after` than by `before`. What enforcement makes of the
/// other ones does not matter here: it may come at any time.
fn takes(before: Rules, after: Rules) -> bool {
    let hides = |v| v == NotSetVisibility::Mask;
    let restricts = |p| p == SharedAddressPolicy::MostRestrictive;
    (!before.enforcement && after.enforcement)
        || (!hides(before.not_set_visibility) && hides(after.not_set_visibility))
        || (before.members_may_regrant && !after.members_may_regrant)
        || (!restricts(before.shared_address_policy) && restricts(after.shared_address_policy))
        || shortens(before.default_grant_lifetime, after.default_grant_lifetime)
}

/// Whether grants are given for less: once that was said, none is to be given for longer.
fn shortens(before: Option<Duration>, after: Option<Duration>) -> bool {
    let length = |lifetime: Option<Duration>| lifetime.unwrap_or(Duration::MAX);
    length(after) < length(before)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use yinyom_consent::Role;

    use super::super::member::tests::{LATER, NOW, member};
    use super::*;

    fn off() -> Settings {
        Settings::initial(BusinessId::generate(), NOW)
    }

    fn on() -> Settings {
        Settings { rules: Rules { enforcement: true, ..Rules::INITIAL }, ..off() }
    }

    fn switch(on: bool) -> RulesPatch {
        RulesPatch { enforcement: Some(on), ..RulesPatch::default() }
    }

    fn actor(role: Role) -> Actor {
        Actor::Member(member(role))
    }

    #[test]
    fn a_new_business_enforces_nothing() {
        assert!(!off().rules.enforcement);
        assert_eq!(off().rules.not_set_visibility, NotSetVisibility::Show);
    }

    #[test]
    fn enforcement_is_switched_on_only_with_a_plan_that_has_it() {
        for plan in Plan::ALL {
            for role in [Role::Owner, Role::Admin] {
                let asked = off().edited(&actor(role), plan, switch(true), LATER);
                if plan.has_enforcement() {
                    assert!(asked.unwrap().0.rules.enforcement);
                } else {
                    assert_eq!(asked.unwrap_err(), Refusal::PlanNotEligible { plan });
                }
            }
        }
    }

    #[test]
    fn after_a_downgrade_enforcement_stays_on_and_once_off_stays_off() {
        let owner = actor(Role::Owner);
        let hide = RulesPatch { not_set_visibility: Some(NotSetVisibility::Mask), ..switch(true) };
        let (still, _) = on().edited(&owner, Plan::Free, hide, LATER).unwrap();
        assert!(still.rules.enforcement, "other settings can be changed meanwhile");
        let (ended, _) = still.edited(&owner, Plan::Free, switch(false), LATER).unwrap();
        let asked = ended.edited(&owner, Plan::Free, switch(true), LATER);
        assert_eq!(asked.unwrap_err(), Refusal::PlanNotEligible { plan: Plan::Free });
    }

    #[test]
    fn only_the_owner_switches_enforcement_off() {
        let asked = on().edited(&actor(Role::Admin), Plan::Gold, switch(false), LATER);
        assert_eq!(asked.unwrap_err(), Refusal::OwnerOnly);
        let (after, effect) =
            on().edited(&actor(Role::Owner), Plan::Gold, switch(false), LATER).unwrap();
        assert_eq!((after.rules.enforcement, effect), (false, Effect::Gives));
        let (_, effect) =
            off().edited(&actor(Role::Admin), Plan::Gold, switch(false), LATER).unwrap();
        assert_eq!(effect, Effect::Stands, "it is off already, which anybody may say");
    }

    #[test]
    fn users_services_and_operators_change_no_settings() {
        let listed = Actor::Member(super::super::Member {
            listed_at: Some(NOW),
            protection_officer: true,
            ..member(Role::User)
        });
        for actor in [listed, actor(Role::User), Actor::Service, Actor::Operator] {
            let asked = off().edited(&actor, Plan::Gold, switch(true), LATER);
            assert_eq!(asked.unwrap_err(), Refusal::OwnerOrAdminOnly);
        }
    }

    #[test]
    fn every_change_that_hides_or_forbids_more_takes_and_its_reverse_gives() {
        let year = Some(Duration::from_hours(24 * 365));
        let strict =
            Settings { rules: Rules { default_grant_lifetime: year, ..Rules::STRICTEST }, ..off() };
        let loose =
            Settings { rules: Rules { members_may_regrant: true, ..Rules::INITIAL }, ..off() };
        let patches = |r: Rules| {
            [
                switch(r.enforcement),
                RulesPatch { not_set_visibility: Some(r.not_set_visibility), ..Default::default() },
                RulesPatch {
                    members_may_regrant: Some(r.members_may_regrant),
                    ..Default::default()
                },
                RulesPatch {
                    shared_address_policy: Some(r.shared_address_policy),
                    ..Default::default()
                },
                RulesPatch {
                    default_grant_lifetime: Some(r.default_grant_lifetime),
                    ..Default::default()
                },
            ]
        };
        let owner = actor(Role::Owner);
        for (i, patch) in patches(strict.rules).into_iter().enumerate() {
            let (after, effect) = loose.edited(&owner, Plan::Gold, patch, LATER).unwrap();
            assert_eq!((effect, after.revision), (Effect::Takes, 2), "patch {i}");
        }
        for (i, patch) in patches(loose.rules).into_iter().enumerate() {
            let (_, effect) = strict.edited(&owner, Plan::Gold, patch, LATER).unwrap();
            assert_eq!(effect, Effect::Gives, "patch {i}");
        }
    }

    #[test]
    fn a_right_given_beside_hides_no_right_taken() {
        let patch = RulesPatch { members_may_regrant: Some(true), ..switch(true) };
        let (_, effect) = off().edited(&actor(Role::Owner), Plan::Gold, patch, LATER).unwrap();
        assert_eq!(effect, Effect::Takes);
    }

    #[test]
    fn the_same_settings_again_are_no_change() {
        let (after, effect) =
            on().edited(&actor(Role::Admin), Plan::Free, switch(true), LATER).unwrap();
        assert_eq!((after.revision, effect), (1, Effect::Stands));
    }
}
