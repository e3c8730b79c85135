//! What becomes of changes that arrive.

use consent_manager::MIGRATIONS;
use pb::RecordOutcome::{Conflict, Gap, Invalid, Recorded};
use yinyom_consent::Cause;
use yinyom_kernel::{BusinessId, Name};
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::*;

async fn what_was_sent_is_what_is_kept(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let created = contact.created(world.now(), NotSet, Denied);
    let set = contact.phone_with_note(world.now(), Granted, "said so");
    world.take(vec![created.clone(), set.clone()]).await;

    let history = world.history(&contact).await;
    assert_eq!(history.entries.len(), 2);
    for (entry, sent) in history.entries.iter().rev().zip([created, set]) {
        let change = yinyom_consent::wire::change_from_wire(world.business, &sent).unwrap();
        assert_eq!(entry.leaf_hash, change.leaf_hash());
        assert_eq!(entry.name, format!("{}/changes/{}", sent.contact, sent.seq));
        assert_eq!(
            (&entry.contact, entry.seq, entry.record_time, entry.cause, entry.surface),
            (&sent.contact, sent.seq, sent.record_time, sent.cause, sent.surface)
        );
        assert_eq!(
            (&entry.actor, entry.actor_role, &entry.channels),
            (&sent.actor, sent.actor_role, &sent.channels)
        );
    }
    assert_eq!(history.consents.len(), 2);
    assert_eq!((history.consents[0].state(), history.consents[0].seq), (Granted.into(), 2));
    assert_eq!((history.consents[1].state(), history.consents[1].seq), (Denied.into(), 1));
}

async fn a_repeated_batch_changes_nothing(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let batch: Vec<_> = [NotSet, Granted, Denied]
        .into_iter()
        .enumerate()
        .map(|(i, state)| match i {
            0 => contact.created(world.now(), state, NotSet),
            _ => contact.phone(world.now(), state),
        })
        .collect();
    // The first two, as if the relay died before it heard the answer; then all; then all again.
    assert_eq!(world.send(batch[..2].to_vec()).await, [(Recorded, 2)]);
    assert_eq!(world.send(batch.clone()).await, [(Recorded, 3)]);
    let once = (world.history(&contact).await, world.summary().await);
    assert_eq!(world.send(batch.clone()).await, [(Recorded, 3)]);
    assert_eq!(world.send(batch[..1].to_vec()).await, [(Recorded, 3)]);
    assert_eq!((world.history(&contact).await, world.summary().await), once);
    assert_eq!(once.0.entries.len(), 3);
}

async fn a_gap_is_refused_and_says_what_is_missing(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let created = contact.created(world.now(), NotSet, NotSet);
    let [second, third, fourth] =
        [Granted, Denied, NotSet].map(|state| contact.phone(world.now(), state));
    assert_eq!(world.send(vec![second.clone()]).await, [(Gap, 0)]);
    assert_eq!(world.send(vec![created, third.clone(), fourth.clone()]).await, [(Gap, 1)]);
    assert_eq!(world.history(&contact).await.entries.len(), 1, "what came before the gap is taken");
    assert_eq!(world.send(vec![second, third, fourth]).await, [(Recorded, 4)]);
}

async fn a_second_history_of_a_contact_is_an_alarm_and_nothing_of_it_is_taken(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), NotSet, NotSet)]).await;
    let mut other = contact.clone();
    world.take(vec![contact.phone(world.now(), Denied)]).await;

    let (forged, next) = (other.phone(world.now(), Granted), other.phone(world.now(), Granted));
    assert_eq!(world.send(vec![forged.clone(), next.clone()]).await, [(Conflict, 2)]);
    assert_eq!(world.send(vec![next.clone(), forged]).await, [(Conflict, 2)]);
    let history = world.history(&contact).await;
    assert_eq!(history.entries.len(), 2);
    assert_eq!(history.consents[0].state(), Denied.into());
}

async fn a_stream_that_is_poisoned_holds_up_no_other(db: TestDb) {
    let world = World::new(db).await;
    let mut contacts: Vec<_> = (0..7).map(|_| Contact::new(world.business)).collect();
    let mut batch: Vec<_> =
        contacts.iter_mut().map(|contact| contact.created(world.now(), NotSet, NotSet)).collect();
    batch.push(contacts[0].phone(world.now(), Granted));
    batch[0].cause = 99;
    // What PostgreSQL cannot hold in a text must not cost the others their transaction.
    batch[1].notice_version.push('\0');
    batch[2].channels[0].channel = 0;
    batch[3].subject_key = vec![1, 2, 3];
    batch[4].actor = String::from("services/\0");
    batch[5].contact = String::from("businesses/x/contacts/y");
    let results = world.send(batch).await;
    assert_eq!(results[..6], [(Invalid, 0); 6]);
    assert_eq!(results[6], (Recorded, 1));
    assert_eq!(world.summary().await.phone, (1, 0, 0));
}

