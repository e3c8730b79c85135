//! Recording what several customers said, each by itself.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::consents::{Heard, Row, Saying};
use contact_directory::commands::leads::Link;
use contact_directory::commands::{Error, Request};
use contact_directory::domain::surface::Place;
use yinyom_consent::Cause::{Created, Expired, Set as SetByWord};
use yinyom_identity::Caller;
use yinyom_kernel::{Code, ContactId, Fault, InvalidInput, Text};
use yinyom_testkit::{TestDb, both_databases};

use super::accounts::account;
use super::leads::{lead, link};
use super::{
    DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, causes, create, everything, grant_for, read,
    request, saying, set_to, states, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    each_row_is_answered_by_itself,
    one_contact_twice_in_a_batch_is_two_changes_in_turn,
    every_row_names_its_own_page,
    a_grant_that_ran_out_is_recorded_once,
    a_batch_that_is_repeated_is_answered_as_it_was,
    an_empty_batch_is_nothing,
);

async fn say_all(
    house: &House,
    by: &Caller,
    sayings: Vec<Result<Saying, Error>>,
    request: Option<Request>,
) -> Result<Vec<Row>, Error> {
    house.directory.say_all(&house.session(by).await, sayings, request).await
}

/// The code and reason of each refused row.
fn refusals(rows: &[Row]) -> Vec<Option<(i32, String)>> {
    let refusal = |row: &Row| match row {
        Row::Recorded(_) => None,
        Row::Refused(error) => Some((error.code().number(), error.reason().to_owned())),
        Row::RefusedBefore(code, reason) => Some((*code, reason.clone())),
    };
    rows.iter().map(refusal).collect()
}

fn recorded(row: &Row) -> &Heard {
    match row {
        Row::Recorded(written) => written.now.as_ref().unwrap(),
        _ => panic!("refused"),
    }
}

fn wrong() -> Error {
    InvalidInput::one("assignments", "REQUIRED", Text::new("is required.", "ต้องระบุ")).into()
}

fn refused(code: Code, reason: &str) -> (i32, String) {
    (code.number(), reason.to_owned())
}

async fn each_row_is_answered_by_itself(db: TestDb) {
    let house = House::on(db.handle()).await;
    let granted = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
    let denied = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED)]).await;
    let fresh = create(&house, "Fresh", &[MAIL]).await;
    let yes = |id| word(id, set_to(&[(PHONE, GRANTED), (EMAIL, GRANTED)]));
    let rows = vec![
        Ok(word(granted.id, withdrawal(&[PHONE]))),
        Ok(yes(denied.id)),
        Err(wrong()),
        Ok(yes(ContactId::generate())),
        Ok(Saying { etag: "old".to_owned(), ..yes(fresh.id) }),
        Ok(Saying { place: Place::Api, ..yes(fresh.id) }),
        Ok(yes(fresh.id)),
    ];
    let rows = say_all(&house, &house.user, rows, None).await.unwrap();
    let expected = [
        None,
        Some(refused(Code::PermissionDenied, "CANNOT_LIFT_OWN_MASK")),
        Some(refused(Code::InvalidArgument, "INVALID_INPUT")),
        Some(refused(Code::NotFound, "NOT_FOUND")),
        Some(refused(Code::Aborted, "ETAG_MISMATCH")),
        Some(refused(Code::FailedPrecondition, "SURFACE_MISMATCH")),
        None,
    ];
    assert_eq!(refusals(&rows), expected);
    assert_eq!(recorded(&rows[0]), &read(&house, granted.id).await.without_points());
    assert_eq!(states(&house, recorded(&rows[0])), (DENIED, NOT_SET));
    assert_eq!(states(&house, recorded(&rows[6])), (GRANTED, GRANTED));
    assert_eq!(read(&house, denied.id).await, denied, "a refused row changes neither channel");
    assert_eq!(causes(&house, denied.id).await.len(), 2);
}

