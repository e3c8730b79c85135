//! Requests to settings and to the manager with everything wrong at once.

use prost_types::Timestamp;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::settings::v1 as set;
use yinyom_tests::mask;

use crate::bad_input::fields::LINE;
use crate::bad_input::{CANARY, Case, World, invalid};

pub fn cases(world: &World) -> Vec<Case> {
    let mut cases = businesses();
    cases.extend(members(world));
    cases.extend(settings(world));
    cases.extend(ledger(world));
    cases
}

fn businesses() -> Vec<Case> {
    let business = set::Business {
        name: CANARY.to_owned(),
        display_name: LINE.to_owned(),
        plan: 99,
        time_zone: CANARY.to_owned(),
        ..Default::default()
    };
    let create = set::CreateBusinessRequest {
        business: Some(business.clone()),
        owner_display_name: " ".to_owned(),
        owner_member_id: CANARY.to_owned(),
        request_id: CANARY.to_owned(),
    };
    let update = set::UpdateBusinessRequest {
        business: Some(business),
        update_mask: Some(mask(&["display_name", "plan", CANARY, "time_zone"])),
        request_id: CANARY.to_owned(),
    };
    let unset = set::CreateBusinessRequest {
        business: Some(set::Business::default()),
        ..Default::default()
    };
    vec![
        invalid(
            "everything",
            "settings.v1.BusinessService/CreateBusiness",
            &create,
            &[
                ("business.display_name", "CONTROL_CHARACTER"),
                ("business.plan", "UNKNOWN_VALUE"),
                ("business.time_zone", "UNKNOWN_TIME_ZONE"),
                ("owner_display_name", "REQUIRED"),
                ("owner_member_id", "INVALID_ID"),
                ("request_id", "INVALID_ID"),
            ],
        ),
        invalid(
            "unset",
            "settings.v1.BusinessService/CreateBusiness",
            &unset,
            &[
                ("business.display_name", "REQUIRED"),
                ("business.plan", "REQUIRED"),
                ("owner_display_name", "REQUIRED"),
            ],
        ),
        invalid(
            "everything",
            "settings.v1.BusinessService/UpdateBusiness",
            &update,
            &[
                ("business.name", "INVALID_NAME"),
                ("business.display_name", "CONTROL_CHARACTER"),
                ("business.plan", "UNKNOWN_VALUE"),
                ("business.time_zone", "UNKNOWN_TIME_ZONE"),
                ("update_mask.paths[2]", "UNKNOWN_PATH"),
                ("request_id", "INVALID_ID"),
            ],
        ),
    ]
}

