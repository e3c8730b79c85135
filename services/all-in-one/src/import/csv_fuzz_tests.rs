//! Files as nobody would write them. `PROPTEST_CASES` says how many.

#![allow(clippy::unwrap_used)]

use std::io::Write;

use csv::{QuoteStyle, Terminator};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use yinyom_kernel::Language;
use yinyom_proto::types::v1::ConsentState;

use super::super::headers::{Kind, Layout};
use super::super::row::Reader;
use super::super::source;
use super::*;

const HEADERS: [&str; 8] = [
    "External ID",
    "First Name",
    "Phone",
    "Email",
    "Phone Consent",
    "ความยินยอมอีเมล",
    "วันที่ให้ความยินยอม",
    "Note",
];
const REFUSALS: [&str; 6] = ["Denied", " NO ", "ไม่ยินยอม", "ปฏิเสธ", "Withdrawn", "ถอนความยินยอม"];

fn read_all(bytes: &[u8]) -> Result<(Vec<String>, Vec<Line>), FileError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let (mut headers, mut lines) = (Vec::new(), Vec::new());
    source::read(file.path(), None, &mut |piece, place| {
        assert!(place.done <= place.total);
        match piece {
            Piece::Headers(first) => headers = first,
            Piece::Line(line) => lines.push(line),
        }
        Ok::<_, FileError>(())
    })?;
    Ok((headers, lines))
}

fn reader(headers: Vec<String>) -> Option<Reader> {
    let layout = Layout::of(Kind::People, headers).ok()?;
    Some(Reader::new(layout, TimeZone::UTC, Language::English))
}

/// A row of any texts, with a refusal by phone.
fn row() -> impl Strategy<Value = Vec<String>> {
    let cell = || {
        prop_oneof![
            any::<String>(),
            "[0-9๐-๙+() -]{0,14}",
            "[\",;\t\r\n'=@a-zก-ฮ]{0,8}",
            Just("05/01/2560".to_owned()),
        ]
    };
    let refusal = prop::sample::select(&REFUSALS[..]).prop_map(str::to_owned);
    let email = prop_oneof![Just(String::new()), Just("Yes".to_owned()), cell()];
    (cell(), cell(), cell(), cell(), refusal, email, cell(), cell())
        .prop_map(|(a, b, c, d, e, f, g, h)| vec![a, b, c, d, e, f, g, h])
}

fn file(rows: &[Vec<String>], delimiter: u8, crlf: bool, mark: bool, quote: bool) -> Vec<u8> {
    let mut bytes = if mark { b"\xEF\xBB\xBF".to_vec() } else { Vec::new() };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .terminator(if crlf { Terminator::CRLF } else { Terminator::Any(b'\n') })
        .quote_style(if quote { QuoteStyle::Always } else { QuoteStyle::Necessary })
        .from_writer(&mut bytes);
    writer.write_record(HEADERS).unwrap();
    for row in rows {
        writer.write_record(row).unwrap();
    }
    drop(writer);
    bytes
}

proptest! {
    /// Whatever stands in the cells around it and however the file is written.
    #[test]
    fn a_refusal_in_a_file_arrives_or_its_row_is_rejected(
        rows in prop::collection::vec(row(), 1..6),
        delimiter in prop::sample::select(&b",;\t"[..]),
        (crlf, mark, quote) in any::<(bool, bool, bool)>(),
    ) {
        let (headers, lines) = read_all(&file(&rows, delimiter, crlf, mark, quote)).unwrap();
        prop_assert_eq!(&headers, &HEADERS);
        prop_assert_eq!(lines.len(), rows.len());
        let reader = reader(headers).unwrap();
        for (line, row) in lines.iter().zip(&rows) {
            prop_assert_eq!(&line.cells, row);
            match reader.read(line) {
                Ok(read) => prop_assert_eq!(read.row.phone_consent(), ConsentState::Denied),
                Err(problems) => {
                    prop_assert!(!problems.is_empty());
                    let told = format!("{problems:?}");
                    let secret = |cell: &&String| cell.trim().len() >= 9 && told.contains(cell.trim());
                    prop_assert_eq!(row[..4].iter().find(secret), None);
                }
            }
        }
    }

    /// A good file, with bytes that are turned over, left out and put in.
    #[test]
    fn any_bytes_are_read_row_by_row_or_refused(
        rows in prop::collection::vec(row(), 0..4),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 2]>(), 0..4_u8), 0..12),
    ) {
        let mut bytes = file(&rows, b',', false, false, false);
        for (at, with, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = with[0],
                1 => drop(bytes.splice(at..at, with)),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if let Ok((headers, lines)) = read_all(&bytes) {
            let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
            prop_assert_eq!(numbers, (2..=1 + i64::try_from(lines.len()).unwrap()).collect::<Vec<_>>());
            if let Some(reader) = reader(headers) {
                for line in &lines {
                    if let Err(problems) = reader.read(line) {
                        prop_assert!(!problems.is_empty());
                    } else {
                        prop_assert!(line.damaged.is_empty(), "a damaged row was taken");
                    }
                }
            }
        }
    }
}
