//! A dry run tells what the import then does, row by row, and stores nothing.

use std::collections::HashMap;

use contact_directory::MIGRATIONS;
use contact_directory::api::wire::import::lines;
use contact_directory::commands::Error;
use contact_directory::commands::consents::{Saying, Word};
use contact_directory::commands::import::Became::{Created, Unchanged, Updated};
use contact_directory::commands::import::RowResult;
use contact_directory::commands::import::rehearsal::Rehearsal;
use contact_directory::commands::merges::Pair;
use contact_directory::domain::evidence::Evidence;
use contact_directory::domain::import::Kept;
use contact_directory::domain::set::Withdrawal;
use contact_directory::domain::surface::Place;
use yinyom_consent::Channel;
use yinyom_identity::{Caller, ServiceScope};
use yinyom_kernel::{ContactId, Fault};
use yinyom_proto::directory::v1::ImportRow;
use yinyom_testkit::{TestDb, both_databases};

use super::property::for_files;
use super::{DENIED, GRANTED, ONE, TWO, With, became, contact, import, row};
use crate::commands::everything;
use crate::support::House;

async fn rehearse(
    house: &House,
    caller: &Caller,
    rows: &[ImportRow],
    rehearsal: &mut Rehearsal,
) -> Result<Vec<RowResult>, Error> {
    house.directory.rehearse(caller, house.business, lines(rows), rehearsal).await
}

/// What a dry run tells of a file in batches of `size`.
async fn foretold(house: &House, rows: &[ImportRow], size: usize) -> Vec<RowResult> {
    let mut rehearsal = Rehearsal::default();
    let mut told = Vec::new();
    for batch in rows.chunks(size) {
        told.extend(rehearse(house, &house.owner, batch, &mut rehearsal).await.unwrap());
    }
    told
}

async fn withdraw(house: &House, contact: ContactId, channel: Channel) {
    let session = house.session(&house.owner).await;
    let word = Word::Withdraw(Withdrawal::read(&[Some(channel)]).unwrap());
    let (place, evidence) = (Place::Contacts, Evidence::default());
    let saying = Saying { contact, place, word, evidence, etag: String::new(), untimely: None };
    house.directory.say(&session, saying, None).await.unwrap();
}

/// The same results, where each contact that a dry run made up stands for one that was created.
fn same(told: &[RowResult], done: &[RowResult], known: &[ContactId]) {
    assert_eq!(told.len(), done.len());
    let mut stands_for = HashMap::new();
    let mut is = |one: ContactId, other: ContactId| {
        if known.contains(&one) || known.contains(&other) {
            assert_eq!(one, other);
        } else {
            assert_eq!(*stands_for.entry(one).or_insert(other), other);
        }
    };
    for (told, done) in told.iter().zip(done) {
        match (told, done) {
            (
                RowResult::Taken { became, contact, kept },
                RowResult::Taken { became: did, contact: of, kept: left },
            ) => {
                assert_eq!((became, kept), (did, left));
                is(*contact, *of);
            }
            (
                RowResult::Rejected { wrong, refuser },
                RowResult::Rejected { wrong: was, refuser: of },
            ) => {
                assert_eq!((wrong, refuser.is_some()), (was, of.is_some()));
                if let (Some(one), Some(other)) = (refuser, of) {
                    is(*one, *other);
                }
            }
            _ => panic!("told {told:?}, done {done:?}"),
        }
    }
}

/// Whatever was there, and however the rows meet each other within and across batches.
async fn a_dry_run_tells_what_the_import_then_does(db: TestDb) {
    for_files(&db, async |house, rows| {
        import(&house, &rows[..rows.len() / 2]).await;
        let there = house.contacts().await;
        for contact in there.iter().step_by(2) {
            withdraw(&house, contact.id, Channel::Phone).await;
        }
        // Some of them leave what they refused behind.
        let session = house.session(&house.owner).await;
        for contact in there.iter().step_by(4).filter(|contact| contact.points.len() == 1) {
            // Not the primary contact of a lead.
            let _ = house.directory.delete_contact(&session, contact.id, String::new(), None).await;
        }
        // And some are one by now, and known by what either was.
        if let [survivor, absorbed, ..] = &house.contacts().await[..] {
            let (survivor, absorbed) = (survivor.id, absorbed.id);
            let (survivor_etag, absorbed_etag) = <_>::default();
            let pair = Pair { survivor, absorbed, survivor_etag, absorbed_etag };
            house.directory.merge_contacts(&session, pair, None).await.unwrap();
        }
        let known: Vec<_> = house.contacts().await.iter().map(|contact| contact.id).collect();
        let size = 1 + rows.len() % 4;
        let mut file = rows.clone();
        file.reverse();
        file.extend(rows);
        // One that is rejected, and refuses all the same.
        file.insert(file.len() / 2, row("Person 1").id("C-1").phone("12").says(DENIED));

        let before = everything(&house).await;
        let told = foretold(&house, &file, size).await;
        assert_eq!(everything(&house).await, before, "a dry run stores nothing");
        let mut done = Vec::new();
        for batch in file.chunks(size) {
            done.extend(import(&house, batch).await);
        }
        same(&told, &done, &known);
    });
}

