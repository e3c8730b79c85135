//! Lists: filters, pages, tokens.

use consent_manager::MIGRATIONS;
use jiff::{SignedDuration, Timestamp};
use tonic::Code;
use tonic_types::StatusExt;
use yinyom_consent::{Actor, Surface, wire};
use yinyom_kernel::BusinessId;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::types::v1::{ChangeCause, Channel, ConsentState};
use yinyom_testkit::{TestDb, both_databases};

use crate::support::*;

fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

fn time(at: Timestamp) -> prost_types::Timestamp {
    wire::timestamp(at)
}

fn ask_changes(world: &World) -> pb::ListConsentChangesRequest {
    pb::ListConsentChangesRequest { parent: world.parent(), ..Default::default() }
}

fn ask_consents(world: &World) -> pb::ListConsentsRequest {
    pb::ListConsentsRequest { parent: world.parent(), ..Default::default() }
}

async fn changes(world: &World, ask: pb::ListConsentChangesRequest) -> Vec<i64> {
    let mut ledger = world.ledger(world.members.owner);
    let answer = ledger.list_consent_changes(ask).await.unwrap().into_inner();
    answer.entries.into_iter().map(|entry| entry.ledger_index).collect()
}

async fn consents(world: &World, ask: pb::ListConsentsRequest) -> Vec<(String, i32, i32)> {
    let mut ledger = world.ledger(world.members.owner);
    let answer = ledger.list_consents(ask).await.unwrap().into_inner();
    answer.consents.into_iter().map(|it| (it.contact, it.channel, it.state)).collect()
}

async fn pages_of_changes_stay_what_they_are_while_changes_arrive(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let mut batch = vec![contact.created(world.now(), NotSet, NotSet)];
    batch.extend((0..9).map(|_| contact.phone(world.now(), Granted)));
    world.take(batch).await;
    let mut ledger = world.ledger(world.members.owner);
    let mut ask = pb::ListConsentChangesRequest { page_size: 4, ..ask_changes(&world) };
    let mut seen = Vec::new();
    loop {
        let page = ledger.list_consent_changes(ask.clone()).await.unwrap().into_inner();
        seen.extend(page.entries.iter().map(|entry| entry.ledger_index));
        world.take(vec![contact.phone(world.now(), Denied)]).await;
        ask.page_token = page.next_page_token;
        if ask.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, (0..10).rev().collect::<Vec<_>>());
}

async fn pages_of_consents_and_of_a_history_hold_each_row_once(db: TestDb) {
    let world = World::new(db).await;
    let mut contacts: Vec<_> = (0..7).map(|_| Contact::new(world.business)).collect();
    let mut batch: Vec<_> =
        contacts.iter_mut().map(|contact| contact.created(world.now(), Granted, Denied)).collect();
    batch.extend((0..6).map(|_| contacts[0].phone(world.now(), Denied)));
    world.take(batch).await;
    let mut ledger = world.ledger(world.members.owner);
    let mut ask = pb::ListConsentsRequest { page_size: 3, ..ask_consents(&world) };
    let mut seen = Vec::new();
    loop {
        let page = ledger.list_consents(ask.clone()).await.unwrap().into_inner();
        seen.extend(page.consents.into_iter().map(|it| (it.contact, it.channel)));
        ask.page_token = page.next_page_token;
        // Another size is still the same question.
        ask.page_size = 4;
        if ask.page_token.is_empty() {
            break;
        }
    }
    let mut expected: Vec<_> = contacts
        .iter()
        .flat_map(|contact| [1, 2].map(|channel| (contact.name(), channel)))
        .collect();
    expected.sort();
    assert_eq!(seen, expected);

    let mut ask = pb::GetContactHistoryRequest {
        contact: contacts[0].name(),
        page_size: 3,
        ..Default::default()
    };
    let mut seqs = Vec::new();
    loop {
        let page = ledger.get_contact_history(ask.clone()).await.unwrap().into_inner();
        assert_eq!(page.consents.len(), 2);
        seqs.extend(page.entries.iter().map(|entry| entry.seq));
        ask.page_token = page.next_page_token;
        if ask.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seqs, [7, 6, 5, 4, 3, 2, 1]);
}

