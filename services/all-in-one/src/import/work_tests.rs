#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;

use super::*;

type Filled = (Vec<Batch<Chunk>>, Result<(u64, u64), WorkError>);

fn fill(text: &str, size: usize) -> Filled {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let (batches, mut incoming) = mpsc::channel(100);
    let (announce, _announced) = oneshot::channel();
    let mut filling =
        Filling::new(Kind::People, size, TimeZone::UTC, Language::English, announce, batches);
    let read = source::read(file.path(), None, &mut |piece, place| filling.take(piece, place))
        .and_then(|()| filling.hand_over())
        .map(|()| (filling.rows, filling.blank));
    drop(filling);
    let mut taken = Vec::new();
    while let Some(batch) = incoming.blocking_recv() {
        taken.push(batch);
    }
    (taken, ended(Ok(read)))
}

const FILE: &str = "First Name,Phone,Phone Consent\n\
    a,0812345678,yes\n\
    ,,\n\
    b,0812345679,อาจจะ\n\
    c,0812345670,no\n\
    d,0812345671,\n";

#[test]
fn every_row_is_in_one_batch_whether_it_is_sent_or_not() {
    let (batches, read) = fill(FILE, 3);
    assert_eq!(read.unwrap(), (4, 1));
    let shape: Vec<(usize, usize)> =
        batches.iter().map(|batch| (batch.rows.len(), batch.kept.items.len())).collect();
    assert_eq!(shape, [(2, 3), (1, 1)]);
    let numbers: Vec<i64> =
        batches.iter().flat_map(|b| b.kept.items.iter().map(|item| item.line.number)).collect();
    assert_eq!(numbers, [2, 4, 5, 6]);
}

#[test]
fn a_batch_never_outgrows_a_message() {
    let row = format!("{},0812345678,yes\n", "ก".repeat(5_000));
    let text = format!("First Name,Phone,Phone Consent\n{}", row.repeat(300));
    let (batches, read) = fill(&text, 500);
    assert_eq!(read.unwrap().0, 300);
    assert!(batches.len() > 1);
    for batch in batches {
        let bytes: usize = batch.rows.iter().map(Message::encoded_len).sum();
        assert!(bytes < yinyom_rpc::MAX_MESSAGE_BYTES / 2);
    }
}

#[test]
fn a_file_without_a_header_of_ours_sends_nothing() {
    let (batches, read) = fill("x,y\na,b\n", 3);
    assert!(batches.is_empty());
    assert!(matches!(read, Err(WorkError::Headers(HeaderError::NoName))));
}

#[test]
fn answers_and_own_rejects_are_counted_in_the_order_of_the_file() {
    let (mut batches, _) = fill(FILE, 10);
    let batch = batches.pop().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rejects.csv");
    let headers = vec!["First Name".to_owned(), "Phone".to_owned(), "Phone Consent".to_owned()];
    let layout = Layout::of(Kind::People, headers.clone()).unwrap();
    let mut tally = Tally { rows: 4, ..Tally::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut progress = runtime.block_on(async { Progress::start() });
    let mut taking = Taking {
        reader: Arc::new(Reader::new(layout, TimeZone::UTC, Language::English)),
        rejects: Rejects::new(path.clone(), headers),
        path: path.clone(),
        tally: &mut tally,
        progress: &mut progress,
    };
    let refusal = yinyom_proto::types::v1::Refusal {
        field_violations: vec![yinyom_proto::types::v1::FieldViolation {
            field: "phones[0]".to_owned(),
            reason: "INVALID_PHONE".to_owned(),
            description: "must be a phone number.".to_owned(),
        }],
        ..Default::default()
    };
    let mut results: Vec<ImportRowResult> = batch
        .rows
        .iter()
        .map(|row| ImportRowResult {
            row_number: row.row_number,
            outcome: ImportOutcome::Created.into(),
            ..Default::default()
        })
        .collect();
    results[2].outcome = ImportOutcome::Rejected.into();
    results[2].refusal = Some(refusal);
    taking.take(&Answered { results, kept: batch.kept }).unwrap();
    taking.rejects.finish().unwrap();
    assert_eq!((tally.created, tally.rejected), (2, 2));
    assert!(tally.adds_up());
    let mut written = csv::Reader::from_path(path).unwrap();
    let rows: Vec<csv::StringRecord> = written.records().map(Result::unwrap).collect();
    assert_eq!((&rows[0][0], &rows[0][1], &rows[0][3]), ("4", "Phone Consent", "b"));
    assert_eq!((&rows[1][0], &rows[1][1], &rows[1][2]), ("6", "Phone", "must be a phone number."));
}
