//! The life of a consent, cell by cell: `table.txt` says what PRODUCT.md makes of every event × every old state × every
//! role, and each of its cells is tried on the directory's real server. A cell that is missing, or there twice, fails.

mod does;
mod people;
mod table;
mod town;

use contact_directory::MIGRATIONS;
use yinyom_consent::Channel;
use yinyom_db::{Db, DbConfig, Durability};
use yinyom_testkit::{TestDb, on_postgres, on_sqlite};

use crate::model::house::House;
use people::ROLES;
use table::{OLD_STATES, Table};
use town::Town;

/// Days pass in a case, and settings is heard of all the while.
const LEASE_SECONDS: u32 = 86_400 * 10;

/// Everything that can happen to a consent.
pub const EVENTS: [&str; 67] = [
    "set NOT_SET on LEAD",
    "set NOT_SET on LEAD_CONTACTS",
    "set NOT_SET on ACCOUNT_CONTACTS",
    "set NOT_SET on CONTACTS",
    "set NOT_SET on API",
    "set NOT_SET in a batch",
    "set GRANTED on LEAD",
    "set GRANTED on LEAD_CONTACTS",
    "set GRANTED on ACCOUNT_CONTACTS",
    "set GRANTED on CONTACTS",
    "set GRANTED on API",
    "set GRANTED in a batch",
    "set DENIED on LEAD",
    "set DENIED on LEAD_CONTACTS",
    "set DENIED on ACCOUNT_CONTACTS",
    "set DENIED on CONTACTS",
    "set DENIED on API",
    "set DENIED in a batch",
    "bulk NOT_SET on LEAD",
    "bulk NOT_SET on LEAD_CONTACTS",
    "bulk NOT_SET on ACCOUNT_CONTACTS",
    "bulk NOT_SET on CONTACTS",
    "bulk NOT_SET on API",
    "bulk NOT_SET by filter",
    "bulk GRANTED on LEAD",
    "bulk GRANTED on LEAD_CONTACTS",
    "bulk GRANTED on ACCOUNT_CONTACTS",
    "bulk GRANTED on CONTACTS",
    "bulk GRANTED on API",
    "bulk GRANTED by filter",
    "bulk DENIED on LEAD",
    "bulk DENIED on LEAD_CONTACTS",
    "bulk DENIED on ACCOUNT_CONTACTS",
    "bulk DENIED on CONTACTS",
    "bulk DENIED on API",
    "bulk DENIED by filter",
    "withdraw on LEAD",
    "withdraw on LEAD_CONTACTS",
    "withdraw on ACCOUNT_CONTACTS",
    "withdraw on CONTACTS",
    "withdraw on API",
    "import nothing",
    "import NOT_SET",
    "import GRANTED",
    "import DENIED",
    "import opt-outs",
    "dry run of GRANTED",
    "dry run of DENIED",
    "dry run of opt-outs",
    "add an address",
    "change an address",
    "remove an address",
    "write an address in another format",
    "convert the lead",
    "link to a lead",
    "unlink from a lead",
    "link to an account",
    "unlink from an account",
    "delete",
    "delete and enter anew",
    "delete and import anew as GRANTED",
    "time passes",
    "merge with a NOT_SET one",
    "merge with a GRANTED one",
    "merge with a DENIED one",
    "undo a merge",
    "undo a merge after a refusal",
];

#[test]
fn every_cell_is_there_once() {
    let table = Table::read();
    let mut wrong = Vec::new();
    for event in EVENTS {
        for role in ROLES {
            for old in OLD_STATES {
                let cells = table.cells(event, role, old).len();
                if cells != 1 {
                    wrong.push(format!("{event}, {role}, {old}: {cells} cells"));
                }
            }
        }
    }
    let known = |event: &str, role: &str| EVENTS.contains(&event) && ROLES.contains(&role);
    let unknown = table.rows().filter(|(event, role)| !known(event, role));
    wrong.extend(unknown.map(|(event, role)| format!("{event}, {role}: nobody tries that")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Many are told what one is told: a difference in the table would be a mistake in it.
#[test]
fn a_bulk_change_is_written_as_one_by_one() {
    let table = Table::read();
    let mut compared = 0;
    for event in EVENTS.iter().filter(|event| event.starts_with("bulk ")) {
        let one = event.replace("bulk ", "set ").replace("by filter", "on CONTACTS");
        for role in ROLES {
            for old in OLD_STATES {
                let (many, one) = (table.cells(event, role, old), table.cells(&one, role, old));
                assert_eq!(many, one, "{event}, {role}, {old}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 18 * 12 * 4);
}

#[test]
fn phones_live_as_the_table_says_on_sqlite() {
    on_sqlite(&MIGRATIONS, |db| as_the_table_says(db, Channel::Phone));
}

#[test]
fn emails_live_as_the_table_says_on_postgres() {
    on_postgres(&MIGRATIONS, |db| as_the_table_says(db, Channel::Email));
}

async fn as_the_table_says(db: TestDb, channel: Channel) {
    // What a power cut would undo is not what this is about.
    let config = DbConfig { durability: Durability::ProcessDeath, ..db.config().clone() };
    let house = House::on(Db::connect(&config, &MIGRATIONS).await.unwrap(), LEASE_SECONDS).await;
    let (table, town) = (Table::read(), Town::found(&house, channel).await);
    let mut wrong = Vec::new();
    for (case, happened) in town.live().await {
        let [expected] = table.cells(case.event, case.role, case.old)[..] else { continue };
        if happened != expected {
            let (event, role, old) = (case.event, case.role, case.old);
            wrong.push(format!("{event}, {role}, {old}: expected {expected}, was {happened}"));
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}
