//! A workbook (XLSX), cell by cell: its sheets are not loaded, only its table of texts is.

use std::fs::File;
use std::io::BufReader;

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};

use super::row::Line;
use super::source::{FileError, Piece, Place};

/// XFD, the last column of a workbook.
const MAX_COLUMNS: u32 = 16_384;

/// Hands each row of `sheet`, or of the first one, to `take`.
pub fn read<E: From<FileError>>(
    file: File,
    sheet: Option<&str>,
    take: &mut dyn FnMut(Piece, Place) -> Result<(), E>,
) -> Result<(), E> {
    let mut workbook: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(FileError::from)?;
    let sheets = workbook.sheet_names();
    let wanted = match sheet {
        Some(sheet) => sheets.iter().find(|name| name.as_str() == sheet),
        None => sheets.first(),
    };
    let Some(sheet) = wanted else { return Err(FileError::NoSheet(sheets.clone()).into()) };
    let sheet = sheet.clone();
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(FileError::from)?;
    let total = u64::from(cells.dimensions().end.0) + 1;
    let mut rows = Rows { total, current: None, headers_seen: false };
    while let Some(cell) = cells.next_cell().map_err(FileError::from)? {
        let (row, column) = cell.get_position();
        let text = text(cell.get_value());
        if text.is_empty() {
            continue;
        }
        if column >= MAX_COLUMNS {
            return Err(FileError::Columns.into());
        }
        if rows.current.as_ref().is_none_or(|(number, _)| *number != row) {
            rows.hand_over(take)?;
            rows.current = Some((row, Vec::new()));
        }
        if let Some((_, cells)) = &mut rows.current {
            let at = usize::try_from(column).unwrap_or_default();
            if cells.len() <= at {
                cells.resize(at + 1, String::new());
            }
            cells[at] = text;
        }
    }
    rows.hand_over(take)?;
    if rows.headers_seen { Ok(()) } else { Err(FileError::Empty.into()) }
}

struct Rows {
    total: u64,
    current: Option<(u32, Vec<String>)>,
    headers_seen: bool,
}

impl Rows {
    fn hand_over<E>(
        &mut self,
        take: &mut dyn FnMut(Piece, Place) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((row, cells)) = self.current.take() else { return Ok(()) };
        let number = i64::from(row) + 1;
        let place = Place { done: u64::from(row) + 1, total: self.total.max(u64::from(row) + 1) };
        let piece = if self.headers_seen {
            Piece::Line(Line { number, cells, damaged: Vec::new() })
        } else {
            Piece::Headers(cells)
        };
        self.headers_seen = true;
        take(piece, place)
    }
}

/// A cell as a person would have typed it.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.clone()
        }
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        // `{}` of a whole float has no fraction: a phone number that was typed as a number.
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(true) => "TRUE".to_owned(),
        DataRef::Bool(false) => "FALSE".to_owned(),
        DataRef::DateTime(time) => date(time),
        DataRef::Error(error) => error.to_string(),
    }
}

fn date(time: &ExcelDateTime) -> String {
    if time.is_duration() {
        return time.as_f64().to_string();
    }
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    if (hour, minute, second) == (0, 0, 0) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

    use super::super::source;
    use super::*;

    fn workbook() -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".xlsx").tempfile().unwrap();
        let mut book = Workbook::new();
        let sheet = book.add_worksheet().set_name("ลูกค้า").unwrap();
        for (at, header) in ["ชื่อ", "เบอร์โทรศัพท์", "Consent Date", "Phone Consent"].iter().enumerate()
        {
            sheet.write(0, u16::try_from(at).unwrap(), *header).unwrap();
        }
        let day = Format::new().set_num_format("dd/mm/yyyy");
        sheet.write(1, 0, "สมชาย").unwrap();
        sheet.write(1, 1, 812_345_678).unwrap();
        sheet
            .write_with_format(1, 2, ExcelDateTime::from_ymd(2565, 11, 21).unwrap(), &day)
            .unwrap();
        sheet.write(1, 3, true).unwrap();
        sheet.write(3, 0, "สมหญิง").unwrap();
        sheet.write(3, 3, "ยินยอม").unwrap();
        book.add_worksheet().set_name("อื่น").unwrap().write(0, 0, "x").unwrap();
        book.save(file.path()).unwrap();
        file
    }

    fn rows(sheet: Option<&str>) -> Result<Vec<(i64, Vec<String>)>, FileError> {
        let file = workbook();
        let mut rows = Vec::new();
        source::read(file.path(), sheet, &mut |piece, place| {
            assert!(place.done <= place.total);
            rows.push(match piece {
                Piece::Headers(headers) => (1, headers),
                Piece::Line(line) => (line.number, line.cells),
            });
            Ok::<_, FileError>(())
        })?;
        Ok(rows)
    }

    #[test]
    fn numbers_dates_and_gaps_are_read_as_a_person_sees_them() {
        let rows = rows(None).unwrap();
        assert_eq!(rows[0].1.len(), 4);
        assert_eq!(
            rows[1],
            (2, ["สมชาย", "812345678", "2565-11-21", "TRUE"].map(str::to_owned).into())
        );
        assert_eq!(rows[2], (4, ["สมหญิง", "", "", "ยินยอม"].map(str::to_owned).into()));
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn a_sheet_is_found_by_name_or_the_names_are_told() {
        assert_eq!(rows(Some("อื่น")).unwrap(), [(1, vec!["x".to_owned()])]);
        let missing = rows(Some("ไม่มี")).unwrap_err().to_string();
        assert!(missing.contains("ลูกค้า") && missing.contains("อื่น"));
    }

    #[test]
    fn a_zip_that_is_no_workbook_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"PK\x03\x04 nothing else").unwrap();
        let read = source::read(file.path(), None, &mut |_, _| Ok::<_, FileError>(()));
        assert!(matches!(read, Err(FileError::Workbook(_))));
    }
}
