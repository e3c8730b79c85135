//! What becomes of audit events that arrive (TRAPS 2, 18).

use consent_manager::MIGRATIONS;
use pb::RecordOutcome::{Conflict, Gap, Invalid, Recorded};
use pb::audit_event::Event;
use uuid::Uuid;
use yinyom_consent::{CONTACTS, MEMBERS};
use yinyom_kernel::{BusinessId, ContactId, MemberId};
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::*;

const STREAM: &str = "01900000-0000-7000-8000-000000000001";
const OTHER: &str = "01900000-0000-7000-8000-000000000002";

fn reveal(world: &World, stream: &str, seq: i64, call_id: &str) -> pb::AuditEvent {
    let reveal = pb::Reveal {
        reveal_time: Some(yinyom_consent::wire::timestamp(world.now())),
        actor: MEMBERS.format(world.business, world.members.owner),
        actor_role: 1,
        privilege: pb::Privilege::Owner.into(),
        method: "/yinyom.directory.v1.ContactService/GetContact".to_owned(),
        call_id: call_id.to_owned(),
        contacts: vec![pb::RevealedContact {
            contact: CONTACTS.format(world.business, ContactId::from(Uuid::from_u128(7))),
            channels: vec![1],
        }],
        ..pb::Reveal::default()
    };
    pb::AuditEvent { stream: stream.to_owned(), seq, event: Some(Event::Reveal(reveal)) }
}

fn change(world: &World, stream: &str, seq: i64) -> pb::AuditEvent {
    let change = pb::SettingsChange {
        change_time: Some(yinyom_consent::wire::timestamp(world.now())),
        actor: "operators/vendor".to_owned(),
        method: "/yinyom.settings.v1.BusinessService/UpdateBusiness".to_owned(),
        changes: vec![pb::SettingsFieldChange {
            field: pb::SettingsField::Plan.into(),
            old_value: "FREE".to_owned(),
            new_value: "GOLD".to_owned(),
            ..pb::SettingsFieldChange::default()
        }],
        ..pb::SettingsChange::default()
    };
    let event = Some(Event::SettingsChange(change));
    pb::AuditEvent { stream: stream.to_owned(), seq, event }
}

/// Outcome and last number of each stream.
async fn send(
    world: &World,
    producer: &str,
    events: Vec<pb::AuditEvent>,
) -> Vec<(pb::RecordOutcome, i64)> {
    let request = pb::RecordAuditEventsRequest { parent: world.parent(), events };
    let mut audit = world.audit_as(world.tokens.named(producer));
    let answer = audit.record_audit_events(request).await.unwrap().into_inner();
    answer.results.into_iter().map(|result| (result.outcome(), result.last_seq)).collect()
}

/// Call ids of all reveals, newest first.
async fn reveals(world: &World) -> Vec<String> {
    let asked = pb::ListRevealsRequest { parent: world.parent(), ..Default::default() };
    let officer = world.tokens.member(world.business, world.members.officer);
    let found = world.audit_as(officer).list_reveals(asked).await.unwrap().into_inner();
    found.reveals.into_iter().map(|reveal| reveal.call_id).collect()
}

async fn an_event_is_taken_once_and_in_order(db: TestDb) {
    let world = World::new(db).await;
    let [a, b, c] = [(1, "a"), (2, "b"), (3, "c")].map(|(seq, id)| reveal(&world, STREAM, seq, id));
    let directory = "contact-directory";
    assert_eq!(send(&world, directory, vec![b.clone()]).await, [(Gap, 0)]);
    assert_eq!(send(&world, directory, vec![a.clone(), c.clone()]).await, [(Gap, 1)]);
    assert_eq!(send(&world, directory, vec![a.clone(), b.clone()]).await, [(Recorded, 2)]);
    assert_eq!(send(&world, directory, vec![b, c.clone()]).await, [(Recorded, 3)]);
    assert_eq!(send(&world, directory, vec![a.clone()]).await, [(Recorded, 3)]);
    assert_eq!(reveals(&world).await, ["c", "b", "a"]);
}

async fn another_event_of_the_same_number_is_an_alarm_and_nothing_is_taken(db: TestDb) {
    let world = World::new(db).await;
    let directory = "contact-directory";
    assert_eq!(
        send(&world, directory, vec![reveal(&world, STREAM, 1, "a")]).await,
        [(Recorded, 1)]
    );
    let forged = vec![reveal(&world, STREAM, 2, "b"), reveal(&world, STREAM, 1, "z")];
    assert_eq!(send(&world, directory, forged).await, [(Conflict, 1)]);
    let twice = vec![reveal(&world, OTHER, 1, "c"), reveal(&world, OTHER, 1, "d")];
    assert_eq!(send(&world, directory, twice).await, [(Conflict, 0)]);
    assert_eq!(reveals(&world).await, ["a"]);
}

