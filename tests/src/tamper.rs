//! Somebody who holds the manager's database, and not its key: edits, deletes, inserts, swaps, cuts off and rolls back,
//! and rewrites the hashes that are stored. Whether an audit names each record that is not what it was.
//!
//! Each case happens in a transaction that is rolled back; what an export would have read in it is verified line by line,
//! with a checkpoint and the public key alone.

mod book;
mod crime;

use std::collections::BTreeMap;
use std::sync::Arc;

use consent_manager::Notary;
use consent_manager::store::{StoreError, ledger};
use rand::SeedableRng;
use rand::rngs::StdRng;
use yinyom_consent::ConsentChange;
use yinyom_db::{Db, Tx};
use yinyom_testkit::TestDb;
use yinyom_transparency::{Audit, Checkpoint, Finding, PublicKeys, Record, What};

pub use book::Book;
pub use crime::Crime;

/// How many records the ledger has, and how many of them the kept checkpoint covers.
pub const RECORDS: u64 = 120;
pub const KEPT: u64 = 80;

/// What was done, how often.
pub type Tally = BTreeMap<&'static str, u64>;

/// Commits so many crimes, one after another, and panics at one that is not found or not named.
pub async fn commit(db: &TestDb, cases: u64, seed: u64) -> Tally {
    let book = Book::write(db).await;
    assert!(differences(&book.records, &book.records, KEPT).is_empty());
    assert_eq!(audit(&book.checkpoint, &book.keys, &book.records), []);
    // Who holds the database is bound by no row-level security.
    let all = db.unbound().await;
    let mut dice = StdRng::seed_from_u64(seed);
    let mut tally = Tally::new();
    let mut case = 0;
    while case < cases {
        let crime = Crime::any(&mut dice);
        let (did, exported) = after(&all, &book, crime.clone()).await;
        let differing = differences(&book.records, &exported, KEPT);
        if differing.is_empty() {
            assert!(!did || crime.cuts_off_above(KEPT), "an export does not show {crime:?}");
            continue;
        }
        let found = audit(&book.checkpoint, &book.keys, &exported);
        judge(&crime, &exported, &differing, &found)
            .unwrap_or_else(|wrong| panic!("case {case} of seed {seed}: {crime:?}: {wrong}"));
        *tally.entry(crime.name()).or_default() += 1;
        case += 1;
    }
    tally
}

/// Whether it changed anything, and what an export reads then. Nothing of it stays.
async fn after(db: &Db, book: &Book, crime: Crime) -> (bool, Vec<Record>) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let (other, notary) = (book.other, Arc::clone(&book.notary));
    let undone: Result<(), StoreError> = db
        .write(book.scope, move |mut tx| async move {
            let did = crime.commit(&mut tx, other).await?;
            let _ = sender.send((did, export(&mut tx, &notary).await?));
            Err(StoreError::Unreadable("on purpose: it is rolled back"))
        })
        .await;
    assert!(matches!(undone, Err(StoreError::Unreadable(_))), "{undone:?}");
    receiver.await.unwrap()
}

/// As `ExportLedger` reads them, and as its file holds them.
async fn export(tx: &mut Tx, notary: &Notary) -> Result<Vec<Record>, StoreError> {
    let last = ledger::last_index(tx).await?.unwrap_or(-1);
    let records = ledger::records(tx, notary, 0, last.saturating_add(1), i64::MAX).await?;
    let lines = records.iter().map(|record| record.to_line().unwrap());
    Ok(lines.map(|line| Record::from_line(line.as_bytes()).unwrap()).collect())
}

fn audit(kept: &Checkpoint, keys: &PublicKeys, records: &[Record]) -> Vec<Finding> {
    let mut audit = Audit::new(kept, &[], keys.clone(), ConsentChange::name_of).unwrap();
    let mut found: Vec<_> = records.iter().flat_map(|record| audit.record(Some(record))).collect();
    found.extend(audit.finish().0);
    found
}

/// The indexes at which an export is not what it was, as far as a checkpoint of `kept` records promises to show it: whatever
/// is there and differs, and whatever is missing below `kept` or before a record that is there.
fn differences(original: &[Record], exported: &[Record], kept: u64) -> Vec<u64> {
    let by_index = |records: &[Record]| -> BTreeMap<u64, Record> {
        records.iter().map(|record| (record.index, record.clone())).collect()
    };
    let (was, is) = (by_index(original), by_index(exported));
    let reach = is.keys().last().map_or(0, |last| last + 1).max(kept);
    (0..reach).filter(|index| was.get(index) != is.get(index)).collect()
}

/// Each difference is named, and nothing else is; a record that is there is named with contact and number.
fn judge(
    crime: &Crime,
    exported: &[Record],
    differing: &[u64],
    found: &[Finding],
) -> Result<(), String> {
    let mut named = BTreeMap::new();
    for finding in found {
        let last = match finding.what {
            What::MissingTo(last) => last,
            _ => finding.index,
        };
        named.extend((finding.index..=last).map(|index| (index, *finding)));
    }
    for index in differing {
        let Some(finding) = named.remove(index) else {
            return Err(format!("record {index} is not named"));
        };
        let there = exported.iter().find(|record| record.index == *index);
        let change = there.map(|record| (record.contact, record.seq));
        if finding.change != change {
            return Err(format!("record {index} is named as {finding}, and is {change:?}"));
        }
    }
    match named.into_iter().next() {
        None => Ok(()),
        Some((index, finding)) => {
            Err(format!("{index} is as it was after {}: {finding}", crime.name()))
        }
    }
}
