//! The retention period, legal holds and refused requests: who may, what is refused, and what stays on record.

use consent_manager::MIGRATIONS;
use tonic::{Code, Status};
use uuid::Uuid;
use yinyom_kernel::MemberId;
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::tokens::Bearer;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::*;

both_databases!(MIGRATIONS =>
    the_period_is_set_by_owner_and_admin_within_bounds,
    a_hold_is_set_and_released_by_readers_alone,
    a_hold_is_set_once_a_request,
    a_reason_holds_no_address,
    a_refused_request_is_recorded_once_and_for_ever,
    refused_requests_are_listed_newest_first_by_contact_and_kind,
    everything_wrong_is_said_at_once,
    a_contact_that_the_ledger_never_heard_of_is_not_found,
    another_business_s_are_not_found,
);

fn name(world: &World) -> String {
    format!("{}/retention", world.parent())
}

fn id() -> String {
    Uuid::now_v7().to_string()
}

async fn known(world: &World) -> Contact {
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), NotSet, NotSet)]).await;
    contact
}

async fn period(world: &World, by: MemberId) -> Result<pb::Retention, Status> {
    let request = pb::GetRetentionRequest { name: name(world) };
    let answer = world.retention(by).get_retention(request).await?;
    Ok(answer.into_inner().retention.unwrap())
}

async fn keep_for(world: &World, by: Bearer, days: i32) -> Result<pb::Retention, Status> {
    let retention =
        pb::Retention { name: name(world), days_after_erasure: days, ..Default::default() };
    let request = pb::UpdateRetentionRequest { retention: Some(retention) };
    let answer = world.retention_as(by).update_retention(request).await?;
    Ok(answer.into_inner().retention.unwrap())
}

fn denied(result: Result<impl std::fmt::Debug, Status>) -> (Code, String) {
    refusal(&result.unwrap_err())
}

fn wrong(status: &Status) -> Vec<String> {
    use tonic_types::StatusExt;
    let fields = status.get_details_bad_request().unwrap().field_violations;
    fields.into_iter().map(|field| field.field).collect()
}

async fn the_period_is_set_by_owner_and_admin_within_bounds(db: TestDb) {
    let world = World::new(db).await;
    let Members { owner, admin, officer, listed, user } = world.members;
    let first = period(&world, officer).await.unwrap();
    assert_eq!((first.days_after_erasure, first.update_time), (3_650, None));
    let as_member = |member| world.tokens.member(world.business, member);
    for (by, days) in [(owner, 365), (admin, 36_500)] {
        let set = keep_for(&world, as_member(by), days).await.unwrap();
        assert_eq!(set.days_after_erasure, days);
        assert_eq!(set.actor, format!("{}/members/{by}", world.parent()));
        assert_eq!(period(&world, officer).await.unwrap(), set);
    }
    for days in [0, 364, 36_501, -1] {
        let status = keep_for(&world, as_member(owner), days).await.unwrap_err();
        assert_eq!(wrong(&status), ["retention.days_after_erasure"]);
    }
    let refused = denied(keep_for(&world, as_member(officer), 400).await);
    assert_eq!(refused, (Code::PermissionDenied, "OWNER_OR_ADMIN_ONLY".to_owned()));
    for by in [listed, user] {
        let readers = (Code::PermissionDenied, "LEDGER_READERS_ONLY".to_owned());
        assert_eq!(denied(keep_for(&world, as_member(by), 400).await), readers);
        assert_eq!(denied(period(&world, by).await), readers);
    }
    let service = denied(keep_for(&world, world.tokens.named("warehouse"), 400).await);
    assert_eq!(service, (Code::PermissionDenied, "RPC_NOT_ALLOWED".to_owned()));
    assert_eq!(period(&world, officer).await.unwrap().days_after_erasure, 36_500);
}

fn new_hold(world: &World, contact: &str, reason: &str, id: &str) -> pb::SetLegalHoldRequest {
    pb::SetLegalHoldRequest {
        parent: world.parent(),
        contact: contact.to_owned(),
        reason: reason.to_owned(),
        request_id: id.to_owned(),
    }
}

async fn set(
    world: &World,
    by: MemberId,
    request: pb::SetLegalHoldRequest,
) -> Result<pb::LegalHold, Status> {
    let answer = world.retention(by).set_legal_hold(request).await?;
    Ok(answer.into_inner().legal_hold.unwrap())
}

async fn holds(world: &World, show_released: bool) -> Vec<pb::LegalHold> {
    let request =
        pb::ListLegalHoldsRequest { parent: world.parent(), show_released, ..Default::default() };
    let mut client = world.retention(world.members.officer);
    client.list_legal_holds(request).await.unwrap().into_inner().legal_holds
}

