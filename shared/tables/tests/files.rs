//! What is written is what is read, and the same rows are the same bytes.

#![cfg(all(feature = "parquet", feature = "xlsx"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Cursor, Read};

use calamine::{Data, Reader, Xlsx};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use proptest::collection::vec;
use proptest::prelude::*;
use yinyom_tables::{Cell, Column, Format, Kind, Rest, Row, Table, Writer};

fn table() -> Table {
    let column = |key, title, kind| Column { key, title, kind };
    Table {
        title: "ความยินยอม",
        columns: vec![
            column("index", "ลำดับ", Kind::Integer),
            column("note", "หมายเหตุ", Kind::Text),
            column("at", "เวลา", Kind::Time),
        ],
        zone: TimeZone::get("Asia/Bangkok").unwrap(),
        as_of: Timestamp::from_second(1_772_323_200).unwrap(),
    }
}

fn row(index: i64, note: &str) -> Row {
    let at = Timestamp::from_microsecond(1_772_323_200_000_001 + index).unwrap();
    vec![Cell::Integer(index), Cell::text(note), Cell::Time(at)]
}

/// In pieces of these sizes, and what is left in one.
fn file(format: Format, rows: &[Row], pieces: &[usize]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::begin(table(), format, dir.path()).unwrap();
    let (mut bytes, mut rest) = (Vec::new(), rows);
    for piece in pieces {
        let (some, more) = rest.split_at((*piece).min(rest.len()));
        writer.write(some.to_vec()).unwrap();
        bytes.extend(writer.take().unwrap());
        rest = more;
    }
    writer.write(rest.to_vec()).unwrap();
    match writer.finish().unwrap() {
        Rest::Bytes(last) => bytes.extend(last),
        Rest::File(mut file) => {
            file.read_to_end(&mut bytes).unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing has a name");
    bytes
}

fn csv_records(bytes: &[u8]) -> Vec<Vec<String>> {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).expect("a byte order mark");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn excel_opens_a_csv_with_thai_and_lines_end_as_it_expects() {
    let bytes = file(Format::Csv, &[row(1, "บูท, \"A\"\nงานแฟร์")], &[]);
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.starts_with("\u{feff}ลำดับ,หมายเหตุ,เวลา\r\n"), "{text:?}");
    assert_eq!(
        csv_records(&bytes)[1],
        ["1", "บูท, \"A\"\nงานแฟร์", "2026-03-01T07:00:00.000002+07:00"]
    );
}

#[test]
fn no_text_is_a_formula_in_a_spreadsheet() {
    let evil = ["=1+1", "+66", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＠x"];
    let rows: Vec<Row> = evil.iter().map(|text| row(0, text)).collect();
    let read = csv_records(&file(Format::Csv, &rows, &[]));
    for (record, text) in read[1..].iter().zip(evil) {
        assert_eq!(record[1], format!("'{text}"));
    }
    // A number that is one stays one, and so does a text that only holds a sign.
    let read = csv_records(&file(Format::Csv, &[row(-5, "a=b")], &[]));
    assert_eq!(read[1][..2], ["-5", "a=b"]);
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(file(Format::Xlsx, &rows, &[]))).unwrap();
    let formulas = book.worksheet_formula("ความยินยอม").unwrap();
    assert!(formulas.used_cells().next().is_none());
}

#[test]
fn a_workbook_has_texts_numbers_and_local_times() {
    let bytes = file(Format::Xlsx, &[row(7, "=ไทย"), row(8, "")], &[1]);
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    let sheet = book.worksheet_range("ความยินยอม").unwrap();
    let rows: Vec<&[Data]> = sheet.rows().collect();
    assert_eq!(rows[0][1], Data::String("หมายเหตุ".to_owned()));
    assert_eq!(rows[1][..2], [Data::Float(7.0), Data::String("=ไทย".to_owned())]);
    assert_eq!(rows[2][1], Data::Empty);
    assert_eq!(rows[1][2], Data::String("2026-03-01T07:00:00.000008+07:00".to_owned()));
}

#[test]
fn parquet_has_types_and_many_groups() {
    let rows: Vec<Row> = (0..45_000).map(|i| row(i, if i % 2 == 0 { "ก" } else { "" })).collect();
    let bytes = file(Format::Parquet, &rows, &[999, 1, 30_000]);
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 12);
    let mut seen = 0;
    for (i, read) in (0..).zip(reader.get_row_iter(None).unwrap()) {
        let read = read.unwrap();
        assert_eq!(read.get_long(0).unwrap(), i);
        assert_eq!(read.get_string(1).ok().map(String::as_str), (i % 2 == 0).then_some("ก"));
        assert_eq!(read.get_timestamp_micros(2).unwrap(), 1_772_323_200_000_001 + i);
        seen += 1;
    }
    assert_eq!(seen, 45_000);
}

#[test]
fn heavy_rows_are_let_go_of_in_smaller_groups() {
    let note = "ก".repeat(2_000);
    let rows: Vec<Row> = (0..5_000).map(|i| row(i, &note)).collect();
    let bytes = file(Format::Parquet, &rows, &[]);
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    assert!(reader.metadata().num_row_groups() >= 2);
}

#[test]
fn a_table_without_rows_is_a_file_of_its_format() {
    assert_eq!(csv_records(&file(Format::Csv, &[], &[])).len(), 1);
    assert!(file(Format::JsonLines, &[], &[]).is_empty());
    let bytes = bytes::Bytes::from(file(Format::Parquet, &[], &[]));
    assert_eq!(SerializedFileReader::new(bytes).unwrap().metadata().file_metadata().num_rows(), 0);
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(file(Format::Xlsx, &[], &[]))).unwrap();
    assert_eq!(book.worksheet_range("ความยินยอม").unwrap().height(), 1);
}

#[test]
fn json_has_every_key_on_every_line_and_times_in_utc() {
    let text = String::from_utf8(file(Format::JsonLines, &[row(1, "a\n\"ไ")], &[])).unwrap();
    assert_eq!(
        text,
        "{\"index\":1,\"note\":\"a\\n\\\"ไ\",\"at\":\"2026-03-01T00:00:00.000002Z\"}\n"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_rows_are_the_same_bytes_in_whatever_pieces(
        notes in vec(any::<String>(), 0..40), pieces in vec(0_usize..12, 0..8)
    ) {
        let rows: Vec<Row> = (0..).zip(&notes).map(|(i, note)| row(i, note)).collect();
        for format in Format::ALL {
            prop_assert!(file(format, &rows, &pieces) == file(format, &rows, &[]));
        }
    }

    #[test]
    fn a_file_by_rows_goes_on_at_any_row(notes in vec(any::<String>(), 0..40), cut in 0_usize..40) {
        let rows: Vec<Row> = (0..).zip(&notes).map(|(i, note)| row(i, note)).collect();
        let cut = cut.min(rows.len());
        for format in Format::ALL.into_iter().filter(|format| format.is_by_row()) {
            let mut bytes = file(format, &rows[..cut], &[]);
            let mut writer = Writer::resume(table(), format).unwrap();
            writer.write(rows[cut..].to_vec()).unwrap();
            bytes.extend(writer.take().unwrap());
            prop_assert!(bytes == file(format, &rows, &[]));
        }
    }
}
