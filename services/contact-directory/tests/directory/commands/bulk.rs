//! The same word of many contacts: each once, by the rules of one, by the rights of the moment.

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
use yinyom_identity::{Caller, ServiceScope};
use yinyom_kernel::{Clock, Code, ContactId, OperationId};
use yinyom_testkit::{TestDb, both_databases};

use super::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, NOT_SET, NOTE, ONE, PHONE, TWO, address, create, delete,
    evidence, read, request, saying, set, states, why,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    each_contact_has_its_own_outcome_by_the_rules_of_one,
    a_refusal_is_taken_by_everybody_even_while_no_rules_can_be_had,
    what_needs_rules_waits_for_them,
    who_is_demoted_goes_on_with_what_is_left,
    who_is_removed_goes_on_with_nothing,
    a_service_that_nobody_knows_any_more_goes_on_with_nothing,
    replicas_at_once_and_killed_ones_deal_with_each_contact_once,
    who_comes_later_is_not_in_it_and_who_leaves_is_refused,
    a_filter_finds_what_its_asker_sees_and_is_not_kept,
    what_was_cancelled_stays_as_far_as_it_came,
    others_see_none,
    a_request_begins_one_operation,
    nothing_personal_outlives_it,
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

async fn a_refusal_is_taken_by_everybody_even_while_no_rules_can_be_had(db: TestDb) {
    let house = House::on(db.handle()).await;
    let masked = saying(&house, &[ONE], &[(PHONE, DENIED)]).await.id;
    let free = saying(&house, &[TWO, MAIL], &[(PHONE, GRANTED), (EMAIL, GRANTED)]).await.id;
    let both = [(PHONE, DENIED), (EMAIL, DENIED)];
    let id = begun(&house, &house.user, &[masked, free], &both).await;
    house.lapse();
    to_the_end(&house).await;
    house.speak(Duration::from_secs(1)).await;
    assert_eq!(progress(&house, id).await, (State::Succeeded, 2, 2, 0));
    assert_eq!(states(&house, &read(&house, free).await), (DENIED, DENIED));
}

async fn what_needs_rules_waits_for_them(db: TestDb) {
    let house = House::on(db.handle()).await;
    let masked = saying(&house, &[ONE], &[(PHONE, DENIED)]).await.id;
    let id = begun(&house, &house.owner, &[masked], &[(PHONE, GRANTED)]).await;
    house.lapse();
    for _ in 0..3 {
        to_the_end(&house).await;
        house.clock.advance(Duration::from_secs(2));
    }
    house.speak(Duration::from_secs(2)).await;
    assert_eq!(
        progress(&house, id).await,
        (State::Running, 1, 0, 0),
        "refused it would be for ever"
    );
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await, (State::Succeeded, 1, 1, 0));
}

async fn who_is_demoted_goes_on_with_what_is_left(db: TestDb) {
    let house = House::on(db.handle()).await;
    let first = saying(&house, &[ONE], &[(PHONE, DENIED)]).await.id;
    let second = saying(&house, &[TWO], &[(PHONE, DENIED)]).await.id;
    let unasked = create(&house, "Unasked", &["0812345673"]).await.id;
    // The first block ends with the first of them, the second begins with the other.
    let mut named = nobody(1, BLOCK - 1);
    named.extend([first, second, unasked]);
    let id = begun(&house, &house.admin, &named, &[(PHONE, GRANTED)]).await;
    step(&house).await;
    let member = house.admin.member().unwrap();
    house.rule(|policy| policy.members.get_mut(&member).unwrap().role = Role::User).await;
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await.0, State::Succeeded);
    assert!(matches!(became(&house, id, first).await, Some(Became::Recorded(_))));
    assert_eq!(became(&house, id, second).await, refused(LIFT), "as an admin no more");
    assert!(matches!(became(&house, id, unasked).await, Some(Became::Recorded(_))));
    let ledger = house.ledger().await;
    let role = |contact| match &ledger.iter().rfind(|of| of.contact == contact).unwrap().actor {
        Actor::Member { role, .. } => *role,
        Actor::Service { .. } => None,
    };
    assert_eq!((role(first), role(unasked)), (Some(Role::Admin), Some(Role::User)));
}

