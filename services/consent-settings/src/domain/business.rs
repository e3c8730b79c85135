//! A tenant, and who may change what of it.

use jiff::Timestamp;
use yinyom_kernel::{BusinessId, Etag, MemberId};
use yinyom_privacy::Personal;

use super::{Actor, Effect, Refusal, Revision, Zone};

/// What a business has bought. The numbers are the stores' and the API's, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    Free = 1,
    AdPro = 2,
    AdProPlus = 3,
    Silver = 4,
    Gold = 5,
    Platinum = 6,
}

impl Plan {
    /// Every plan, by number.
    pub const ALL: [Self; 6] =
        [Self::Free, Self::AdPro, Self::AdProPlus, Self::Silver, Self::Gold, Self::Platinum];

    /// Its number.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The plan of that number.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.code() == code)
    }

    /// As a client reads it in an error.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "FREE",
            Self::AdPro => "ADPRO",
            Self::AdProPlus => "ADPRO_PLUS",
            Self::Silver => "SILVER",
            Self::Gold => "GOLD",
            Self::Platinum => "PLATINUM",
        }
    }

    /// Whether enforcement can be switched on with it (the seed's first note).
    pub const fn has_enforcement(self) -> bool {
        matches!(self, Self::AdProPlus | Self::Gold | Self::Platinum)
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Business {
    pub id: BusinessId,
    pub display_name: String,
    pub plan: Plan,
    pub time_zone: Zone,
    pub revision: Revision,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a new business shall be, and its first owner.
#[derive(Debug, Clone)]
pub struct NewBusiness {
    pub display_name: String,
    pub plan: Plan,
    pub time_zone: Zone,
    pub owner_display_name: Personal,
    /// Where the identity provider gave one already.
    pub owner: Option<MemberId>,
}

/// What of a business shall be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusinessPatch {
    pub display_name: Option<String>,
    pub plan: Option<Plan>,
    pub time_zone: Option<Zone>,
}

impl Business {
    /// Its current etag.
    pub const fn etag(&self) -> Etag {
        Etag::of(self.revision)
    }

    /// The business with `patch` applied. The plan is the operators', all else the owner's and the
    /// admins'. A plan that loses enforcement switches nothing off: a downgrade reveals nothing.
    pub fn edited(
        &self,
        actor: &Actor,
        patch: BusinessPatch,
        now: Timestamp,
    ) -> Result<(Self, Effect), Refusal> {
        if patch.plan.is_some() {
            actor.must_operate()?;
        }
        if patch.display_name.is_some() || patch.time_zone.is_some() {
            actor.must_administer()?;
        }
        let mut after = self.clone();
        after.display_name = patch.display_name.unwrap_or(after.display_name);
        after.plan = patch.plan.unwrap_or(after.plan);
        after.time_zone = patch.time_zone.unwrap_or(after.time_zone);
        if after != *self {
            after.revision += 1;
            after.updated_at = now;
        }
        let effect = if after.time_zone == self.time_zone { Effect::None } else { Effect::Gives };
        Ok((after, effect))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use yinyom_consent::Role;

    use super::super::member::tests::{LATER, NOW, member};
    use super::*;

    fn business() -> Business {
        Business {
            id: BusinessId::generate(),
            display_name: "Baan Suan".to_owned(),
            plan: Plan::Gold,
            time_zone: Zone::default(),
            revision: 4,
            created_at: NOW,
            updated_at: NOW,
        }
    }

    fn plan(plan: Plan) -> BusinessPatch {
        BusinessPatch { plan: Some(plan), ..BusinessPatch::default() }
    }

    fn name(name: &str) -> BusinessPatch {
        BusinessPatch { display_name: Some(name.to_owned()), ..BusinessPatch::default() }
    }

    #[test]
    fn enforcement_comes_with_three_plans() {
        let with: Vec<_> =
            Plan::ALL.into_iter().filter(|p| p.has_enforcement()).map(Plan::name).collect();
        assert_eq!(with, ["ADPRO_PLUS", "GOLD", "PLATINUM"]);
    }

    #[test]
    fn plan_numbers_are_for_ever() {
        assert_eq!(Plan::ALL.map(Plan::code), [1, 2, 3, 4, 5, 6]);
        assert_eq!(Plan::from_code(0), None);
        assert_eq!(Plan::from_code(7), None);
    }

    #[test]
    fn nobody_but_an_operator_changes_the_plan() {
        for role in Role::ALL {
            let actor = Actor::Member(member(*role));
            let asked = business().edited(&actor, plan(Plan::Platinum), LATER);
            assert_eq!(asked, Err(Refusal::OperatorOnly));
        }
        let asked = business().edited(&Actor::Service, plan(Plan::Platinum), LATER);
        assert_eq!(asked, Err(Refusal::OperatorOnly));
        let (after, _) = business().edited(&Actor::Operator, plan(Plan::Free), LATER).unwrap();
        assert_eq!((after.plan, after.revision, after.updated_at), (Plan::Free, 5, LATER));
    }

    #[test]
    fn nobody_but_owner_and_admins_renames_the_business() {
        for actor in [Actor::Operator, Actor::Service, Actor::Member(member(Role::User))] {
            let asked = business().edited(&actor, name("Other"), LATER);
            assert_eq!(asked, Err(Refusal::OwnerOrAdminOnly));
        }
        for role in [Role::Owner, Role::Admin] {
            let actor = Actor::Member(member(role));
            let (after, effect) = business().edited(&actor, name("Other"), LATER).unwrap();
            assert_eq!((after.display_name.as_str(), effect), ("Other", Effect::None));
        }
    }

    #[test]
    fn one_forbidden_field_forbids_the_whole_change() {
        let patch = BusinessPatch { plan: Some(Plan::Gold), ..name("Other") };
        let owner = Actor::Member(member(Role::Owner));
        assert_eq!(business().edited(&owner, patch.clone(), LATER), Err(Refusal::OperatorOnly));
        let asked = business().edited(&Actor::Operator, patch, LATER);
        assert_eq!(asked, Err(Refusal::OwnerOrAdminOnly));
    }

    #[test]
    fn a_change_to_the_same_value_is_none() {
        let before = business();
        let owner = Actor::Member(member(Role::Owner));
        let (after, _) = before.edited(&owner, name("Baan Suan"), LATER).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn the_rules_hold_the_zone_so_a_new_zone_is_a_new_policy() {
        let owner = Actor::Member(member(Role::Owner));
        let patch = BusinessPatch {
            time_zone: Some(Zone::read("Europe/Berlin").unwrap()),
            ..BusinessPatch::default()
        };
        let (_, effect) = business().edited(&owner, patch, LATER).unwrap();
        assert_eq!(effect, Effect::Gives);
    }
}
