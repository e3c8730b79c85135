//! A request that is sent twice takes effect once.

use consent_settings::MIGRATIONS;
use futures::future::join_all;
use tonic::Code;
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::types::v1::Role;
use yinyom_testkit::TestDb;

use crate::world::{
    World, add, because, business_of, member_update, new_member, refusal, remove, request_id,
    to_role,
};

async fn member_count(world: &World, owner: &pb::Member) -> usize {
    let request = pb::ListMembersRequest { parent: business_of(owner), ..Default::default() };
    let answer = world.member(owner).businesses.list_members(request).await.unwrap();
    answer.into_inner().members.len()
}

async fn a_repeated_creation_makes_one_even_if_sent_at_the_same_time(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let request =
        pb::CreateMemberRequest { request_id: request_id(), ..new_member(&owner, Role::User) };
    let client = world.member(&owner);
    let answers = join_all((0..8).map(|_| {
        let (mut client, request) = (client.businesses.clone(), request.clone());
        async move { client.create_member(request).await.unwrap().into_inner().member.unwrap() }
    }))
    .await;
    assert!(answers.iter().all(|member| *member == answers[0]));
    assert_eq!(member_count(&world, &owner).await, 2);

    let business = pb::CreateBusinessRequest {
        business: Some(pb::Business {
            display_name: "B".to_owned(),
            plan: pb::Plan::Free.into(),
            ..Default::default()
        }),
        owner_display_name: "O".to_owned(),
        request_id: request_id(),
        ..Default::default()
    };
    let mut operator = world.operator().businesses;
    let first = operator.create_business(business.clone()).await.unwrap().into_inner();
    let second = operator.create_business(business).await.unwrap().into_inner();
    assert_eq!(first, second);
}

async fn a_repeated_answer_shows_what_is_there_now(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.member(&owner).businesses;
    let request =
        pb::CreateMemberRequest { request_id: request_id(), ..new_member(&owner, Role::User) };
    let made = client.create_member(request.clone()).await.unwrap().into_inner().member.unwrap();
    let renamed = member_update(&made, "display_name", |m| m.display_name = "New".into());
    client.update_member(renamed).await.unwrap();
    let again = client.create_member(request.clone()).await.unwrap().into_inner();
    assert_eq!(again.member.unwrap().display_name, "New");
    let removal = pb::DeleteMemberRequest { name: made.name, ..Default::default() };
    client.delete_member(removal).await.unwrap();
    let gone = client.create_member(request).await;
    assert_eq!(refusal(gone), because(Code::NotFound, "NOT_FOUND"));
}

async fn a_repeated_change_does_not_undo_what_came_after(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let mut client = world.member(&owner);
    let listing = pb::AddViewersRequest { request_id: request_id(), ..add(&[&user]) };
    client.settings.add_viewers(listing.clone()).await.unwrap();
    client.settings.remove_viewers(remove(&[&user])).await.unwrap();
    let again = client.settings.add_viewers(listing).await.unwrap().into_inner();
    assert_eq!(again.viewers, [], "the member was taken off since");

    let promotion =
        pb::UpdateMemberRequest { request_id: request_id(), ..to_role(&user, Role::Admin) };
    client.businesses.update_member(promotion.clone()).await.unwrap();
    client.businesses.update_member(to_role(&user, Role::User)).await.unwrap();
    let again = client.businesses.update_member(promotion).await.unwrap().into_inner();
    assert_eq!(again.member.unwrap().role(), Role::User);
}

async fn an_id_is_good_for_one_request(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let id = request_id();
    let request =
        pb::CreateMemberRequest { request_id: id.clone(), ..new_member(&owner, Role::User) };
    let mut client = world.member(&owner);
    client.businesses.create_member(request.clone()).await.unwrap();
    let mut other = request.clone();
    other.member.as_mut().unwrap().display_name = "Somebody else".into();
    let reused = client.businesses.create_member(other).await;
    assert_eq!(refusal(reused), because(Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert_eq!(member_count(&world, &owner).await, 2);

    // Of another method, or another caller's, it is another id.
    let listing = pb::AddViewersRequest { request_id: id.clone(), ..add(&[&owner]) };
    client.settings.add_viewers(listing).await.unwrap();
    let admin = world.colleague(&owner, Role::Admin).await;
    world.member(&admin).businesses.create_member(request).await.unwrap();
    assert_eq!(member_count(&world, &owner).await, 4);
}

async fn a_refused_request_leaves_its_id_free(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let admin = world.colleague(&owner, Role::Admin).await;
    let user = world.colleague(&owner, Role::User).await;
    let request = pb::DeleteMemberRequest {
        name: user.name.clone(),
        etag: "\"99\"".to_owned(),
        request_id: request_id(),
    };
    let mut client = world.member(&admin).businesses;
    let stale = client.delete_member(request.clone()).await;
    assert_eq!(refusal(stale), because(Code::Aborted, "ETAG_MISMATCH"));
    let request = pb::DeleteMemberRequest { etag: user.etag.clone(), ..request };
    client.delete_member(request.clone()).await.unwrap();
    client.delete_member(request).await.expect("the same request again, with the same outcome");
}

async fn who_was_removed_gets_nothing_by_repeating(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let admin = world.colleague(&owner, Role::Admin).await;
    let request =
        pb::CreateMemberRequest { request_id: request_id(), ..new_member(&owner, Role::User) };
    let mut client = world.member(&admin).businesses;
    client.create_member(request.clone()).await.unwrap();
    let removal = pb::DeleteMemberRequest { name: admin.name.clone(), ..Default::default() };
    world.member(&owner).businesses.delete_member(removal).await.unwrap();
    let again = client.create_member(request).await;
    assert_eq!(refusal(again), because(Code::NotFound, "NOT_FOUND"));
}

async fn a_repeated_transfer_transfers_once(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let heir = world.colleague(&owner, Role::User).await;
    let request = pb::TransferOwnershipRequest {
        name: business_of(&owner),
        new_owner: heir.name.clone(),
        request_id: request_id(),
    };
    let mut client = world.member(&owner).businesses;
    let first = client.transfer_ownership(request.clone()).await.unwrap().into_inner();
    let second = client.transfer_ownership(request).await.unwrap().into_inner();
    assert_eq!(first, second);
    assert_eq!(second.previous_owner.unwrap().name, owner.name);
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    a_repeated_creation_makes_one_even_if_sent_at_the_same_time,
    a_repeated_answer_shows_what_is_there_now,
    a_repeated_change_does_not_undo_what_came_after,
    an_id_is_good_for_one_request,
    a_refused_request_leaves_its_id_free,
    who_was_removed_gets_nothing_by_repeating,
    a_repeated_transfer_transfers_once,
);
