//! Whoever writes to the ledger's table, and rewrites its hashes, is found with a checkpoint and a public key, and the
//! record is named. The long form is `make tamper`.

use consent_manager::MIGRATIONS;
use yinyom_testkit::{TestDb, both_databases};
use yinyom_tests::tamper;

async fn every_crime_is_found_and_each_record_named(db: TestDb) {
    let tally = tamper::commit(&db, 120, 3).await;
    assert_eq!(tally.len(), 12, "each kind was tried: {tally:?}");
}

both_databases!(MIGRATIONS => every_crime_is_found_and_each_record_named);
