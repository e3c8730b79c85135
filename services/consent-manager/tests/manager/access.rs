//! Who may read the ledger, and what everybody else hears.

use std::time::Duration;

use consent_manager::MIGRATIONS;
use consent_manager::commands::{Manager, Reading, Refused};
use tonic::{Code, Status};
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, Code as FaultCode, Fault, MemberId, Name};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::tokens::Bearer;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::*;

const READS: [&str; 5] = ["history", "consents", "changes", "summary", "trend"];

/// Makes one of the reads.
async fn read(
    world: &World,
    bearer: Bearer,
    rpc: &str,
    parent: &str,
    contact: &str,
) -> Result<(), Status> {
    let (parent, contact) = (parent.to_owned(), contact.to_owned());
    let mut ledger = world.ledger_as(bearer.clone());
    let mut reports = world.reports_as(bearer);
    match rpc {
        "history" => {
            let ask = pb::GetContactHistoryRequest { contact, ..Default::default() };
            ledger.get_contact_history(ask).await.map(drop)
        }
        "consents" => {
            let ask = pb::ListConsentsRequest { parent, ..Default::default() };
            ledger.list_consents(ask).await.map(drop)
        }
        "changes" => {
            let ask = pb::ListConsentChangesRequest { parent, ..Default::default() };
            ledger.list_consent_changes(ask).await.map(drop)
        }
        "summary" => reports
            .get_consent_summary(pb::GetConsentSummaryRequest { parent, as_of_time: None })
            .await
            .map(drop),
        _ => {
            let granularity = pb::Granularity::Day.into();
            let ask = pb::GetConsentTrendRequest { parent, granularity, ..Default::default() };
            reports.get_consent_trend(ask).await.map(drop)
        }
    }
}

/// What each read answers.
async fn answers(world: &World, bearer: &Bearer, contact: &Contact) -> Vec<(Code, String)> {
    let mut answers = Vec::new();
    for rpc in READS {
        let answer = read(world, bearer.clone(), rpc, &world.parent(), &contact.name()).await;
        answers.push(answer.map_or_else(|status| refusal(&status), |()| (Code::Ok, String::new())));
    }
    answers
}

fn all(code: Code, reason: &str) -> Vec<(Code, String)> {
    vec![(code, reason.to_owned()); READS.len()]
}

async fn with_contact(db: TestDb) -> (World, Contact) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, Denied)]).await;
    (world, contact)
}

async fn owner_admins_officers_and_services_read_the_ledger_and_nobody_else(db: TestDb) {
    let (world, contact) = with_contact(db).await;
    let member = |member| world.tokens.member(world.business, member);
    for reader in [world.members.owner, world.members.admin, world.members.officer] {
        assert_eq!(answers(&world, &member(reader), &contact).await, all(Code::Ok, ""));
    }
    // To see every contact point is not to see the ledger.
    for other in [world.members.listed, world.members.user] {
        let denied = all(Code::PermissionDenied, "LEDGER_READERS_ONLY");
        assert_eq!(answers(&world, &member(other), &contact).await, denied);
    }
    let not_found = all(Code::NotFound, "NOT_FOUND");
    assert_eq!(answers(&world, &member(MemberId::generate()), &contact).await, not_found);
    let foreigner = world.tokens.member(BusinessId::generate(), world.members.owner);
    assert_eq!(answers(&world, &foreigner, &contact).await, not_found);

    let named = |name| world.tokens.named(name);
    assert_eq!(answers(&world, &named("warehouse"), &contact).await, all(Code::Ok, ""));
    assert_eq!(answers(&world, &named("nothing"), &contact).await, not_found);
    let not_allowed = all(Code::PermissionDenied, "RPC_NOT_ALLOWED");
    assert_eq!(answers(&world, &named("vendor"), &contact).await, not_allowed);
    let mut trends = not_allowed.clone();
    trends[4] = (Code::Ok, String::new());
    assert_eq!(answers(&world, &named("trends"), &contact).await, trends);
}

