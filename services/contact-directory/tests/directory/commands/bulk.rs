//! The same word of many contacts: each once, by the rules of one, by the rights of the moment.

mod rights;
mod runners;

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::bulk::{Covers, Said, Work};
use contact_directory::commands::renewal::{Renewal, SETTLED_EVERYWHERE_AFTER};
use contact_directory::commands::{Error, Request};
use contact_directory::domain::bulk::{BLOCK, Became, Operation, State};
use contact_directory::domain::evidence::Evidence;
use contact_directory::domain::set::{AssignmentInput, Assignments};
use contact_directory::domain::surface::Place;
use contact_directory::store::find::Wanted;
use tokio::sync::oneshot;
use yinyom_consent::{Actor, Cause, Channel, ConsentState, Role};
use yinyom_db::{Db, DbConfig};
use yinyom_identity::Caller;
use yinyom_kernel::{Clock, Code, ContactId, OperationId};
use yinyom_testkit::{TestDb, both_databases};

use super::{
    ABSENT, DENIED, GRANTED, NOT_SET, ONE, PHONE, TWO, create, delete, evidence, read, request,
    saying, set, states, why,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    each_contact_has_its_own_outcome_by_the_rules_of_one,
    replicas_at_once_and_killed_ones_deal_with_each_contact_once,
    who_comes_later_is_not_in_it_and_who_leaves_is_refused,
    what_was_cancelled_stays_as_far_as_it_came,
    a_request_begins_one_operation,
    a_key_that_is_renewed_under_way_takes_it_along,
    what_has_ended_is_forgotten_in_time,
    so_many_go_on_at_a_time,
    a_grant_that_has_run_out_by_its_turn_is_refused,
);

const LIFT: (i32, &str) = (7, "CANNOT_LIFT_OWN_MASK");
const GONE: (i32, &str) = (5, "NOT_FOUND");

fn said(states: &[(Channel, ConsentState)]) -> Said {
    let given: Vec<_> = (states.iter())
        .map(|(channel, state)| AssignmentInput {
            channel: Some(*channel),
            state: Some(*state),
            expires_at: None,
        })
        .collect();
    let assignments = Assignments::read(&given).unwrap();
    Said { place: Place::Contacts, assignments, evidence: Evidence::default() }
}

async fn begin(house: &House, by: &Caller, covers: Covers, said: Said) -> Result<Operation, Error> {
    begin_as(house, by, covers, said, None).await
}

async fn begin_as(
    house: &House,
    by: &Caller,
    covers: Covers,
    said: Said,
    request: Option<Request>,
) -> Result<Operation, Error> {
    let session = house.session(by).await;
    house.directory.begin_bulk(&session, by, covers, (said, None), request).await
}

/// Begun by `by` over those contacts.
async fn begun(
    house: &House,
    by: &Caller,
    contacts: &[ContactId],
    states: &[(Channel, ConsentState)],
) -> OperationId {
    begin(house, by, Covers::Named(contacts.to_vec()), said(states)).await.unwrap().id
}

fn work(house: &House) -> Work {
    Work::new(house.directory.clone())
}

/// One block of each business.
async fn step(house: &House) {
    work(house).in_looks_of(1).go_on().await.unwrap();
    // Another one takes over from who did that.
    house.pass(Duration::from_secs(5)).await;
}

async fn to_the_end(house: &House) {
    while work(house).go_on().await.unwrap() {}
}

async fn operation(house: &House, id: OperationId) -> Operation {
    let session = house.session(&house.owner).await;
    house.directory.operation(&session, &house.owner, id).await.unwrap()
}

/// How far it is: contacts, recorded, refused.
async fn progress(house: &House, id: OperationId) -> (State, i64, i64, i64) {
    let Operation { state, total, recorded, refused, .. } = operation(house, id).await;
    (state, total, recorded, refused)
}

