//! Contacts that became one: the history of the one that stayed tells of all of them.

use consent_manager::MIGRATIONS;
use jiff::{SignedDuration, Timestamp};
use yinyom_consent::{ByChannel, Cause, SurfaceParent, wire};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::types::v1::Channel;
use yinyom_receipt::verify;
use yinyom_testkit::{TestDb, both_databases};
use yinyom_transparency::PublicKeys;

use crate::support::erasures::{audit, destroy, erase};
use crate::support::*;

both_databases!(MIGRATIONS =>
    the_survivors_history_tells_of_all,
    pages_go_on_when_a_merge_or_its_undo_comes_between,
    a_past_moment_knows_who_was_merged_then,
    the_tree_and_receipts_have_the_other_contact_in_them,
    of_an_erased_person_nothing_is_told,
);

const STAYS: ByChannel<To> = ByChannel { phone: To::State(Denied), email: To::State(NotSet) };
const GONE: ByChannel<To> = ByChannel { phone: To::Nothing, email: To::Nothing };

fn with(
    contact: &mut Contact,
    at: Timestamp,
    (cause, to): (Cause, ByChannel<To>),
    other: &Contact,
) -> pb::ConsentChange {
    let change = contact.change(at, cause, to, None);
    let surface_parent = Some(SurfaceParent::Contact(other.id));
    wire::change_to_wire(&yinyom_consent::ConsentChange { surface_parent, ..change })
}

/// `absorbed` is merged into `survivor`, in both streams.
fn merge(at: Timestamp, survivor: &mut Contact, absorbed: &mut Contact) -> [pb::ConsentChange; 2] {
    let of_survivor = with(survivor, at, (Cause::Merged, STAYS), absorbed);
    [of_survivor, with(absorbed, at, (Cause::Merged, GONE), survivor)]
}

fn undo(at: Timestamp, survivor: &mut Contact, absorbed: &mut Contact) -> [pb::ConsentChange; 2] {
    let of_survivor = with(survivor, at, (Cause::MergeUndone, STAYS), absorbed);
    [of_survivor, with(absorbed, at, (Cause::MergeUndone, STAYS), survivor)]
}

fn three(world: &World) -> [Contact; 3] {
    [(); 3].map(|()| Contact::new(world.business))
}

/// Contact and number of each entry of a page.
fn told(page: &pb::GetContactHistoryResponse) -> Vec<(String, i64)> {
    page.entries.iter().map(|entry| (entry.contact.clone(), entry.seq)).collect()
}

async fn ask(
    world: &World,
    contact: &Contact,
    size: i32,
    token: &str,
) -> pb::GetContactHistoryResponse {
    let request = pb::GetContactHistoryRequest {
        contact: contact.name(),
        page_size: size,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let mut ledger = world.ledger(world.members.officer);
    ledger.get_contact_history(request).await.unwrap().into_inner()
}

async fn the_survivors_history_tells_of_all(db: TestDb) {
    let world = World::new(db).await;
    let [mut a, mut b, mut c] = three(&world);
    let now = world.now();
    let mut batch = vec![
        a.created(now, NotSet, NotSet),
        b.phone_with_note(now, Granted, "said by her husband"),
        c.created(now, NotSet, Denied),
    ];
    batch.extend(merge(now, &mut b, &mut c));
    batch.extend(merge(now, &mut a, &mut b));
    batch.push(a.phone(now, Denied));
    world.take(batch).await;

    let history = world.history(&a).await;
    assert_eq!(history.merged_contacts, [b.name(), c.name()]);
    let mut expected = vec![(a.name(), 3), (b.name(), 3), (a.name(), 2), (c.name(), 2)];
    expected.extend([(b.name(), 2), (c.name(), 1), (b.name(), 1), (a.name(), 1)]);
    assert_eq!(told(&history), expected, "in the order in which the ledger took them");
    assert_eq!(history.entries[2].surface_parent, b.name(), "with whom");
    let evidence = history.entries[6].evidence.as_ref().unwrap();
    assert_eq!(evidence.note, "said by her husband", "under the predecessor's own key");
    assert_eq!(history.consents.len(), 2);

    let own = world.history(&b).await;
    assert_eq!(own.merged_contacts, [c.name()], "under its own name");
    assert!(own.consents.is_empty() && own.entries.len() == 5);
    assert_eq!(world.history(&c).await.entries.len(), 2);

    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = ask(&world, &a, 3, &token).await;
        seen.extend(told(&page));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, told(&history), "page by page, none twice");

    let request = pb::ListConsentChangesRequest {
        parent: world.parent(),
        surface_parent: c.name(),
        ..Default::default()
    };
    let mut ledger = world.ledger(world.members.owner);
    let found = ledger.list_consent_changes(request).await.unwrap().into_inner().entries;
    assert_eq!(found.iter().map(|entry| &entry.contact).collect::<Vec<_>>(), [&b.name()]);

    world.take(undo(now, &mut a, &mut b).into()).await;
    let history = world.history(&a).await;
    assert!(history.merged_contacts.is_empty());
    assert_eq!(told(&history), [4, 3, 2, 1].map(|seq| (a.name(), seq)));
    assert_eq!(world.history(&b).await.merged_contacts, [c.name()]);
}

