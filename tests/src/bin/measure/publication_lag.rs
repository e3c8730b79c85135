//! How long after `SetContactConsents` has returned is a change in the manager's report?
//!
//! `make lag` runs it in release, on both databases: the three services in one process, real connections between
//! them, one change after another. A reader asks the manager over and over until the change is there, so what is
//! printed includes one whole question to the manager.

use std::time::Duration;

use tokio::time::Instant;
use yinyom_proto::manager::v1::GetContactHistoryRequest;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{Database, House, Person, assign};

const CONTACTS: usize = 100;

pub async fn run(changes: usize) {
    println!("{changes} changes, one after another; milliseconds");
    println!("database    question p50   in the report p50      p90      p99      max");
    for database in [Database::Sqlite, Database::Postgres] {
        measure(database, changes).await;
    }
}

async fn measure(database: Database, changes: usize) {
    let house = House::start(database).await;
    let business = house.found().await;
    let mut contacts = Vec::new();
    for _ in 0..CONTACTS {
        contacts.push(business.contact(&["0812345678"], &["somying@example.co.th"]).await.name);
    }
    let mut owner = business.owner.clone();
    for contact in &contacts {
        until(&mut owner, contact, 1).await;
    }
    let (mut lags, mut questions) = (Vec::new(), Vec::new());
    for i in 0..changes {
        let contact = &contacts[i % CONTACTS];
        let state = if (i / CONTACTS).is_multiple_of(2) {
            ConsentState::Granted
        } else {
            ConsentState::Denied
        };
        let set = assign(contact, &[(Channel::Phone, state)]);
        let set = owner.consents.set_contact_consents(set).await.expect("it is recorded");
        let returned = Instant::now();
        let seq = set.into_inner().contact_consents.expect("consents").consent_seq;
        until(&mut owner, contact, seq).await;
        lags.push(returned.elapsed());
        let asked = Instant::now();
        until(&mut owner, contact, seq).await;
        questions.push(asked.elapsed());
    }
    lags.sort_unstable();
    questions.sort_unstable();
    println!(
        "{:<10} {:>13.2} {:>19.2} {:>8.2} {:>8.2} {:>8.2}",
        format!("{database:?}"),
        at(&questions, 50),
        at(&lags, 50),
        at(&lags, 90),
        at(&lags, 99),
        at(&lags, 100),
    );
    house.close().await;
}

/// Asks until the ledger has the contact's change `seq`.
async fn until(owner: &mut Person, contact: &str, seq: i64) {
    loop {
        let question = GetContactHistoryRequest {
            contact: contact.to_owned(),
            page_size: 1,
            ..Default::default()
        };
        let answer = owner.ledger.get_contact_history(question).await;
        if answer.is_ok_and(|a| a.into_inner().entries.first().is_some_and(|e| e.seq >= seq)) {
            return;
        }
    }
}

/// A percentile, in milliseconds.
fn at(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len() - 1);
    sorted[place].as_secs_f64() * 1_000.0
}