async fn outcomes(house: &House, id: OperationId, only_refused: bool) -> Vec<(ContactId, Became)> {
    let session = house.session(&house.owner).await;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        // Pages that end within blocks and between them.
        let rows = if after.is_none() { 3 } else { BLOCK - 3 };
        let page = house.directory.bulk_results(
            &session,
            &house.owner,
            id,
            only_refused,
            after.as_ref(),
            rows,
        );
        let page = page.await.unwrap();
        all.extend(page.items.into_iter().map(|outcome| (outcome.contact, outcome.became)));
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

async fn became(house: &House, id: OperationId, contact: ContactId) -> Option<Became> {
    let all = outcomes(house, id, false).await;
    all.into_iter().find(|(of, _)| *of == contact).map(|(_, became)| became)
}

#[expect(clippy::unnecessary_wraps, reason = "as an outcome is read")]
fn refused((code, reason): (i32, &str)) -> Option<Became> {
    Some(Became::Refused(code, reason.to_owned()))
}

/// Ids of nobody, that come before or after those of everybody.
fn nobody(first: u128, number: usize) -> Vec<ContactId> {
    (first..).take(number).map(|id| uuid::Uuid::from_u128(id).into()).collect()
}

async fn each_contact_has_its_own_outcome_by_the_rules_of_one(db: TestDb) {
    let house = House::on(db.handle()).await;
    let free = create(&house, "Free", &[ONE]).await.id;
    let masked = saying(&house, &[TWO], &[(PHONE, DENIED)]).await.id;
    let absent = ContactId::generate();
    let word = Said { evidence: evidence(), ..said(&[(PHONE, GRANTED)]) };
    let named = vec![absent, masked, free, masked, free];
    let id = begin(&house, &house.user, Covers::Named(named), word).await.unwrap().id;
    assert_eq!(progress(&house, id).await, (State::Running, 3, 0, 0), "each once");
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await, (State::Succeeded, 3, 1, 2));
    assert_eq!(became(&house, id, free).await, Some(Became::Recorded(2)));
    assert_eq!(became(&house, id, masked).await, refused(LIFT));
    assert_eq!(became(&house, id, absent).await, refused(GONE));
    assert_eq!(outcomes(&house, id, true).await.len(), 2);
    assert_eq!(states(&house, &read(&house, free).await), (GRANTED, NOT_SET));
    assert_eq!(states(&house, &read(&house, masked).await), (DENIED, NOT_SET));
    let ledger = house.ledger().await;
    let change = ledger.iter().find(|of| of.contact == free && of.seq == 2).unwrap();
    let member = house.user.member().unwrap();
    assert_eq!(change.actor, Actor::Member { member, role: Some(Role::User) });
    assert!(change.cause == Cause::Set && change.evidence_commitment.is_some());

    // On the page of a lead that these contacts are not on.
    let lead = Place::LeadContacts(yinyom_kernel::LeadId::generate());
    let elsewhere = Said { place: lead, ..said(&[(PHONE, DENIED)]) };
    let id = begin(&house, &house.owner, Covers::Named(vec![free]), elsewhere).await.unwrap().id;
    to_the_end(&house).await;
    assert_eq!(became(&house, id, free).await, refused((9, "SURFACE_MISMATCH")));
}

async fn replicas_at_once_and_killed_ones_deal_with_each_contact_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let mut people = Vec::new();
    for i in 0..12 {
        people.push(create(&house, &format!("P{i}"), &[]).await.id);
    }
    // Each block has nobodies before some of them: ids in between are not to be had.
    let mut named = nobody(1, 5 * BLOCK - 6);
    named.extend(&people);
    let id = begun(&house, &house.owner, &named, &[(PHONE, DENIED)]).await;
    let config: DbConfig = db.config().clone();
    let mut seen = (0, 0);
    for round in 0..40 {
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let other = Db::connect(&config, &MIGRATIONS).await.unwrap();
            let work = Work::new(house.replica(other)).in_looks_of(1 + round % 2);
            let (up, is_up) = oneshot::channel();
            tasks.push(tokio::spawn(async move {
                let _ = up.send(());
                let _ = work.go_on().await;
            }));
            is_up.await.unwrap();
        }
        // In the middle of something, or of nothing.
        for _ in 0..round * 3 {
            tokio::task::yield_now().await;
        }
        for task in tasks {
            if round % 3 == 0 {
                let _ = task.await;
            } else {
                task.abort();
            }
        }
        house.clock.advance(Duration::from_secs(5));
        let (state, _, recorded, refused) = progress(&house, id).await;
        assert!((recorded, refused) >= seen && recorded + refused >= seen.0 + seen.1, "backwards");
        seen = (recorded, refused);
        if state.is_done() {
            break;
        }
    }
    to_the_end(&house).await;
    let total = i64::try_from(named.len()).unwrap();
    assert_eq!(progress(&house, id).await, (State::Succeeded, total, 12, total - 12));
    let all = outcomes(&house, id, false).await;
    assert!(all.iter().map(|(contact, _)| *contact).eq(named.iter().copied()), "each once");
    let ledger = house.ledger().await;
    for person in people {
        let set = ledger.iter().filter(|of| of.contact == person && of.cause == Cause::Set);
        assert_eq!(set.count(), 1, "a change and its outcome are one");
    }
}