async fn pages_go_on_when_a_merge_or_its_undo_comes_between(db: TestDb) {
    let world = World::new(db).await;
    let [mut a, mut b, _] = three(&world);
    let now = world.now();
    let mut batch = vec![a.created(now, NotSet, NotSet), b.created(now, NotSet, NotSet)];
    batch.extend([a.phone(now, Granted), b.phone(now, Denied), a.phone(now, Denied)]);
    world.take(batch).await;
    let first = ask(&world, &a, 1, "").await;
    assert_eq!(told(&first), [(a.name(), 3)]);
    world.take(merge(now, &mut a, &mut b).into()).await;
    let second = ask(&world, &a, 2, &first.next_page_token).await;
    assert_eq!(told(&second), [(b.name(), 2), (a.name(), 2)], "what was before that change");
    world.take(undo(now, &mut a, &mut b).into()).await;
    let third = ask(&world, &a, 2, &second.next_page_token).await;
    assert_eq!((told(&third), third.next_page_token), (vec![(a.name(), 1)], String::new()));
}

async fn a_past_moment_knows_who_was_merged_then(db: TestDb) {
    let world = World::new(db).await;
    let [mut a, mut b, _] = three(&world);
    let start = world.now() - SignedDuration::from_hours(10);
    let hour = |n: i64| start + SignedDuration::from_hours(n);
    let mut batch = vec![a.created(hour(0), NotSet, NotSet), b.created(hour(0), Granted, NotSet)];
    batch.extend(merge(hour(2), &mut a, &mut b));
    batch.extend(undo(hour(4), &mut a, &mut b));
    batch.push(b.phone(hour(6), Granted));
    world.take(batch).await;
    for (at, merged, of_a, of_b) in
        [(1, 0, 1, 0), (2, 1, 2, 2), (3, 1, 2, 2), (4, 0, 3, 0), (7, 0, 3, 0)]
    {
        let request = pb::GetContactHistoryRequest {
            contact: a.name(),
            as_of_time: Some(wire::timestamp(hour(at))),
            ..Default::default()
        };
        let mut ledger = world.ledger(world.members.officer);
        let then = ledger.get_contact_history(request).await.unwrap().into_inner();
        let count = |of: &Contact| then.entries.iter().filter(|it| it.contact == of.name()).count();
        let found = (then.merged_contacts.len(), count(&a), count(&b));
        assert_eq!(found, (merged, of_a, of_b), "at {at}");
        let phone = then.consents.iter().find(|it| it.channel() == Channel::Phone).unwrap();
        let expected = if at < 2 { NotSet } else { Denied };
        assert_eq!(phone.state, expected.to_wire(), "at {at}");
    }
}

async fn the_tree_and_receipts_have_the_other_contact_in_them(db: TestDb) {
    let world = World::new(db).await;
    let [mut a, mut b, _] = three(&world);
    let now = world.now();
    let mut batch = vec![a.created(now, NotSet, NotSet), b.created(now, Denied, NotSet)];
    batch.extend(merge(now, &mut a, &mut b));
    world.take(batch).await;
    let (records, found, _) = audit(&world).await;
    assert_eq!((records.len(), found.len()), (4, 0), "versions 1 and 2 are verified alike");
    let keys = PublicKeys::one(*world.notary.keys().next().unwrap());
    for contact in [&a, &b] {
        let request = pb::GetConsentReceiptRequest {
            contact: contact.name(),
            channel: Channel::Phone.into(),
            format: pb::ReceiptFormat::Json.into(),
            language_code: "en".to_owned(),
        };
        let officer = world.tokens.member(world.business, world.members.officer);
        let answer = world.receipts_as(officer).get_consent_receipt(request).await.unwrap();
        let said = verify(&answer.into_inner().jws, &keys).unwrap();
        assert_eq!(said.receipt.events[0].event_type, "MERGED");
        let record = |of: &Contact| format!("{}/consents/PHONE", of.name());
        let (with, into) = (said.receipt.merged_records, said.receipt.merged_into_record);
        if contact.id == a.id {
            assert_eq!((with, into), (vec![record(&b)], None), "where the rest of it is");
        } else {
            assert_eq!((with, into), (Vec::new(), Some(record(&a))));
        }
    }
}

async fn of_an_erased_person_nothing_is_told(db: TestDb) {
    let world = World::new(db).await;
    let [mut a, mut b, _] = three(&world);
    let now = world.now();
    let mut batch = vec![
        a.phone_with_note(now, Granted, "at the counter"),
        b.phone_with_note(now, Denied, "by phone"),
    ];
    batch.extend(merge(now, &mut a, &mut b));
    world.take(batch).await;
    erase(&world, &mut b).await;
    erase(&world, &mut a).await;
    destroy(&world).await;
    let history = world.history(&a).await;
    assert_eq!(history.merged_contacts, [b.name()]);
    let notes = history.entries.iter().filter_map(|entry| entry.evidence.as_ref());
    assert!(notes.clone().count() == 2 && notes.clone().all(|it| it.note.is_empty()));
}
