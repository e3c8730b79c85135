//! Rows in, bytes out.

use std::fs::File;
use std::io;
use std::path::Path;

#[cfg(not(feature = "xlsx"))]
use crate::absent::Book;
#[cfg(not(feature = "parquet"))]
use crate::absent::ParquetFile;
#[cfg(feature = "parquet")]
use crate::parquet_file::ParquetFile;
use crate::table::{Format, Row, Table};
#[cfg(feature = "xlsx")]
use crate::workbook::Book;
use crate::{comma, lines};

/// A file cannot be written. Holds nothing of the rows.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("a file on the way cannot be written")]
    Io(#[from] io::Error),
    #[error("CSV cannot be written")]
    Csv(#[source] csv::Error),
    #[error("JSON cannot be written")]
    Json(#[from] serde_json::Error),
    #[cfg(feature = "parquet")]
    #[error("Parquet cannot be written")]
    Parquet(#[from] parquet::errors::ParquetError),
    #[cfg(feature = "xlsx")]
    #[error("a workbook cannot be written")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// More than a sheet has.
    #[error("a sheet has no more than {} rows", crate::MAX_SHEET_ROWS)]
    TooManyRows,
    /// [`Format::is_built`] tells beforehand.
    #[error("this program was built without this format")]
    NotBuilt,
}

impl From<csv::Error> for TableError {
    fn from(error: csv::Error) -> Self {
        Self::Csv(error)
    }
}

/// What comes after the bytes that were taken.
pub enum Rest {
    Bytes(Vec<u8>),
    /// From where it stands to its end. It has no name: it is gone when it is closed.
    File(File),
}

/// Writes one file.
pub struct Writer {
    table: Table,
    ready: Vec<u8>,
    shape: Shape,
}

enum Shape {
    Csv,
    JsonLines,
    Parquet(Box<ParquetFile>),
    Xlsx(Box<Book>),
}

impl Writer {
    /// A new file. What does not fit into memory goes to files without a name in `directory`.
    pub fn begin(table: Table, format: Format, directory: &Path) -> Result<Self, TableError> {
        let mut ready = Vec::new();
        let shape = match format {
            Format::Csv => {
                comma::header(&table, &mut ready)?;
                Shape::Csv
            }
            Format::JsonLines => Shape::JsonLines,
            Format::Parquet => Shape::Parquet(Box::new(ParquetFile::begin(&table)?)),
            Format::Xlsx => Shape::Xlsx(Box::new(Book::begin(&table, directory)?)),
        };
        Ok(Self { table, ready, shape })
    }

    /// Goes on after rows that were written before: no header. `None` for a format that is not by row
    /// ([`Format::is_by_row`]).
    pub fn resume(table: Table, format: Format) -> Option<Self> {
        let shape = match format {
            Format::Csv => Shape::Csv,
            Format::JsonLines => Shape::JsonLines,
            Format::Parquet | Format::Xlsx => return None,
        };
        Some(Self { table, ready: Vec::new(), shape })
    }

    /// Appends rows.
    pub fn write(&mut self, rows: Vec<Row>) -> Result<(), TableError> {
        match &mut self.shape {
            Shape::Csv => comma::rows(&self.table, &rows, &mut self.ready),
            Shape::JsonLines => lines::rows(&self.table, &rows, &mut self.ready),
            Shape::Parquet(file) => Ok(file.write(rows)?),
            Shape::Xlsx(book) => book.write(&self.table, &rows),
        }
    }

    /// The bytes that are ready: none, as long as a format holds rows back.
    pub fn take(&mut self) -> Result<Vec<u8>, TableError> {
        let mut bytes = std::mem::take(&mut self.ready);
        if let Shape::Parquet(file) = &mut self.shape {
            bytes.append(&mut file.take()?);
        }
        Ok(bytes)
    }

    /// What is left, after the last row. Of a workbook that is all of it, and takes its time.
    pub fn finish(mut self) -> Result<Rest, TableError> {
        let mut bytes = self.take()?;
        match self.shape {
            Shape::Csv | Shape::JsonLines => {}
            Shape::Parquet(file) => bytes.append(&mut file.finish()?),
            Shape::Xlsx(book) => return Ok(Rest::File(book.finish()?)),
        }
        Ok(Rest::Bytes(bytes))
    }
}