async fn a_page_token_is_good_for_its_question_and_its_asker_only(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let batch =
        vec![contact.created(world.now(), NotSet, NotSet), contact.phone(world.now(), Granted)];
    world.take(batch).await;
    let mut owner = world.ledger(world.members.owner);
    let ask = pb::ListConsentChangesRequest { page_size: 1, ..ask_changes(&world) };
    let first = owner.list_consent_changes(ask.clone()).await.unwrap().into_inner();
    let token = first.next_page_token;
    assert!(!token.is_empty());
    let next = pb::ListConsentChangesRequest { page_token: token.clone(), ..ask.clone() };
    assert!(owner.list_consent_changes(next.clone()).await.is_ok());

    let mut refused = Vec::new();
    let filtered = pb::ListConsentChangesRequest { channel: 1, ..next.clone() };
    refused.push(owner.list_consent_changes(filtered).await.map(drop));
    let mut admin = world.ledger(world.members.admin);
    refused.push(admin.list_consent_changes(next.clone()).await.map(drop));
    let other =
        pb::ListConsentsRequest { page_size: 1, page_token: token.clone(), ..ask_consents(&world) };
    refused.push(owner.list_consents(other).await.map(drop));
    let history = pb::GetContactHistoryRequest {
        contact: contact.name(),
        page_token: token.clone(),
        ..Default::default()
    };
    refused.push(owner.get_contact_history(history).await.map(drop));
    for forged in ["x".to_owned(), token.to_uppercase(), format!("{token}AAAA")] {
        let ask = pb::ListConsentChangesRequest { page_token: forged, ..ask.clone() };
        refused.push(owner.list_consent_changes(ask).await.map(drop));
    }
    for answer in refused {
        let invalid = (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned());
        assert_eq!(refusal(&answer.unwrap_err()), invalid);
    }
}

async fn filters_of_changes_must_all_hold(db: TestDb) {
    let world = World::new(db).await;
    let start = world.now();
    let mut a = Contact::new(world.business);
    let mut b = Contact::new(world.business);
    b.surface = Surface::Api;
    b.actor = Actor::Service { name: "campaigns".to_owned() };
    let batch = vec![
        a.created(start, NotSet, Granted),
        b.created(start + hours(1), Granted, NotSet),
        a.phone(start + hours(2), Denied),
        b.phone(start + hours(3), Denied),
    ];
    let member = batch[0].actor.clone();
    world.take(batch).await;
    let ask = || ask_changes(&world);
    assert_eq!(changes(&world, ask()).await, [3, 2, 1, 0]);
    let email = Channel::Email.into();
    let granted = ConsentState::Granted.into();
    let denied = ConsentState::Denied.into();
    let cases: Vec<(pb::ListConsentChangesRequest, Vec<i64>)> = vec![
        (pb::ListConsentChangesRequest { channel: email, ..ask() }, vec![1, 0]),
        (pb::ListConsentChangesRequest { state: granted, ..ask() }, vec![1, 0]),
        (pb::ListConsentChangesRequest { state: granted, channel: email, ..ask() }, vec![0]),
        (pb::ListConsentChangesRequest { state: denied, channel: email, ..ask() }, vec![]),
        (pb::ListConsentChangesRequest { surface: 6, ..ask() }, vec![3, 1]),
        (pb::ListConsentChangesRequest { actor: member.clone(), ..ask() }, vec![2, 0]),
        (
            pb::ListConsentChangesRequest { actor: "services/campaigns".to_owned(), ..ask() },
            vec![3, 1],
        ),
        (pb::ListConsentChangesRequest { cause: ChangeCause::Created.into(), ..ask() }, vec![1, 0]),
        // From this instant on, and before that one.
        (
            pb::ListConsentChangesRequest { start_time: Some(time(start + hours(2))), ..ask() },
            vec![3, 2],
        ),
        (
            pb::ListConsentChangesRequest { end_time: Some(time(start + hours(2))), ..ask() },
            vec![1, 0],
        ),
        (
            pb::ListConsentChangesRequest {
                state: denied,
                surface: 6,
                actor: "services/campaigns".to_owned(),
                cause: ChangeCause::Set.into(),
                start_time: Some(time(start + hours(3))),
                ..ask()
            },
            vec![3],
        ),
        (pb::ListConsentChangesRequest { surface: 6, actor: member, ..ask() }, vec![]),
    ];
    for (ask, expected) in cases {
        assert_eq!(changes(&world, ask.clone()).await, expected, "{ask:?}");
    }
}

