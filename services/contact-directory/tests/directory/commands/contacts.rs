//! Creating and changing contacts.

use std::collections::HashMap;

use contact_directory::MIGRATIONS;
use contact_directory::commands::contacts::{ContactPatch, NamePatch, NewContact};
use contact_directory::domain::Contact;
use contact_directory::domain::import::identity;
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::store::find::Wanted;
use contact_directory::store::refused;
use yinyom_consent::{Cause, ConsentState};
use yinyom_kernel::{Clock, Code, ContactId, Etag};
use yinyom_testkit::{TestDb, both_databases};

use super::{
    ABSENT, GRANTED, MAIL, NOT_SET, ONE, create, delete, everything, new, number, read, saying,
    states, stranger, update, why,
};
use super::{EMAIL, PHONE};
use crate::support::House;

both_databases!(MIGRATIONS =>
    a_new_contact_was_asked_nothing_yet,
    what_is_not_named_stays,
    a_name_cannot_be_taken_away_whole,
    an_external_id_is_of_one_contact_in_its_business,
    a_change_of_what_has_changed_is_refused,
    of_two_who_change_the_same_at_once_one_wins,
    nobody_reaches_another_businesss_contact,
    several_are_read_all_or_none,
    pages_cover_everybody_once,
    an_import_finds_a_contact_by_what_it_was_and_what_it_is,
);

const TAKEN: (Code, &str) = (Code::AlreadyExists, "EXTERNAL_ID_TAKEN");

fn named(first: &str) -> ContactPatch {
    let name = Some(NamePatch { first: Some(first.to_owned()), last: None });
    ContactPatch { name, ..ContactPatch::default() }
}

fn numbered(text: &str) -> ContactPatch {
    ContactPatch { external_id: Some(number(text)), ..ContactPatch::default() }
}

async fn a_new_contact_was_asked_nothing_yet(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE, MAIL]).await;
    assert_eq!((contact.revision, contact.consent_seq), (1, 1));
    assert_eq!(states(&house, &contact), (NOT_SET, NOT_SET));
    assert_eq!((contact.created_at, contact.updated_at), (house.clock.now(), house.clock.now()));
    assert_eq!(read(&house, contact.id).await, contact, "it is stored as it was answered");
    let ledger = house.ledger().await;
    let [change] = &ledger[..] else { panic!("one change") };
    assert_eq!((change.contact, change.seq, change.cause), (contact.id, 1, Cause::Created));
    let told: Vec<_> = change.channels.iter().map(|c| (c.channel, c.from, c.to)).collect();
    assert_eq!(told, [(PHONE, None, Some(NOT_SET)), (EMAIL, None, Some(NOT_SET))]);
}

async fn what_is_not_named_stays(db: TestDb) {
    let house = House::on(db.handle()).await;
    let before = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED)]).await;
    let after = update(&house, &house.owner, before.id, numbered("C-1")).await.unwrap();
    assert_eq!(after.external_id, number("C-1"));
    let after = update(&house, &house.user, before.id, named("Somsak")).await.unwrap();
    assert_eq!(after.revision, before.revision + 2);
    let last = NamePatch { first: None, last: Some("ใจดี".to_owned()) };
    let last = ContactPatch { name: Some(last), ..ContactPatch::default() };
    let after = update(&house, &house.owner, before.id, last).await.unwrap();
    assert_eq!(after.name.display().expose(), "Somsak ใจดี");
    assert_eq!(after.external_id, number("C-1"));
    assert_eq!(after.points, before.points);
    assert_eq!((after.consents, after.consent_seq), (before.consents, before.consent_seq));
    assert_eq!(read(&house, before.id).await, after);
    assert_eq!(house.ledger().await.len(), 2, "no word of the customer's is in any of it");
}

async fn a_name_cannot_be_taken_away_whole(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[]).await;
    let before = everything(&house).await;
    let refused = update(&house, &house.owner, contact.id, named(" ")).await;
    let error = refused.unwrap_err();
    let fields: Vec<_> =
        yinyom_kernel::Fault::violations(&error).iter().map(|v| &v.field[..]).collect();
    assert_eq!(fields, ["contact.first_name"]);
    assert_eq!(everything(&house).await, before);
}

async fn an_external_id_is_of_one_contact_in_its_business(db: TestDb) {
    let house = House::on(db.handle()).await;
    let session = house.session(&house.owner).await;
    let with = |first: &str, id: &str| NewContact { external_id: number(id), ..new(first, &[]) };
    let first = house.directory.create_contact(&session, with("First", "C-1"), None).await;
    let first = first.unwrap().now.unwrap();
    let second = create(&house, "Second", &[]).await;
    let before = everything(&house).await;
    let again = house.directory.create_contact(&session, with("Third", "C-1"), None).await;
    assert_eq!(why(again), TAKEN);
    assert_eq!(why(update(&house, &house.owner, second.id, numbered("C-1")).await), TAKEN);
    assert_eq!(everything(&house).await, before);

    let same = update(&house, &house.owner, first.id, numbered("C-1")).await.unwrap();
    assert_eq!(same.external_id, number("C-1"), "its own is not taken");
    let theirs = stranger(&house).await;
    house.directory.create_contact(&theirs, with("Theirs", "C-1"), None).await.unwrap();

    update(&house, &house.owner, first.id, numbered("")).await.unwrap();
    update(&house, &house.owner, second.id, numbered("C-1")).await.unwrap();
    delete(&house, &house.owner, second.id).await.unwrap();
    house.directory.create_contact(&session, with("Third", "C-1"), None).await.unwrap();
}

