//! One trace tells a change's whole way: from whoever called, through the directory and settings, by the outbox, to the
//! ledger.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::large_futures)]

#[path = "canary/collector.rs"]
mod collector;

use std::collections::BTreeMap;

use collector::Collector;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_telemetry::{TRACE_PARENT, TelemetryConfig};
use yinyom_tests::{Database, House, TestBusiness, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread")]
async fn a_changes_whole_way_is_one_trace() {
    let collector = Collector::default();
    let telemetry = yinyom_telemetry::init(&TelemetryConfig {
        filter: "error".to_owned(),
        otlp_endpoint: Some(collector.start().await),
        ..TelemetryConfig::new("trace")
    });
    let telemetry = telemetry.unwrap();
    let house = House::start(Database::Sqlite).await;
    let business = house.found().await;
    // Nobody has asked for the rules of this one yet, so that the directory must.
    let traced = format!("00-{TRACE}-{CALLER}-01");
    let contact = create(&business, Some(&traced)).await;
    // What is no trace, and what is in none, is not of this one.
    create(&business, Some("00-nonsense")).await;
    create(&business, None).await;
    arrived(&business, &contact).await;
    house.close().await;
    telemetry.shutdown().await;

    let (_, spans) = collector.exported();
    let of_trace: Vec<&Span> =
        spans.iter().filter(|span| hex::encode(&span.trace_id) == TRACE).collect();
    let by_id: BTreeMap<&[u8], &Span> =
        of_trace.iter().map(|span| (&span.span_id[..], *span)).collect();
    let named = |name: &str| -> Vec<&Span> {
        of_trace.iter().filter(|span| span.name == name).copied().collect()
    };
    let appends = named("ledger.append");
    assert_eq!(appends.len(), 1, "the change went once, and others are not of this trace");
    let mut way = Vec::new();
    let mut at = Some(appends[0]);
    while let Some(span) = at {
        way.push((span.name.as_str(), hex::encode(&span.parent_span_id)));
        at = by_id.get(&span.parent_span_id[..]).copied();
    }
    let stations: Vec<_> = way.iter().map(|(name, _)| *name).collect();
    assert_eq!(stations, ["ledger.append", "outbox.deliver", "rpc"]);
    assert_eq!(way.last().unwrap().1, CALLER, "the call is a part of whatever its caller does");
    let mut calls: Vec<_> = named("rpc").into_iter().map(called).collect();
    calls.sort();
    assert_eq!(calls, ["CreateContact", "GetPolicy"]);
}

/// The method of a call.
fn called(span: &Span) -> String {
    let rpc = span.attributes.iter().find(|attribute| attribute.key == "rpc").expect("a method");
    match rpc.value.clone().and_then(|value| value.value) {
        Some(Value::StringValue(rpc)) => rpc.rsplit('/').next().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn create(business: &TestBusiness, trace_parent: Option<&str>) -> String {
    let contact = dir::Contact { first_name: "สมหญิง".to_owned(), ..<_>::default() };
    let mut request = tonic::Request::new(dir::CreateContactRequest {
        parent: business.name.clone(),
        contact: Some(contact),
        ..<_>::default()
    });
    if let Some(trace_parent) = trace_parent {
        request.metadata_mut().insert(TRACE_PARENT, trace_parent.parse().unwrap());
    }
    let created = business.owner.contacts.clone().create_contact(request).await.unwrap();
    created.into_inner().contact.unwrap().name
}

/// Waits until the ledger knows the contact.
async fn arrived(business: &TestBusiness, contact: &str) {
    let ledger = business.owner.ledger.clone();
    let history = async || {
        let request =
            man::GetContactHistoryRequest { contact: contact.to_owned(), ..<_>::default() };
        let answer = ledger.clone().get_contact_history(request).await;
        answer.map_or(0, |answer| answer.into_inner().entries.len())
    };
    eventually(history, |entries| *entries == 1).await;
}
