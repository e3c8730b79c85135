//! A list of opt-outs and whoever comes with one of its addresses, in the same instant: neither misses the other. On PostgreSQL
//! alone, for SQLite has one unit of work at a time.

use contact_directory::MIGRATIONS;
use contact_directory::api::wire::opt_outs::opt_outs;
use contact_directory::commands::Session;
use tokio::task::JoinHandle;
use yinyom_kernel::ContactId;
use yinyom_proto::directory::v1::ImportRow;
use yinyom_proto::types::v1::ConsentState;
use yinyom_testkit::{TestDb, on_postgres};

use super::gate::{lock, waiting};
use super::{DENIED, MAIL, ONE, TWO, create, new, points, read, states};
use crate::support::House;

/// What whoever comes writes last, after they have looked for refusals; a list has none of it.
const COMER: &str = "LOCK TABLE contact_fingerprints IN SHARE MODE";
/// What a list writes last; whoever comes only reads it.
const LIST: &str = "LOCK TABLE refused_addresses IN SHARE MODE";

#[test]
fn a_list_waits_for_whoever_is_coming_with_its_address() {
    on_postgres(&MIGRATIONS, |db| both(db, false, COMER));
}

#[test]
fn who_comes_with_an_address_waits_for_a_list_that_has_it() {
    on_postgres(&MIGRATIONS, |db| both(db, false, LIST));
}

#[test]
fn a_list_waits_for_whoever_is_changing_to_its_address() {
    on_postgres(&MIGRATIONS, |db| both(db, true, COMER));
}

#[test]
fn who_changes_to_an_address_waits_for_a_list_that_has_it() {
    on_postgres(&MIGRATIONS, |db| both(db, true, LIST));
}

/// Whoever has to get past `gate` starts before the other one.
async fn both(db: TestDb, changes: bool, gate: &'static str) {
    let house = House::on(db.handle()).await;
    create(&house, "Other", &[TWO]).await;
    let before = if changes { Some(create(&house, "Before", &[MAIL]).await.id) } else { None };
    let gate_of = lock(&house, gate).await;
    let (comes, list) = (|| comes(&house, before), || list(&house));
    let (came, listed) = if gate == COMER {
        let came = comes();
        waiting(&house, &came, 1).await;
        let listed = list();
        waiting(&house, &listed, 2).await;
        (came, listed)
    } else {
        let listed = list();
        waiting(&house, &listed, 1).await;
        let came = comes();
        waiting(&house, &came, 2).await;
        (came, listed)
    };
    gate_of.open().await;
    let (contact, ()) = (came.await.unwrap(), listed.await.unwrap());
    let contact = read(&house, contact).await;
    assert_eq!(states(&house, &contact).0, DENIED, "one has seen the other");
    house.ledger().await;
}

/// Somebody with the address: a new contact, or one that is there.
fn comes(house: &House, before: Option<ContactId>) -> JoinHandle<ContactId> {
    let (directory, caller, business) =
        (house.directory.clone(), house.owner.clone(), house.business);
    tokio::spawn(async move {
        let session = Session::open(&directory, &caller, business).await.unwrap();
        let Some(id) = before else {
            let made = directory.create_contact(&session, new("New", &[ONE]), None).await.unwrap();
            return made.receipt.id.into();
        };
        let patch = points(&[(None, ONE)]);
        directory.update_contact(&session, id, patch, String::new(), None).await.unwrap();
        id
    })
}

/// Of an address that nobody has, and of one that somebody has who is not the one who comes.
fn list(house: &House) -> JoinHandle<()> {
    let (phones, refuses) = (vec![ONE.to_owned(), TWO.to_owned()], ConsentState::Denied.into());
    let row = ImportRow { phones, phone_consent: refuses, ..<_>::default() };
    let (directory, caller, business) =
        (house.directory.clone(), house.owner.clone(), house.business);
    tokio::spawn(async move {
        directory.opt_out(&caller, business, opt_outs(&[row]), None).await.unwrap();
    })
}