async fn a_change_of_another_business_is_not_taken(db: TestDb) {
    let world = World::new(db).await;
    let mut foreign = Contact::new(BusinessId::generate());
    let mut own = Contact::new(world.business);
    let batch = vec![
        foreign.created(world.now(), Granted, Granted),
        own.created(world.now(), NotSet, NotSet),
    ];
    assert_eq!(world.send(batch).await, [(Invalid, 0), (Recorded, 1)]);
    assert_eq!(world.summary().await.phone, (1, 0, 0));
}

async fn indexes_have_no_gap_and_follow_the_order_of_the_batch(db: TestDb) {
    let world = World::new(db).await;
    let (mut a, mut b) = (Contact::new(world.business), Contact::new(world.business));
    let batch = vec![
        a.created(world.now(), NotSet, NotSet),
        b.created(world.now(), NotSet, NotSet),
        a.phone(world.now(), Granted),
        b.phone(world.now(), Denied),
    ];
    world.take(batch).await;
    world.take(vec![a.phone(world.now(), Denied)]).await;
    let indexes = |history: pb::GetContactHistoryResponse| {
        history.entries.iter().map(|entry| entry.ledger_index).collect::<Vec<_>>()
    };
    assert_eq!(indexes(world.history(&a).await), [4, 2, 0]);
    assert_eq!(indexes(world.history(&b).await), [3, 1]);
}

async fn a_deleted_contact_keeps_its_history_and_counts_no_longer(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let batch = vec![
        contact.created(world.now(), Granted, NotSet),
        contact.gone(world.now(), Cause::Deleted),
    ];
    world.take(batch).await;
    let history = world.history(&contact).await;
    assert_eq!((history.consents.len(), history.entries.len()), (0, 2));
    assert_eq!(history.entries[0].channels[0].to_state, 0);
    assert_eq!(world.summary().await.phone, (0, 0, 0));
}

async fn five_hundred_changes_are_one_batch_and_a_thousand_and_one_are_none(db: TestDb) {
    let world = World::new(db).await;
    let mut contacts: Vec<_> = (0..500).map(|_| Contact::new(world.business)).collect();
    let created =
        contacts.iter_mut().map(|contact| contact.created(world.now(), NotSet, Granted)).collect();
    world.take(created).await;
    assert_eq!(world.summary().await.email, (0, 500, 0));

    let mut contact = Contact::new(world.business);
    let mut changes = vec![contact.created(world.now(), NotSet, NotSet)];
    changes.extend((0..1_000).map(|_| contact.phone(world.now(), Granted)));
    let send = |parent: String, changes: Vec<pb::ConsentChange>| {
        let mut relay = world.relay();
        async move {
            let request = pb::RecordConsentChangesRequest { parent, changes, ..<_>::default() };
            let status = relay.record_consent_changes(request).await.unwrap_err();
            let (code, reason) = refusal(&status);
            let fields = tonic_types::StatusExt::get_details_bad_request(&status).unwrap();
            let fields = fields.field_violations.into_iter().map(|it| it.field);
            (code, reason, fields.collect::<Vec<_>>())
        }
    };
    let invalid = tonic::Code::InvalidArgument;
    let input = || "INVALID_INPUT".to_owned();
    let fields = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(send(world.parent(), changes).await, (invalid, input(), fields(&["changes"])));
    assert_eq!(
        send("businesses/x".to_owned(), Vec::new()).await,
        (invalid, input(), fields(&["parent", "changes"]))
    );
}

async fn businesses_have_ledgers_of_their_own(db: TestDb) {
    let world = World::new(db).await;
    let mut own = Contact::new(world.business);
    world.take(vec![own.created(world.now(), Granted, Granted)]).await;
    let other = BusinessId::generate();
    let mut foreign = Contact::new(other);
    // The same contact id in two businesses is two contacts.
    foreign.id = own.id;
    let request = pb::RecordConsentChangesRequest {
        parent: Name::format_business(other),
        changes: vec![foreign.created(world.now(), Denied, Denied)],
        ..<_>::default()
    };
    let answer = world.relay().record_consent_changes(request).await.unwrap().into_inner();
    assert_eq!(answer.results[0].outcome(), Recorded);
    assert_eq!(world.summary().await.phone, (0, 1, 0));
    assert_eq!(world.history(&own).await.entries[0].ledger_index, 0);
    assert_eq!(world.history(&own).await.entries.len(), 1);
}

both_databases!(MIGRATIONS =>
    what_was_sent_is_what_is_kept,
    a_repeated_batch_changes_nothing,
    a_gap_is_refused_and_says_what_is_missing,
    a_second_history_of_a_contact_is_an_alarm_and_nothing_of_it_is_taken,
    a_stream_that_is_poisoned_holds_up_no_other,
    a_change_of_another_business_is_not_taken,
    indexes_have_no_gap_and_follow_the_order_of_the_batch,
    a_deleted_contact_keeps_its_history_and_counts_no_longer,
    five_hundred_changes_are_one_batch_and_a_thousand_and_one_are_none,
    businesses_have_ledgers_of_their_own,
);