async fn consents_are_listed_by_the_state_that_they_have_now(db: TestDb) {
    let world = World::new(db).await;
    let start = world.now();
    let mut contact = Contact::new(world.business);
    let batch =
        vec![contact.created(start, NotSet, Denied), contact.phone_until(start, start + hours(1))];
    world.take(batch).await;
    let of = |state: ConsentState| pb::ListConsentsRequest {
        state: state.into(),
        channel: Channel::Phone.into(),
        ..ask_consents(&world)
    };
    let row = |state: ConsentState| vec![(contact.name(), 1, i32::from(state))];
    world.clock.advance(std::time::Duration::from_micros(3_600_000_000 - 1));
    let granted = consents(&world, of(ConsentState::Granted)).await;
    assert_eq!(granted, row(ConsentState::Granted));
    assert_eq!(consents(&world, of(ConsentState::NotSet)).await, []);
    // The very instant; nobody has recorded it.
    world.clock.advance(std::time::Duration::from_micros(1));
    assert_eq!(consents(&world, of(ConsentState::Granted)).await, []);
    assert_eq!(consents(&world, of(ConsentState::NotSet)).await, row(ConsentState::NotSet));
    assert_eq!(world.history(&contact).await.consents[0].state(), ConsentState::NotSet);
    assert_eq!(
        world.history(&contact).await.consents[0].expire_time,
        Some(time(start + hours(1))),
        "when it ran out"
    );
}

/// Contact, channel, state.
type Row<'a> = (&'a String, i32, i32);

async fn filters_of_consents_must_all_hold(db: TestDb) {
    let world = World::new(db).await;
    let start = world.now();
    let mut a = Contact::new(world.business);
    let mut b = Contact::new(world.business);
    b.surface = Surface::Import;
    let batch =
        vec![a.created(start, Granted, Denied), b.created(start + hours(1), Granted, NotSet)];
    let actor = batch[1].actor.clone();
    world.take(batch).await;
    let ask = || ask_consents(&world);
    let (a, b) = (a.name(), b.name());
    let cases: Vec<(pb::ListConsentsRequest, Vec<Row>)> = vec![
        (ask(), vec![(&a, 1, 2), (&a, 2, 3), (&b, 1, 2), (&b, 2, 1)]),
        (pb::ListConsentsRequest { channel: 1, ..ask() }, vec![(&a, 1, 2), (&b, 1, 2)]),
        (pb::ListConsentsRequest { state: 3, ..ask() }, vec![(&a, 2, 3)]),
        (pb::ListConsentsRequest { surface: 5, ..ask() }, vec![(&b, 1, 2), (&b, 2, 1)]),
        (pb::ListConsentsRequest { actor, state: 2, ..ask() }, vec![(&b, 1, 2)]),
        (
            pb::ListConsentsRequest {
                start_time: Some(time(start + hours(1))),
                channel: 2,
                ..ask()
            },
            vec![(&b, 2, 1)],
        ),
        (
            pb::ListConsentsRequest { end_time: Some(time(start + hours(1))), channel: 2, ..ask() },
            vec![(&a, 2, 3)],
        ),
        (pb::ListConsentsRequest { state: 3, surface: 5, ..ask() }, vec![]),
    ];
    for (ask, mut expected) in cases {
        let found = consents(&world, ask.clone()).await;
        let found: Vec<_> = found.iter().map(|(name, c, s)| (name, *c, *s)).collect();
        expected.sort();
        assert_eq!(found, expected, "{ask:?}");
    }
}

async fn everything_that_is_wrong_with_a_question_is_said_at_once(db: TestDb) {
    let world = World::new(db).await;
    let now = world.now();
    let stranger = Actor::Member { member: world.members.user, role: None };
    let ask = pb::ListConsentChangesRequest {
        parent: world.parent(),
        page_size: -1,
        channel: 7,
        state: -3,
        surface: 99,
        actor: wire::actor_name(BusinessId::generate(), &stranger),
        cause: 100,
        start_time: Some(time(now)),
        end_time: Some(time(now - hours(1))),
        ..Default::default()
    };
    let mut ledger = world.ledger(world.members.owner);
    let status = ledger.list_consent_changes(ask).await.unwrap_err();
    let mut fields: Vec<_> = status
        .get_details_bad_request()
        .unwrap()
        .field_violations
        .into_iter()
        .map(|wrong| wrong.field)
        .collect();
    fields.sort();
    assert_eq!(fields, ["actor", "cause", "channel", "end_time", "page_size", "state", "surface"]);
    assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_INPUT".to_owned()));
}

both_databases!(MIGRATIONS =>
    pages_of_changes_stay_what_they_are_while_changes_arrive,
    pages_of_consents_and_of_a_history_hold_each_row_once,
    a_page_token_is_good_for_its_question_and_its_asker_only,
    filters_of_changes_must_all_hold,
    consents_are_listed_by_the_state_that_they_have_now,
    filters_of_consents_must_all_hold,
    everything_that_is_wrong_with_a_question_is_said_at_once,
);
