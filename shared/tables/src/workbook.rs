//! An Excel workbook. Rows go to a file without a name, which is gone with whoever holds it.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use crate::table::{Cell, MAX_SHEET_ROWS, Row, Table, local};
use crate::writer::TableError;

/// Numbers of a sheet are floating: beyond it they are written as text.
const MAX_EXACT: u64 = 1 << 53;
/// Of a column, in characters.
const WIDTH: f64 = 24.0;

pub(crate) struct Book {
    sheets: Workbook,
    directory: PathBuf,
    next: u32,
}

impl Book {
    pub(crate) fn begin(table: &Table, directory: &Path) -> Result<Self, TableError> {
        let mut book = Workbook::new();
        book.set_tempdir(directory)?;
        // Or the bytes would tell the moment at which they were written.
        let made = ExcelDateTime::from_timestamp(table.as_of.as_second())?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&made));
        let sheet = book.add_worksheet_with_constant_memory()?;
        sheet.set_name(table.title)?.set_freeze_panes(1, 0)?;
        let bold = Format::new().set_bold();
        for (at, column) in (0..).zip(&table.columns) {
            sheet.set_column_width(at, WIDTH)?;
            sheet.write_string_with_format(0, at, column.title, &bold)?;
        }
        Ok(Self { sheets: book, directory: directory.to_owned(), next: 1 })
    }

    pub(crate) fn write(&mut self, table: &Table, rows: &[Row]) -> Result<(), TableError> {
        let sheet = self.sheets.worksheet_from_index(0)?;
        for row in rows {
            if u64::from(self.next) > MAX_SHEET_ROWS {
                return Err(TableError::TooManyRows);
            }
            for (at, cell) in (0..).zip(row) {
                put(sheet, self.next, at, cell, table)?;
            }
            self.next += 1;
        }
        Ok(())
    }

    /// The workbook, from its beginning.
    pub(crate) fn finish(mut self) -> Result<File, TableError> {
        let mut out = BufWriter::new(tempfile::tempfile_in(&self.directory)?);
        self.sheets.save_to_writer(&mut out)?;
        out.flush()?;
        let mut file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }
}

/// Texts are texts here, whatever they begin with.
fn put(
    sheet: &mut Worksheet,
    row: u32,
    at: u16,
    cell: &Cell,
    table: &Table,
) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => {}
        Cell::Text(text) => {
            sheet.write_string(row, at, &**text)?;
        }
        Cell::Integer(number) if number.unsigned_abs() > MAX_EXACT => {
            sheet.write_string(row, at, number.to_string())?;
        }
        #[expect(clippy::cast_precision_loss, reason = "it is exact up to here")]
        Cell::Integer(number) => {
            sheet.write_number(row, at, *number as f64)?;
        }
        Cell::Time(time) => {
            sheet.write_string(row, at, local(*time, &table.zone))?;
        }
    }
    Ok(())
}
