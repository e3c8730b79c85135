//! Businesses.

use consent_settings::MIGRATIONS;
use tonic::Code;
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::types::v1::Role;
use yinyom_testkit::TestDb;

use crate::world::{World, because, business_of, mask, refusal, wrong_fields};

fn new_business() -> pb::CreateBusinessRequest {
    pb::CreateBusinessRequest {
        business: Some(pb::Business {
            display_name: " Baan Suan ".to_owned(),
            plan: pb::Plan::Gold.into(),
            ..Default::default()
        }),
        owner_display_name: "Somsri".to_owned(),
        ..Default::default()
    }
}

fn update(name: &str, paths: &[&str], business: pb::Business) -> pb::UpdateBusinessRequest {
    pb::UpdateBusinessRequest {
        business: Some(pb::Business { name: name.to_owned(), ..business }),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
        }),
        request_id: String::new(),
    }
}

async fn an_operator_creates_a_business_with_its_first_owner(db: TestDb) {
    let world = World::start(db).await;
    let owner = "0190cafe-0000-7000-8000-000000000001";
    let request = pb::CreateBusinessRequest { owner_member_id: owner.to_owned(), ..new_business() };
    let made = world.operator().businesses.create_business(request).await.unwrap().into_inner();
    let (business, first) = (made.business.unwrap(), made.owner.unwrap());
    assert_eq!(business.display_name, "Baan Suan");
    assert_eq!(business.time_zone, "Asia/Bangkok");
    assert_eq!(business.create_time, business.update_time);
    assert!(first.name.ends_with(owner));
    assert_eq!((first.role(), first.listed, first.protection_officer), (Role::Owner, false, false));
    let seen = pb::GetBusinessRequest { name: business.name.clone() };
    for mut client in [world.operator(), world.service(), world.member(&first)] {
        let read = client.businesses.get_business(seen.clone()).await.unwrap().into_inner();
        assert_eq!(read.business.as_ref(), Some(&business));
    }
}

async fn nobody_but_an_operator_creates_or_lists_businesses(db: TestDb) {
    let world = World::start(db).await;
    let (_, owner) = world.business(pb::Plan::Gold).await;
    for mut client in [world.member(&owner), world.service()] {
        let expected = because(Code::PermissionDenied, "RPC_NOT_ALLOWED");
        let created = client.businesses.create_business(new_business()).await;
        assert_eq!(refusal(created), expected);
        let listed = client.businesses.list_businesses(pb::ListBusinessesRequest::default()).await;
        assert_eq!(refusal(listed), expected);
    }
}

async fn every_wrong_field_is_told_at_once(db: TestDb) {
    let world = World::start(db).await;
    let request = pb::CreateBusinessRequest {
        business: Some(pb::Business {
            display_name: "x".repeat(201),
            plan: 0,
            time_zone: "Asia/Nowhere".to_owned(),
            ..Default::default()
        }),
        owner_display_name: "a\u{7}".to_owned(),
        owner_member_id: "0190CAFE-0000-7000-8000-000000000001".to_owned(),
        request_id: "1".to_owned(),
    };
    let wrong = wrong_fields(world.operator().businesses.create_business(request).await);
    let mut wrong: Vec<_> = wrong.iter().map(|(f, r)| (f.as_str(), r.as_str())).collect();
    wrong.sort_unstable();
    assert_eq!(
        wrong,
        [
            ("business.display_name", "TOO_LONG"),
            ("business.plan", "REQUIRED"),
            ("business.time_zone", "UNKNOWN_TIME_ZONE"),
            ("owner_display_name", "CONTROL_CHARACTER"),
            ("owner_member_id", "INVALID_ID"),
            ("request_id", "INVALID_ID"),
        ]
    );
    let empty = pb::CreateBusinessRequest { request_id: String::new(), ..Default::default() };
    let wrong = wrong_fields(world.operator().businesses.create_business(empty).await);
    assert_eq!(wrong[0], ("owner_display_name".to_owned(), "REQUIRED".to_owned()));
    let none = pb::ListBusinessesRequest::default();
    let listed = world.operator().businesses.list_businesses(none).await.unwrap().into_inner();
    assert_eq!(listed.businesses, [], "nothing of it was stored");
}

