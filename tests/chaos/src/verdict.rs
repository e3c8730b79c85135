//! Compares what clients were told with what is there: lost, duplicated, out of order, undone, revealed, miscounted.
//!
//! It knows the journal and the tables, and nothing of how they came to be.

mod asked;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use self::asked::{Asked, Saying};
use crate::journal::{End, Entry, Expect, RowEnd, What, rules};
use crate::tables::{ContactRow, LedgerRow, Tables};

/// What is wrong, in words without personal data.
#[derive(Debug, Default)]
pub struct Findings {
    /// An acknowledged change that is not in the ledger, or one that was never answered or never delivered.
    pub lost: Vec<String>,
    /// A change that is there twice, or that nobody asked for.
    pub duplicated: Vec<String>,
    /// A change at another number than its reply told, or before one that it came after.
    pub out_of_order: Vec<String>,
    /// An acknowledged write whose effect is missing, or a refused one whose effect is there.
    pub undone: Vec<String>,
    /// An address that was shown to somebody who had lost the sight of it.
    pub revealed: Vec<String>,
    /// A write that is always taken, and was not.
    pub wrongly_refused: Vec<String>,
    /// A count of the manager's that its ledger does not bear out.
    pub miscounted: Vec<String>,
}

impl Findings {
    /// Each kind with its name, in the order of the report.
    pub fn kinds(&self) -> [(&'static str, &Vec<String>); 7] {
        [
            ("lost", &self.lost),
            ("duplicated", &self.duplicated),
            ("out of order", &self.out_of_order),
            ("undone", &self.undone),
            ("revealed", &self.revealed),
            ("wrongly refused", &self.wrongly_refused),
            ("miscounted", &self.miscounted),
        ]
    }

    /// Whether nothing is wrong.
    pub fn none(&self) -> bool {
        self.kinds().iter().all(|(_, findings)| findings.is_empty())
    }
}

/// Compares.
pub fn compare(journal: &[Entry], tables: &Tables) -> Findings {
    let asked = Asked::read(journal);
    let mut findings = Findings::default();
    seen_by_readers(&mut findings, journal);
    answers(&mut findings, &asked);
    sayings(&mut findings, &asked, tables);
    creations(&mut findings, &asked, tables);
    streams(&mut findings, tables);
    current(&mut findings, tables);
    order(&mut findings, &asked);
    audit(&mut findings, tables);
    findings.miscounted.clone_from(&tables.miscounted);
    if tables.waiting + tables.stalled > 0 {
        let text = format!("{} changes wait, {} streams stand", tables.waiting, tables.stalled);
        findings.lost.push(text);
    }
    for ((business, rule), value) in rules(journal) {
        let text = format!("{rule} of business {business} is not {value}");
        let is = tables.rules.get(&(business, rule)).map_or("false", String::as_str);
        if is != value {
            findings.undone.push(text);
        }
    }
    findings
}

fn seen_by_readers(findings: &mut Findings, journal: &[Entry]) {
    for entry in journal {
        match entry {
            Entry::Revealed { contact, how } => {
                findings.revealed.push(format!("contact {contact}: {how}"));
            }
            Entry::Stale { contact, how } => {
                findings.undone.push(format!("contact {contact} read as before: {how}"));
            }
            _ => {}
        }
    }
}

/// What must be refused is; what must be taken is; a repeated request is answered as before.
fn answers(findings: &mut Findings, asked: &Asked<'_>) {
    for (op, request) in &asked.requests {
        let Some(end) = request.end else {
            findings.lost.push(format!("request {op} was never answered"));
            continue;
        };
        let expect = match request.what {
            What::Say { expect, .. } => *expect,
            What::Create { .. } | What::Rule { .. } => Expect::Taken,
        };
        let refused = |row: &RowEnd| matches!(row, RowEnd::Refused(_));
        let refusal = match end {
            End::Refused(reason) => Some(reason.as_str()),
            End::Said(rows) if rows.iter().any(refused) => Some("a row"),
            _ => None,
        };
        match (expect, refusal) {
            (Expect::Taken, Some(reason)) => {
                findings.wrongly_refused.push(format!("request {op}: {reason}"));
            }
            (Expect::Refused, None) => {
                findings.undone.push(format!("request {op} was to be refused, and was taken"));
            }
            _ => {}
        }
    }
    for (op, again) in &asked.repeats {
        let first = asked.requests.get(op).and_then(|request| request.end);
        if first.is_some_and(|first| !same(first, again)) {
            findings.duplicated.push(format!("request {op} was answered otherwise when repeated"));
        }
    }
}

/// Whether a repeated request was told the same; how a refused row is worded is not looked at.
fn same(first: &End, again: &End) -> bool {
    match (first, again) {
        (End::Said(first), End::Said(again)) => {
            let seq = |end: &RowEnd| match end {
                RowEnd::At(seq) => Some(*seq),
                RowEnd::Refused(_) => None,
            };
            first.iter().map(seq).eq(again.iter().map(seq))
        }
        (first, again) => first == again,
    }
}

/// Each acknowledged row is in the ledger once, where its reply said; no refused one is.
fn sayings(findings: &mut Findings, asked: &Asked<'_>, tables: &Tables) {
    let mut by_mark: HashMap<&str, Vec<&LedgerRow>> = HashMap::new();
    for row in &tables.ledger {
        if let Some(mark) = &row.mark {
            by_mark.entry(mark).or_default().push(row);
        }
    }
    let mut told = HashSet::new();
    for saying in &asked.sayings {
        let found = by_mark.remove(saying.row.mark.as_str()).unwrap_or_default();
        let text = format!("change {} of contact {}", saying.row.mark, saying.row.contact);
        if found.len() > 1 {
            findings.duplicated.push(format!("{text}: {} times in the ledger", found.len()));
        }
        let Some(seq) = saying.seq else {
            if saying.answered && !found.is_empty() {
                findings.undone.push(format!("{text}: refused, and in the ledger"));
            }
            continue;
        };
        if !told.insert((saying.row.contact, seq)) {
            findings.duplicated.push(format!("{text}: the number {seq} was told twice"));
        }
        let Some(entry) = found.first() else {
            findings.lost.push(format!("{text}: acknowledged as {seq}, not in the ledger"));
            continue;
        };
        if (entry.contact, entry.seq) != (saying.row.contact, seq) {
            let at = format!("{} of contact {}", entry.seq, entry.contact);
            findings.out_of_order.push(format!("{text}: acknowledged as {seq}, and is {at}"));
        }
        let said = |said: Option<i32>, is: Option<i32>| said.is_none() || said == is;
        if !said(saying.row.phone, entry.phone_to) || !said(saying.row.email, entry.email_to) {
            findings.undone.push(format!("{text}: the ledger has another state"));
        }
    }
    for (mark, rows) in by_mark {
        let text = format!("change {mark} of contact {}: nobody asked for it", rows[0].contact);
        findings.duplicated.push(text);
    }
}

/// Each contact that was made is there once, and no other.
fn creations(findings: &mut Findings, asked: &Asked<'_>, tables: &Tables) {
    let mut by_mark: HashMap<&str, Vec<&ContactRow>> = HashMap::new();
    for row in &tables.contacts {
        by_mark.entry(&row.mark).or_default().push(row);
    }
    for (mark, end) in &asked.creations {
        let found = by_mark.remove(mark).unwrap_or_default();
        if found.len() > 1 {
            findings.duplicated.push(format!("contact {mark} is there {} times", found.len()));
        }
        match end {
            Some(End::Created(id)) if !found.iter().any(|row| row.contact == *id) => {
                findings.undone.push(format!("contact {id} was made, and is not there"));
            }
            Some(End::Refused(_)) if !found.is_empty() => {
                findings.undone.push(format!("contact {mark} was refused, and is there"));
            }
            _ => {}
        }
    }
    for (mark, rows) in by_mark {
        findings.duplicated.push(format!("contact {} ({mark}): nobody made it", rows[0].contact));
    }
}

/// Each contact's stream is whole, in order, and ends where the directory does.
fn streams(findings: &mut Findings, tables: &Tables) {
    let mut streams: HashMap<Uuid, Vec<&LedgerRow>> = HashMap::new();
    for row in &tables.ledger {
        streams.entry(row.contact).or_default().push(row);
    }
    let mut ends = HashMap::new();
    for (contact, rows) in &streams {
        let mut before = (0, None, None);
        for row in rows {
            let text = format!("contact {contact}: {} after {}", row.seq, before.0);
            match row.seq - before.0 {
                1 => {}
                0 => findings.duplicated.push(text),
                ..0 => findings.out_of_order.push(text),
                _ => findings.lost.push(text),
            }
            // A channel that is not in the change has neither.
            let joins = |from: Option<i32>, to: Option<i32>, last: Option<i32>| {
                to.is_none() || from == last
            };
            if !joins(row.phone_from, row.phone_to, before.1)
                || !joins(row.email_from, row.email_to, before.2)
            {
                let seq = row.seq;
                let text = format!("contact {contact}: {seq} does not begin where the last ended");
                findings.out_of_order.push(text);
            }
            before = (row.seq, row.phone_to.or(before.1), row.email_to.or(before.2));
        }
        ends.insert(*contact, before);
    }
    for row in &tables.contacts {
        let (seq, phone, email) = ends.remove(&row.contact).unwrap_or_default();
        let text = format!(
            "contact {}: the directory is at {}, the ledger at {seq}",
            row.contact, row.consent_seq
        );
        match seq - row.consent_seq {
            ..0 => findings.lost.push(text),
            1.. => findings.undone.push(text),
            0 if (phone, email) != (Some(row.phone_state), Some(row.email_state)) => {
                let text = format!("contact {}: other states than its last change", row.contact);
                findings.undone.push(text);
            }
            0 => {}
        }
    }
    for contact in ends.keys() {
        findings.undone.push(format!("contact {contact} is in the ledger and not there"));
    }
}

/// The manager's current states are the directory's.
fn current(findings: &mut Findings, tables: &Tables) {
    let mut reported: HashMap<(Uuid, i32), i32> =
        tables.consents.iter().map(|(id, channel, state)| ((*id, *channel), *state)).collect();
    for row in &tables.contacts {
        for (channel, state) in [(1, row.phone_state), (2, row.email_state)] {
            if reported.remove(&(row.contact, channel)) != Some(state) {
                let text = format!("contact {}: the report has another state", row.contact);
                findings.lost.push(text);
            }
        }
    }
    for (contact, _) in reported.keys() {
        findings.duplicated.push(format!("contact {contact} is reported and not there"));
    }
}

/// The manager has every audit event that was made, once.
fn audit(findings: &mut Findings, tables: &Tables) {
    for row in &tables.audit {
        let text = format!("audit of {} by {}: {row:?}", row.business, row.producer);
        if row.kept < row.made || row.last < row.made {
            findings.lost.push(text);
        } else if row.kept > row.made || row.last > row.made {
            findings.duplicated.push(text);
        }
    }
}

/// What was asked for after something else had been acknowledged has a higher number.
fn order(findings: &mut Findings, asked: &Asked<'_>) {
    let mut by_contact: HashMap<Uuid, Vec<(i64, &Saying<'_>)>> = HashMap::new();
    for saying in &asked.sayings {
        if let Some(seq) = saying.seq {
            by_contact.entry(saying.row.contact).or_default().push((seq, saying));
        }
    }
    for (contact, mut sayings) in by_contact {
        sayings.sort_unstable_by_key(|(seq, _)| *seq);
        // From the highest number down: the earliest acknowledgement so far.
        let mut earliest = usize::MAX;
        for (seq, saying) in sayings.into_iter().rev() {
            if earliest < saying.intent {
                let text = format!("contact {contact}: {seq} was asked for after a higher number");
                findings.out_of_order.push(text);
            }
            earliest = earliest.min(saying.outcome);
        }
    }
}