async fn a_change_of_what_has_changed_is_refused(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[]).await;
    let session = house.session(&house.owner).await;
    let update = |first: &str, etag: String| {
        house.directory.update_contact(&session, contact.id, named(first), etag, None)
    };
    let old = contact.etag().to_string();
    update("Once", old.clone()).await.unwrap();
    let before = everything(&house).await;
    let stale = (Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(why(update("Twice", old.clone()).await), stale);
    assert_eq!(why(update("Twice", "no etag".to_owned()).await), stale);
    let delete = house.directory.delete_contact(&session, contact.id, old, None);
    assert_eq!(why(delete.await), stale);
    assert_eq!(everything(&house).await, before);
    let current = Etag::of(contact.revision + 1).to_string();
    update("Twice", current).await.unwrap();
    update("Thrice", String::new()).await.unwrap();
}

async fn of_two_who_change_the_same_at_once_one_wins(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[]).await;
    let session = house.session(&house.owner).await;
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (directory, session, id) = (house.directory.clone(), session.clone(), contact.id);
        let (patch, etag) = (named(&format!("Name {n}")), contact.etag().to_string());
        writers.spawn(async move {
            directory.update_contact(&session, id, patch, etag, None).await.is_ok()
        });
    }
    let won = writers.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!((won, read(&house, contact.id).await.revision), (1, 2));
}

async fn nobody_reaches_another_businesss_contact(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let (before, theirs) = (everything(&house).await, stranger(&house).await);
    let directory = &house.directory;
    // A foreign contact and one that is nowhere are answered alike.
    for id in [contact.id, ContactId::generate()] {
        let (patch, etag) = (named("Stolen"), String::new);
        assert_eq!(why(directory.contact(&theirs, id).await), ABSENT);
        assert_eq!(why(directory.contacts(&theirs, &[id]).await), ABSENT);
        assert_eq!(why(directory.update_contact(&theirs, id, patch, etag(), None).await), ABSENT);
        assert_eq!(why(directory.delete_contact(&theirs, id, etag(), None).await), ABSENT);
        let no = super::word(id, super::withdrawal(&[PHONE]));
        assert_eq!(why(directory.say(&theirs, no, None).await), ABSENT);
    }
    assert_eq!(everything(&house).await, before);
}

async fn several_are_read_all_or_none(db: TestDb) {
    let house = House::on(db.handle()).await;
    let one = create(&house, "One", &[]).await;
    let two = create(&house, "Two", &[ONE]).await;
    let session = house.session(&house.user).await;
    let ids = [two.id, one.id, two.id];
    let found = house.directory.contacts(&session, &ids).await.unwrap();
    assert_eq!(found, [two.clone(), one, two.clone()], "in the order that was asked for");
    let ids = [two.id, ContactId::generate()];
    assert_eq!(why(house.directory.contacts(&session, &ids).await), ABSENT);
}

async fn pages_cover_everybody_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    for n in 0..7 {
        create(&house, ["สมชาย", "Anna"][n % 2], &[ONE]).await;
    }
    let session = house.session(&house.owner).await;
    let order = Order { key: OrderKey::Name, descending: true };
    let wanted = Wanted { state: Some(ConsentState::NotSet), ..Wanted::default() };
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = house.directory.find_contacts(&session, &wanted, order, cursor.as_ref(), 3);
        let page = page.await.unwrap();
        found.extend(page.items.iter().map(|contact| contact.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let mut everybody: Vec<_> = house.contacts().await.iter().map(|contact| contact.id).collect();
    found.sort_unstable();
    everybody.sort_unstable();
    assert_eq!(found, everybody);
}

async fn an_import_finds_a_contact_by_what_it_was_and_what_it_is(db: TestDb) {
    let house = House::on(db.handle()).await;
    let was = create(&house, "Somchai", &[ONE]).await;
    let is = update(&house, &house.owner, was.id, named("Somsak")).await.unwrap();
    let is_at = update(&house, &house.owner, was.id, super::points(&[(None, super::TWO)])).await;
    let keys = house.keys.of(&house.db, house.scope(), 0).await.unwrap();
    let fingerprint = |contact: &Contact| {
        let addresses: Vec<_> = contact.points.iter().map(|point| point.address.clone()).collect();
        identity(keys.index(), &contact.name, &addresses)
    };
    let expected = [was, is, is_at.unwrap()].map(|contact| (fingerprint(&contact), contact.id));
    let wanted = expected.map(|(fingerprint, _)| fingerprint);
    let mut tx = house.db.read(house.scope()).await.unwrap();
    let found = refused::by_fingerprint(&mut tx, &wanted).await.unwrap();
    assert_eq!(found, HashMap::from(expected));
}