async fn the_plan_is_the_operators_and_the_rest_the_owners_and_admins(db: TestDb) {
    let world = World::start(db).await;
    let (business, owner) = world.business(pb::Plan::Free).await;
    let user = world.colleague(&owner, Role::User).await;
    let plan = update(
        &business.name,
        &["plan"],
        pb::Business { plan: pb::Plan::Gold.into(), ..Default::default() },
    );
    let name = update(
        &business.name,
        &["display_name"],
        pb::Business { display_name: "Other".to_owned(), ..Default::default() },
    );
    let by_owner = world.member(&owner).businesses.update_business(plan.clone()).await;
    assert_eq!(refusal(by_owner), because(Code::PermissionDenied, "OPERATOR_ONLY"));
    let only = because(Code::PermissionDenied, "OWNER_OR_ADMIN_ONLY");
    let by_user = world.member(&user).businesses.update_business(name.clone()).await;
    assert_eq!(refusal(by_user), only);
    let by_operator = world.operator().businesses.update_business(name.clone()).await;
    assert_eq!(refusal(by_operator), only);
    let by_service = world.service().businesses.update_business(name.clone()).await;
    assert_eq!(refusal(by_service), because(Code::PermissionDenied, "RPC_NOT_ALLOWED"));

    world.operator().businesses.update_business(plan).await.unwrap();
    let renamed = world.member(&owner).businesses.update_business(name).await.unwrap();
    let after = renamed.into_inner().business.unwrap();
    assert_eq!((after.display_name.as_str(), after.plan()), ("Other", pb::Plan::Gold));
}

async fn a_mask_names_known_fields_and_only_those_are_read(db: TestDb) {
    let world = World::start(db).await;
    let (business, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.member(&owner);
    for (paths, field, reason) in [
        (vec!["*"], "update_mask.paths[0]", "UNKNOWN_PATH"),
        (vec!["display_name", "etag"], "update_mask.paths[1]", "UNKNOWN_PATH"),
        (vec!["create_time"], "update_mask.paths[0]", "UNKNOWN_PATH"),
        (vec![], "update_mask", "REQUIRED"),
    ] {
        let other = pb::Business { display_name: "Other".to_owned(), ..Default::default() };
        let asked = client.businesses.update_business(update(&business.name, &paths, other)).await;
        assert_eq!(wrong_fields(asked), [(field.to_owned(), reason.to_owned())]);
    }
    let garbage = pb::Business {
        display_name: "Other".to_owned(),
        plan: 99,
        time_zone: "Asia/Nowhere".to_owned(),
        ..Default::default()
    };
    let request = update(&business.name, &["display_name"], garbage);
    let after = client.businesses.update_business(request).await.unwrap().into_inner();
    let after = after.business.unwrap();
    assert_eq!((after.plan(), after.time_zone.as_str()), (pb::Plan::Gold, "Asia/Bangkok"));
}

async fn a_stale_etag_changes_nothing(db: TestDb) {
    let world = World::start(db).await;
    let (business, owner) = world.business(pb::Plan::Gold).await;
    let mut client = world.member(&owner);
    let rename = |name: &str| pb::UpdateBusinessRequest {
        business: Some(pb::Business { display_name: name.to_owned(), ..business.clone() }),
        update_mask: Some(mask("display_name")),
        request_id: String::new(),
    };
    let first = client.businesses.update_business(rename("First")).await.unwrap().into_inner();
    assert_ne!(first.business.unwrap().etag, business.etag);
    let second = client.businesses.update_business(rename("Second")).await;
    assert_eq!(refusal(second), because(Code::Aborted, "ETAG_MISMATCH"));
    let read = pb::GetBusinessRequest { name: business_of(&owner) };
    let now = client.businesses.get_business(read).await.unwrap().into_inner();
    assert_eq!(now.business.unwrap().display_name, "First");
}

async fn businesses_are_listed_oldest_first_page_by_page(db: TestDb) {
    let world = World::start(db).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.business(pb::Plan::Free).await.0.name);
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    let mut client = world.operator().businesses;
    let mut request = pb::ListBusinessesRequest { page_size: 2, page_token: String::new() };
    let mut listed = Vec::new();
    loop {
        let page = client.list_businesses(request.clone()).await.unwrap().into_inner();
        listed.extend(page.businesses.into_iter().map(|business| business.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(listed, made);
    let negative = pb::ListBusinessesRequest { page_size: -1, page_token: String::new() };
    let wrong = wrong_fields(client.list_businesses(negative).await);
    assert_eq!(wrong, [("page_size".to_owned(), "NEGATIVE_PAGE_SIZE".to_owned())]);
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    an_operator_creates_a_business_with_its_first_owner,
    nobody_but_an_operator_creates_or_lists_businesses,
    every_wrong_field_is_told_at_once,
    the_plan_is_the_operators_and_the_rest_the_owners_and_admins,
    a_mask_names_known_fields_and_only_those_are_read,
    a_stale_etag_changes_nothing,
    businesses_are_listed_oldest_first_page_by_page,
);
