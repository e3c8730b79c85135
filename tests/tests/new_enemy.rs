//! The new enemy: somebody loses a right, then something is written that they must not see, and a replica that has
//! not heard of the first shows them the second. Without the wait for leases this system has one; with it, none.
//!
//! A test that finds nothing proves nothing: this one is shown to find the enemy first, in the same house, with the
//! wait left out (failpoint `settings::lease_wait`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::large_futures)]

use yinyom_failpoints::{Point, Scenario};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::proxy::Flow;
use yinyom_tests::{House, Person, Plan, TestBusiness, eventually};

/// Rounds with the wait, each of them a lease long.
const ROUNDS: usize = 4;
/// Rounds without it, of which the first should do.
const TRIES: usize = 20;
/// The directory that does not hear of changes in time.
const FAR: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn is_found_without_the_wait_for_leases_and_is_none_with_it() {
    let scenario = Scenario::from_environment();
    let house = House::build(Plan::replicated()).await;
    let business = house.found().await;
    let listed = business.listed.at(&house, [0, FAR, 0]);

    yinyom_failpoints::set(Point::LeaseWait, "return");
    let mut tries = 0;
    while !meets(&house, &business, &listed).await {
        tries += 1;
        assert!(tries < TRIES, "the enemy is not found: this test proves nothing");
    }

    yinyom_failpoints::clear(Point::LeaseWait);
    for round in 0..ROUNDS {
        assert!(!meets(&house, &business, &listed).await, "round {round}");
    }
    drop(scenario);
    house.close().await;
}

/// Takes the user off the list, then records a new customer who says no; whether the user is shown the number by a
/// directory that hears nothing meanwhile.
async fn meets(house: &House, business: &TestBusiness, listed: &Person) -> bool {
    let owner = &business.owner;
    let add = set::AddViewersRequest {
        parent: business.name.clone(),
        members: vec![listed.name.clone()],
        ..Default::default()
    };
    owner.settings.clone().add_viewers(add).await.unwrap();
    let before = refused(business, "+66811111111").await;
    let settled = eventually(async || sees(listed, &before).await, |sees| *sees);
    settled.await;

    house.wires[FAR].set(Flow::Held);
    let remove = set::RemoveViewersRequest {
        parent: business.name.clone(),
        members: vec![listed.name.clone()],
        ..Default::default()
    };
    owner.settings.clone().remove_viewers(remove).await.unwrap();
    let after = refused(business, "+66812222222").await;
    let met = sees(listed, &after).await;
    house.wires[FAR].set(Flow::Open);
    met
}

async fn refused(business: &TestBusiness, phone: &str) -> String {
    let contact = business.contact(&[phone], &[]).await.name;
    business.say(&contact, Channel::Phone, ConsentState::Denied).await;
    contact
}

async fn sees(person: &Person, contact: &str) -> bool {
    let request = dir::GetContactRequest { name: contact.to_owned() };
    let answer = person.contacts.clone().get_contact(request).await.expect("it answers");
    let contact = answer.into_inner().contact.unwrap();
    contact.phones[0].visibility() == dir::Visibility::Visible
}
