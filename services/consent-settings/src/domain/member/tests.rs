//! Each rule about members, by name.

#![allow(clippy::unwrap_used)]

use super::*;

pub(in crate::domain) const NOW: Timestamp = Timestamp::UNIX_EPOCH;
pub(in crate::domain) const LATER: Timestamp = Timestamp::constant(60, 0);

pub(in crate::domain) fn member(role: Role) -> Member {
    Member {
        business: BusinessId::generate(),
        id: MemberId::generate(),
        display_name: "Somsri".into(),
        role,
        protection_officer: false,
        listed_at: None,
        revision: 7,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn actor(role: Role) -> Actor {
    Actor::Member(member(role))
}

fn new(role: Role, protection_officer: bool) -> NewMember {
    NewMember { id: None, display_name: "Anan".into(), role, protection_officer }
}

fn to_role(role: Role) -> MemberPatch {
    MemberPatch { role: Some(role), ..MemberPatch::default() }
}

fn to_officer(flag: bool) -> MemberPatch {
    MemberPatch { protection_officer: Some(flag), ..MemberPatch::default() }
}

fn officer() -> Member {
    Member { protection_officer: true, ..member(Role::User) }
}

#[test]
fn nobody_adds_an_owner() {
    for role in [Role::Owner, Role::Admin] {
        let asked = new(Role::Owner, false).admitted(&actor(role), BusinessId::generate(), NOW);
        assert_eq!(asked.unwrap_err(), Refusal::OwnerByTransferOnly);
    }
}

#[test]
fn only_the_owner_adds_an_admin_or_a_protection_officer() {
    for asked in [new(Role::Admin, false), new(Role::User, true)] {
        let business = BusinessId::generate();
        let by_admin = asked.clone().admitted(&actor(Role::Admin), business, NOW);
        assert_eq!(by_admin.unwrap_err(), Refusal::OwnerOnly);
        assert!(asked.admitted(&actor(Role::Owner), business, NOW).is_ok());
    }
}

#[test]
fn a_user_a_service_and_an_operator_add_nobody() {
    for actor in [actor(Role::User), Actor::Service, Actor::Operator] {
        let asked = new(Role::User, false).admitted(&actor, BusinessId::generate(), NOW);
        assert_eq!(asked.unwrap_err(), Refusal::OwnerOrAdminOnly);
    }
}

#[test]
fn a_new_member_is_not_on_the_viewer_list() {
    let added = new(Role::User, false).admitted(&actor(Role::Admin), BusinessId::generate(), NOW);
    assert_eq!(added.unwrap().listed_at, None);
}

#[test]
fn nobody_raises_their_own_role() {
    for (role, wish) in
        [(Role::User, Role::Admin), (Role::User, Role::Owner), (Role::Admin, Role::Owner)]
    {
        let own = member(role);
        let asked = own.edited(&Actor::Member(own.clone()), to_role(wish), LATER);
        assert_eq!(asked.unwrap_err(), Refusal::OwnRoleRaised);
    }
}

#[test]
fn only_the_owner_gives_and_takes_admin() {
    for (from, to) in [(Role::User, Role::Admin), (Role::Admin, Role::User)] {
        let asked = member(from).edited(&actor(Role::Admin), to_role(to), LATER);
        assert_eq!(asked.unwrap_err(), Refusal::OwnerOnly);
        let (after, _) = member(from).edited(&actor(Role::Owner), to_role(to), LATER).unwrap();
        assert_eq!((after.role, after.revision, after.updated_at), (to, 8, LATER));
    }
}

#[test]
fn an_admin_does_not_step_down_either() {
    let own = member(Role::Admin);
    let asked = own.edited(&Actor::Member(own.clone()), to_role(Role::User), LATER);
    assert_eq!(asked.unwrap_err(), Refusal::OwnerOnly);
}

#[test]
fn only_the_owner_gives_and_takes_the_protection_officers_flag() {
    for (before, flag) in [(member(Role::User), true), (officer(), false)] {
        let asked = before.edited(&actor(Role::Admin), to_officer(flag), LATER);
        assert_eq!(asked.unwrap_err(), Refusal::OwnerOnly);
        assert!(before.edited(&actor(Role::Owner), to_officer(flag), LATER).is_ok());
    }
    let own = member(Role::Admin);
    let asked = own.edited(&Actor::Member(own.clone()), to_officer(true), LATER);
    assert_eq!(asked.unwrap_err(), Refusal::OwnerOnly);
}

#[test]
fn the_owners_role_changes_by_transfer_alone() {
    let owner = member(Role::Owner);
    for role in [Role::Admin, Role::User] {
        for actor in [Actor::Member(owner.clone()), actor(Role::Admin)] {
            let asked = owner.edited(&actor, to_role(role), LATER);
            assert_eq!(asked.unwrap_err(), Refusal::OwnerByTransferOnly);
        }
    }
    let asked = member(Role::User).edited(&Actor::Member(owner), to_role(Role::Owner), LATER);
    assert_eq!(asked.unwrap_err(), Refusal::OwnerByTransferOnly);
}

#[test]
fn users_services_and_operators_change_no_member() {
    let renamed = MemberPatch { display_name: Some("X".into()), ..MemberPatch::default() };
    for actor in [actor(Role::User), Actor::Service, Actor::Operator] {
        for patch in [renamed.clone(), to_role(Role::User), to_officer(false)] {
            let asked = member(Role::User).edited(&actor, patch, LATER);
            assert_eq!(asked.unwrap_err(), Refusal::OwnerOrAdminOnly);
        }
    }
}

#[test]
fn the_same_values_again_are_no_change_and_need_no_owner() {
    let before = member(Role::User);
    let patch = MemberPatch { protection_officer: Some(false), ..to_role(Role::User) };
    let (after, effect) = before.edited(&actor(Role::Admin), patch, LATER).unwrap();
    assert_eq!(after, before);
    assert_eq!(effect, Effect::Stands, "it says that a right is not there, so it waits");
}

#[test]
fn demotion_and_loss_of_the_flag_take_a_right_away() {
    let owner = actor(Role::Owner);
    let effect = |before: Member, patch| before.edited(&owner, patch, LATER).unwrap().1;
    assert_eq!(effect(member(Role::Admin), to_role(Role::User)), Effect::Takes);
    assert_eq!(effect(officer(), to_officer(false)), Effect::Takes);
    assert_eq!(effect(member(Role::User), to_role(Role::Admin)), Effect::Gives);
    assert_eq!(effect(member(Role::User), to_officer(true)), Effect::Gives);
    let swap = MemberPatch { protection_officer: Some(false), ..to_role(Role::Admin) };
    assert_eq!(effect(officer(), swap), Effect::Takes, "one right given hides no right taken");
    let renamed = MemberPatch { display_name: Some("X".into()), ..MemberPatch::default() };
    assert_eq!(effect(member(Role::User), renamed), Effect::None);
}

#[test]
fn nobody_removes_the_owner() {
    let owner = member(Role::Owner);
    for actor in [Actor::Member(owner.clone()), actor(Role::Admin)] {
        assert_eq!(owner.may_be_removed_by(&actor), Err(Refusal::OwnerCannotBeRemoved));
    }
}

#[test]
fn only_the_owner_removes_an_admin_or_a_protection_officer() {
    for target in [member(Role::Admin), officer()] {
        assert_eq!(target.may_be_removed_by(&actor(Role::Admin)), Err(Refusal::OwnerOnly));
        assert_eq!(target.may_be_removed_by(&actor(Role::Owner)), Ok(()));
    }
    let own = member(Role::Admin);
    assert_eq!(own.may_be_removed_by(&Actor::Member(own.clone())), Err(Refusal::OwnerOnly));
}

#[test]
fn users_services_and_operators_remove_nobody() {
    let own = member(Role::User);
    for actor in [actor(Role::User), Actor::Member(own.clone()), Actor::Service, Actor::Operator] {
        assert_eq!(own.may_be_removed_by(&actor), Err(Refusal::OwnerOrAdminOnly));
    }
    assert_eq!(own.may_be_removed_by(&actor(Role::Admin)), Ok(()));
}

#[test]
fn only_the_owner_transfers_ownership() {
    for actor in [actor(Role::Admin), actor(Role::User), Actor::Service, Actor::Operator] {
        let asked = transfer(&actor, &member(Role::User), LATER);
        assert_eq!(asked.unwrap_err(), Refusal::OwnerOnly);
    }
}

#[test]
fn a_transfer_makes_one_owner_and_one_admin() {
    let owner = member(Role::Owner);
    let heir = Member { listed_at: Some(NOW), ..officer() };
    let (new, previous) = transfer(&Actor::Member(owner.clone()), &heir, LATER).unwrap();
    assert_eq!((new.id, new.role, new.revision), (heir.id, Role::Owner, 8));
    assert_eq!((previous.id, previous.role, previous.revision), (owner.id, Role::Admin, 8));
    assert!(new.protection_officer && new.listed_at.is_some(), "what else the heir has stays");
}

#[test]
fn the_owner_does_not_transfer_to_themself() {
    let owner = member(Role::Owner);
    let asked = transfer(&Actor::Member(owner.clone()), &owner, LATER);
    assert_eq!(asked.unwrap_err(), Refusal::AlreadyOwner);
}

#[test]
fn only_owner_and_admins_edit_the_viewer_list() {
    for role in [Role::Owner, Role::Admin] {
        assert_eq!(may_edit_viewers(&actor(role)), Ok(()));
    }
    let listed = Actor::Member(Member { listed_at: Some(NOW), ..member(Role::User) });
    for actor in [listed, actor(Role::User), Actor::Service, Actor::Operator] {
        assert_eq!(may_edit_viewers(&actor), Err(Refusal::OwnerOrAdminOnly));
    }
}

#[test]
fn a_members_name_is_in_no_log() {
    assert!(!format!("{:?}", actor(Role::User)).contains("Somsri"));
}
