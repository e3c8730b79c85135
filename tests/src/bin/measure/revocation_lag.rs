//! How long does a call take that takes a right away, and what does a read cost while settings is down?
//!
//! `make revocation-lag` runs it in release, on PostgreSQL: two replicas of settings, three of the directory and two of
//! the manager in one process, each on a thread of its own, real connections between them. Calls are made one after
//! another, alternately through both replicas of settings.

use std::time::Duration;

use tokio::time::Instant;
use yinyom_proto::directory::v1::GetContactRequest;
use yinyom_proto::settings::v1::{AddViewersRequest, RemoveViewersRequest};
use yinyom_tests::proxy::Flow;
use yinyom_tests::{House, Person, Plan, TestBusiness, eventually};

/// Calls while a directory is away: each takes a lease.
const AWAY: usize = 10;
const FAR: usize = 2;

pub async fn run(calls: usize) {
    let reads = calls * 10;
    let mut house = House::build(Plan::replicated()).await;
    let business = house.found().await;
    let contact = business.contact(&["0812345678"], &["somying@example.co.th"]).await.name;

    println!("2 settings, 3 directories, 2 managers, one PostgreSQL; milliseconds");
    println!("{:<44} {:>6} {:>8} {:>8} {:>8}", "", "calls", "p50", "p99", "max");
    let mut taken = Vec::new();
    for i in 0..calls {
        taken.push(take(&house, &business, i).await);
    }
    row("RemoveViewers, all directories live", &mut taken);

    let mut taken = Vec::new();
    for i in 0..AWAY {
        house.directories[FAR].kill().await;
        taken.push(take(&house, &business, i).await);
        house.directories[FAR].start().await;
        house.directories[FAR].policies().ready().await;
    }
    row("RemoveViewers, one directory just killed", &mut taken);

    let mut taken = Vec::new();
    for i in 0..AWAY {
        house.wires[FAR].set(Flow::Held);
        taken.push(take(&house, &business, i).await);
        house.wires[FAR].set(Flow::Open);
        let live = async || house.directories[FAR].policies().is_live();
        eventually(live, |live| *live).await;
    }
    row("RemoveViewers, one directory just cut off", &mut taken);

    let mut up = get(&business.user, &contact, reads).await;
    row("GetContact, settings up", &mut up);
    for settings in &mut house.of_settings {
        settings.stop().await;
    }
    let live = async || house.directories[0].policies().is_live();
    eventually(live, |live| !live).await;
    let mut down = get(&business.user, &contact, reads).await;
    row("GetContact, settings down", &mut down);
    let (up, down) = (at(&up, 99), at(&down, 99));
    println!("\np99 of GetContact: {:.2} times as long with settings down", down / up);
    house.close().await;
}

/// Puts a user on the viewer list, and measures how long it takes to take them off.
async fn take(house: &House, business: &TestBusiness, i: usize) -> Duration {
    let mut owner = business.owner.at(house, [i % house.of_settings.len(), 0, 0]).settings;
    let (parent, members) = (business.name.clone(), vec![business.user.name.clone()]);
    let add = AddViewersRequest {
        parent: parent.clone(),
        members: members.clone(),
        ..Default::default()
    };
    owner.add_viewers(add).await.expect("on the list");
    let remove = RemoveViewersRequest { parent, members, ..Default::default() };
    let asked = Instant::now();
    owner.remove_viewers(remove).await.expect("off the list");
    asked.elapsed()
}

async fn get(who: &Person, contact: &str, times: usize) -> Vec<Duration> {
    let mut contacts = who.contacts.clone();
    let mut taken = Vec::new();
    for _ in 0..times {
        let request = GetContactRequest { name: contact.to_owned() };
        let asked = Instant::now();
        contacts.get_contact(request).await.expect("it is answered");
        taken.push(asked.elapsed());
    }
    taken
}

/// Sorts and prints them.
fn row(what: &str, taken: &mut [Duration]) {
    taken.sort_unstable();
    let (calls, p50, p99, max) = (taken.len(), at(taken, 50), at(taken, 99), at(taken, 100));
    println!("{what:<44} {calls:>6} {p50:>8.2} {p99:>8.2} {max:>8.2}");
}

/// A percentile, in milliseconds.
fn at(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len() - 1);
    sorted[place].as_secs_f64() * 1_000.0
}
