//! The verdict sees what is planted, and nothing where all is well.

use super::*;
use crate::facts::DENIED;
use crate::journal::Row;
use crate::tables::AuditRow;

const GRANTED: i32 = 2;
const NOT_SET: i32 = 1;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A contact that was made, granted and denied, by three requests; a refused one; and a rule.
fn well() -> (Vec<Entry>, Tables) {
    let row = |mark: &str, state| Row {
        contact: id(1),
        mark: mark.to_owned(),
        phone: Some(state),
        email: None,
    };
    let say = |op, mark: &str, state, expect| Entry::Intent {
        op,
        what: What::Say { rows: vec![row(mark, state)], expect },
    };
    let said = |op, seq| Entry::Outcome { op, end: End::Said(vec![RowEnd::At(seq)]) };
    let journal = vec![
        Entry::Intent { op: 0, what: What::Create { mark: "ma".to_owned() } },
        Entry::Outcome { op: 0, end: End::Created(id(1)) },
        say(1, "mb", GRANTED, Expect::Any),
        said(1, 2),
        say(2, "mc", DENIED, Expect::Taken),
        said(2, 3),
        Entry::Repeat { op: 1, end: End::Said(vec![RowEnd::At(2)]) },
        say(3, "md", GRANTED, Expect::Refused),
        Entry::Outcome { op: 3, end: End::Refused("SURFACE_MISMATCH".to_owned()) },
        Entry::Intent {
            op: 4,
            what: What::Rule {
                business: id(9),
                rule: "enforcement".to_owned(),
                value: "true".to_owned(),
            },
        },
        Entry::Outcome { op: 4, end: End::Kept },
    ];
    let change = |seq, mark: Option<&str>, from, to| LedgerRow {
        contact: id(1),
        seq,
        mark: mark.map(str::to_owned),
        phone_from: from,
        phone_to: Some(to),
        ..LedgerRow::default()
    };
    let mut first = change(1, None, None, NOT_SET);
    first.email_to = Some(NOT_SET);
    let tables = Tables {
        ledger: vec![
            first,
            change(2, Some("mb"), Some(NOT_SET), GRANTED),
            change(3, Some("mc"), Some(GRANTED), DENIED),
        ],
        contacts: vec![ContactRow {
            contact: id(1),
            mark: "ma".to_owned(),
            consent_seq: 3,
            phone_state: DENIED,
            email_state: NOT_SET,
        }],
        consents: vec![(id(1), 1, DENIED), (id(1), 2, NOT_SET)],
        audit: vec![AuditRow { business: id(9), producer: "settings", made: 2, kept: 2, last: 2 }],
        rules: [((id(9), "enforcement".to_owned()), "true".to_owned())].into(),
        ..Tables::default()
    };
    (journal, tables)
}

/// The kinds that are found after `plant`.
fn found(plant: impl FnOnce(&mut Vec<Entry>, &mut Tables)) -> Vec<&'static str> {
    let (mut journal, mut tables) = well();
    plant(&mut journal, &mut tables);
    let findings = compare(&journal, &tables);
    let kinds = findings.kinds();
    kinds.into_iter().filter(|(_, found)| !found.is_empty()).map(|(kind, _)| kind).collect()
}

fn has(kind: &str, plant: impl FnOnce(&mut Vec<Entry>, &mut Tables)) {
    let kinds = found(plant);
    assert!(kinds.contains(&kind), "{kinds:?}");
}

#[test]
fn nothing_is_found_where_all_is_well() {
    assert_eq!(found(|_, _| ()), Vec::<&str>::new());
}

#[test]
fn a_lost_change_is_seen() {
    // The last one: no later number tells of the gap.
    has("lost", |_, tables| drop(tables.ledger.pop()));
    has("lost", |_, tables| drop(tables.ledger.remove(1)));
    has("lost", |_, tables| tables.waiting = 1);
    has("lost", |_, tables| tables.stalled = 1);
    has("lost", |_, tables| tables.ledger[1].mark = None);
    has("lost", |_, tables| tables.consents[0].2 = GRANTED);
    has("lost", |_, tables| tables.audit[0].kept = 1);
    has("lost", |journal, _| drop(journal.remove(5)));
}

