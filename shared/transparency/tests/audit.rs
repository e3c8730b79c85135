//! What an audit finds in an export that somebody touched who holds the database and not the key.

#![allow(clippy::unwrap_used)]

use uuid::Uuid;
use yinyom_transparency::{
    Audit, Checkpoint, Erased, Finding, Frontier, LedgerKey, LogName, Outcome, PublicKeys, Record,
    SignatureError, Signed, What, leaf_hash,
};

type Edit = fn(&mut Record);

const BUSINESS: Uuid = Uuid::from_u128(1);
const LENGTH: u64 = 40;
/// The checkpoint that the company kept.
const KEPT: u64 = 30;

/// Content is business, contact and number, one after the other, and a word.
fn name_of(content: &[u8]) -> Option<(Uuid, Uuid, i64)> {
    let (business, rest) = content.split_first_chunk()?;
    let (contact, rest) = rest.split_first_chunk()?;
    let (seq, _) = rest.split_first_chunk()?;
    let seq = i64::from_be_bytes(*seq);
    Some((Uuid::from_bytes(*business), Uuid::from_bytes(*contact), seq))
}

fn content(business: Uuid, contact: u128, seq: i64, word: &str) -> Vec<u8> {
    let contact = contact.to_be_bytes();
    [business.as_bytes(), &contact[..], &seq.to_be_bytes(), word.as_bytes()].concat()
}

struct Ledger {
    key: LedgerKey,
    records: Vec<Record>,
}

impl Ledger {
    fn new() -> Self {
        let key = LedgerKey::generate().unwrap();
        let mut ledger = Self { key, records: Vec::new() };
        (0..LENGTH).for_each(|_| ledger.write("yes"));
        ledger
    }

    /// As the manager does it.
    fn write(&mut self, word: &str) {
        let index = self.records.len() as u64;
        let seq = i64::try_from(index).unwrap() / 4 + 1;
        let contact = u128::from(index % 4);
        let content = content(BUSINESS, contact, seq, word);
        let leaf = leaf_hash(&content);
        let evidence = index.is_multiple_of(3).then_some([9; 32]);
        let ingested_at = 1_000 + i64::try_from(index).unwrap();
        let signed = Signed { business: BUSINESS, index, leaf, ingested_at, evidence };
        self.records.push(Record {
            index,
            contact: Uuid::from_u128(contact),
            seq,
            ingested_at,
            leaf_hash: leaf.to_vec(),
            content,
            evidence_hash: evidence.map(|hash| hash.to_vec()).unwrap_or_default(),
            signature: signed.sign(&self.key),
            erasure: Vec::new(),
        });
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        let mut tree = Frontier::default();
        for record in &self.records[..usize::try_from(size).unwrap()] {
            tree.append(record.leaf_hash.clone().try_into().unwrap(), |_, _| {});
        }
        let origin = "example.com".parse::<LogName>().unwrap().origin(BUSINESS);
        Checkpoint { origin, size, root: tree.root() }
    }

    fn keys(&self) -> PublicKeys {
        PublicKeys::one(*self.key.public())
    }

    fn audit_with(&self, kept: &[Checkpoint], records: &[Record]) -> (Vec<Finding>, Outcome) {
        let mut audit = Audit::new(&kept[0], &kept[1..], self.keys(), name_of).unwrap();
        let mut findings = Vec::new();
        for record in records {
            // As a file has it.
            let line = record.to_line().unwrap();
            let read = Record::from_line(line.trim_end().as_bytes()).unwrap();
            assert_eq!(&read, record);
            findings.extend(audit.record(Some(&read)));
        }
        let (last, outcome) = audit.finish();
        findings.extend(last);
        (findings, outcome)
    }

    fn audit(&self, records: &[Record]) -> Vec<(u64, What)> {
        let (findings, _) = self.audit_with(&[self.checkpoint(KEPT)], records);
        findings.into_iter().map(|finding| (finding.index, finding.what)).collect()
    }
}

const WRONG: What = What::Signature(SignatureError::Wrong);

/// Somebody who rewrites hashes, too.
fn rewrite(record: &mut Record, content: Vec<u8>) {
    record.leaf_hash = leaf_hash(&content).to_vec();
    record.content = content;
}

