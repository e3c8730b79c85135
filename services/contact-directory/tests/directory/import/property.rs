//! Whatever rows come, in whatever order.

use std::collections::{HashMap, HashSet};

use contact_directory::MIGRATIONS;
use contact_directory::commands::import::Became::{Created, Unchanged};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use yinyom_consent::ConsentState;
use yinyom_kernel::Clock;
use yinyom_proto::directory::v1::ImportRow;
use yinyom_proto::types::v1;
use yinyom_testkit::{TestDb, both_databases};

use super::{With, became, import, row};
use crate::support::House;

/// Few people, few addresses: rows meet each other.
pub fn any_row() -> impl Strategy<Value = ImportRow> {
    let says = || prop::sample::select(vec![0, 1, 2, 3]);
    let phones = prop::collection::vec(0_u8..5, 0..3);
    let emails = prop::collection::vec(0_u8..3, 0..2);
    let links = (prop::option::of(0_u8..3), prop::option::of(0_u8..3));
    (prop::option::of(0_u8..4), 0_u8..4, phones, emails, links, (says(), says())).prop_map(
        |(id, name, phones, emails, (account, lead), (phone, email))| {
            let mut row = row(&format!("Person {name}"));
            if let Some(id) = id {
                row = row.id(&format!("C-{id}"));
            }
            for phone in phones {
                row = row.phone(&format!("081234567{phone}"));
            }
            for email in emails {
                row = row.email(&format!("person{email}@example.com"));
            }
            if let Some(account) = account {
                row = row.account(&format!("Account {account}"));
            }
            if let Some(lead) = lead {
                row = row.lead(&format!("Lead {lead}"), "fair");
            }
            let state = |number| v1::ConsentState::try_from(number).unwrap_or_default();
            row.says(state(phone)).says_email(state(email))
        },
    )
}

fn any_rows() -> impl Strategy<Value = Vec<ImportRow>> {
    prop::collection::vec(any_row(), 1..14)
}

/// Runs `test` for many files, each in a business of its own.
pub fn for_files(db: &TestDb, test: impl AsyncFn(House, Vec<ImportRow>)) {
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let run = |rows| {
        let test = async { test(House::on(db.handle()).await, rows).await };
        tokio::task::block_in_place(|| Handle::current().block_on(test));
        Ok(())
    };
    TestRunner::new(config).run(&any_rows(), run).unwrap();
}

/// The rows of people who are in the file once.
fn distinct(rows: Vec<ImportRow>) -> Vec<ImportRow> {
    let mut seen = HashSet::new();
    let key = |row: &ImportRow| match &*row.external_id {
        "" => format!("{} {:?} {:?}", row.first_name, row.phones, row.emails),
        id => id.to_owned(),
    };
    rows.into_iter().filter(|row| seen.insert(key(row))).collect()
}

async fn a_file_with_each_person_once_changes_nothing_the_second_time(db: TestDb) {
    for_files(&db, async |house, rows| {
        let rows = distinct(rows);
        import(&house, &rows).await;
        let (contacts, ledger) = (house.contacts().await, house.ledger().await);
        let again = import(&house, &rows).await;
        assert!(became(&again).iter().all(|became| *became == Some(Unchanged)), "{again:?}");
        assert_eq!((house.contacts().await, house.ledger().await), (contacts, ledger));
    });
}

async fn whatever_a_file_holds_it_creates_nobody_twice_and_ends_no_refusal(db: TestDb) {
    for_files(&db, async |house, rows| {
        let mut refused = HashSet::new();
        let mut states = HashMap::new();
        for round in 0..3 {
            for batch in rows.chunks(4) {
                let results = became(&import(&house, batch).await);
                assert!(round == 0 || !results.contains(&Some(Created)), "round {round}");
                for contact in house.contacts().await {
                    for (channel, consent) in contact.consents.iter() {
                        let (of, is) = ((contact.id, channel), consent.state_at(house.clock.now()));
                        assert!(!refused.contains(&of) || is == ConsentState::Denied, "{of:?}");
                        if is == ConsentState::Denied {
                            refused.insert(of);
                        }
                        states.insert(of, is);
                    }
                }
            }
        }
        // The ledger tells the same story.
        let told: HashMap<_, _> = (house.ledger().await.iter())
            .flat_map(|change| {
                change.channels.iter().map(|of| ((change.contact, of.channel), of.to))
            })
            .collect();
        assert_eq!(told.len(), states.len());
        assert!(told.iter().all(|(of, to)| *to == states.get(of).copied()));
    });
}

both_databases!(MIGRATIONS =>
    a_file_with_each_person_once_changes_nothing_the_second_time,
    whatever_a_file_holds_it_creates_nobody_twice_and_ends_no_refusal,
);
