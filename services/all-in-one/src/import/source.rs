//! A file, row by row. Nothing of it is kept in memory but the row at hand (and, of a workbook, its
//! table of texts).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::csv_file;
use super::row::Line;
#[cfg(feature = "xlsx")]
use super::xlsx_file;

/// What a file is made of.
#[derive(Debug)]
pub enum Piece {
    /// Its first row.
    Headers(Vec<String>),
    /// Every other row.
    Line(Line),
}

/// How far a file has been read, in bytes or rows. `total` is 0 where that cannot be known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    pub done: u64,
    pub total: u64,
}

/// The file cannot be read. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    #[error("the file is empty")]
    Empty,
    #[cfg_attr(
        feature = "xlsx",
        error("the file is not UTF-8; save it as \"CSV UTF-8\" or as a workbook (.xlsx)")
    )]
    #[cfg_attr(not(feature = "xlsx"), error("the file is not UTF-8; save it as \"CSV UTF-8\""))]
    Encoding,
    #[cfg_attr(
        feature = "xlsx",
        error("the file is a workbook of Excel 97 to 2003; save it as .xlsx")
    )]
    #[cfg_attr(not(feature = "xlsx"), error("the file is a workbook; save it as \"CSV UTF-8\""))]
    OldWorkbook,
    #[cfg(not(feature = "xlsx"))]
    #[error("this program was built without workbooks; save it as \"CSV UTF-8\"")]
    NotBuilt,
    #[cfg(feature = "xlsx")]
    #[error("the workbook cannot be read")]
    Workbook(#[source] Box<calamine::XlsxError>),
    #[cfg(feature = "xlsx")]
    #[error("the workbook has no sheet of that name; it has: {}", .0.join(", "))]
    NoSheet(Vec<String>),
    #[cfg(feature = "xlsx")]
    #[error("the sheet has a cell beyond the last column that a workbook can have")]
    Columns,
}

#[cfg(feature = "xlsx")]
impl From<calamine::XlsxError> for FileError {
    fn from(error: calamine::XlsxError) -> Self {
        Self::Workbook(Box::new(error))
    }
}

/// Hands each piece of the file at `path` to `take`, until one is refused. `sheet` names a sheet of a
/// workbook; the first one if `None`.
#[cfg_attr(not(feature = "xlsx"), expect(unused_variables, reason = "only a workbook has sheets"))]
pub fn read<E: From<FileError>>(
    path: &Path,
    sheet: Option<&str>,
    take: &mut dyn FnMut(Piece, Place) -> Result<(), E>,
) -> Result<(), E> {
    let file = File::open(path).map_err(FileError::from)?;
    match kind(path)? {
        #[cfg(not(feature = "xlsx"))]
        Kind::Workbook => Err(FileError::NotBuilt.into()),
        #[cfg(feature = "xlsx")]
        Kind::Workbook => xlsx_file::read(file, sheet, take),
        Kind::Text => csv_file::read(file, take),
    }
}

enum Kind {
    Workbook,
    Text,
}

/// By the first bytes: names of files are often wrong.
fn kind(path: &Path) -> Result<Kind, FileError> {
    let mut start = Vec::new();
    File::open(path)?.take(8).read_to_end(&mut start)?;
    if start.starts_with(b"PK\x03\x04") {
        Ok(Kind::Workbook)
    } else if start.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        Err(FileError::OldWorkbook)
    } else {
        Ok(Kind::Text)
    }
}
