//! The same file twice at the same moment, through two replicas.

use contact_directory::MIGRATIONS;
use contact_directory::api::wire::import::lines;
use contact_directory::commands::import::Became;
use contact_directory::commands::import::Became::{Created, Unchanged};
use yinyom_db::Db;
use yinyom_proto::directory::v1::ImportRow;
use yinyom_testkit::{TestDb, both_databases};

use super::{GRANTED, With, became, row};
use crate::support::House;

fn file(round: usize) -> Vec<ImportRow> {
    let person = |n: usize| {
        let name = format!("Person {round} {n}");
        let row = row(&name)
            .phone(&format!("08{:08}", round * 1_000 + n))
            .account(&format!("Account {round} {}", n % 3))
            .lead("Order", "fair")
            .says(GRANTED);
        // Half of them are matched by the business's own key.
        if n.is_multiple_of(2) { row } else { row.id(&name) }
    };
    (0..40).map(person).collect()
}

async fn one_file_imported_twice_at_once_creates_nobody_twice(db: TestDb) {
    const ROUNDS: usize = 8;
    let house = House::on(db.handle()).await;
    let other = house.replica(Db::connect(db.config(), &MIGRATIONS).await.unwrap());
    for round in 0..ROUNDS {
        let rows = file(round);
        let mut backwards = rows.clone();
        backwards.reverse();
        let (one, two) = tokio::join!(
            house.directory.import(&house.owner, house.business, lines(&rows), None),
            other.import(&house.admin, house.business, lines(&backwards), None),
        );
        let count = |wanted: Became| {
            let (one, two) = (became(one.as_ref().unwrap()), became(two.as_ref().unwrap()));
            one.into_iter().chain(two).filter(|became| *became == Some(wanted)).count()
        };
        assert_eq!((count(Created), count(Unchanged)), (40, 40), "round {round}");
    }
    for (table, rows) in [
        ("SELECT COUNT(*) FROM contacts WHERE business_id = $1", 40),
        ("SELECT COUNT(*) FROM accounts WHERE business_id = $1", 3),
        ("SELECT COUNT(*) FROM leads WHERE business_id = $1", 40),
        ("SELECT COUNT(*) FROM outbox WHERE business_id = $1", 40),
    ] {
        assert_eq!(house.count(table).await, rows * i64::try_from(ROUNDS).unwrap(), "{table}");
    }
    house.ledger().await;
}

both_databases!(MIGRATIONS => one_file_imported_twice_at_once_creates_nobody_twice);
