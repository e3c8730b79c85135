//! The journal by what was asked for.

use std::collections::BTreeMap;

use crate::journal::{End, Entry, Row, RowEnd, What};

/// A request and its outcome.
pub struct Request<'a> {
    pub what: &'a What,
    pub end: Option<&'a End>,
}

/// A row of a request, with where in the journal it stands.
pub struct Saying<'a> {
    pub row: &'a Row,
    pub answered: bool,
    /// What its reply told.
    pub seq: Option<i64>,
    pub intent: usize,
    pub outcome: usize,
}

/// The journal by what was asked for.
pub struct Asked<'a> {
    pub requests: BTreeMap<u64, Request<'a>>,
    pub repeats: Vec<(u64, &'a End)>,
    pub sayings: Vec<Saying<'a>>,
    pub creations: Vec<(&'a str, Option<&'a End>)>,
}

impl<'a> Asked<'a> {
    pub fn read(journal: &'a [Entry]) -> Self {
        let mut ends = BTreeMap::new();
        let mut repeats = Vec::new();
        for (place, entry) in journal.iter().enumerate() {
            match entry {
                Entry::Outcome { op, end } => {
                    ends.insert(*op, (place, end));
                }
                Entry::Repeat { op, end } => repeats.push((*op, end)),
                _ => {}
            }
        }
        let mut asked =
            Self { requests: BTreeMap::new(), repeats, sayings: Vec::new(), creations: Vec::new() };
        for (intent, entry) in journal.iter().enumerate() {
            let Entry::Intent { op, what } = entry else { continue };
            let outcome = ends.get(op).copied();
            let end = outcome.map(|(_, end)| end);
            asked.requests.insert(*op, Request { what, end });
            match what {
                What::Say { rows, .. } => {
                    let outcome = outcome.map_or(usize::MAX, |(place, _)| place);
                    asked.sayings.extend(rows.iter().enumerate().map(|(i, row)| Saying {
                        row,
                        answered: end.is_some(),
                        seq: end.and_then(|end| seq(end, i)),
                        intent,
                        outcome,
                    }));
                }
                What::Create { mark } => asked.creations.push((mark, end)),
                What::Rule { .. } => {}
            }
        }
        asked
    }
}

fn seq(end: &End, row: usize) -> Option<i64> {
    match end {
        End::Said(rows) => match rows.get(row)? {
            RowEnd::At(seq) => Some(*seq),
            RowEnd::Refused(_) => None,
        },
        _ => None,
    }
}
