//! CSV as spreadsheets write it: with a byte-order mark or without, CRLF or LF, line breaks in
//! quotes; separated by commas, semicolons or tabs, whichever the header row has most of.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};

use super::row::Line;
use super::source::{FileError, Piece, Place};

/// How much of a file is looked at to find its delimiter.
const LOOK: usize = 64 * 1024;

/// Hands each row to `take`.
pub fn read<E: From<FileError>>(
    file: File,
    take: &mut dyn FnMut(Piece, Place) -> Result<(), E>,
) -> Result<(), E> {
    let total = file.metadata().map_or(0, |metadata| metadata.len());
    let mut file = BufReader::with_capacity(LOOK, file);
    let start = file.fill_buf().map_err(FileError::from)?;
    let bom = bom(start)?;
    let delimiter = delimiter(&start[bom..]);
    file.consume(bom);
    let mut records = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(file);
    let mut record = csv::ByteRecord::new();
    let mut number = 0;
    while records.read_byte_record(&mut record).map_err(io_error)? {
        number += 1;
        let place = Place { done: records.position().byte() + bom as u64, total };
        let line = line(number, &record);
        let piece = if number > 1 {
            Piece::Line(line)
        } else if line.damaged.is_empty() {
            Piece::Headers(line.cells)
        } else {
            return Err(FileError::Encoding.into());
        };
        take(piece, place)?;
    }
    if number == 0 { Err(FileError::Empty.into()) } else { Ok(()) }
}

fn line(number: i64, record: &csv::ByteRecord) -> Line {
    let mut line = Line { number, cells: Vec::with_capacity(record.len()), damaged: Vec::new() };
    for (at, cell) in record.iter().enumerate() {
        let text = String::from_utf8_lossy(cell);
        // It borrows what is UTF-8.
        if matches!(text, Cow::Owned(_)) {
            line.damaged.push(at);
        }
        line.cells.push(text.into_owned());
    }
    line
}

/// The length of a byte-order mark of UTF-8. Those of UTF-16 are another encoding.
fn bom(start: &[u8]) -> Result<usize, FileError> {
    if start.is_empty() {
        Err(FileError::Empty)
    } else if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
        Err(FileError::Encoding)
    } else if start.starts_with(&[0xEF, 0xBB, 0xBF]) {
        Ok(3)
    } else {
        Ok(0)
    }
}

/// The delimiter that the header row has most of, outside quotes. A comma if it has none.
fn delimiter(start: &[u8]) -> u8 {
    let mut counts = [(b',', 0_u32), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => {
                if let Some((_, count)) = counts.iter_mut().find(|(known, _)| known == byte) {
                    *count += 1;
                }
            }
        }
    }
    // The first of the best: a comma where nothing else is more frequent.
    counts.iter().rev().max_by_key(|(_, count)| count).map_or(b',', |(delimiter, _)| *delimiter)
}

fn io_error(error: csv::Error) -> FileError {
    // Byte records of any length and any bytes: only the file itself can fail.
    FileError::Io(error.into())
}

#[cfg(test)]
#[path = "csv_file_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "csv_fuzz_tests.rs"]
mod fuzz;
