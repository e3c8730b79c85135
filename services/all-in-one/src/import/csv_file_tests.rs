#![allow(clippy::unwrap_used)]

use std::io::Write;

use proptest::prelude::*;

use super::super::source;
use super::*;

fn rows(bytes: &[u8]) -> Result<Vec<Vec<String>>, FileError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut rows = Vec::new();
    source::read(file.path(), None, &mut |piece, place| {
        assert!(place.done <= place.total);
        rows.push(match piece {
            Piece::Headers(headers) => headers,
            Piece::Line(line) => {
                assert_eq!(line.number, i64::try_from(rows.len()).unwrap() + 1);
                line.cells
            }
        });
        Ok::<_, FileError>(())
    })?;
    Ok(rows)
}

#[test]
fn a_mark_crlf_and_quoted_line_breaks_are_read_as_a_spreadsheet_reads_them() {
    let text = "\u{FEFF}ชื่อ,Note\r\nสมชาย,\"สวัสดี\nครับ, \"\"VIP\"\"\"\r\nสมหญิง,\r\n";
    assert_eq!(
        rows(text.as_bytes()).unwrap(),
        [vec!["ชื่อ", "Note"], vec!["สมชาย", "สวัสดี\nครับ, \"VIP\""], vec!["สมหญิง", ""]]
    );
}

#[test]
fn the_delimiter_is_the_one_of_the_header_row() {
    for text in ["a;b\n1,5;2,5", "a\tb\n1,5\t2,5", "\"a,x,y\";b\n1,5;2,5"] {
        assert_eq!(rows(text.as_bytes()).unwrap()[1], ["1,5", "2,5"], "{text:?}");
    }
    assert_eq!(rows(b"a,b\n1;2,3").unwrap()[1], ["1;2", "3"]);
    assert_eq!(rows(b"a\n1;2").unwrap()[1], ["1;2"]);
}

#[test]
fn a_file_in_another_encoding_is_refused_by_its_headers() {
    // ชื่อ in Windows-874, and UTF-16.
    assert!(matches!(rows(b"\xAA\xD7\xE8\xCD,b\n1,2"), Err(FileError::Encoding)));
    assert!(matches!(rows(b"\xFF\xFEa\0"), Err(FileError::Encoding)));
    assert!(matches!(rows(b"\xFE\xFF\0a"), Err(FileError::Encoding)));
}

#[test]
fn a_damaged_cell_is_told_by_its_place() {
    let mut record = csv::ByteRecord::new();
    record.push_field(b"ok");
    record.push_field(b"\xAA\xD7");
    assert_eq!(line(2, &record).damaged, [1]);
}

#[test]
fn an_empty_file_and_an_old_workbook_are_refused() {
    assert!(matches!(rows(b""), Err(FileError::Empty)));
    assert!(matches!(rows(b"\xEF\xBB\xBF"), Err(FileError::Empty)));
    assert!(matches!(rows(b"\xD0\xCF\x11\xE0\xA1"), Err(FileError::OldWorkbook)));
}

#[test]
fn rows_of_uneven_length_come_through() {
    assert_eq!(rows(b"a,b\n1\n1,2,3").unwrap(), [vec!["a", "b"], vec!["1"], vec!["1", "2", "3"]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = rows(&bytes);
    }

    #[test]
    fn what_is_written_is_read(
        cells in prop::collection::vec(prop::collection::vec("[ก-๙a-z\",;\t\r\n ]{1,8}", 3), 1..6),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &cells {
            writer.write_record(row).unwrap();
        }
        let read = rows(&writer.into_inner().unwrap()).unwrap();
        prop_assert_eq!(&read[1..], &cells[..]);
    }
}