async fn who_is_removed_goes_on_with_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (first, second) =
        (create(&house, "A", &[ONE]).await.id, create(&house, "B", &[TWO]).await.id);
    let mut named = nobody(1, BLOCK - 1);
    named.extend([first, second]);
    let id = begun(&house, &house.user, &named, &[(PHONE, DENIED)]).await;
    step(&house).await;
    house.remove(&house.user).await;
    to_the_end(&house).await;
    let done = i64::try_from(BLOCK).unwrap();
    assert_eq!(progress(&house, id).await, (State::Stopped, done + 1, 1, done - 1));
    assert_eq!(states(&house, &read(&house, first).await).0, DENIED, "what was done stays");
    assert_eq!(states(&house, &read(&house, second).await).0, NOT_SET);
    assert_eq!(became(&house, id, second).await, None);
}

async fn a_service_that_nobody_knows_any_more_goes_on_with_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "A", &[ONE]).await.id;
    let service = House::service(&[ServiceScope::AddressesRead]);
    let word = Said { place: Place::Api, ..said(&[(PHONE, DENIED)]) };
    // This directory was given no caller table.
    let id = begin(&house, &service, Covers::Named(vec![contact]), word).await.unwrap().id;
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await, (State::Stopped, 1, 0, 0));
    assert_eq!(states(&house, &read(&house, contact).await).0, NOT_SET);
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

async fn a_filter_finds_what_its_asker_sees_and_is_not_kept(db: TestDb) {
    let house = House::on(db.handle()).await;
    let hidden = saying(&house, &[ONE], &[(PHONE, DENIED)]).await.id;
    let seen = saying(&house, &[TWO], &[(PHONE, GRANTED)]).await.id;
    let by_phone = |text: &str| {
        Covers::Matching(Wanted { addresses: vec![address(text)], ..Wanted::default() })
    };
    let word = || said(&[(EMAIL, DENIED)]);
    // The number that is hidden, and one that nobody has.
    for guess in [ONE, "0899999999"] {
        let found = begin(&house, &house.user, by_phone(guess), word()).await.unwrap();
        assert_eq!(found.total, 0, "a mask hides from filters, too");
    }
    assert_eq!(begin(&house, &house.user, by_phone(TWO), word()).await.unwrap().total, 1);
    assert_eq!(begin(&house, &house.owner, by_phone(ONE), word()).await.unwrap().total, 1);
    let by_state = Wanted { state: Some(DENIED), channel: Some(PHONE), ..Wanted::default() };
    let id = begin(&house, &house.user, Covers::Matching(by_state), word()).await.unwrap().id;
    to_the_end(&house).await;
    assert!(became(&house, id, hidden).await.is_some() && became(&house, id, seen).await.is_none());
    let kept: Vec<(Vec<u8>, Vec<u8>)> = house
        .rows(
            "SELECT o.word, b.contacts FROM operations o JOIN operation_blocks b
                 ON b.business_id = o.business_id AND b.operation_id = o.operation_id
             WHERE o.business_id = $1",
        )
        .await;
    let kept: Vec<u8> = kept.into_iter().flat_map(|(word, ids)| [word, ids].concat()).collect();
    for address in ["+66812345671", "+66812345672"] {
        assert!(!kept.windows(address.len()).any(|part| part == address.as_bytes()));
    }
    // Each of these was a look-up: a caller's are counted, whichever way they ask.
    let mut told = Vec::new();
    for _ in 0..30 {
        told.push(begin(&house, &house.user, by_phone(ONE), word()).await);
        to_the_end(&house).await;
    }
    assert_eq!(why(told.pop().unwrap()), (Code::ResourceExhausted, "LOOKUP_RATE_LIMITED"));
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

async fn others_see_none(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "A", &[ONE]).await.id;
    let id = begun(&house, &house.listed, &[contact], &[(PHONE, DENIED)]).await;
    let service = House::service(&[ServiceScope::AddressesRead]);
    for (by, sees) in [
        (&house.owner, true),
        (&house.admin, true),
        (&house.listed, true),
        (&house.user, false),
        (&service, false),
    ] {
        let session = house.session(by).await;
        let directory = &house.directory;
        let listed = directory.operations(&session, by, None, None, 10).await.unwrap().items.len();
        assert_eq!(listed, usize::from(sees));
        if sees {
            assert_eq!(directory.operation(&session, by, id).await.unwrap().total, 1);
            continue;
        }
        assert_eq!(why(directory.operation(&session, by, id).await), ABSENT);
        assert_eq!(why(directory.cancel_operation(&session, by, id).await), ABSENT);
        assert_eq!(why(directory.delete_operation(&session, by, id).await), ABSENT);
        assert_eq!(why(directory.bulk_results(&session, by, id, false, None, 10).await), ABSENT);
    }
    let stranger = house.neighbour().await;
    let other =
        Caller::Member { business: stranger.business(), member: house.owner.member().unwrap() };
    assert_eq!(why(house.directory.operation(&stranger, &other, id).await), ABSENT);
    assert_eq!(progress(&house, id).await.0, State::Running, "none of them ended it");
    house.lapse();
    // Whether there is one or not: who is what is not known at present. The own ones are.
    let session = house.session(&house.admin).await;
    let unknown = (Code::Unavailable, "POLICY_UNAVAILABLE");
    for id in [id, OperationId::generate()] {
        assert_eq!(why(house.directory.operation(&session, &house.admin, id).await), unknown);
    }
    let own = house.session(&house.listed).await;
    assert!(house.directory.operation(&own, &house.listed, id).await.is_ok());
}

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
    let set = house.ledger().await.into_iter().filter(|change| change.cause == Cause::Set);
    assert_eq!(set.count(), 1);
}

