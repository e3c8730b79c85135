//! A change of a whole directory goes on by itself, whoever kills the program in the middle of it.
//!
//! `make bulk` does the same to 100,000 contacts.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::time::Duration;

use prost::Message;
use tokio::time::Instant;
use tonic::Status;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::bulk_consent_service_client::BulkConsentServiceClient;
use yinyom_proto::directory::v1::bulk_set_result::Result as Became;
use yinyom_proto::directory::v1::outbox_service_client::OutboxServiceClient;
use yinyom_proto::longrunning::operations_client::OperationsClient;
use yinyom_proto::longrunning::{GetOperationRequest, Operation};
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};

use crate::program::Yinyom;

/// Of which parts of the way it is killed at the end, in percent.
const DEATHS: [i64; 3] = [5, 45, 80];

const PATIENCE: Duration = Duration::from_mins(20);

/// What the ledger has of each contact's phone, oldest first: why, and what it came to.
type Told = HashMap<String, Vec<(String, String)>>;

#[tokio::test]
async fn a_bulk_change_that_is_killed_again_and_again_reaches_each_contact_once() {
    let contacts: usize =
        std::env::var("YINYOM_BULK_CONTACTS").ok().map_or(2_000, |number| number.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut yinyom = Yinyom::start(dir.path(), &[]);
    let file = dir.path().join("many.csv");
    fs::write(&file, people(contacts)).unwrap();
    let begun = Instant::now();
    let imported = yinyom.run(&["import", file.to_str().unwrap(), "--batch", "500"]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    println!("{contacts} contacts imported in {:?}", begun.elapsed());

    let (begun, name) = (Instant::now(), begin(&yinyom).await);
    let mut seen = dir::BulkSetContactConsentsMetadata::default();
    let mut deaths = DEATHS.into_iter().peekable();
    let mut killed = 0;
    loop {
        assert!(begun.elapsed() < PATIENCE, "{seen:?}");
        let (operation, now) = look(&yinyom, &name).await.unwrap();
        assert_eq!(now.done_count, now.recorded_count + now.refused_count);
        for (before, now) in [
            (seen.done_count, now.done_count),
            (seen.recorded_count, now.recorded_count),
            (seen.refused_count, now.refused_count),
        ] {
            assert!(before <= now, "it goes back: {before} {now}");
        }
        seen = now;
        if operation.done {
            break;
        }
        if deaths.next_if(|percent| seen.done_count * 100 >= percent * seen.total_count).is_some() {
            println!("killed at {} of {}", seen.done_count, seen.total_count);
            yinyom.kill();
            yinyom = Yinyom::start(dir.path(), &[]);
            killed += 1;
        }
    }
    let took = begun.elapsed();
    println!("{} contacts in {took:?}, killed {killed} times on the way", seen.total_count);
    assert!(killed > 0, "in the middle");
    assert!(seen.total_count >= i64::try_from(contacts).unwrap(), "and those of the demo");
    assert_eq!((seen.done_count, seen.refused_count), (seen.total_count, 0));

    // Each contact has one outcome, and its ledger has that very change, once.
    let outcomes = outcomes(&yinyom, &name).await;
    assert_eq!(i64::try_from(outcomes.len()).unwrap(), seen.total_count);
    let told = until_told(&yinyom, dir.path(), outcomes.len()).await;
    let set = ("SET".to_owned(), "DENIED".to_owned());
    let mut imported = 0;
    for (contact, seq) in outcomes {
        let changes = &told[&contact];
        assert_eq!(changes.last(), Some(&set), "{contact}: nothing came after it");
        if seq == 2 {
            // Created, and then changed by this: each once.
            assert_eq!(changes.len(), 2, "{contact} {changes:?}");
            imported += 1;
        }
    }
    assert!(imported >= contacts, "all but those of the demo: {imported}");
    drop(yinyom);
}

fn people(number: usize) -> String {
    let mut file = "External ID,First Name,Last Name\n".to_owned();
    for i in 0..number {
        writeln!(file, "bulk-{i},สมชาย,ที่ {i}").unwrap();
    }
    file
}

/// All customers refuse calls: the owner says so of the whole directory.
async fn begin(yinyom: &Yinyom) -> String {
    let token = yinyom.token("OWNER", false);
    let mut bulk = BulkConsentServiceClient::new(yinyom.connect("directory", &token));
    let all = dir::BulkSetContactConsentsRequest {
        parent: yinyom.business(),
        filter: Some(dir::ContactFilter::default()),
        surface: Surface::Contacts.into(),
        assignments: vec![dir::ConsentAssignment {
            channel: Channel::Phone.into(),
            state: ConsentState::Denied.into(),
            expire_time: None,
        }],
        ..Default::default()
    };
    let begun = bulk.bulk_set_contact_consents(all).await.unwrap().into_inner();
    assert!(!begun.done);
    begun.name
}

async fn look(
    yinyom: &Yinyom,
    name: &str,
) -> Result<(Operation, dir::BulkSetContactConsentsMetadata), Status> {
    let token = yinyom.token("OWNER", false);
    let mut operations = OperationsClient::new(yinyom.connect("directory", &token));
    let get = GetOperationRequest { name: name.to_owned() };
    let operation = operations.get_operation(get).await?.into_inner();
    let metadata = operation.metadata.as_ref().unwrap();
    assert!(metadata.type_url.ends_with("/yinyom.directory.v1.BulkSetContactConsentsMetadata"));
    let metadata = dir::BulkSetContactConsentsMetadata::decode(&metadata.value[..]).unwrap();
    Ok((operation, metadata))
}

/// Each contact with the number of its change.
async fn outcomes(yinyom: &Yinyom, name: &str) -> HashMap<String, i64> {
    let token = yinyom.token("OWNER", false);
    let mut bulk = BulkConsentServiceClient::new(yinyom.connect("directory", &token));
    let (mut all, mut page_token) = (HashMap::new(), String::new());
    loop {
        let ask = dir::ListBulkSetResultsRequest {
            operation: name.to_owned(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let page = bulk.list_bulk_set_results(ask).await.unwrap().into_inner();
        for row in page.results {
            let Some(Became::ConsentSeq(seq)) = row.result else { panic!("{row:?}") };
            assert_eq!(all.insert(row.contact, seq), None, "twice");
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

/// What the ledger has of phones, once nothing waits for it any more.
async fn until_told(yinyom: &Yinyom, dir: &std::path::Path, contacts: usize) -> Told {
    let begun = Instant::now();
    let token = yinyom.token("OWNER", false);
    let mut outbox = OutboxServiceClient::new(yinyom.connect("directory", &token));
    loop {
        let ask = dir::GetOutboxStatusRequest { parent: yinyom.business() };
        let status = outbox.get_outbox_status(ask).await.unwrap().into_inner();
        if status.backlog == 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the ledger is told: {status:?}");
        tokio::task::yield_now().await;
    }
    println!("the ledger had all of them {:?} later", begun.elapsed());
    let file = dir.join("changes.jsonl");
    let path = file.to_str().unwrap();
    let export = yinyom.run(&["export", "--what", "changes", "--format", "jsonl", "--out", path]);
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let mut told = Told::new();
    for line in fs::read_to_string(&file).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        if row["channel"] == "PHONE" {
            let of = told.entry(row["contact"].as_str().unwrap().to_owned()).or_default();
            let word = |of: &str| row[of].as_str().unwrap_or_default().to_owned();
            of.push((word("cause"), word("to_state")));
        }
    }
    assert!(told.len() >= contacts, "{} of {contacts}", told.len());
    told
}