async fn a_hold_is_set_and_released_by_readers_alone(db: TestDb) {
    let world = World::new(db).await;
    let contact = known(&world).await;
    let Members { owner, admin, officer, listed, user } = world.members;
    let mut set_by = Vec::new();
    for by in [owner, admin, officer] {
        let hold =
            set(&world, by, new_hold(&world, &contact.name(), "case 7", &id())).await.unwrap();
        assert_eq!((hold.contact.clone(), &*hold.reason), (contact.name(), "case 7"));
        set_by.push(hold);
    }
    for by in [listed, user] {
        let refused = denied(set(&world, by, new_hold(&world, "", "case 7", &id())).await);
        assert_eq!(refused, (Code::PermissionDenied, "LEDGER_READERS_ONLY".to_owned()));
    }
    let mut newest_first = holds(&world, false).await;
    newest_first.reverse();
    assert_eq!(newest_first, set_by);
    let release = |by, name: &str| {
        let request = pb::ReleaseLegalHoldRequest { name: name.to_owned() };
        let mut client = world.retention(by);
        async move { client.release_legal_hold(request).await }
    };
    assert_eq!(denied(release(user, &set_by[0].name).await).0, Code::PermissionDenied);
    let released = release(officer, &set_by[0].name).await.unwrap().into_inner();
    let released = released.legal_hold.unwrap();
    assert_eq!(released.release_actor, format!("{}/members/{officer}", world.parent()));
    world.clock.advance(std::time::Duration::from_mins(1));
    let again = release(owner, &set_by[0].name).await.unwrap().into_inner();
    assert_eq!(again.legal_hold.unwrap(), released, "who released it first");
    assert_eq!(holds(&world, false).await.len(), 2);
    assert_eq!(holds(&world, true).await.len(), 3);
    let none = format!("{}/legalHolds/{}", world.parent(), id());
    assert_eq!(denied(release(owner, &none).await).0, Code::NotFound);
}

