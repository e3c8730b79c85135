//! Changes of many contacts, operations, and whom a campaign may reach.

use tonic::Code;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::longrunning as lro;
use yinyom_proto::types::v1 as types;

use crate::bad_input::fields::LINE;
use crate::bad_input::{CANARY, Case, World, invalid, refused};

const BULK: &str = "directory.v1.BulkConsentService/BulkSetContactConsents";
const RESULTS: &str = "directory.v1.BulkConsentService/ListBulkSetResults";
const REACH: &str = "directory.v1.ReachService/StreamReachable";

pub fn cases(world: &World) -> Vec<Case> {
    let mut cases = changes(world);
    cases.extend(operations(world));
    cases.extend(reach(world));
    cases
}

fn changes(world: &World) -> Vec<Case> {
    let good = || yinyom_tests::refusing(&world.own.business);
    let nothing = dir::BulkSetContactConsentsRequest::default();
    let everything = dir::BulkSetContactConsentsRequest {
        parent: CANARY.to_owned(),
        filter: Some(dir::ContactFilter {
            name_prefix: LINE.to_owned(),
            phone: CANARY.to_owned(),
            email: CANARY.to_owned(),
            external_id: LINE.to_owned(),
            state: 9,
            channel: 9,
        }),
        surface: 3,
        lead: CANARY.to_owned(),
        assignments: vec![dir::ConsentAssignment::default()],
        evidence: Some(types::Evidence {
            note: "โทร 0812345678".to_owned(), ..Default::default()
        }),
        request_id: CANARY.to_owned(),
        ..Default::default()
    };
    let both = dir::BulkSetContactConsentsRequest {
        contacts: vec![world.own.contact.clone()],
        filter: Some(dir::ContactFilter::default()),
        ..good()
    };
    let names = vec![CANARY.to_owned(), world.foreign.contact.clone(), world.own.contact.clone()];
    let names = dir::BulkSetContactConsentsRequest { contacts: names, ..good() };
    let ends = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let past = dir::ConsentAssignment { channel: 1, state: 2, expire_time: ends };
    let contacts = vec![world.own.contact.clone()];
    let past = dir::BulkSetContactConsentsRequest { assignments: vec![past], contacts, ..good() };
    vec![
        invalid(
            "nothing",
            BULK,
            &nothing,
            &[
                ("parent", "INVALID_NAME"),
                ("contacts", "REQUIRED"),
                ("surface", "REQUIRED"),
                ("assignments", "REQUIRED"),
            ],
        ),
        invalid(
            "everything",
            BULK,
            &everything,
            &[
                ("parent", "INVALID_NAME"),
                ("filter.name_prefix", "CONTROL_CHARACTER"),
                ("filter.phone", "INVALID_PHONE"),
                ("filter.email", "INVALID_EMAIL"),
                ("filter.external_id", "CONTROL_CHARACTER"),
                ("filter.state", "UNKNOWN_VALUE"),
                ("filter.channel", "UNKNOWN_VALUE"),
                ("lead", "INVALID_NAME"),
                ("assignments[0].channel", "REQUIRED"),
                ("assignments[0].state", "REQUIRED"),
                ("evidence.note", "HOLDS_ADDRESS"),
                ("request_id", "INVALID_ID"),
            ],
        ),
        invalid("names and a filter", BULK, &both, &[("filter", "NOT_WITH_CONTACTS")]),
        invalid(
            "names of others",
            BULK,
            &names,
            &[("contacts[0]", "INVALID_NAME"), ("contacts[1]", "OTHER_BUSINESS")],
        ),
        invalid("a past end", BULK, &past, &[("assignments[0].expire_time", "NOT_IN_FUTURE")]),
    ]
}

fn operations(world: &World) -> Vec<Case> {
    let bad = || CANARY.to_owned();
    let named = [("name", "INVALID_NAME")];
    let results = dir::ListBulkSetResultsRequest {
        operation: world.own.contact.clone(),
        page_size: -1,
        ..Default::default()
    };
    let list = lro::ListOperationsRequest {
        name: bad(),
        filter: "done=kanari".to_owned(),
        page_size: -1,
        ..Default::default()
    };
    let list_wrong = [
        ("name", "INVALID_NAME"),
        ("page_size", "NEGATIVE_PAGE_SIZE"),
        ("filter", "UNKNOWN_FILTER"),
    ];
    let timeout = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let wait = lro::WaitOperationRequest { name: bad(), timeout };
    let get = lro::GetOperationRequest { name: bad() };
    let cancel = lro::CancelOperationRequest { name: bad() };
    let delete = lro::DeleteOperationRequest { name: bad() };
    let of = |method: &'static str| match method {
        "GetOperation" => "google.longrunning.Operations/GetOperation",
        "CancelOperation" => "google.longrunning.Operations/CancelOperation",
        _ => "google.longrunning.Operations/DeleteOperation",
    };
    vec![
        invalid(
            "no operation",
            RESULTS,
            &results,
            &[("operation", "INVALID_NAME"), ("page_size", "NEGATIVE_PAGE_SIZE")],
        ),
        invalid("everything", "google.longrunning.Operations/ListOperations", &list, &list_wrong),
        invalid(
            "no time",
            "google.longrunning.Operations/WaitOperation",
            &wait,
            &[("name", "INVALID_NAME"), ("timeout", "INVALID_DURATION")],
        ),
        invalid("no name", of("GetOperation"), &get, &named),
        invalid("no name", of("CancelOperation"), &cancel, &named),
        invalid("no name", of("DeleteOperation"), &delete, &named),
    ]
}

fn reach(world: &World) -> Vec<Case> {
    let nothing = dir::StreamReachableRequest { channel: 9, ..Default::default() };
    let elsewhere = dir::StreamReachableRequest {
        parent: world.own.business.clone(),
        channel: 1,
        resume_token: CANARY.to_owned(),
        ..Default::default()
    };
    vec![
        invalid(
            "a channel that there is not",
            REACH,
            &nothing,
            &[("parent", "INVALID_NAME"), ("channel", "UNKNOWN_VALUE")],
        ),
        refused("garbage", REACH, &elsewhere, Code::InvalidArgument, "INVALID_PAGE_TOKEN"),
    ]
}
