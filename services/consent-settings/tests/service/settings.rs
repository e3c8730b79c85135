//! Consent settings: the switch, the plan gate, what a mask may name.

use consent_settings::MIGRATIONS;
use tonic::Code;
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::types::v1::Role;
use yinyom_testkit::TestDb;

use crate::world::{
    Client, World, because, business_of, mask, refusal, settings_name, settings_update,
    wrong_fields,
};

fn switch(colleague: &pb::Member, on: bool) -> pb::UpdateConsentSettingsRequest {
    settings_update(colleague, "enforcement_enabled", |s| s.enforcement_enabled = on)
}

async fn read(client: &mut Client, colleague: &pb::Member) -> pb::ConsentSettings {
    let request = pb::GetConsentSettingsRequest { name: settings_name(colleague) };
    let answer = client.settings.get_consent_settings(request).await.unwrap();
    answer.into_inner().consent_settings.unwrap()
}

async fn plan(world: &World, owner: &pb::Member, plan: pb::Plan) {
    let business =
        pb::Business { name: business_of(owner), plan: plan.into(), ..Default::default() };
    let request = pb::UpdateBusinessRequest {
        business: Some(business),
        update_mask: Some(mask("plan")),
        request_id: String::new(),
    };
    world.operator().businesses.update_business(request).await.unwrap();
}

async fn a_new_business_has_settings_that_change_nothing(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Free).await;
    let user = world.colleague(&owner, Role::User).await;
    for mut client in [world.member(&owner), world.member(&user), world.service()] {
        let settings = read(&mut client, &owner).await;
        assert_eq!(settings.name, settings_name(&owner));
        assert!(!settings.enforcement_enabled && !settings.members_may_regrant);
        assert_eq!(settings.not_set_visibility(), pb::NotSetVisibility::Show);
        assert_eq!(settings.shared_address_policy(), pb::SharedAddressPolicy::RecordOnly);
    }
}

async fn enforcement_is_switched_on_only_with_an_eligible_plan(db: TestDb) {
    let world = World::start(db).await;
    for plan in [pb::Plan::Free, pb::Plan::Adpro, pb::Plan::Silver] {
        let (_, owner) = world.business(plan).await;
        let mut client = world.member(&owner);
        let asked = client.settings.update_consent_settings(switch(&owner, true)).await;
        assert_eq!(refusal(asked), because(Code::FailedPrecondition, "PLAN_NOT_ELIGIBLE"));
        assert!(!read(&mut client, &owner).await.enforcement_enabled);
    }
    for plan in [pb::Plan::AdproPlus, pb::Plan::Gold, pb::Plan::Platinum] {
        let (_, owner) = world.business(plan).await;
        world.enforce(&owner).await;
        assert!(read(&mut world.member(&owner), &owner).await.enforcement_enabled);
    }
}

async fn a_downgrade_reveals_nothing_and_there_is_no_way_back_on(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.member(&owner);
    world.enforce(&owner).await;
    plan(&world, &owner, pb::Plan::Free).await;
    assert!(read(&mut client, &owner).await.enforcement_enabled, "it stays on");
    client.settings.update_consent_settings(switch(&owner, false)).await.unwrap();
    let asked = client.settings.update_consent_settings(switch(&owner, true)).await;
    assert_eq!(refusal(asked), because(Code::FailedPrecondition, "PLAN_NOT_ELIGIBLE"));
}

async fn only_the_owner_switches_enforcement_off(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut admin = world.member(&world.colleague(&owner, Role::Admin).await);
    admin.settings.update_consent_settings(switch(&owner, true)).await.unwrap();
    let asked = admin.settings.update_consent_settings(switch(&owner, false)).await;
    assert_eq!(refusal(asked), because(Code::PermissionDenied, "OWNER_ONLY"));
    assert!(read(&mut admin, &owner).await.enforcement_enabled);
}

async fn users_services_and_operators_change_no_settings(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut user = world.member(&world.colleague(&owner, Role::User).await);
    let asked = user.settings.update_consent_settings(switch(&owner, true)).await;
    assert_eq!(refusal(asked), because(Code::PermissionDenied, "OWNER_OR_ADMIN_ONLY"));
    for mut client in [world.service(), world.operator()] {
        let asked = client.settings.update_consent_settings(switch(&owner, true)).await;
        assert_eq!(refusal(asked), because(Code::PermissionDenied, "RPC_NOT_ALLOWED"));
    }
    let name = pb::GetConsentSettingsRequest { name: settings_name(&owner) };
    let read = world.operator().settings.get_consent_settings(name).await;
    assert_eq!(refusal(read), because(Code::PermissionDenied, "RPC_NOT_ALLOWED"));
}