async fn a_hold_is_set_once_a_request(db: TestDb) {
    let world = World::new(db).await;
    let owner = world.members.owner;
    let id = id();
    let first = set(&world, owner, new_hold(&world, "", "case 7", &id)).await.unwrap();
    let again = set(&world, owner, new_hold(&world, "", "case 7", &id)).await.unwrap();
    assert_eq!(first, again);
    let other = denied(set(&world, owner, new_hold(&world, "", "case 8", &id)).await);
    assert_eq!(other, (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    assert_eq!(holds(&world, true).await.len(), 1);
}

async fn a_reason_holds_no_address(db: TestDb) {
    let world = World::new(db).await;
    let owner = world.members.owner;
    for reason in ["โทร 081-234-5678", "one@example.com", ""] {
        let status = set(&world, owner, new_hold(&world, "", reason, &id())).await.unwrap_err();
        assert_eq!(wrong(&status), ["reason"], "{reason}");
    }
    assert!(holds(&world, true).await.is_empty());
}

fn refused(contact: &str, kind: pb::SubjectRequestKind, text: &str) -> pb::RefusedRequest {
    pb::RefusedRequest {
        kind: kind.into(),
        contact: contact.to_owned(),
        reason: pb::RefusedRequestReason::Unfounded.into(),
        text: text.to_owned(),
        ..Default::default()
    }
}

async fn record(
    world: &World,
    by: Bearer,
    refused: pb::RefusedRequest,
    id: &str,
) -> Result<pb::RefusedRequest, Status> {
    let request = pb::RecordRefusedRequestRequest {
        parent: world.parent(),
        refused_request: Some(refused),
        request_id: id.to_owned(),
    };
    let answer = world.retention_as(by).record_refused_request(request).await?;
    Ok(answer.into_inner().refused_request.unwrap())
}

async fn a_refused_request_is_recorded_once_and_for_ever(db: TestDb) {
    let world = World::new(db).await;
    let contact = known(&world).await;
    let officer = || world.tokens.member(world.business, world.members.officer);
    let (id, access) = (id(), pb::SubjectRequestKind::Access);
    let first =
        record(&world, officer(), refused(&contact.name(), access, "asked thrice"), &id).await;
    let first = first.unwrap();
    assert_eq!((&*first.text, first.kind()), ("asked thrice", access));
    assert_eq!(first.actor, format!("{}/members/{}", world.parent(), world.members.officer));
    assert_eq!(first.actor_role, i32::from(yinyom_proto::types::v1::Role::User));
    world.clock.advance(std::time::Duration::from_mins(1));
    let again =
        record(&world, officer(), refused(&contact.name(), access, "asked thrice"), &id).await;
    assert_eq!(again.unwrap(), first);
    let other = record(&world, officer(), refused(&contact.name(), access, "never"), &id).await;
    assert_eq!(denied(other), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    // Another caller's id is another one.
    let service = world.tokens.named("warehouse");
    let theirs = record(&world, service, refused(&contact.name(), access, ""), &id).await.unwrap();
    assert_eq!(theirs.actor, "services/warehouse");
    let user = world.tokens.member(world.business, world.members.user);
    let user = record(&world, user, refused(&contact.name(), access, ""), &self::id()).await;
    assert_eq!(denied(user), (Code::PermissionDenied, "LEDGER_READERS_ONLY".to_owned()));
}

async fn refused_requests_are_listed_newest_first_by_contact_and_kind(db: TestDb) {
    let world = World::new(db).await;
    let (one, other) = (known(&world).await, known(&world).await);
    let officer = || world.tokens.member(world.business, world.members.officer);
    let (access, erasure) = (pb::SubjectRequestKind::Access, pb::SubjectRequestKind::Erasure);
    for (contact, kind) in [(&one, access), (&other, access), (&one, erasure), (&one, access)] {
        record(&world, officer(), refused(&contact.name(), kind, ""), &id()).await.unwrap();
    }
    let list = |contact: &str, kind: i32| {
        let mut request = pb::ListRefusedRequestsRequest {
            parent: world.parent(),
            page_size: 1,
            contact: contact.to_owned(),
            kind,
            ..Default::default()
        };
        let mut client = world.retention(world.members.owner);
        async move {
            let mut all = Vec::new();
            loop {
                let page =
                    client.list_refused_requests(request.clone()).await.unwrap().into_inner();
                all.extend(
                    page.refused_requests.into_iter().map(|of| (of.contact.clone(), of.kind())),
                );
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    return all;
                }
            }
        }
    };
    let (first, second) = (one.name(), other.name());
    let all = [
        (first.clone(), access),
        (first.clone(), erasure),
        (second, access),
        (first.clone(), access),
    ];
    assert_eq!(list("", 0).await, all);
    assert_eq!(list(&first, 0).await.len(), 3);
    assert_eq!(list(&first, erasure.into()).await, [(first, erasure)]);
}

async fn everything_wrong_is_said_at_once(db: TestDb) {
    let world = World::new(db).await;
    let officer = world.tokens.member(world.business, world.members.officer);
    let mut bad = refused("contacts/1", pb::SubjectRequestKind::Unspecified, "call 081-234-5678");
    bad.reason = 99;
    let status = record(&world, officer.clone(), bad, "one").await.unwrap_err();
    let mut fields = wrong(&status);
    fields.sort();
    assert_eq!(
        fields,
        [
            "refused_request.contact",
            "refused_request.kind",
            "refused_request.reason",
            "refused_request.text",
            "request_id"
        ]
    );
    let mut other =
        refused(&Contact::new(world.business).name(), pb::SubjectRequestKind::Access, "");
    other.reason = pb::RefusedRequestReason::Other.into();
    let status = record(&world, officer, other, &id()).await.unwrap_err();
    assert_eq!(wrong(&status), ["refused_request.text"]);
}

async fn a_contact_that_the_ledger_never_heard_of_is_not_found(db: TestDb) {
    let world = World::new(db).await;
    let contact = Contact::new(world.business).name();
    let hold = set(&world, world.members.owner, new_hold(&world, &contact, "case", &id())).await;
    assert_eq!(denied(hold).0, Code::NotFound);
    let officer = world.tokens.member(world.business, world.members.officer);
    let asked = refused(&contact, pb::SubjectRequestKind::Access, "");
    assert_eq!(denied(record(&world, officer, asked, &id()).await).0, Code::NotFound);
}

async fn another_business_s_are_not_found(db: TestDb) {
    let world = World::new(db).await;
    let hold = set(&world, world.members.owner, new_hold(&world, "", "case", &id())).await.unwrap();
    let stranger = world.tokens.member(yinyom_kernel::BusinessId::generate(), world.members.owner);
    let mut client = world.retention_as(stranger);
    let request = pb::ReleaseLegalHoldRequest { name: hold.name };
    let absent = (Code::NotFound, "NOT_FOUND".to_owned());
    assert_eq!(denied(client.release_legal_hold(request).await), absent);
    let request = pb::ListLegalHoldsRequest { parent: world.parent(), ..Default::default() };
    assert_eq!(denied(client.list_legal_holds(request).await), absent);
    let request = pb::ListErasuresRequest { parent: world.parent(), ..Default::default() };
    assert_eq!(denied(client.list_erasures(request).await), absent);
    assert_eq!(holds(&world, false).await.len(), 1);
}