async fn who_comes_later_is_not_in_it_and_who_leaves_is_refused(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (stays, leaves) =
        (create(&house, "A", &[ONE]).await.id, create(&house, "B", &[TWO]).await.id);
    let all = Covers::Matching(Wanted::default());
    let id = begin(&house, &house.owner, all, said(&[(PHONE, DENIED)])).await.unwrap().id;
    let late = create(&house, "C", &["0812345673"]).await.id;
    delete(&house, &house.owner, leaves).await.unwrap();
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await, (State::Succeeded, 2, 1, 1));
    assert_eq!(became(&house, id, leaves).await, refused(GONE));
    assert_eq!(states(&house, &read(&house, late).await).0, NOT_SET);
    assert!(matches!(became(&house, id, stays).await, Some(Became::Recorded(_))));
}

async fn what_was_cancelled_stays_as_far_as_it_came(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (first, second) =
        (create(&house, "A", &[ONE]).await.id, create(&house, "B", &[TWO]).await.id);
    let mut named = nobody(1, BLOCK - 1);
    named.extend([first, second]);
    let word = Said { evidence: evidence(), ..said(&[(PHONE, DENIED)]) };
    let id = begin(&house, &house.owner, Covers::Named(named), word).await.unwrap().id;
    step(&house).await;
    let (session, owner) = (house.session(&house.owner).await, &house.owner);
    let directory = &house.directory;
    let not_done = (Code::FailedPrecondition, "OPERATION_NOT_DONE");
    assert_eq!(why(directory.delete_operation(&session, owner, id).await), not_done);
    directory.cancel_operation(&session, owner, id).await.unwrap();
    directory.cancel_operation(&session, owner, id).await.unwrap();
    let cancelled = operation(&house, id).await;
    assert!(cancelled.state == State::Cancelled && cancelled.ended_at.is_some());
    to_the_end(&house).await;
    assert_eq!(operation(&house, id).await, cancelled, "nothing goes on");
    assert_eq!(states(&house, &read(&house, first).await).0, DENIED);
    assert_eq!(states(&house, &read(&house, second).await).0, NOT_SET);
    assert_eq!(house.count(SEALED).await, 0);
    directory.delete_operation(&session, owner, id).await.unwrap();
    assert_eq!(why(directory.operation(&session, owner, id).await), ABSENT);
    assert_eq!(why(directory.delete_operation(&session, owner, id).await), ABSENT);
    let blocks = "SELECT COUNT(*) FROM operation_blocks WHERE business_id = $1";
    assert_eq!(house.count(blocks).await, 0);
}

const SEALED: &str = "SELECT COUNT(*) FROM operations WHERE business_id = $1 AND (sealed IS NOT NULL OR seal_key IS NOT NULL)";

async fn a_request_begins_one_operation(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "A", &[ONE]).await.id;
    let sent = request("bulk", b"these");
    let covers = || Covers::Named(vec![contact]);
    let word = || said(&[(PHONE, DENIED)]);
    let again = || begin_as(&house, &house.owner, covers(), word(), Some(sent.clone()));
    let first = again().await.unwrap();
    to_the_end(&house).await;
    assert_eq!(again().await.unwrap(), first, "as it was when it was begun");
    let other = Request { body: b"those".to_vec(), ..sent.clone() };
    let refused = begin_as(&house, &house.owner, covers(), word(), Some(other)).await;
    assert_eq!(why(refused), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let session = house.session(&house.owner).await;
    house.directory.delete_operation(&session, &house.owner, first.id).await.unwrap();
    assert_eq!(again().await.unwrap(), first, "and is not begun anew");
    assert_eq!(house.count("SELECT COUNT(*) FROM operations WHERE business_id = $1").await, 0);
    let ledger = house.ledger().await;
    assert_eq!(ledger.iter().filter(|change| change.cause == Cause::Set).count(), 1);
}