fn members(world: &World) -> Vec<Case> {
    let member = set::Member {
        name: world.own.lead.clone(),
        display_name: CANARY.repeat(34),
        role: 99,
        ..Default::default()
    };
    let create = set::CreateMemberRequest {
        parent: CANARY.to_owned(),
        member: Some(member.clone()),
        member_id: CANARY.to_owned(),
        request_id: CANARY.to_owned(),
    };
    let update = set::UpdateMemberRequest {
        member: Some(member),
        update_mask: Some(mask(&["display_name", "role", "listed"])),
        request_id: CANARY.to_owned(),
    };
    let unset = set::CreateMemberRequest {
        parent: world.own.business.clone(),
        member: Some(set::Member { display_name: "ก".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let transfer = set::TransferOwnershipRequest {
        name: world.own.business.clone(),
        new_owner: world.foreign.member.clone(),
        request_id: CANARY.to_owned(),
    };
    let list = set::ListMembersRequest {
        parent: CANARY.to_owned(),
        page_size: -1,
        page_token: CANARY.to_owned(),
    };
    vec![
        invalid(
            "everything",
            "settings.v1.BusinessService/CreateMember",
            &create,
            &[
                ("parent", "INVALID_NAME"),
                ("member.display_name", "TOO_LONG"),
                ("member.role", "UNKNOWN_VALUE"),
                ("member_id", "INVALID_ID"),
                ("request_id", "INVALID_ID"),
            ],
        ),
        invalid(
            "an unset role",
            "settings.v1.BusinessService/CreateMember",
            &unset,
            &[("member.role", "REQUIRED")],
        ),
        invalid(
            "everything",
            "settings.v1.BusinessService/UpdateMember",
            &update,
            &[
                ("member.name", "INVALID_NAME"),
                ("member.display_name", "TOO_LONG"),
                ("member.role", "UNKNOWN_VALUE"),
                ("update_mask.paths[2]", "UNKNOWN_PATH"),
                ("request_id", "INVALID_ID"),
            ],
        ),
        invalid(
            "an heir from elsewhere",
            "settings.v1.BusinessService/TransferOwnership",
            &transfer,
            &[("new_owner", "OTHER_BUSINESS"), ("request_id", "INVALID_ID")],
        ),
        invalid(
            "a page",
            "settings.v1.BusinessService/ListMembers",
            &list,
            &[("parent", "INVALID_NAME"), ("page_size", "NEGATIVE_PAGE_SIZE")],
        ),
    ]
}

fn settings(world: &World) -> Vec<Case> {
    const UPDATE: &str = "settings.v1.ConsentSettingsService/UpdateConsentSettings";
    let update =
        |name: &str, visibility, shared, paths: &[&str]| set::UpdateConsentSettingsRequest {
            consent_settings: Some(set::ConsentSettings {
                name: name.to_owned(),
                not_set_visibility: visibility,
                shared_address_policy: shared,
                ..Default::default()
            }),
            update_mask: Some(mask(paths)),
            request_id: String::new(),
        };
    let own = format!("{}/consentSettings", world.own.business);
    let both = ["not_set_visibility", "shared_address_policy"];
    let viewers = set::AddViewersRequest {
        parent: world.own.business.clone(),
        members: vec![CANARY.to_owned(), world.foreign.member.clone(), world.own.contact.clone()],
        request_id: CANARY.to_owned(),
    };
    let remove = set::RemoveViewersRequest {
        parent: CANARY.to_owned(),
        members: viewers.members.clone(),
        ..Default::default()
    };
    vec![
        invalid(
            "unknown words",
            UPDATE,
            &update(CANARY, 9, 9, &[CANARY, both[0], both[1]]),
            &[
                ("consent_settings.name", "INVALID_NAME"),
                ("consent_settings.not_set_visibility", "UNKNOWN_VALUE"),
                ("consent_settings.shared_address_policy", "UNKNOWN_VALUE"),
                ("update_mask.paths[0]", "UNKNOWN_PATH"),
            ],
        ),
        invalid(
            "unset words",
            UPDATE,
            &update(&own, 0, 0, &both),
            &[
                ("consent_settings.not_set_visibility", "REQUIRED"),
                ("consent_settings.shared_address_policy", "REQUIRED"),
            ],
        ),
        invalid(
            "viewers",
            "settings.v1.ConsentSettingsService/AddViewers",
            &viewers,
            &[
                ("members[0]", "INVALID_NAME"),
                ("members[1]", "OTHER_BUSINESS"),
                ("members[2]", "INVALID_NAME"),
                ("request_id", "INVALID_ID"),
            ],
        ),
        invalid(
            "viewers",
            "settings.v1.ConsentSettingsService/RemoveViewers",
            &remove,
            &[
                ("parent", "INVALID_NAME"),
                ("members[0]", "INVALID_NAME"),
                ("members[2]", "INVALID_NAME"),
            ],
        ),
    ]
}

fn ledger(world: &World) -> Vec<Case> {
    let (late, early) = (Timestamp { seconds: 9, nanos: 0 }, Timestamp { seconds: 1, nanos: 0 });
    let consents = man::ListConsentsRequest {
        parent: CANARY.to_owned(),
        page_size: -1,
        channel: 9,
        state: 9,
        surface: 99,
        start_time: Some(late),
        end_time: Some(early),
        ..Default::default()
    };
    let changes = man::ListConsentChangesRequest {
        parent: world.own.business.clone(),
        page_size: -1,
        channel: 9,
        state: 9,
        surface: 99,
        actor: CANARY.to_owned(),
        cause: 99,
        start_time: Some(Timestamp { seconds: 0, nanos: -1 }),
        ..Default::default()
    };
    let trend = |granularity| man::GetConsentTrendRequest { granularity, ..Default::default() };
    let history = man::GetContactHistoryRequest {
        contact: world.own.lead.clone(),
        page_size: -1,
        ..Default::default()
    };
    vec![
        invalid(
            "everything",
            "manager.v1.LedgerService/ListConsents",
            &consents,
            &[
                ("parent", "INVALID_NAME"),
                ("page_size", "NEGATIVE_PAGE_SIZE"),
                ("channel", "UNKNOWN_VALUE"),
                ("state", "UNKNOWN_VALUE"),
                ("surface", "UNKNOWN_VALUE"),
                ("end_time", "END_BEFORE_START"),
            ],
        ),
        invalid(
            "everything",
            "manager.v1.LedgerService/ListConsentChanges",
            &changes,
            &[
                ("page_size", "NEGATIVE_PAGE_SIZE"),
                ("channel", "UNKNOWN_VALUE"),
                ("state", "UNKNOWN_VALUE"),
                ("surface", "UNKNOWN_VALUE"),
                ("actor", "INVALID_NAME"),
                ("cause", "UNKNOWN_VALUE"),
                ("start_time", "INVALID_TIMESTAMP"),
            ],
        ),
        invalid(
            "an unset granularity",
            "manager.v1.ReportService/GetConsentTrend",
            &trend(0),
            &[("parent", "INVALID_NAME"), ("granularity", "REQUIRED")],
        ),
        invalid(
            "an unknown granularity",
            "manager.v1.ReportService/GetConsentTrend",
            &trend(9),
            &[("parent", "INVALID_NAME"), ("granularity", "UNKNOWN_VALUE")],
        ),
        invalid(
            "a history",
            "manager.v1.LedgerService/GetContactHistory",
            &history,
            &[("contact", "INVALID_NAME"), ("page_size", "NEGATIVE_PAGE_SIZE")],
        ),
    ]
}
