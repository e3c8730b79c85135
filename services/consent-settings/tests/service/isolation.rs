//! A business that is not yours is answered like one that does not exist, byte for byte.

use consent_settings::MIGRATIONS;
use tonic::Status;
use yinyom_identity::Subject;
use yinyom_kernel::{BusinessId, MemberId};
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::types::v1::Role;
use yinyom_testkit::TestDb;

use crate::world::{
    Client, World, add, ids, new_member, remove, settings_name, settings_update, to_role,
};

/// Everything of a refusal that is the service's own.
fn bytes<T: std::fmt::Debug>(
    rpc: &str,
    answer: Result<tonic::Response<T>, Status>,
) -> (String, i32, String, Vec<u8>) {
    let status = answer.expect_err(rpc);
    let code = status.code().into();
    (rpc.to_owned(), code, status.message().to_owned(), status.details().to_vec())
}

/// Asks for everything that names the business of `target`, as `client`.
async fn all(client: &mut Client, target: &pb::Member) -> Vec<(String, i32, String, Vec<u8>)> {
    let business = crate::world::business_of(target);
    let named = pb::Business { name: business.clone(), ..Default::default() };
    let (b, s) = (&mut client.businesses, &mut client.settings);
    let rename = pb::UpdateBusinessRequest {
        business: Some(pb::Business { display_name: "X".to_owned(), ..named }),
        update_mask: Some(crate::world::mask("display_name")),
        request_id: crate::world::request_id(),
    };
    let page = pb::ListMembersRequest { parent: business.clone(), ..Default::default() };
    let viewers = pb::ListViewersRequest { parent: business.clone(), ..Default::default() };
    let transfer = pb::TransferOwnershipRequest {
        name: business.clone(),
        new_owner: target.name.clone(),
        request_id: crate::world::request_id(),
    };
    let removal = pb::DeleteMemberRequest { name: target.name.clone(), ..Default::default() };
    let member = pb::GetMemberRequest { name: target.name.clone() };
    let settings = pb::GetConsentSettingsRequest { name: settings_name(target) };
    let switch = settings_update(target, "enforcement_enabled", |s| s.enforcement_enabled = true);
    vec![
        bytes("get", b.get_business(pb::GetBusinessRequest { name: business }).await),
        bytes("update", b.update_business(rename).await),
        bytes("create member", b.create_member(new_member(target, Role::User)).await),
        bytes("get member", b.get_member(member).await),
        bytes("list members", b.list_members(page).await),
        bytes("update member", b.update_member(to_role(target, Role::User)).await),
        bytes("delete member", b.delete_member(removal).await),
        bytes("transfer", b.transfer_ownership(transfer).await),
        bytes("settings", s.get_consent_settings(settings).await),
        bytes("update settings", s.update_consent_settings(switch).await),
        bytes("viewers", s.list_viewers(viewers).await),
        bytes("add viewers", s.add_viewers(add(&[target])).await),
        bytes("remove viewers", s.remove_viewers(remove(&[target])).await),
    ]
}

fn nobody() -> pb::Member {
    let name = yinyom_consent::MEMBERS.format(BusinessId::generate(), MemberId::generate());
    pb::Member { name, ..Default::default() }
}

async fn a_foreign_business_is_answered_like_none(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let (_, foreigner) = world.business(pb::Plan::Gold).await;
    let mut client = world.member(&owner);
    let foreign = all(&mut client, &foreigner).await;
    assert_eq!(foreign, all(&mut client, &nobody()).await);
    assert!(foreign.iter().all(|(_, code, ..)| *code == tonic::Code::NotFound as i32));
}

async fn a_removed_member_is_answered_like_a_stranger(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let admin = world.colleague(&owner, Role::Admin).await;
    let mut client = world.member(&admin);
    let removal = pb::DeleteMemberRequest { name: admin.name.clone(), ..Default::default() };
    world.member(&owner).businesses.delete_member(removal).await.unwrap();
    assert_eq!(all(&mut client, &owner).await, all(&mut client, &nobody()).await);

    // A token for a business that has never heard of its bearer.
    let (business, _) = ids(&owner.name);
    let stranger = Subject::Member { business, member: MemberId::generate() };
    let mut client = world.client(stranger);
    assert_eq!(all(&mut client, &owner).await, all(&mut client, &nobody()).await);
}

async fn a_service_hears_of_listed_businesses_only(db: TestDb) {
    let world = World::start(db).await;
    let (business, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.narrow_service();
    let absent = nobody();
    let get = |name: &str| pb::GetPolicyRequest { name: name.to_owned() };
    let hidden = bytes("policy", client.policy.get_policy(get(&business.name)).await);
    let none = get(&crate::world::business_of(&absent));
    assert_eq!(hidden, bytes("policy", client.policy.get_policy(none.clone()).await));
    let mut wide = world.service();
    assert_eq!(hidden, bytes("policy", wide.policy.get_policy(none).await));
    let settings = |of: &pb::Member| pb::GetConsentSettingsRequest { name: settings_name(of) };
    let hidden = bytes("s", client.settings.get_consent_settings(settings(&owner)).await);
    assert_eq!(hidden, bytes("s", wide.settings.get_consent_settings(settings(&absent)).await));
}

async fn a_member_of_another_business_is_answered_like_none(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let (_, foreigner) = world.business(pb::Plan::Gold).await;
    let (own, _) = ids(&owner.name);
    let (_, elsewhere) = ids(&foreigner.name);
    let mut client = world.member(&owner).businesses;
    let mut get = async |id| {
        let name = yinyom_consent::MEMBERS.format(own, id);
        bytes("get", client.get_member(pb::GetMemberRequest { name }).await)
    };
    assert_eq!(get(elsewhere).await, get(MemberId::generate()).await);
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    a_foreign_business_is_answered_like_none,
    a_removed_member_is_answered_like_a_stranger,
    a_service_hears_of_listed_businesses_only,
    a_member_of_another_business_is_answered_like_none,
);