#[test]
fn a_ledger_that_nobody_touched_is_sound() {
    let ledger = Ledger::new();
    for kept in [0, 1, KEPT, LENGTH] {
        let (findings, outcome) = ledger.audit_with(&[ledger.checkpoint(kept)], &ledger.records);
        assert_eq!(findings, []);
        let expected = Outcome { records: LENGTH, erased: 0, proven: kept, findings: 0 };
        assert_eq!(outcome, expected);
    }
}

#[test]
fn each_field_of_each_record_is_covered() {
    let ledger = Ledger::new();
    let edits: [(Edit, What); 13] = [
        (|r| r.content.push(b'!'), What::Hash),
        (
            |r| {
                let mut c = r.content.clone();
                c.push(b'!');
                rewrite(r, c);
            },
            WRONG,
        ),
        (|r| r.leaf_hash[0] ^= 1, What::Hash),
        (|r| r.leaf_hash.clear(), What::Hash),
        (|r| r.contact = Uuid::from_u128(99), What::Name),
        (|r| r.seq += 1, What::Name),
        (|r| r.ingested_at += 1, WRONG),
        (|r| r.evidence_hash = vec![8; 32], WRONG),
        (|r| r.evidence_hash = vec![8; 31], What::Unreadable),
        (|r| r.signature[40] ^= 1, WRONG),
        (|r| r.signature.clear(), What::Signature(SignatureError::Unreadable)),
        (|r| r.content.clear(), What::ContentGone),
        (|r| r.erasure = vec![1; 73], What::NotErased),
    ];
    for at in (0..LENGTH).step_by(7) {
        for (edit, what) in edits {
            let mut records = ledger.records.clone();
            edit(&mut records[usize::try_from(at).unwrap()]);
            assert_eq!(ledger.audit(&records), [(at, what)]);
        }
    }
}

#[test]
fn a_record_that_is_gone_is_named_and_so_are_those_that_took_its_place() {
    let ledger = Ledger::new();
    for at in 0..39_u8 {
        let mut records = ledger.records.clone();
        records.remove(usize::from(at));
        let at = u64::from(at);
        assert_eq!(ledger.audit(&records), [(at, What::MissingTo(at))]);
        // Somebody closes the gap.
        for (index, record) in (0..).zip(&mut records) {
            record.index = index;
        }
        let found = ledger.audit(&records);
        assert_eq!(found.first(), Some(&(at, WRONG)));
        assert_eq!(found.len() as u64, LENGTH - 1 - at);
    }
}

#[test]
fn what_is_swapped_put_in_or_there_twice_is_named() {
    let ledger = Ledger::new();
    let mut records = ledger.records.clone();
    records.swap(7, 33);
    (records[7].index, records[33].index) = (7, 33);
    assert_eq!(ledger.audit(&records), [(7, WRONG), (33, WRONG)]);

    let mut records = ledger.records.clone();
    records.insert(12, records[11].clone());
    assert_eq!(ledger.audit(&records), [(11, What::OutOfPlace)]);
    for (index, record) in (0..).zip(&mut records) {
        record.index = index;
    }
    assert_eq!(ledger.audit(&records)[0], (12, WRONG));

    // At the end, too, where no checkpoint reaches.
    let mut records = ledger.records.clone();
    let last = records[39].clone();
    records.push(Record { index: 40, ..last });
    assert_eq!(ledger.audit(&records), [(40, WRONG)]);
}

#[test]
fn an_end_below_the_checkpoint_is_seen_and_one_above_cannot_be() {
    let ledger = Ledger::new();
    for length in 0..KEPT {
        let found = ledger.audit(&ledger.records[..usize::try_from(length).unwrap()]);
        assert_eq!(found, [(length, What::MissingTo(KEPT - 1))]);
    }
    assert_eq!(ledger.audit(&ledger.records[..30]), []);
    assert_eq!(ledger.audit(&ledger.records[..35]), []);
}

#[test]
fn a_ledger_that_was_rolled_back_and_written_on_is_not_that_of_the_checkpoint() {
    let mut ledger = Ledger::new();
    let kept = [10, 20, KEPT].map(|size| ledger.checkpoint(size));
    ledger.records.truncate(15);
    (15..LENGTH).for_each(|_| ledger.write("no"));
    // Each record is signed: only the checkpoints tell, and where from depends on how many were kept.
    let (found, _) = ledger.audit_with(&kept[2..], &ledger.records);
    assert_eq!((found[0].index, found[0].what, found.len()), (0, What::OtherHistoryTo(29), 1));
    let (found, outcome) = ledger.audit_with(&kept, &ledger.records);
    assert_eq!((found[0].index, found[0].what, found.len()), (10, What::OtherHistoryTo(19), 1));
    assert_eq!(outcome.proven, 10);
}