#[test]
fn a_change_that_is_there_twice_is_seen() {
    has("duplicated", |_, tables| {
        let again = LedgerRow { seq: 4, ..tables.ledger[2].clone() };
        tables.ledger.push(again);
        tables.contacts[0].consent_seq = 4;
    });
    has("duplicated", |_, tables| tables.audit[0].kept = 3);
    has("duplicated", |_, tables| tables.ledger[0].mark = Some("mz".to_owned()));
    has("duplicated", |_, tables| {
        tables.contacts.push(ContactRow { contact: id(2), ..tables.contacts[0].clone() });
    });
    has("duplicated", |journal, _| {
        journal.push(Entry::Repeat { op: 1, end: End::Said(vec![RowEnd::At(4)]) });
    });
    has("duplicated", |journal, _| {
        journal[5] = Entry::Outcome { op: 2, end: End::Said(vec![RowEnd::At(2)]) };
    });
}

#[test]
fn a_change_in_the_wrong_place_is_seen() {
    has("out of order", |_, tables| tables.ledger.swap(1, 2));
    has("out of order", |_, tables| tables.ledger[2].phone_from = Some(NOT_SET));
    has("out of order", |_, tables| {
        let (second, third) = (tables.ledger[1].mark.clone(), tables.ledger[2].mark.clone());
        (tables.ledger[1].mark, tables.ledger[2].mark) = (third, second);
    });
    // What was asked for after the answer to the other has the lower number, in the replies, too.
    has("out of order", |journal, tables| {
        journal[3] = Entry::Outcome { op: 1, end: End::Said(vec![RowEnd::At(3)]) };
        journal[5] = Entry::Outcome { op: 2, end: End::Said(vec![RowEnd::At(2)]) };
        tables.ledger[1].mark = Some("mc".to_owned());
        tables.ledger[2].mark = Some("mb".to_owned());
    });
}

#[test]
fn an_acknowledged_write_that_is_gone_and_a_refused_one_that_shows_are_seen() {
    has("undone", |_, tables| tables.contacts[0].consent_seq = 2);
    has("undone", |_, tables| tables.contacts[0].phone_state = GRANTED);
    has("undone", |_, tables| drop(tables.contacts.pop()));
    has("undone", |_, tables| tables.rules.clear());
    has("undone", |_, tables| tables.ledger[2].phone_to = Some(GRANTED));
    has("undone", |_, tables| {
        tables.ledger.push(LedgerRow {
            seq: 4,
            mark: Some("md".to_owned()),
            phone_from: Some(DENIED),
            phone_to: Some(GRANTED),
            ..tables.ledger[2].clone()
        });
    });
    has("undone", |journal, _| {
        journal[8] = Entry::Outcome { op: 3, end: End::Said(vec![RowEnd::At(4)]) };
    });
    has("undone", |journal, _| {
        journal.push(Entry::Stale { contact: id(1), how: String::new() });
    });
}

#[test]
fn what_a_reader_saw_counts() {
    let plant = |journal: &mut Vec<Entry>, _: &mut Tables| {
        journal.push(Entry::Revealed { contact: id(1), how: String::new() });
    };
    assert_eq!(found(plant), ["revealed"]);
}

#[test]
fn a_customers_refusal_that_was_refused_is_seen() {
    has("wrongly refused", |journal, _| {
        journal[5] = Entry::Outcome { op: 2, end: End::Refused("NOT_FOUND".to_owned()) };
    });
}

#[test]
fn a_count_that_the_ledger_does_not_bear_out_is_seen() {
    let plant = |_: &mut Vec<Entry>, tables: &mut Tables| {
        tables.miscounted.push("totals: Phone Granted: 2, and should be 1".to_owned());
    };
    assert_eq!(found(plant), ["miscounted"]);
}
