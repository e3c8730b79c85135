//! An import: goal 8.

use std::rc::Rc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::JoinSet;
use tokio::time::Instant;
use yinyom_testkit::TestDb;

use crate::goal::{Bar, Goal, Sides};
use crate::stage::{CONTACTS, OnPostgres, Stage, on_server};
use crate::town::{BATCH, Town};

/// What an import fills, but for the outbox.
const TABLES: [&str; 5] =
    ["contacts", "contact_points", "contact_fingerprints", "address_tallies", "contact_counts"];
const AT_ONCE: usize = 4;
/// Rows of a sample, for each second that it shall last: about.
const OF_A_SECOND: usize = 4_000;

struct Imports {
    on: Rc<OnPostgres>,
    town: Town,
    rows: usize,
    /// An empty directory, and what is copied into it.
    empty: String,
    _empty: TestDb,
    copies: Vec<Vec<bytes::Bytes>>,
}

#[tonic::async_trait(?Send)]
impl Sides for Imports {
    /// As often as there is time, with the tables emptied meanwhile.
    async fn limit(&mut self, lasts: Duration) -> f64 {
        let mut there = PgConnection::connect(&self.empty).await.expect("a connection");
        // Rows of foreign keys and of triggers are among those that are copied.
        there.execute("SET session_replication_role = replica").await.expect("a setting");
        let (mut rows, mut took) = (0, Duration::ZERO);
        while took < lasts {
            let empty = format!("TRUNCATE {} CASCADE", TABLES.join(", "));
            there.execute(AssertSqlSafe(empty)).await.expect("empty tables");
            let began = Instant::now();
            there.execute("BEGIN").await.expect("a transaction");
            for (table, bytes) in TABLES.iter().zip(&self.copies) {
                let copy = format!("COPY {table} FROM STDIN (FORMAT binary)");
                let mut copy = there.copy_in_raw(&copy).await.expect("a copy");
                for bytes in bytes {
                    copy.send(&bytes[..]).await.expect("rows");
                }
                copy.finish().await.expect("a copy");
            }
            there.execute("COMMIT").await.expect("a commit");
            took += began.elapsed();
            rows += CONTACTS;
        }
        rows as f64 / took.as_secs_f64()
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        let of_each =
            (OF_A_SECOND * lasts.as_secs().max(1) as usize / AT_ONCE).next_multiple_of(BATCH);
        let (began, mut imports) = (Instant::now(), JoinSet::new());
        for _ in 0..AT_ONCE {
            let rows = self.rows..self.rows + of_each;
            self.rows = rows.end;
            let (directory, town) = (self.on.services.directory, self.town.clone());
            imports.spawn(async move {
                Town::import_into(directory, &town.name, &town.owner, rows).await.len()
            });
        }
        let rows: usize = imports.join_all().await.into_iter().sum();
        let took = began.elapsed();
        self.town.until_in_the_ledger(&self.on.services).await;
        rows as f64 / took.as_secs_f64()
    }
}

/// Goal 8.
pub async fn imports(stage: &mut Stage) -> Goal {
    let on = stage.postgres().await;
    let town = Town::found(&on.services, 0).await;
    let empty_db = yinyom_testkit::postgres(&contact_directory::MIGRATIONS).await;
    let empty = on_server(stage.server(), &empty_db.config().url);
    let mut copies = Vec::new();
    let mut there = on.limits_session().await;
    for table in TABLES {
        let copy = format!("COPY {table} TO STDOUT (FORMAT binary)");
        let stream = there.copy_out_raw(&copy).await.expect("a copy");
        copies.push(stream.boxed().try_collect().await.expect("rows"));
    }
    drop(there);
    Goal {
        id: "8",
        what: "ImportContacts, 4 at once",
        against: "COPY into the same tables, no triggers",
        unit: "contacts/s",
        bar: Bar::AtLeast(0.25),
        sides: Box::new(Imports { on, town, rows: 0, empty, _empty: empty_db, copies }),
    }
}