#[test]
fn what_the_ledger_erased_verifies_by_its_hash_and_nobody_else_can_say_so() {
    let ledger = Ledger::new();
    let mut records = ledger.records.clone();
    let leaf = records[5].leaf_hash.clone().try_into().unwrap();
    let erased = Erased { business: BUSINESS, index: 5, leaf };
    records[5].content.clear();
    records[5].erasure = erased.sign(&ledger.key);
    let (findings, outcome) = ledger.audit_with(&[ledger.checkpoint(KEPT)], &records);
    assert_eq!((findings, outcome.erased, outcome.proven), (vec![], 1, KEPT));
    for forged in [
        Erased { index: 6, ..erased }.sign(&ledger.key),
        Erased { business: Uuid::from_u128(2), ..erased }.sign(&ledger.key),
        // What was signed for something else.
        records[5].signature.clone(),
    ] {
        records[5].erasure = forged;
        assert_eq!(ledger.audit(&records), [(5, WRONG)]);
    }
    records[5].erasure = erased.sign(&LedgerKey::generate().unwrap());
    let found = ledger.audit(&records);
    assert!(matches!(found[..], [(5, What::Signature(SignatureError::UnknownKey(_)))]));
}

#[test]
fn a_record_of_another_business_or_another_key_is_found() {
    let ledger = Ledger::new();
    let mut records = ledger.records.clone();
    let theirs = content(Uuid::from_u128(2), 3, 1, "yes");
    rewrite(&mut records[3], theirs);
    assert_eq!(ledger.audit(&records), [(3, What::Name)]);

    let mut records = ledger.records.clone();
    let other = LedgerKey::generate().unwrap();
    let leaf = records[35].leaf_hash.clone().try_into().unwrap();
    let (ingested_at, evidence) = (records[35].ingested_at, None);
    let signed = Signed { business: BUSINESS, index: 35, leaf, ingested_at, evidence };
    records[35].signature = signed.sign(&other);
    let found = ledger.audit(&records);
    assert!(matches!(found[..], [(35, What::Signature(SignatureError::UnknownKey(_)))]));
}

#[test]
fn a_key_that_was_replaced_still_verifies_what_it_signed() {
    let mut ledger = Ledger::new();
    let mut keys = ledger.keys();
    ledger.key = LedgerKey::generate().unwrap();
    (0..10).for_each(|_| ledger.write("later"));
    keys.add(ledger.keys());
    let kept = ledger.checkpoint(45);
    let mut audit = Audit::new(&kept, &[], keys, name_of).unwrap();
    assert!(ledger.records.iter().all(|record| audit.record(Some(record)).is_empty()));
    assert_eq!(audit.finish().1.proven, 45);
}

#[test]
fn a_line_that_is_no_record_is_named_by_its_place() {
    let ledger = Ledger::new();
    let mut audit = Audit::new(&ledger.checkpoint(KEPT), &[], ledger.keys(), name_of).unwrap();
    let mut found = Vec::new();
    for (index, record) in (0..).zip(&ledger.records) {
        found.extend(audit.record(Some(record).filter(|_| index != 17)));
    }
    let what = |finding: &Finding| (finding.index, finding.what);
    assert_eq!(found.iter().map(what).collect::<Vec<_>>(), [(17, What::Unreadable)]);
    for line in ["", "{}", "[]", "null", r#"{"index":1}"#] {
        assert!(Record::from_line(line.as_bytes()).is_err());
    }
}

#[test]
fn a_finding_names_the_record() {
    let change = Some((Uuid::from_u128(7), 3));
    let finding = Finding { business: BUSINESS, index: 17, change, what: WRONG };
    assert_eq!(
        finding.to_string(),
        "record 17 (businesses/00000000-0000-0000-0000-000000000001/contacts/\
         00000000-0000-0000-0000-000000000007/changes/3): not what was signed for this place"
    );
    let finding = Finding { change: None, what: What::MissingTo(17), ..finding };
    assert_eq!(finding.to_string(), "record 17: missing");
}