async fn one_contact_twice_in_a_batch_is_two_changes_in_turn(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let set = |state| word(contact.id, set_to(&[(PHONE, state)]));
    let etag = contact.etag().to_string();
    let rows = vec![
        Ok(Saying { etag: etag.clone(), ..set(GRANTED) }),
        Ok(set(DENIED)),
        Ok(Saying { etag, ..set(GRANTED) }),
        Ok(set(NOT_SET)),
    ];
    let rows = say_all(&house, &house.owner, rows, None).await.unwrap();
    let stale = Some(refused(Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(refusals(&rows), [None, None, stale, None]);
    let seqs: Vec<_> = [0, 1, 3].map(|row| recorded(&rows[row]).consent_seq).to_vec();
    assert_eq!(seqs, [2, 3, 4]);
    let told: Vec<_> = [0, 1, 3].map(|row| states(&house, recorded(&rows[row])).0).to_vec();
    assert_eq!(told, [GRANTED, DENIED, NOT_SET], "each row as it was then");
    let after = read(&house, contact.id).await;
    assert_eq!((after.consent_seq, after.revision), (4, 4));
    assert!(after.consents.phone.refused_before);
    assert_eq!(causes(&house, contact.id).await, [Created, SetByWord, SetByWord, SetByWord]);
}

/// All pages of a batch are looked up at once; each row is held against its own.
async fn every_row_names_its_own_page(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (primary, linked) = (create(&house, "P", &[]).await, create(&house, "L", &[]).await);
    let first = lead(&house, &primary).await;
    link(&house, &first, &linked).await;
    let second = lead(&house, &linked).await;
    let customer = account(&house, "Acme").await;
    let (owner, add) = (house.session(&house.owner).await, Link::Add(vec![linked.id]));
    house.directory.link_account_contacts(&owner, customer.id, add, None).await.unwrap();
    let (lead, of_lead, of_account) = (Place::Lead, Place::LeadContacts, Place::AccountContacts);
    let cases = [
        (&primary, lead(first.id), true),
        (&linked, lead(first.id), false),
        (&linked, lead(second.id), true),
        (&primary, lead(second.id), false),
        (&linked, of_lead(first.id), true),
        (&primary, of_lead(second.id), false),
        (&linked, of_account(customer.id), true),
        (&primary, of_account(customer.id), false),
        (&primary, Place::Contacts, true),
    ];
    let rows = cases.iter().map(|(contact, place, _)| {
        Ok(Saying { place: *place, ..word(contact.id, withdrawal(&[PHONE])) })
    });
    let rows = say_all(&house, &house.user, rows.collect(), None).await.unwrap();
    let mismatch = Some(refused(Code::FailedPrecondition, "SURFACE_MISMATCH"));
    for (row, (_, place, is_true)) in refusals(&rows).iter().zip(cases) {
        assert_eq!(row, &if is_true { None } else { mismatch.clone() }, "{place:?}");
    }
}

async fn a_grant_that_ran_out_is_recorded_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    grant_for(&house, contact.id, PHONE, Duration::from_mins(1)).await;
    house.pass(Duration::from_mins(1)).await;
    let yes = || Ok(word(contact.id, set_to(&[(EMAIL, GRANTED)])));
    let rows = say_all(&house, &house.owner, vec![yes(), yes()], None).await.unwrap();
    assert_eq!(refusals(&rows), [None, None]);
    let expected = [Created, SetByWord, Expired, SetByWord, SetByWord];
    assert_eq!(causes(&house, contact.id).await, expected);
}

async fn a_batch_that_is_repeated_is_answered_as_it_was(db: TestDb) {
    let house = House::on(db.handle()).await;
    let one = create(&house, "One", &[ONE]).await;
    let denied = saying(&house, &[ONE], &[(PHONE, DENIED)]).await;
    let gone = create(&house, "Gone", &[]).await;
    let request = request("batch", b"rows");
    let send = |request: Request| {
        let yes = |id| Ok(word(id, set_to(&[(PHONE, GRANTED)])));
        let rows = vec![yes(one.id), yes(denied.id), Err(wrong()), yes(gone.id), yes(one.id)];
        say_all(&house, &house.user, rows, Some(request))
    };
    let first = send(request.clone()).await.unwrap();
    super::delete(&house, &house.owner, gone.id).await.unwrap();
    super::set(&house, &house.owner, one.id, &[(PHONE, DENIED)]).await.unwrap();
    super::set(&house, &house.owner, denied.id, &[(PHONE, GRANTED)]).await.unwrap();
    let before = everything(&house).await;
    let again = send(request.clone()).await.unwrap();
    assert_eq!(refusals(&again), refusals(&first));
    let receipts = |rows: &[Row]| -> Vec<_> {
        let receipt = |row: &Row| match row {
            Row::Recorded(written) => Some(written.receipt),
            _ => None,
        };
        rows.iter().map(receipt).collect()
    };
    assert_eq!(receipts(&again), receipts(&first));
    assert_eq!(
        recorded(&again[0]),
        &read(&house, one.id).await.without_points(),
        "shown as it is now"
    );
    let Row::Recorded(written) = &again[3] else { panic!("it was recorded then") };
    assert_eq!(written.now, None, "and who is gone is not shown");
    assert_eq!(everything(&house).await, before);
    let other = Request { body: b"other rows".to_vec(), ..request };
    assert_eq!(why(send(other).await), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert_eq!(everything(&house).await, before);
}

async fn an_empty_batch_is_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    assert!(say_all(&house, &house.owner, Vec::new(), None).await.unwrap().is_empty());
    assert_eq!(house.ledger().await, []);
}