async fn nothing_personal_outlives_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await.id;
    let word = Said { evidence: evidence(), ..said(&[(PHONE, DENIED)]) };
    let wanted = Wanted { addresses: vec![address(ONE)], ..Wanted::default() };
    let sent = request("bulk", ONE.as_bytes());
    let covers = Covers::Matching(wanted);
    begin_as(&house, &house.owner, covers, word, Some(sent)).await.unwrap();
    assert_eq!(house.count(SEALED).await, 1, "until it has ended");
    let all = async || -> Vec<u8> {
        let rows: Vec<(Vec<u8>, Option<Vec<u8>>)> =
            house.rows("SELECT word, sealed FROM operations WHERE business_id = $1").await;
        rows.into_iter()
            .flat_map(|(word, sealed)| [word, sealed.unwrap_or_default()].concat())
            .collect()
    };
    let holds =
        |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let kept = all().await;
    assert!(!holds(&kept, NOTE) && !holds(&kept, "A-17") && !holds(&kept, "+66812345671"));
    to_the_end(&house).await;
    assert_eq!(house.count(SEALED).await, 0);
    house.directory.erase_subject(&house.owner, (house.business, contact), None).await.unwrap();
    let fingerprints =
        "SELECT COUNT(*) FROM requests WHERE business_id = $1 AND length(fingerprint) > 0";
    assert_eq!(house.count(fingerprints).await, 0, "nor what was asked for by number");
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
        expires_at: Some(house.clock.now() + Duration::from_secs(60)),
    };
    let assignments = Assignments::read(&[given]).unwrap();
    let word = Said { assignments, ..said(&[(PHONE, GRANTED)]) };
    let id = begin(&house, &house.owner, Covers::Named(vec![contact]), word).await.unwrap().id;
    house.pass(Duration::from_secs(60)).await;
    to_the_end(&house).await;
    assert_eq!(became(&house, id, contact).await, refused((3, "INVALID_INPUT")));
    set(&house, &house.owner, contact, &[(PHONE, GRANTED)]).await.unwrap();
}
