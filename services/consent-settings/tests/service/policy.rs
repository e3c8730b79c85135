//! The rules as other services see them, and who may ask for them.

use consent_settings::MIGRATIONS;
use tonic::Code;
use uuid::Uuid;
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::types::v1::Role;
use yinyom_testkit::TestDb;

use crate::world::{
    Client, World, add, because, business_of, ids, member_update, refusal, settings_update,
    wrong_fields,
};

async fn policy(client: &mut Client, colleague: &pb::Member) -> pb::Policy {
    let request = pb::GetPolicyRequest { name: business_of(colleague) };
    client.policy.get_policy(request).await.unwrap().into_inner().policy.unwrap()
}

async fn the_policy_holds_what_settings_and_members_say(db: TestDb) {
    let world = World::start(db).await;
    let (business, owner) = world.business(pb::Plan::Gold).await;
    let user = world.colleague(&owner, Role::User).await;
    let mut client = world.service();
    let before = policy(&mut client, &owner).await;
    assert_eq!((&before.business, before.enforcement_enabled), (&business.name, false));

    world.enforce(&owner).await;
    let mut as_owner = world.member(&owner);
    as_owner.settings.add_viewers(add(&[&user])).await.unwrap();
    let flag = member_update(&user, "protection_officer", |m| m.protection_officer = true);
    as_owner.businesses.update_member(flag).await.unwrap();
    let after = policy(&mut client, &owner).await;
    assert_eq!(after.revision, before.revision + 3);
    assert!(after.enforcement_enabled);
    assert_eq!(after.time_zone, "Asia/Bangkok");
    let id = |member: &pb::Member| ids(&member.name).1.to_string();
    let expected = |member: &pb::Member, role: Role, flags| pb::PolicyMember {
        member_id: id(member),
        role: role.into(),
        listed: flags,
        protection_officer: flags,
    };
    let mut members = vec![expected(&owner, Role::Owner, false), expected(&user, Role::User, true)];
    members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
    assert_eq!(after.members, members);
}

async fn what_is_no_rule_raises_no_revision(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.service();
    let before = policy(&mut client, &owner).await.revision;
    let renamed = member_update(&owner, "display_name", |m| m.display_name = "New".into());
    let mut as_owner = world.member(&owner);
    as_owner.businesses.update_member(renamed).await.unwrap();
    let same = settings_update(&owner, "members_may_regrant", |s| s.members_may_regrant = false);
    as_owner.settings.update_consent_settings(same).await.unwrap();
    assert_eq!(policy(&mut client, &owner).await.revision, before);
}

async fn rules_and_leases_are_for_services(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let get = pb::GetPolicyRequest { name: business_of(&owner) };
    let renew =
        pb::RenewPolicyLeaseRequest { holder: Uuid::now_v7().to_string(), ..Default::default() };
    let expected = because(Code::PermissionDenied, "RPC_NOT_ALLOWED");
    for mut client in [world.member(&owner), world.operator()] {
        assert_eq!(refusal(client.policy.get_policy(get.clone()).await), expected);
        assert_eq!(refusal(client.policy.renew_policy_lease(renew.clone()).await), expected);
    }
    // A lease is told of every business, so it is for services that may name every business.
    let narrow = world.narrow_service().policy.renew_policy_lease(renew).await;
    assert_eq!(refusal(narrow), expected);
}

async fn a_holder_has_an_id_and_waits_forward(db: TestDb) {
    let world = World::start(db).await;
    let request = pb::RenewPolicyLeaseRequest {
        holder: "me".to_owned(),
        applied_revision: -1,
        max_wait: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
    };
    let wrong = wrong_fields(world.service().policy.renew_policy_lease(request).await);
    let wrong: Vec<_> = wrong.iter().map(|(f, r)| (f.as_str(), r.as_str())).collect();
    assert_eq!(
        wrong,
        [
            ("holder", "INVALID_ID"),
            ("applied_revision", "OUT_OF_RANGE"),
            ("max_wait", "OUT_OF_RANGE")
        ]
    );
}

async fn a_holder_is_told_what_changed_since_it_asked(db: TestDb) {
    let world = World::start(db).await;
    let (business, owner) = world.business(pb::Plan::Gold).await;
    let (other, _) = world.business(pb::Plan::Gold).await;
    let (mut client, holder) = (world.service(), Uuid::now_v7());
    let first = client.renew(holder, 0).await;
    assert!(first.drop_all, "a new holder knows nothing");
    assert_eq!(
        first.lease_duration,
        Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 })
    );
    let quiet = client.renew(holder, first.revision).await;
    assert_eq!((quiet.changed_businesses.len(), quiet.drop_all), (0, false));

    world.colleague(&owner, Role::User).await;
    let told = client.renew(holder, first.revision).await;
    assert_eq!(told.changed_businesses, [business.name]);
    assert!(told.revision > first.revision && !told.drop_all);
    assert!(!told.changed_businesses.contains(&other.name));
    let told = client.renew(holder, told.revision + 100).await;
    assert!(told.drop_all, "a revision that was never given out");
    let told = client.renew(Uuid::now_v7(), told.revision).await;
    assert!(told.drop_all, "a holder that settings does not know");
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    the_policy_holds_what_settings_and_members_say,
    what_is_no_rule_raises_no_revision,
    rules_and_leases_are_for_services,
    a_holder_has_an_id_and_waits_forward,
    a_holder_is_told_what_changed_since_it_asked,
);
