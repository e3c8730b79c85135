//! A batch that is sent again.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::import::Became::{Created, Updated};
use yinyom_kernel::{Fault, RequestId};
use yinyom_testkit::{TestDb, both_databases};

use super::{GRANTED, NOT_SET, ONE, TWO, With, became, request, row};
use crate::support::{House, START};

async fn a_batch_that_is_sent_again_is_answered_as_it_was(db: TestDb) {
    let house = House::on(db.handle()).await;
    let full = (0..20).fold(row("Full").id("C-9"), |row, n| row.phone(&format!("08123456{n:02}")));
    let rows = [
        row("Somchai").id("C-1").phone(ONE).says(GRANTED),
        row("Somchai").id("C-1").phone(TWO).says(NOT_SET),
        row("").phone("12").at(START + 3_600),
        row("Early").at(START + 3_600),
        full,
        row("Full").id("C-9").phone("0899999999"),
    ];
    let id = RequestId::generate();
    let first = request(&house.directory, &house, &house.owner, id, &rows).await.unwrap();
    assert_eq!(became(&first)[..2], [Some(Created), Some(Updated)]);
    let (contacts, ledger) = (house.contacts().await, house.ledger().await);
    // What was in the future then is not so any more, and the full contact is gone: it is told as it was.
    house.pass(Duration::from_hours(2)).await;
    let full = contacts.iter().find(|contact| contact.points.len() == 20).unwrap().id;
    let session = house.session(&house.owner).await;
    house.directory.delete_contact(&session, full, String::new(), None).await.unwrap();

    let again = request(&house.directory, &house, &house.owner, id, &rows).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(house.contacts().await.len(), contacts.len() - 1, "nobody is created again");
    assert_eq!(house.ledger().await.len(), ledger.len() + 1, "nothing but the deletion");
}

async fn an_id_is_of_one_batch_and_one_caller(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = RequestId::generate();
    let send =
        async |caller, name| request(&house.directory, &house, caller, id, &[row(name)]).await;
    send(&house.owner, "Somchai").await.unwrap();
    let other = send(&house.owner, "Somsri").await.unwrap_err();
    assert_eq!(other.reason(), "REQUEST_ID_REUSED");
    send(&house.admin, "Anong").await.unwrap();
    assert_eq!(house.contacts().await.len(), 2);
}

async fn who_may_not_import_any_more_hears_no_old_answer(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = RequestId::generate();
    let send =
        async || request(&house.directory, &house, &house.listed, id, &[row("Somchai")]).await;
    send().await.unwrap();
    let member = house.listed.member().unwrap();
    house.rule(|policy| policy.members.get_mut(&member).unwrap().listed = false).await;
    assert_eq!(send().await.unwrap_err().reason(), "IMPORT_NOT_ALLOWED");
}

async fn the_record_of_a_batch_holds_no_value_of_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let rows = [
        row("Somchai").id("C-1234567").phone(ONE).email("somchai@example.com").account("Garden"),
        row("Somsri").phone("not a phone").says(GRANTED),
    ];
    let id = RequestId::generate();
    request(&house.directory, &house, &house.owner, id, &rows).await.unwrap();
    let kept: Vec<(Vec<u8>, Vec<u8>)> =
        house.rows("SELECT outcome, fingerprint FROM requests WHERE business_id = $1").await;
    let [(outcome, _)] = &kept[..] else { panic!("one record") };
    for value in ["Somchai", "somchai", "1234567", "0812345671", "812345671", "Garden", "phone"] {
        let found = outcome.windows(value.len()).any(|part| part == value.as_bytes());
        assert!(!found, "{value}");
    }
}

both_databases!(MIGRATIONS =>
    a_batch_that_is_sent_again_is_answered_as_it_was,
    an_id_is_of_one_batch_and_one_caller,
    who_may_not_import_any_more_hears_no_old_answer,
    the_record_of_a_batch_holds_no_value_of_it,
);
