//! The viewer list.

use consent_settings::MIGRATIONS;
use tonic::Code;
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::types::v1::Role;
use yinyom_testkit::TestDb;

use crate::world::{World, add, because, business_of, refusal, remove, wrong_fields};

async fn listed(world: &World, colleague: &pb::Member) -> Vec<String> {
    let request = pb::ListViewersRequest { parent: business_of(colleague), ..Default::default() };
    let answer = world.member(colleague).settings.list_viewers(request).await.unwrap();
    answer.into_inner().viewers.into_iter().map(|viewer| viewer.member).collect()
}

async fn owner_and_admins_put_members_on_the_list_and_take_them_off(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let admin = world.colleague(&owner, Role::Admin).await;
    let (a, b) =
        (world.colleague(&owner, Role::User).await, world.colleague(&owner, Role::User).await);
    let mut client = world.member(&admin).settings;
    let answer = client.add_viewers(add(&[&b, &a])).await.unwrap().into_inner();
    let names: Vec<_> = answer.viewers.iter().map(|viewer| viewer.member.clone()).collect();
    assert_eq!(names, [b.name.clone(), a.name.clone()], "in the order of the request");
    assert_eq!(listed(&world, &owner).await.len(), 2);

    world.clock.advance(std::time::Duration::from_secs(5));
    let again = client.add_viewers(add(&[&a])).await.unwrap().into_inner();
    assert_eq!(again.viewers[0].create_time, answer.viewers[1].create_time, "a stays on it");
    client.remove_viewers(remove(&[&a, &owner])).await.unwrap();
    assert_eq!(listed(&world, &owner).await, [b.name]);
}

async fn users_edit_no_list_not_even_listed_ones(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let other = world.colleague(&owner, Role::User).await;
    world.member(&owner).settings.add_viewers(add(&[&user])).await.unwrap();
    let mut client = world.member(&user).settings;
    let only = because(Code::PermissionDenied, "OWNER_OR_ADMIN_ONLY");
    assert_eq!(refusal(client.add_viewers(add(&[&other])).await), only);
    assert_eq!(refusal(client.remove_viewers(remove(&[&user])).await), only);
    assert_eq!(listed(&world, &owner).await, [user.name]);
}

async fn one_stranger_and_nobody_is_listed(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let (_, foreigner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let gone = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&owner);
    let removal = pb::DeleteMemberRequest { name: gone.name.clone(), ..Default::default() };
    client.businesses.delete_member(removal).await.unwrap();
    let wrong = wrong_fields(client.settings.add_viewers(add(&[&user, &gone])).await);
    assert_eq!(wrong, [("members[1]".to_owned(), "NOT_A_MEMBER".to_owned())]);
    let wrong = wrong_fields(client.settings.add_viewers(add(&[&user, &foreigner])).await);
    assert_eq!(wrong, [("members[1]".to_owned(), "OTHER_BUSINESS".to_owned())]);
    let wrong = wrong_fields(client.settings.remove_viewers(remove(&[&user, &foreigner])).await);
    assert_eq!(wrong, [("members[1]".to_owned(), "OTHER_BUSINESS".to_owned())]);
    assert_eq!(listed(&world, &owner).await, Vec::<String>::new());
    client.settings.remove_viewers(remove(&[&gone])).await.expect("who is not on it is no error");
}

async fn a_list_has_one_to_a_thousand_names(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.member(&owner).settings;
    for (count, reason) in [(0, "REQUIRED"), (1_001, "TOO_MANY")] {
        let members = vec![owner.name.clone(); count];
        let request = pb::AddViewersRequest { members, ..add(&[&owner]) };
        let wrong = wrong_fields(client.add_viewers(request).await);
        assert_eq!(wrong, [("members".to_owned(), reason.to_owned())]);
    }
    let request =
        pb::AddViewersRequest { members: vec![owner.name.clone(); 1_000], ..add(&[&owner]) };
    assert_eq!(client.add_viewers(request).await.unwrap().into_inner().viewers.len(), 1_000);
    let request = pb::RemoveViewersRequest {
        parent: "businesses/x".to_owned(),
        members: vec!["members/1".to_owned()],
        request_id: "x".to_owned(),
    };
    let wrong = wrong_fields(client.remove_viewers(request).await);
    let wrong: Vec<_> = wrong.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(wrong, ["parent", "request_id", "members[0]"]);
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    owner_and_admins_put_members_on_the_list_and_take_them_off,
    users_edit_no_list_not_even_listed_ones,
    one_stranger_and_nobody_is_listed,
    a_list_has_one_to_a_thousand_names,
);
