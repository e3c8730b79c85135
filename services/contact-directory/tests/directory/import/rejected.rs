//! `DENIED` always applies: a row that is rejected for something else has still said no.

use contact_directory::MIGRATIONS;
use contact_directory::domain::Contact;
use yinyom_consent::{Cause, ConsentState, Surface};
use yinyom_kernel::{Clock, ContactId, RequestId};
use yinyom_proto::directory::v1::ImportRow;
use yinyom_testkit::{TestDb, both_databases};

use super::{
    DENIED, GRANTED, NOT_SET, ONE, TWO, With, contact, import, refuser, request, row, wrong,
};
use crate::support::{House, START};

async fn states(house: &House, id: ContactId) -> (ConsentState, ConsentState) {
    let of = one(house, id).await;
    let now = house.clock.now();
    (of.consents.phone.state_at(now), of.consents.email.state_at(now))
}

async fn one(house: &House, id: ContactId) -> Contact {
    house.contacts().await.into_iter().find(|contact| contact.id == id).unwrap()
}

/// Somebody with a key and a yes on both channels.
async fn granted(house: &House) -> ContactId {
    let granted = row("Somchai").id("C-1").phone(ONE).says(GRANTED).says_email(GRANTED);
    contact(&import(house, &[granted]).await[0])
}

const NO: (ConsentState, ConsentState) = (ConsentState::Denied, ConsentState::Granted);
const YES: (ConsentState, ConsentState) = (ConsentState::Granted, ConsentState::Granted);

async fn a_rejected_row_refuses_and_does_nothing_else(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = granted(&house).await;
    let before = one(&house, id).await;
    let bad = row("Renamed").id("C-1").phone(TWO).phone("12").account("Nowhere").at(START - 9);
    let results = import(&house, &[bad.says(DENIED).says_email(NOT_SET)]).await;
    assert_eq!(wrong(&results[0]), [("phones[1]".to_owned(), "INVALID_PHONE")]);
    assert_eq!(refuser(&results[0]), Some(id));
    assert_eq!(states(&house, id).await, NO);
    let after = one(&house, id).await;
    assert_eq!((&after.name, &after.points), (&before.name, &before.points));
    assert_eq!((after.revision, after.consent_seq), (before.revision + 1, 2));
    assert_eq!(house.count("SELECT COUNT(*) FROM accounts WHERE business_id = $1").await, 0);
    let ledger = house.ledger().await;
    let [_, change] = &ledger[..] else { panic!("two changes, not {}", ledger.len()) };
    assert_eq!((change.cause, change.surface), (Cause::Imported, Surface::Import));
    assert_eq!(change.channels.len(), 1, "the other channel is not spoken of");
    assert_eq!(change.claimed_at.map(jiff::Timestamp::as_second), Some(START - 9));
}

/// Whatever a row is rejected for, as long as it can be told whom it is about.
async fn a_refusal_is_taken_whatever_the_row_is_rejected_for(db: TestDb) {
    let numbers =
        |row: ImportRow| (0..20).fold(row, |row, n| row.phone(&format!("08123457{n:02}")));
    let rows = [
        ("", row("").id("C-1")),
        ("", row("Somchai").id("C-1").email("nobody")),
        ("", row("Somchai").id("C-1").account(&"a".repeat(201))),
        ("", row("Somchai").id("C-1").lead("", "fair")),
        ("", numbers(row("Somchai").id("C-1"))),
        ("its time is to come, and claimed by nobody", row("Somchai").id("C-1").at(START + 3_600)),
        ("its time is none", row("Somchai").id("C-1").at(i64::MAX)),
        ("matched by name and addresses", row("Anong").phone(TWO).lead("", "fair")),
        ("and its time is to come", row("Anong").phone(TWO).at(START + 3_600)),
    ];
    for (what, bad) in rows {
        let house = House::on(db.handle()).await;
        let id = if bad.first_name == "Anong" {
            contact(&import(&house, &[row("Anong").phone(TWO)]).await[0])
        } else {
            granted(&house).await
        };
        let results = import(&house, &[bad.says(DENIED)]).await;
        assert_eq!(refuser(&results[0]), Some(id), "{what} {:?}", wrong(&results[0]));
        assert_eq!(states(&house, id).await.0, ConsentState::Denied, "{what}");
        assert_eq!(house.ledger().await.last().unwrap().claimed_at, None, "{what}");
        assert_eq!(house.contacts().await.len(), 1, "nobody else came");
    }
}

async fn a_rejected_row_gives_nothing_and_refuses_for_nobody_else(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = granted(&house).await;
    let ledger = house.ledger().await;
    let bad = |row: ImportRow| row.phone("12").says(DENIED);
    let mut unreadable = row("Somchai").id("C-\n1").phone(ONE).says(DENIED);
    unreadable.email_consent = GRANTED.into();
    let results = import(
        &house,
        &[
            bad(row("Somchai").id("C-2")),
            unreadable,
            bad(row("Somchai")),
            row("Somchai").id("C-1").phone("12").says(NOT_SET),
            row("Somchai").phone(ONE).lead("", "fair").says_email(GRANTED),
        ],
    )
    .await;
    assert!(results.iter().all(|result| refuser(result).is_none()));
    assert_eq!(states(&house, id).await, YES);
    assert_eq!(house.ledger().await, ledger);
    assert_eq!(house.contacts().await.len(), 1);
}

async fn what_was_refused_by_a_rejected_row_is_refused_in_the_rows_that_follow(db: TestDb) {
    let house = House::on(db.handle()).await;
    let rows = [
        row("Somchai").id("C-1").phone(ONE).says(GRANTED),
        row("Somchai").id("C-1").email("nobody").says(DENIED),
        row("Somchai").id("C-1").phone(ONE).says(GRANTED),
        row("Somchai").id("C-9").phone(ONE).says(GRANTED),
    ];
    let id = RequestId::generate();
    let first = request(&house.directory, &house, &house.owner, id, &rows).await.unwrap();
    let (one, nine) = (contact(&first[2]), contact(&first[3]));
    assert_eq!(refuser(&first[1]), Some(one));
    assert_eq!(states(&house, one).await.0, ConsentState::Denied);
    assert_eq!(states(&house, nine).await.0, ConsentState::Denied, "a namesake's refusal");
    let again = request(&house.directory, &house, &house.owner, id, &rows).await.unwrap();
    assert_eq!(again, first);
}

async fn a_refusal_that_is_known_is_told_and_not_recorded_again(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = granted(&house).await;
    let bad = row("Somchai").id("C-1").phone("12").says(DENIED);
    for _ in 0..2 {
        let results = import(&house, std::slice::from_ref(&bad)).await;
        assert_eq!(refuser(&results[0]), Some(id));
        assert_eq!(house.ledger().await.len(), 2);
    }
}

both_databases!(MIGRATIONS =>
    a_rejected_row_refuses_and_does_nothing_else,
    a_refusal_is_taken_whatever_the_row_is_rejected_for,
    a_rejected_row_gives_nothing_and_refuses_for_nobody_else,
    what_was_refused_by_a_rejected_row_is_refused_in_the_rows_that_follow,
    a_refusal_that_is_known_is_told_and_not_recorded_again,
);
