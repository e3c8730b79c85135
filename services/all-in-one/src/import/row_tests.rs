#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use yinyom_kernel::Language;

use super::*;

const HEADERS: [&str; 12] = [
    "Account",
    "First Name",
    "Last Name",
    "Phone",
    "Email",
    "Lead Title",
    "Lead Source",
    "Phone Consent",
    "Email Consent",
    "Consent Date",
    "Note",
    "มือถือ",
];

fn reader() -> Reader {
    let layout =
        Layout::of(Kind::People, HEADERS.iter().map(|h| (*h).to_owned()).collect()).unwrap();
    Reader::new(layout, TimeZone::get("Asia/Bangkok").unwrap(), Language::English)
}

fn line(cells: &[&str]) -> Line {
    let cells = cells.iter().map(|cell| (*cell).to_owned()).collect();
    Line { number: 7, cells, damaged: Vec::new() }
}

fn problems(cells: &[&str]) -> Vec<String> {
    let Err(problems) = reader().read(&line(cells)) else { panic!("the row was taken") };
    problems.into_iter().map(|problem| problem.column).collect()
}

#[test]
fn a_row_of_an_export_is_read() {
    let cells = [
        "บริษัท ตัวอย่าง จำกัด",
        "สมชาย",
        " ใจดี",
        "081-234-5678; ๐๒๑๒๓๔๕๖๗",
        " A@EXAMPLE.COM",
        "สนใจคอนโด",
        "LINE OA",
        "Yes",
        "",
        "21/11/2565",
        "โทรหลัง 5 โมงเย็น",
        "0891112222",
    ];
    let row = reader().read(&line(&cells)).unwrap_or_else(|_| panic!("refused")).row;
    assert_eq!(row.row_number, 7);
    assert_eq!((row.first_name.as_str(), row.last_name.as_str()), ("สมชาย", "ใจดี"));
    assert_eq!(row.phones, ["081-234-5678", "๐๒๑๒๓๔๕๖๗", "0891112222"]);
    assert_eq!(row.emails, ["A@EXAMPLE.COM"]);
    assert_eq!(row.phone_consent(), ConsentState::Granted);
    assert_eq!(row.email_consent(), ConsentState::Unspecified);
    assert_eq!(row.consent_time.unwrap().seconds, 1_668_963_600);
}

#[test]
fn the_note_is_not_sent() {
    let cells = ["", "สมชาย", "", "", "", "", "", "", "", "", "081-234-5678", ""];
    let row = reader().read(&line(&cells)).unwrap_or_else(|_| panic!("refused")).row;
    assert!(!format!("{row:?}").contains("234"));
}

#[test]
fn everything_that_is_wrong_with_a_row_is_told_at_once() {
    let cells =
        ["", "ก", "", "ไม่มี", "a b@example.com", "", "", "อาจจะ", "maybe", "31/02/2566", "", "08-"];
    let wrong = problems(&cells);
    assert_eq!(wrong, ["Phone Consent", "Email Consent", "Consent Date", "Phone", "มือถือ", "Email"]);
}

#[test]
fn a_bad_phone_alone_is_for_the_directory_to_refuse() {
    let cells = ["", "ก", "", "ไม่มี"];
    assert!(reader().read(&line(&cells)).is_ok());
}

#[test]
fn a_problem_names_no_value() {
    let cells = ["", "ก", "", "0812345678", "", "", "", "maybe 0812345678", "", "x@example.com"];
    let Err(problems) = reader().read(&line(&cells)) else { panic!("the row was taken") };
    for problem in problems {
        assert!(!problem.text.contains("0812345678") && !problem.text.contains("x@example.com"));
    }
}

#[test]
fn a_short_row_is_empty_at_its_end_and_a_long_one_is_refused() {
    assert!(reader().read(&line(&["", "ก"])).is_ok());
    let mut cells = vec![""; 13];
    cells[1] = "ก";
    assert!(reader().read(&line(&cells)).is_ok());
    cells[12] = "0812345678";
    assert_eq!(problems(&cells), [""]);
}

#[test]
fn a_cell_that_is_not_utf8_rejects_its_row() {
    let damaged = Line { damaged: vec![2], ..line(&["", "ก", "\u{FFFD}"]) };
    let Err(problems) = reader().read(&damaged) else { panic!("the row was taken") };
    assert_eq!(problems[0].column, "Last Name");
}

#[test]
fn a_row_that_would_not_fit_a_message_is_not_sent() {
    let long = "ก".repeat(MAX_ROW_BYTES);
    assert_eq!(problems(&["", &long]), [""]);
}

#[test]
fn a_field_path_leads_back_to_the_column_of_the_file() {
    let reader = reader();
    let cells = ["", "ก", "", "1;2", "", "", "", "", "", "", "", "3"];
    let prepared = reader.read(&line(&cells)).unwrap_or_else(|_| panic!("refused"));
    for (field, column) in [
        ("phones[0]", "Phone"),
        ("phones[1].value", "Phone"),
        ("phones[2]", "มือถือ"),
        ("rows[4].phones[2]", "มือถือ"),
        ("phones[9]", "Phone"),
        ("phones", "Phone"),
        ("external_id", "External ID"),
        ("consent_time", "Consent Date"),
        ("something_new", "something_new"),
    ] {
        assert_eq!(reader.column_of(&prepared.origins, field), column, "{field}");
    }
}

proptest! {
    #[test]
    fn no_row_panics(cells in prop::collection::vec(any::<String>(), 0..15), field in ".{0,20}") {
        let reader = reader();
        let line = Line { number: 2, cells, damaged: Vec::new() };
        line.is_blank();
        if let Ok(prepared) = reader.read(&line) {
            reader.column_of(&prepared.origins, &field);
            prop_assert!(prepared.row.encoded_len() <= MAX_ROW_BYTES);
        }
    }
}

#[test]
fn whoever_is_on_a_suppression_list_refuses_unless_it_says_otherwise() {
    use ConsentState::{Denied, Granted, NotSet, Unspecified};
    let read = |headers: &[&str], cells: &[&str]| {
        let headers = headers.iter().map(|h| (*h).to_owned()).collect();
        let layout = Layout::of(Kind::OptOuts, headers).unwrap();
        let reader = Reader::new(layout, TimeZone::UTC, Language::English);
        reader.read(&line(cells)).unwrap_or_else(|_| panic!("refused")).row
    };
    let says = |row: &ImportRow| (row.phone_consent(), row.email_consent());
    let row = read(&["ชื่อ", "อีเมล", "Phone"], &["สมชาย", "a@example.com", ""]);
    assert_eq!((says(&row), &row.first_name[..]), ((Unspecified, Denied), ""), "no name is sent");
    let row = read(&["Email", "Phone"], &["a@example.com", "0812345678"]);
    assert_eq!(says(&row), (Denied, Denied));
    assert_eq!(
        says(&read(&["Email", "Phone"], &["", ""])),
        (Unspecified, Unspecified),
        "to be told of"
    );

    let whole = ["Phone", "Phone Consent", "Email"];
    let says = |cell: &str| says(&read(&whole, &["0812345678", cell, "a@example.com"]));
    assert_eq!(says("ไม่ยินยอม"), (Denied, Denied));
    assert_eq!(says("ยินยอม"), (Granted, Denied));
    assert_eq!(says(""), (NotSet, Denied), "an empty cell is no refusal");
}