async fn a_wrong_event_spoils_its_own_stream_only(db: TestDb) {
    let world = World::new(db).await;
    let foreign = CONTACTS.format(BusinessId::generate(), ContactId::generate());
    let spoil = |edit: &dyn Fn(&mut pb::Reveal)| {
        let mut event = reveal(&world, STREAM, 1, "x");
        let Some(Event::Reveal(reveal)) = &mut event.event else { unreachable!() };
        edit(reveal);
        event
    };
    let wrong = [
        spoil(&|reveal| reveal.contacts[0].contact.clone_from(&foreign)),
        spoil(&|reveal| reveal.contacts[0].channels.clear()),
        spoil(&|reveal| reveal.contacts[0].channels.push(9)),
        spoil(&|reveal| reveal.contacts.clear()),
        spoil(&|reveal| reveal.privilege = 0),
        spoil(&|reveal| reveal.privilege = 99),
        spoil(&|reveal| "nobody".clone_into(&mut reveal.actor)),
        spoil(&|reveal| {
            reveal.actor = MEMBERS.format(BusinessId::generate(), MemberId::generate());
        }),
        spoil(&|reveal| reveal.reveal_time = None),
        spoil(&|reveal| "a\0b".clone_into(&mut reveal.method)),
        pb::AuditEvent { seq: 0, ..reveal(&world, STREAM, 1, "x") },
        pb::AuditEvent { event: None, ..reveal(&world, STREAM, 1, "x") },
    ];
    for (i, wrong) in (1..).zip(wrong) {
        let good = reveal(&world, OTHER, i, "good");
        let sent = send(&world, "contact-directory", vec![wrong, good]).await;
        assert_eq!(sent, [(Invalid, 0), (Recorded, i)], "{i}");
    }
    let no_stream = pb::AuditEvent { stream: "1".to_owned(), ..reveal(&world, STREAM, 1, "x") };
    assert_eq!(send(&world, "contact-directory", vec![no_stream]).await, [(Invalid, 0)]);
    assert_eq!(reveals(&world).await, ["good"; 12]);
}

async fn producers_have_streams_of_their_own(db: TestDb) {
    let world = World::new(db).await;
    let revealed = reveal(&world, STREAM, 1, "a");
    assert_eq!(send(&world, "contact-directory", vec![revealed]).await, [(Recorded, 1)]);
    // The same stream and number of another service is another event.
    let changed = change(&world, STREAM, 1);
    assert_eq!(send(&world, "warehouse", vec![changed.clone()]).await, [(Recorded, 1)]);
    assert_eq!(send(&world, "contact-directory", vec![changed]).await, [(Conflict, 1)]);
    let asked = pb::ListSettingsChangesRequest { parent: world.parent(), ..Default::default() };
    let owner = world.tokens.member(world.business, world.members.owner);
    let found = world.audit_as(owner).list_settings_changes(asked).await.unwrap().into_inner();
    let found: Vec<_> = found.settings_changes.iter().map(|c| c.actor.as_str()).collect();
    assert_eq!(found, ["operators/vendor"]);
    assert_eq!(reveals(&world).await, ["a"]);
}

async fn audit_is_not_consent(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), NotSet, Denied)]).await;
    let ledger = async || {
        let asked = pb::ListConsentChangesRequest { parent: world.parent(), ..Default::default() };
        let changes = world.ledger(world.members.owner).list_consent_changes(asked).await.unwrap();
        (changes.into_inner(), world.summary().await)
    };
    let before = ledger().await;
    let events = vec![reveal(&world, STREAM, 1, "a"), change(&world, STREAM, 2)];
    assert_eq!(send(&world, "contact-directory", events).await, [(Recorded, 2)]);
    assert_eq!(ledger().await, before);
    let next = contact.phone(world.now(), Granted);
    world.take(vec![next]).await;
    let (after, _) = ledger().await;
    assert_eq!(after.entries[0].ledger_index, 1, "nothing of it is in the ledger's index");
}

async fn two_relays_at_once_take_each_event_once(db: TestDb) {
    let world = World::new(db).await;
    let events: Vec<_> =
        (1..=40).map(|seq| reveal(&world, STREAM, seq, &format!("{seq:02}"))).collect();
    let relay = async |stride: usize| {
        let mut next = 0;
        while next < events.len() {
            let some = events[next.saturating_sub(1)..].iter().take(stride).cloned().collect();
            let sent = send(&world, "contact-directory", some).await;
            assert_ne!(sent[0].0, Conflict);
            next = usize::try_from(sent[0].1).unwrap();
        }
    };
    futures::future::join3(relay(3), relay(5), relay(9)).await;
    let expected: Vec<_> = (1..=40).rev().map(|seq| format!("{seq:02}")).collect();
    assert_eq!(reveals(&world).await, expected);
}

both_databases!(MIGRATIONS =>
    an_event_is_taken_once_and_in_order,
    another_event_of_the_same_number_is_an_alarm_and_nothing_is_taken,
    a_wrong_event_spoils_its_own_stream_only,
    producers_have_streams_of_their_own,
    audit_is_not_consent,
    two_relays_at_once_take_each_event_once,
);