async fn a_key_that_is_renewed_under_way_takes_it_along(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (first, second) =
        (create(&house, "A", &[ONE]).await.id, create(&house, "B", &[TWO]).await.id);
    let mut named = nobody(1, BLOCK - 1);
    named.extend([first, second]);
    let word = Said { evidence: evidence(), ..said(&[(PHONE, DENIED)]) };
    let id = begin(&house, &house.owner, Covers::Named(named), word).await.unwrap().id;
    step(&house).await;
    let renewal = Renewal::new(house.db.clone(), house.keys.clone(), 10);
    let now = house.clock.now().as_microsecond();
    renewal.begin(house.scope(), now, now).await.unwrap().unwrap();
    house.pass(SETTLED_EVERYWHERE_AFTER).await;
    assert!(renewal.run(house.scope(), None, |_| {}).await.unwrap().finished);
    let keys = "SELECT COUNT(*) FROM business_keys WHERE business_id = $1";
    assert_eq!(house.count(keys).await, 2, "the earlier one is gone");
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await.0, State::Succeeded);
    let ledger = house.ledger().await;
    let change = ledger.iter().rfind(|of| of.contact == second).unwrap();
    assert!(change.evidence_commitment.is_some());
}

async fn what_has_ended_is_forgotten_in_time(db: TestDb) {
    const DUE: &str =
        "SELECT COUNT(*) FROM due_work WHERE business_id = $1 AND kind = 'operations'";
    let house = House::on(db.handle()).await;
    let contact = create(&house, "A", &[ONE]).await.id;
    let id = begun(&house, &house.owner, &[contact], &[(PHONE, DENIED)]).await;
    to_the_end(&house).await;
    house.pass(Duration::from_hours(24 * 30) - Duration::from_secs(1)).await;
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await.0, State::Succeeded);
    assert_eq!(house.count(DUE).await, 1, "it will be looked at");
    house.pass(Duration::from_secs(1)).await;
    to_the_end(&house).await;
    let session = house.session(&house.owner).await;
    assert_eq!(why(house.directory.operation(&session, &house.owner, id).await), ABSENT);
    assert_eq!(house.count(DUE).await, 0);
}

async fn so_many_go_on_at_a_time(db: TestDb) {
    let house = House::on(db.handle()).await;
    for _ in 0..20 {
        begun(&house, &house.user, &nobody(1, 1), &[(PHONE, DENIED)]).await;
    }
    let one_more = async || {
        begin(&house, &house.owner, Covers::Named(nobody(1, 1)), said(&[(PHONE, DENIED)])).await
    };
    assert_eq!(why(one_more().await), (Code::ResourceExhausted, "TOO_MANY_OPERATIONS"));
    to_the_end(&house).await;
    assert!(one_more().await.is_ok());
}

async fn a_grant_that_has_run_out_by_its_turn_is_refused(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "A", &[ONE]).await.id;
    let given = AssignmentInput {
        channel: Some(PHONE),
        state: Some(GRANTED),
        expires_at: Some(house.clock.now() + Duration::from_mins(1)),
    };
    let assignments = Assignments::read(&[given]).unwrap();
    let word = Said { assignments, ..said(&[(PHONE, GRANTED)]) };
    let id = begin(&house, &house.owner, Covers::Named(vec![contact]), word).await.unwrap().id;
    house.pass(Duration::from_mins(1)).await;
    to_the_end(&house).await;
    assert_eq!(became(&house, id, contact).await, refused((3, "INVALID_INPUT")));
    set(&house, &house.owner, contact, &[(PHONE, GRANTED)]).await.unwrap();
}
