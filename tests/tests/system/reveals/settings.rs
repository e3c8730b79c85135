//! Changes of the settings arrive as events, whichever method makes them.

use uuid::Uuid;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::manager::v1::SettingsField as Field;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1::Role;
use yinyom_tests::ask::{methods, path};
use yinyom_tests::{eventually, mask};

use crate::reveals::{World, call, last_seq};
use prost::Message;

/// Methods of settings that change nothing that the record tells.
const READ: [&str; 8] = [
    "GetBusiness",
    "ListBusinesses",
    "GetMember",
    "ListMembers",
    "GetConsentSettings",
    "ListViewers",
    "GetPolicy",
    "RenewPolicyLease",
];

/// Whose, which field, from what, to what.
type Told<'a> = (&'a str, Field, &'a str, &'a str);

async fn changes(world: &World) -> Vec<man::SettingsChange> {
    let asked = man::ListSettingsChangesRequest {
        parent: world.business.name.clone(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut audit = world.business.officer.audit.clone();
    audit.list_settings_changes(asked).await.unwrap().into_inner().settings_changes
}

async fn change_of(world: &World, id: &str) -> man::SettingsChange {
    let found = eventually(
        async || {
            let all = changes(world).await.into_iter();
            all.filter(|change| change.call_id == id).collect::<Vec<_>>()
        },
        |found| !found.is_empty(),
    );
    let mut found = found.await;
    assert_eq!(found.len(), 1, "one call is one event");
    found.remove(0)
}

fn told(change: &man::SettingsChange) -> Vec<Told<'_>> {
    let mut told = Vec::new();
    for c in &change.changes {
        told.push((c.member.as_str(), c.field(), c.old_value.as_str(), c.new_value.as_str()));
    }
    told
}

pub async fn every_change_of_the_settings_is_told(world: World) {
    let business = &world.business;
    let (owner, vendor) = (&business.owner, world.house.named("vendor"));
    let (parent, user, admin) = (&business.name, &business.user.name, &business.admin.name);
    let listed = &business.listed.name;
    let member = |name: &str, role: Role, officer| set::Member {
        name: name.to_owned(),
        role: role.into(),
        protection_officer: officer,
        display_name: "ชื่อใหม่".to_owned(),
        ..Default::default()
    };
    let update = |member: set::Member, paths: &[&str]| {
        let update_mask = Some(mask(paths));
        set::UpdateMemberRequest { member: Some(member), update_mask, ..Default::default() }
            .encode_to_vec()
    };
    let of_business = |plan, paths: &[&str]| {
        let business = set::Business {
            name: parent.clone(),
            plan,
            display_name: "ร้านใหม่".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            ..Default::default()
        };
        let update_mask = Some(mask(paths));
        set::UpdateBusinessRequest { business: Some(business), update_mask, ..Default::default() }
            .encode_to_vec()
    };
    let rules = set::UpdateConsentSettingsRequest {
        consent_settings: Some(set::ConsentSettings {
            name: format!("{parent}/consentSettings"),
            not_set_visibility: 1,
            members_may_regrant: true,
            shared_address_policy: 2,
            default_grant_lifetime: Some(prost_types::Duration { seconds: 31_536_000, nanos: 0 }),
            ..Default::default()
        }),
        update_mask: Some(mask(&[
            "enforcement_enabled",
            "not_set_visibility",
            "members_may_regrant",
            "shared_address_policy",
            "default_grant_lifetime",
        ])),
        ..Default::default()
    };
    let viewers = |members: &[&String]| members.iter().map(|m| (*m).clone()).collect::<Vec<_>>();
    let add = set::AddViewersRequest {
        parent: parent.clone(),
        members: viewers(&[user, listed]),
        ..Default::default()
    };
    let remove = set::RemoveViewersRequest {
        parent: parent.clone(),
        members: viewers(&[user, admin]),
        ..Default::default()
    };
    let delete = set::DeleteMemberRequest { name: listed.clone(), ..Default::default() };
    let transfer = set::TransferOwnershipRequest {
        name: parent.clone(),
        new_owner: admin.clone(),
        ..Default::default()
    };
    let hire = set::CreateMemberRequest {
        parent: parent.clone(),
        member: Some(member("", Role::User, true)),
        member_id: Uuid::now_v7().to_string(),
        ..Default::default()
    };
    let hired = format!("{parent}/members/{}", hire.member_id);
    let settings = "ConsentSettingsService";
    let cases: Vec<(_, &str, &str, Vec<u8>, Vec<Told<'_>>)> = vec![
        (
            &vendor,
            "BusinessService",
            "UpdateBusiness",
            of_business(6, &["plan"]),
            vec![("", Field::Plan, "GOLD", "PLATINUM")],
        ),
        (
            owner,
            "BusinessService",
            "UpdateBusiness",
            of_business(0, &["display_name", "time_zone"]),
            vec![
                ("", Field::BusinessDisplayName, "", ""),
                ("", Field::TimeZone, "Asia/Bangkok", "Europe/Berlin"),
            ],
        ),
        (
            owner,
            settings,
            "UpdateConsentSettings",
            rules.encode_to_vec(),
            vec![
                ("", Field::Enforcement, "ON", "OFF"),
                ("", Field::NotSetVisibility, "MASK", "SHOW"),
                ("", Field::MembersMayRegrant, "OFF", "ON"),
                ("", Field::SharedAddressPolicy, "RECORD_ONLY", "MOST_RESTRICTIVE"),
                ("", Field::DefaultGrantLifetime, "", "31536000s"),
            ],
        ),
        (
            owner,
            "BusinessService",
            "CreateMember",
            hire.encode_to_vec(),
            vec![
                (&hired, Field::Role, "", "USER"),
                (&hired, Field::ProtectionOfficer, "OFF", "ON"),
            ],
        ),
        (
            owner,
            "BusinessService",
            "UpdateMember",
            update(
                member(user, Role::Admin, true),
                &["role", "protection_officer", "display_name"],
            ),
            vec![
                (user, Field::Role, "USER", "ADMIN"),
                (user, Field::ProtectionOfficer, "OFF", "ON"),
                (user, Field::MemberDisplayName, "", ""),
            ],
        ),
        // One of them is on the list already, and one of them is not.
        (
            owner,
            settings,
            "AddViewers",
            add.encode_to_vec(),
            vec![(user, Field::Listed, "OFF", "ON")],
        ),
        (
            owner,
            settings,
            "RemoveViewers",
            remove.encode_to_vec(),
            vec![(user, Field::Listed, "ON", "OFF")],
        ),
        (
            owner,
            "BusinessService",
            "DeleteMember",
            delete.encode_to_vec(),
            vec![(listed, Field::Role, "USER", ""), (listed, Field::Listed, "ON", "OFF")],
        ),
        (
            owner,
            "BusinessService",
            "TransferOwnership",
            transfer.encode_to_vec(),
            vec![
                (admin, Field::Role, "ADMIN", "OWNER"),
                (&owner.name, Field::Role, "OWNER", "ADMIN"),
            ],
        ),
    ];
    let of_settings = methods().into_iter().map(|m| path(&m));
    let mut unasked: Vec<_> = of_settings
        .filter(|path| path.starts_with("/yinyom.settings."))
        .filter(|path| !READ.iter().any(|read| path.ends_with(&format!("/{read}"))))
        // Below, of another business.
        .filter(|path| !path.ends_with("/CreateBusiness"))
        .collect();
    for (who, service, method, request, expected) in cases {
        let (method, id) = (format!("/yinyom.settings.v1.{service}/{method}"), Uuid::now_v7());
        unasked.retain(|path| *path != method);
        let before = last_seq(&world.house.databases[0], business.id).await;
        call(&world.house, &who.bearer, &method, request, &id.to_string()).await.unwrap();
        let after = last_seq(&world.house.databases[0], business.id).await;
        assert_eq!(after, before + 1, "{method}: in the same unit of work");
        let change = change_of(&world, &id.to_string()).await;
        assert_eq!(told(&change), expected, "{method}");
        assert_eq!(change.method, method);
        let (name, role) = match who.name.as_str() {
            "" => ("operators/vendor", 0),
            name => (name, 1),
        };
        assert_eq!((change.actor.as_str(), change.actor_role), (name, role), "{method}");
    }
    assert_eq!(unasked, [""; 0], "a method that changes settings and that no case is about");
    how_it_began(&world).await;
}

/// The business was founded, and everybody was hired.
async fn how_it_began(world: &World) {
    let all = changes(world).await;
    let first = all.last().unwrap();
    assert!(first.method.ends_with("/CreateBusiness"), "{first:?}");
    let owner = &world.business.owner.name;
    assert_eq!(
        told(first),
        [
            ("", Field::Plan, "", "GOLD"),
            ("", Field::TimeZone, "", "Asia/Bangkok"),
            ("", Field::Enforcement, "", "OFF"),
            ("", Field::NotSetVisibility, "", "SHOW"),
            ("", Field::MembersMayRegrant, "", "OFF"),
            ("", Field::SharedAddressPolicy, "", "RECORD_ONLY"),
            (owner.as_str(), Field::Role, "", "OWNER"),
        ]
    );
    let about = man::ListSettingsChangesRequest {
        parent: world.business.name.clone(),
        member: world.business.admin.name.clone(),
        ..Default::default()
    };
    // Hired, and made the owner.
    let mut audit = world.business.officer.audit.clone();
    let found = audit.list_settings_changes(about).await.unwrap().into_inner().settings_changes;
    let found: Vec<_> = found.iter().map(|c| c.method.rsplit('/').next().unwrap()).collect();
    assert_eq!(found, ["TransferOwnership", "CreateMember"]);
    let everything = format!("{all:?}");
    for name in ["ชื่อใหม่", "ร้านใหม่", "พนักงาน", "เจ้าของ", "สวนผลไม้"]
    {
        assert!(!everything.contains(name), "no name is told");
    }
}

pub async fn what_changes_nothing_is_not_told(world: World) {
    let business = &world.business;
    let before = last_seq(&world.house.databases[0], business.id).await;
    let mut owner = business.owner.clone();
    let again = set::AddViewersRequest {
        parent: business.name.clone(),
        members: vec![business.listed.name.clone()],
        ..Default::default()
    };
    owner.settings.add_viewers(again).await.unwrap();
    let off = set::RemoveViewersRequest {
        parent: business.name.clone(),
        members: vec![business.user.name.clone()],
        ..Default::default()
    };
    owner.settings.remove_viewers(off).await.unwrap();
    let same = set::Member {
        name: business.user.name.clone(),
        role: Role::User.into(),
        ..Default::default()
    };
    let same = set::UpdateMemberRequest {
        member: Some(same),
        update_mask: Some(mask(&["role", "protection_officer"])),
        ..Default::default()
    };
    owner.businesses.update_member(same).await.unwrap();
    // A user may not.
    let mut user = business.user.clone();
    let listing = set::AddViewersRequest {
        parent: business.name.clone(),
        members: vec![business.user.name.clone()],
        ..Default::default()
    };
    user.settings.add_viewers(listing).await.unwrap_err();
    assert_eq!(last_seq(&world.house.databases[0], business.id).await, before);
    // A request that is sent again is one change.
    let hire = set::CreateMemberRequest {
        parent: business.name.clone(),
        member: Some(set::Member {
            display_name: "ก".to_owned(),
            role: Role::User.into(),
            ..Default::default()
        }),
        request_id: Uuid::now_v7().to_string(),
        ..Default::default()
    };
    for _ in 0..2 {
        owner.businesses.create_member(hire.clone()).await.unwrap();
    }
    assert_eq!(last_seq(&world.house.databases[0], business.id).await, before + 1);
}