/// Each by the rule that could only be known from the batch before.
async fn rows_of_a_dry_run_meet_each_other_across_batches(db: TestDb) {
    let house = House::on(db.handle()).await;
    let batches = [
        // By its key, by what it is called, by its new address, by its new name.
        row("Somchai").id("C-1").phone(ONE).says(GRANTED).account("Acme").lead("Order", "fair"),
        row("Somchai").id("C-1").phone(ONE).says(GRANTED).account("ACME").lead("order", "Fair"),
        row("Somchai").id("C-1").phone(TWO),
        row("Anong").phone(ONE).says(DENIED),
        row("Anong").phone(ONE),
        // The same person under another key: what was refused a batch ago is not granted.
        row("Anong").id("C-2").phone(ONE).says(GRANTED),
        row("Renamed").id("C-2").phone(ONE),
        row("Renamed").id("C-3").phone(ONE).says(GRANTED),
    ];
    let told = foretold(&house, &batches, 1).await;
    let expected = [Created, Unchanged, Updated, Created, Unchanged, Created, Updated, Created];
    assert_eq!(became(&told), expected.map(Some));
    let mut done = Vec::new();
    for batch in &batches {
        done.extend(import(&house, std::slice::from_ref(batch)).await);
    }
    same(&told, &done, &[]);
}

/// A merged contact's name stands for the one that stayed, whatever the dry run would have made of that one since.
async fn a_dry_run_knows_what_merged_contacts_were_called(db: TestDb) {
    let house = House::on(db.handle()).await;
    let there = [row("Stayed").id("C-1").phone(ONE), row("Went").id("C-2").phone(ONE).says(DENIED)];
    let ids: Vec<_> = import(&house, &there).await.iter().map(contact).collect();
    let (survivor_etag, absorbed_etag) = <_>::default();
    let pair = Pair { survivor: ids[0], absorbed: ids[1], survivor_etag, absorbed_etag };
    let session = house.session(&house.owner).await;
    house.directory.merge_contacts(&session, pair, None).await.unwrap();
    let file = [
        row("Renamed").id("C-1").phone(ONE),
        row("Went").id("C-2").phone(ONE),
        row("Went").id("C-3").phone(ONE).says(GRANTED),
        row("Renamed").id("C-4").phone(ONE).says(GRANTED),
        row("Stayed").id("C-5").phone(ONE).says(GRANTED),
    ];
    let told = foretold(&house, &file, 1).await;
    let mut done = Vec::new();
    for batch in &file {
        done.extend(import(&house, std::slice::from_ref(batch)).await);
    }
    same(&told, &done, &[ids[0]]);
    let kept = |result: &RowResult| match result {
        RowResult::Taken { kept, .. } => kept.phone,
        RowResult::Rejected { .. } => panic!("rejected"),
    };
    let denied = Some(Kept::Denied);
    assert_eq!(told[2..].iter().map(kept).collect::<Vec<_>>(), [denied, denied, None]);
}

async fn a_dry_run_gives_a_business_no_keys(db: TestDb) {
    const KEYS: &str = "SELECT COUNT(*) FROM business_keys WHERE business_id = $1";
    let house = House::on(db.handle()).await;
    let rows = [row("Somchai").phone(ONE).says(GRANTED), row("Somchai").phone(ONE)];
    assert_eq!(became(&foretold(&house, &rows, 1).await), [Some(Created), Some(Unchanged)]);
    assert_eq!(house.count(KEYS).await, 0);
    import(&house, &rows).await;
    assert_eq!(house.count(KEYS).await, 2);
}

async fn a_stream_that_has_met_its_rows_is_alone_with_them(db: TestDb) {
    let house = House::on(db.handle()).await;
    let rows = [row("Somchai").id("C-1").phone(ONE)];
    let mut one = Rehearsal::default();
    let told = rehearse(&house, &house.owner, &rows, &mut one).await.unwrap();
    assert!(one.made(contact(&told[0])));
    let (again, other) = (&mut one, &mut Rehearsal::default());
    assert_eq!(
        became(&rehearse(&house, &house.owner, &rows, again).await.unwrap()),
        [Some(Unchanged)]
    );
    assert_eq!(
        became(&rehearse(&house, &house.admin, &rows, other).await.unwrap()),
        [Some(Created)]
    );
    // What somebody stores meanwhile is seen.
    let stored = import(&house, &rows).await;
    let told = rehearse(&house, &house.admin, &rows, &mut Rehearsal::default()).await.unwrap();
    assert_eq!((became(&told)[0], contact(&told[0])), (Some(Unchanged), contact(&stored[0])));
}

/// What a row would do tells as much as what it does.
async fn a_dry_run_is_for_who_may_import(db: TestDb) {
    let house = House::on(db.handle()).await;
    let of = async |caller: &Caller| {
        let rows = [row("Somchai").phone(ONE)];
        rehearse(&house, caller, &rows, &mut Rehearsal::default()).await
    };
    let scoped = House::service(&[ServiceScope::AddressesRead]);
    for caller in [&house.owner, &house.admin, &house.listed, &scoped] {
        assert_eq!(became(&of(caller).await.unwrap()), [Some(Created)]);
    }
    for caller in [&house.user, &House::service(&[])] {
        assert_eq!(of(caller).await.unwrap_err().reason(), "IMPORT_NOT_ALLOWED");
    }
    house.lapse();
    assert_eq!(of(&house.owner).await.unwrap_err().reason(), "POLICY_UNAVAILABLE");
}

both_databases!(MIGRATIONS =>
    a_dry_run_tells_what_the_import_then_does,
    rows_of_a_dry_run_meet_each_other_across_batches,
    a_dry_run_knows_what_merged_contacts_were_called,
    a_dry_run_gives_a_business_no_keys,
    a_stream_that_has_met_its_rows_is_alone_with_them,
    a_dry_run_is_for_who_may_import,
);
