//! What was asked for and what was answered, on disk before it counts.
//!
//! An intent is there before its request leaves. An outcome is there before anybody builds on it. What the verdict
//! knows of the clients is this file and nothing else. It names things by ids and marks, never by an address.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use crate::Failure;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Entry {
    /// A client is about to ask for something.
    Intent { op: u64, what: What },
    /// What came of it, after as many attempts as it took.
    Outcome { op: u64, end: End },
    /// The same request was sent again after it had been answered.
    Repeat { op: u64, end: End },
    /// A reader saw what the rules hide.
    Revealed { contact: Uuid, how: String },
    /// A reader saw a state from before the last acknowledged change.
    Stale { contact: Uuid, how: String },
    /// Something breaks, or is whole again. For who reads the journal.
    Fault { what: String, over: bool },
}

/// An entry with its time, in milliseconds since the journal began. For who reads the journal.
#[derive(Serialize, Deserialize)]
struct Line {
    at: u64,
    #[serde(flatten)]
    entry: Entry,
}

/// What is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum What {
    /// Consent is set or withdrawn; several rows are one batch.
    Say { rows: Vec<Row>, expect: Expect },
    /// A contact whose last name is `mark`.
    Create { mark: String },
    /// A rule of a business: the switch, a viewer, a role.
    Rule { business: Uuid, rule: String, value: String },
}

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// Either.
    Any,
    /// It is a customer's refusal, say, which is always taken.
    Taken,
    /// It names a false surface, say, or another request's id.
    Refused,
}

/// What is said of one contact: the codes of the states, as ledger and wire have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub contact: Uuid,
    /// Stands in the ledger as the notice version.
    pub mark: String,
    pub phone: Option<i32>,
    pub email: Option<i32>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    Said(Vec<RowEnd>),
    Created(Uuid),
    Kept,
    /// By a rule, for good.
    Refused(String),
}

/// What was answered to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowEnd {
    /// Recorded, with this `consent_seq`.
    At(i64),
    Refused(String),
}

/// A word for `number` that holds no digit: what looks like a phone number is refused as evidence.
pub fn mark(mut number: u64) -> String {
    let mut word = String::from("m");
    loop {
        let digit = u8::try_from(number % 26).unwrap_or_default();
        word.push(char::from(b'a' + digit));
        number /= 26;
        if number == 0 {
            return word;
        }
    }
}

type Waiting = (String, oneshot::Sender<()>);

/// Writes entries; those that wait at the same time share a flush. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    began: Instant,
    lines: mpsc::Sender<Waiting>,
}

impl Journal {
    /// A new one.
    pub fn create(path: PathBuf) -> Result<Self, Failure> {
        let mut file = File::create_new(path)?;
        let (lines, waiting) = mpsc::channel::<Waiting>();
        std::thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let batch: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
                let text: String = batch.iter().map(|(line, _)| line.as_str()).collect();
                // Unwritten, it is not acknowledged, and whoever waits says so.
                if file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).is_err() {
                    return;
                }
                for (_, done) in batch {
                    let _ = done.send(());
                }
            }
        });
        Ok(Self { began: Instant::now(), lines })
    }

    /// Returns once the entry is on disk.
    pub async fn write(&self, entry: Entry) -> Result<(), Failure> {
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line = serde_json::to_string(&Line { at, entry })? + "\n";
        let (done, written) = oneshot::channel();
        let lost = || Failure::Setup("the journal cannot be written".into());
        self.lines.send((line, done)).map_err(|_| lost())?;
        written.await.map_err(|_| lost())
    }
}

/// All entries of a journal.
pub fn read(path: &Path) -> Result<Vec<Entry>, Failure> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines.map(|line| Ok(serde_json::from_str::<Line>(&line?)?.entry)).collect()
}

/// The rules that a journal's acknowledged changes come to.
pub fn rules(entries: &[Entry]) -> BTreeMap<(Uuid, String), String> {
    let mut asked = BTreeMap::new();
    let mut rules = BTreeMap::new();
    for entry in entries {
        match entry {
            Entry::Intent { op, what: What::Rule { business, rule, value } } => {
                asked.insert(*op, ((*business, rule.clone()), value.clone()));
            }
            Entry::Outcome { op, end: End::Kept } => {
                if let Some((rule, value)) = asked.remove(op) {
                    rules.insert(rule, value);
                }
            }
            _ => {}
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn marks_are_distinct_and_hold_no_digit() {
        let marks: HashSet<_> = (0..20_000).map(mark).collect();
        assert_eq!(marks.len(), 20_000);
        assert!(marks.iter().all(|mark| mark.chars().all(|c| c.is_ascii_lowercase())));
    }
}
