//! Members and their rights. Each rule has its truth table in `domain`; here is that the rules are
//! asked, and what is stored when they refuse.

use consent_settings::MIGRATIONS;
use tonic::Code;
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::types::v1::Role;
use yinyom_testkit::TestDb;

use crate::world::{
    World, add, because, business_of, ids, member_update, new_member, refusal, to_role,
    wrong_fields,
};

const DENIED: Code = Code::PermissionDenied;

fn delete(member: &pb::Member) -> pb::DeleteMemberRequest {
    pb::DeleteMemberRequest { name: member.name.clone(), ..Default::default() }
}

fn transfer(to: &pb::Member) -> pb::TransferOwnershipRequest {
    pb::TransferOwnershipRequest {
        name: business_of(to),
        new_owner: to.name.clone(),
        request_id: String::new(),
    }
}

async fn read(world: &World, member: &pb::Member) -> pb::Member {
    let request = pb::GetMemberRequest { name: member.name.clone() };
    let read = world.member(member).businesses.get_member(request).await.unwrap();
    read.into_inner().member.unwrap()
}

async fn only_the_owner_gives_and_takes_admin_and_the_flag(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let admin = world.colleague(&owner, Role::Admin).await;
    let user = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&admin).businesses;
    let owner_only = because(DENIED, "OWNER_ONLY");
    assert_eq!(refusal(client.create_member(new_member(&owner, Role::Admin)).await), owner_only);
    assert_eq!(refusal(client.update_member(to_role(&user, Role::Admin)).await), owner_only);
    assert_eq!(refusal(client.update_member(to_role(&admin, Role::User)).await), owner_only);
    let flag = member_update(&user, "protection_officer", |m| m.protection_officer = true);
    assert_eq!(refusal(client.update_member(flag.clone()).await), owner_only);
    assert_eq!(read(&world, &user).await, user, "nothing was changed");
    assert_eq!(read(&world, &admin).await, admin, "nothing was changed");

    let mut client = world.member(&owner).businesses;
    let after = client.update_member(flag).await.unwrap().into_inner().member.unwrap();
    assert!(after.protection_officer && after.etag != user.etag);
    client.update_member(to_role(&user, Role::Admin)).await.unwrap();
    assert_eq!(read(&world, &user).await.role(), Role::Admin);
}

async fn nobody_raises_their_own_role(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    for (role, wish) in [(Role::User, Role::Admin), (Role::Admin, Role::Owner)] {
        let own = world.colleague(&owner, role).await;
        let asked = world.member(&own).businesses.update_member(to_role(&own, wish)).await;
        assert_eq!(refusal(asked), because(DENIED, "OWN_ROLE_RAISED"));
        assert_eq!(read(&world, &own).await, own);
    }
}

async fn users_change_nobody(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let other = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&user).businesses;
    let only = because(DENIED, "OWNER_OR_ADMIN_ONLY");
    assert_eq!(refusal(client.create_member(new_member(&owner, Role::User)).await), only);
    let renamed = member_update(&other, "display_name", |m| m.display_name = "X".into());
    assert_eq!(refusal(client.update_member(renamed).await), only);
    assert_eq!(refusal(client.delete_member(delete(&other)).await), only);
    assert_eq!(refusal(client.delete_member(delete(&user)).await), only);
}

async fn the_owner_is_neither_demoted_nor_removed_nor_added(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let admin = world.colleague(&owner, Role::Admin).await;
    for who in [&owner, &admin] {
        let mut client = world.member(who).businesses;
        let by_transfer = because(Code::FailedPrecondition, "OWNER_BY_TRANSFER_ONLY");
        assert_eq!(refusal(client.update_member(to_role(&owner, Role::User)).await), by_transfer);
        assert_eq!(
            refusal(client.create_member(new_member(&owner, Role::Owner)).await),
            by_transfer
        );
        let stays = because(Code::FailedPrecondition, "OWNER_CANNOT_BE_REMOVED");
        assert_eq!(refusal(client.delete_member(delete(&owner)).await), stays);
    }
    assert_eq!(read(&world, &owner).await, owner);
}

async fn only_the_owner_removes_an_admin_or_a_protection_officer(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let admin = world.colleague(&owner, Role::Admin).await;
    let other = world.colleague(&owner, Role::Admin).await;
    let mut request = new_member(&owner, Role::User);
    request.member.as_mut().unwrap().protection_officer = true;
    let made = world.member(&owner).businesses.create_member(request).await.unwrap();
    let officer = made.into_inner().member.unwrap();
    for target in [&other, &officer, &admin] {
        let asked = world.member(&admin).businesses.delete_member(delete(target)).await;
        assert_eq!(refusal(asked), because(DENIED, "OWNER_ONLY"));
        world.member(&owner).businesses.delete_member(delete(target)).await.unwrap();
    }
}

async fn a_transfer_makes_the_heir_owner_and_the_owner_admin(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let admin = world.colleague(&owner, Role::Admin).await;
    let by_admin = world.member(&admin).businesses.transfer_ownership(transfer(&admin)).await;
    assert_eq!(refusal(by_admin), because(DENIED, "OWNER_ONLY"));
    let mut client = world.member(&owner).businesses;
    let to_self = client.transfer_ownership(transfer(&owner)).await;
    assert_eq!(refusal(to_self), because(Code::FailedPrecondition, "ALREADY_OWNER"));

    let answer = client.transfer_ownership(transfer(&admin)).await.unwrap().into_inner();
    let (new, previous) = (answer.new_owner.unwrap(), answer.previous_owner.unwrap());
    assert_eq!((&new.name, new.role()), (&admin.name, Role::Owner));
    assert_eq!((&previous.name, previous.role()), (&owner.name, Role::Admin));
    let again = client.transfer_ownership(transfer(&owner)).await;
    assert_eq!(refusal(again), because(DENIED, "OWNER_ONLY"), "the old owner owns nothing");
}