async fn a_mask_names_known_fields_and_only_those_are_read(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.member(&owner);
    for path in ["*", "name", "consent_settings.enforcement_enabled", "etag"] {
        let request = settings_update(&owner, path, |s| s.enforcement_enabled = true);
        let wrong = wrong_fields(client.settings.update_consent_settings(request).await);
        let expected = ("update_mask.paths[0]".to_owned(), "UNKNOWN_PATH".to_owned());
        assert_eq!(wrong, [expected], "{path}");
    }
    let request = settings_update(&owner, "members_may_regrant", |s| {
        s.members_may_regrant = true;
        s.enforcement_enabled = true;
        s.not_set_visibility = 77;
    });
    let after = client.settings.update_consent_settings(request).await.unwrap().into_inner();
    let after = after.consent_settings.unwrap();
    assert!(after.members_may_regrant && !after.enforcement_enabled);
}

async fn an_unset_or_unknown_enum_is_refused(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.member(&owner).settings;
    let mut request =
        settings_update(&owner, "not_set_visibility", |s| s.shared_address_policy = 3);
    request.update_mask.as_mut().unwrap().paths.push("shared_address_policy".to_owned());
    let wrong = wrong_fields(client.update_consent_settings(request).await);
    let field = |name: &str, reason: &str| (format!("consent_settings.{name}"), reason.to_owned());
    assert_eq!(
        wrong,
        [field("not_set_visibility", "REQUIRED"), field("shared_address_policy", "UNKNOWN_VALUE")]
    );
    let nothing = pb::UpdateConsentSettingsRequest::default();
    let wrong = wrong_fields(client.update_consent_settings(nothing).await);
    let required = |field: &str| (field.to_owned(), "REQUIRED".to_owned());
    assert_eq!(wrong, [required("update_mask"), required("consent_settings")]);
}

const DAY: i64 = 86_400;

async fn a_lifetime_of_grants_is_from_a_day_to_ten_years_or_none(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Free).await;
    let mut client = world.member(&owner);
    let ask = |given: Option<prost_types::Duration>| {
        settings_update(&owner, "default_grant_lifetime", |s| s.default_grant_lifetime = given)
    };
    let seconds = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    for wrong in [
        seconds(0, 0),
        seconds(-DAY, 0),
        seconds(DAY - 1, 0),
        seconds(DAY, 1),
        seconds(DAY, -1),
        seconds(DAY, i32::MAX),
        seconds(3_660 * DAY + 1, 0),
        seconds(i64::MAX, 0),
        seconds(i64::MIN, i32::MIN),
    ] {
        let refused = client.settings.update_consent_settings(ask(wrong)).await;
        let field = "consent_settings.default_grant_lifetime".to_owned();
        assert_eq!(wrong_fields(refused), [(field, "OUT_OF_RANGE".to_owned())], "{wrong:?}");
    }
    assert_eq!(read(&mut client, &owner).await.default_grant_lifetime, None);
    for right in [seconds(DAY, 0), seconds(3_660 * DAY, 0), None] {
        client.settings.update_consent_settings(ask(right)).await.unwrap();
        assert_eq!(read(&mut client, &owner).await.default_grant_lifetime, right);
        let policy = pb::GetPolicyRequest { name: business_of(&owner) };
        let policy = world.service().policy.get_policy(policy).await.unwrap().into_inner();
        assert_eq!(policy.policy.unwrap().default_grant_lifetime, right, "it is distributed");
    }
    // A mask that does not name it leaves it alone.
    client.settings.update_consent_settings(ask(seconds(DAY, 0))).await.unwrap();
    let other = settings_update(&owner, "members_may_regrant", |s| s.members_may_regrant = true);
    client.settings.update_consent_settings(other).await.unwrap();
    assert_eq!(read(&mut client, &owner).await.default_grant_lifetime, seconds(DAY, 0));
}

async fn a_stale_etag_changes_nothing(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.member(&owner);
    let before = read(&mut client, &owner).await;
    let after = client.settings.update_consent_settings(switch(&owner, true)).await.unwrap();
    let after = after.into_inner().consent_settings.unwrap();
    let mut request = switch(&owner, false);
    request.consent_settings.as_mut().unwrap().etag = before.etag;
    let stale = client.settings.update_consent_settings(request.clone()).await;
    assert_eq!(refusal(stale), because(Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(read(&mut client, &owner).await, after);
    request.consent_settings.as_mut().unwrap().etag = after.etag;
    client.settings.update_consent_settings(request).await.unwrap();
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    a_new_business_has_settings_that_change_nothing,
    enforcement_is_switched_on_only_with_an_eligible_plan,
    a_downgrade_reveals_nothing_and_there_is_no_way_back_on,
    only_the_owner_switches_enforcement_off,
    users_services_and_operators_change_no_settings,
    a_mask_names_known_fields_and_only_those_are_read,
    an_unset_or_unknown_enum_is_refused,
    a_lifetime_of_grants_is_from_a_day_to_ten_years_or_none,
    a_stale_etag_changes_nothing,
);