async fn absent_and_foreign_are_answered_alike(db: TestDb) {
    let (world, contact) = with_contact(db).await;
    let foreign = Contact::new(BusinessId::generate());
    let owner = world.tokens.member(world.business, world.members.owner);
    let service = world.tokens.named("warehouse");
    let mut heard = Vec::new();
    for rpc in READS {
        let parent = Name::format_business(foreign.business);
        for bearer in [&owner, &service] {
            heard.push(read(&world, bearer.clone(), rpc, &parent, &foreign.name()).await);
        }
    }
    let absent = Contact::new(world.business);
    heard.push(read(&world, owner, "history", "", &absent.name()).await);
    let nobody = world.tokens.named("nothing");
    heard.push(read(&world, nobody, "history", "", &contact.name()).await);
    let heard: Vec<_> = heard
        .into_iter()
        .map(|answer| answer.unwrap_err())
        .map(|status| (status.code(), status.message().to_owned(), status.details().to_vec()))
        .collect();
    assert_eq!(heard[0].0, Code::NotFound);
    assert!(heard.iter().all(|answer| *answer == heard[0]));
}

async fn only_services_send_changes(db: TestDb) {
    let (world, mut contact) = with_contact(db).await;
    let send = |bearer: Bearer, change: pb::ConsentChange| {
        let (mut ledger, parent) = (world.ledger_as(bearer), world.parent());
        async move {
            let request =
                pb::RecordConsentChangesRequest { parent, changes: vec![change], ..<_>::default() };
            refusal(&ledger.record_consent_changes(request).await.unwrap_err())
        }
    };
    let change = contact.phone(world.now(), Denied);
    let owner = world.tokens.member(world.business, world.members.owner);
    let not_allowed = (Code::PermissionDenied, "RPC_NOT_ALLOWED".to_owned());
    for bearer in [owner, world.tokens.named("vendor"), world.tokens.named("trends")] {
        assert_eq!(send(bearer, change.clone()).await, not_allowed);
    }
    let foreign = send(world.tokens.named("nothing"), change).await;
    assert_eq!(foreign, (Code::NotFound, "NOT_FOUND".to_owned()));
    assert_eq!(world.history(&contact).await.entries.len(), 1);
}

async fn without_a_lease_members_wait_and_services_and_changes_go_on(db: TestDb) {
    let (world, mut contact) = with_contact(db).await;
    world.settings.go_away();
    world.clock.advance(LEASE);
    let unavailable = all(Code::Unavailable, "POLICY_UNAVAILABLE");
    for member in [world.members.owner, world.members.user] {
        let member = world.tokens.member(world.business, member);
        assert_eq!(answers(&world, &member, &contact).await, unavailable);
    }
    world.take(vec![contact.phone(world.now(), Denied)]).await;
    let service = world.tokens.named("warehouse");
    let mut rules_unknown = all(Code::Ok, "");
    // The zone of a business that was never asked for is not known.
    rules_unknown[4] = unavailable[4].clone();
    assert_eq!(answers(&world, &service, &contact).await, rules_unknown);
    let parent = Name::format_business(BusinessId::generate());
    let unknown = read(&world, service, "summary", &parent, "").await.unwrap_err();
    assert_eq!(refusal(&unknown), unavailable[0]);
}

async fn a_role_that_was_taken_away_reads_nothing_more(db: TestDb) {
    let (world, contact) = with_contact(db).await;
    let admin = world.tokens.member(world.business, world.members.admin);
    assert_eq!(answers(&world, &admin, &contact).await, all(Code::Ok, ""));
    let manager = Manager {
        db: world.db.handle(),
        policies: world.policies.clone(),
        notary: world.notary.clone(),
        masters: MasterKeys::new(MasterKey::generate(), Vec::new()).into(),
        clock: world.clock.clone(),
        feeds: consent_manager::Feeds::default(),
    };
    let caller = Caller::Member { business: world.business, member: world.members.admin };
    let reading = Reading::open(&manager, &caller, world.business).await.unwrap();

    world.settings.change(world.business, |policy| {
        policy.members.remove(&world.members.admin);
    });
    world.policies.renew().await.unwrap();
    let shown = reading.close("what was read meanwhile").await;
    assert!(matches!(shown, Err(Refused::NotFound(_))), "{shown:?}");
    assert_eq!(answers(&world, &admin, &contact).await, all(Code::NotFound, "NOT_FOUND"));
}

#[test]
fn a_member_is_told_when_to_come_again() {
    assert_eq!(Refused::PolicyUnavailable.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(Refused::PolicyUnavailable.code(), FaultCode::Unavailable);
}

both_databases!(MIGRATIONS =>
    owner_admins_officers_and_services_read_the_ledger_and_nobody_else,
    absent_and_foreign_are_answered_alike,
    only_services_send_changes,
    without_a_lease_members_wait_and_services_and_changes_go_on,
    a_role_that_was_taken_away_reads_nothing_more,
);