async fn ownership_goes_to_members_only(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let (_, foreigner) = world.business(pb::Plan::Gold).await;
    let gone = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&owner).businesses;
    client.delete_member(delete(&gone)).await.unwrap();
    let field = "new_owner".to_owned();
    let asked = client.transfer_ownership(transfer(&gone)).await;
    assert_eq!(wrong_fields(asked), [(field.clone(), "NOT_A_MEMBER".to_owned())]);
    let request =
        pb::TransferOwnershipRequest { name: business_of(&owner), ..transfer(&foreigner) };
    let asked = client.transfer_ownership(request).await;
    assert_eq!(wrong_fields(asked), [(field, "OTHER_BUSINESS".to_owned())]);
}

async fn a_member_id_is_given_once_in_a_business(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let (_, other) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let given = |colleague: &pb::Member, id: &str| pb::CreateMemberRequest {
        member_id: id.to_owned(),
        ..new_member(colleague, Role::User)
    };
    let id = ids(&user.name).1.to_string();
    let mut client = world.member(&owner).businesses;
    let taken = client.create_member(given(&owner, &id)).await;
    assert_eq!(refusal(taken), because(Code::AlreadyExists, "MEMBER_EXISTS"));
    assert_eq!(read(&world, &user).await, user);
    let elsewhere = world.member(&other).businesses.create_member(given(&other, &id)).await;
    assert!(elsewhere.is_ok(), "whether another business has the id is nobody's business");
    for id in ["00000000-0000-0000-0000-000000000000", "somsri"] {
        let wrong = wrong_fields(client.create_member(given(&owner, id)).await);
        assert_eq!(wrong, [("member_id".to_owned(), "INVALID_ID".to_owned())]);
    }
}

async fn a_removed_member_is_off_the_viewer_list_and_stays_off_when_added_again(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&owner);
    client.settings.add_viewers(add(&[&user])).await.unwrap();
    assert!(read(&world, &user).await.listed);
    client.businesses.delete_member(delete(&user)).await.unwrap();
    let listed = pb::ListViewersRequest { parent: business_of(&owner), ..Default::default() };
    let listed = client.settings.list_viewers(listed).await.unwrap().into_inner();
    assert_eq!(listed.viewers, []);
    let again = pb::CreateMemberRequest {
        member_id: ids(&user.name).1.to_string(),
        ..new_member(&owner, Role::User)
    };
    let again = client.businesses.create_member(again).await.unwrap().into_inner();
    assert!(!again.member.unwrap().listed);
}

async fn a_stale_etag_neither_changes_nor_removes(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&owner);
    // Listing is a change of the member, too.
    client.settings.add_viewers(add(&[&user])).await.unwrap();
    let stale = because(Code::Aborted, "ETAG_MISMATCH");
    let mut change = to_role(&user, Role::Admin);
    change.member.as_mut().unwrap().etag.clone_from(&user.etag);
    assert_eq!(refusal(client.businesses.update_member(change.clone()).await), stale);
    let removal = pb::DeleteMemberRequest { etag: user.etag.clone(), ..delete(&user) };
    assert_eq!(refusal(client.businesses.delete_member(removal).await), stale);
    change.member.as_mut().unwrap().etag = read(&world, &user).await.etag;
    client.businesses.update_member(change).await.unwrap();
}

async fn members_are_listed_by_id_and_a_page_token_is_good_for_one_list_and_caller(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut expected = vec![owner.name.clone()];
    for _ in 0..4 {
        expected.push(world.colleague(&owner, Role::User).await.name);
    }
    expected.sort();
    let mut client = world.member(&owner);
    let mut request =
        pb::ListMembersRequest { parent: business_of(&owner), page_size: 2, ..Default::default() };
    let first = client.businesses.list_members(request.clone()).await.unwrap().into_inner();
    request.page_token.clone_from(&first.next_page_token);
    let second = client.businesses.list_members(request.clone()).await.unwrap().into_inner();
    let mut names: Vec<_> =
        first.members.into_iter().chain(second.members).map(|m| m.name).collect();
    let third = pb::ListMembersRequest { page_token: second.next_page_token, ..request.clone() };
    let third = client.businesses.list_members(third).await.unwrap().into_inner();
    names.extend(third.members.into_iter().map(|m| m.name));
    assert_eq!((names, third.next_page_token.as_str()), (expected, ""));

    let invalid = because(Code::InvalidArgument, "INVALID_PAGE_TOKEN");
    let viewers = pb::ListViewersRequest {
        parent: request.parent.clone(),
        page_token: request.page_token.clone(),
        ..Default::default()
    };
    assert_eq!(refusal(client.settings.list_viewers(viewers).await), invalid);
    let user = world.colleague(&owner, Role::User).await;
    let by_other = world.member(&user).businesses.list_members(request.clone()).await;
    assert_eq!(refusal(by_other), invalid);
    request.page_token.push('x');
    assert_eq!(refusal(client.businesses.list_members(request).await), invalid);
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    only_the_owner_gives_and_takes_admin_and_the_flag,
    nobody_raises_their_own_role,
    users_change_nobody,
    the_owner_is_neither_demoted_nor_removed_nor_added,
    only_the_owner_removes_an_admin_or_a_protection_officer,
    a_transfer_makes_the_heir_owner_and_the_owner_admin,
    ownership_goes_to_members_only,
    a_member_id_is_given_once_in_a_business,
    a_removed_member_is_off_the_viewer_list_and_stays_off_when_added_again,
    a_stale_etag_neither_changes_nor_removes,
    members_are_listed_by_id_and_a_page_token_is_good_for_one_list_and_caller,
);
