//! What is written.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;

/// The most rows of an Excel sheet, besides the header.
pub const MAX_SHEET_ROWS: u64 = 1_048_575;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180), UTF-8 with a byte order mark.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet, zstd.
    Parquet,
    /// An Excel workbook with one sheet.
    Xlsx,
}

impl Format {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::JsonLines, Self::Parquet, Self::Xlsx];

    /// Whether this program can write it.
    pub const fn is_built(self) -> bool {
        match self {
            Self::Csv | Self::JsonLines => true,
            Self::Parquet => cfg!(feature = "parquet"),
            Self::Xlsx => cfg!(feature = "xlsx"),
        }
    }

    /// Whether the bytes of a row depend on that row alone, so that a file can be gone on with at any row.
    pub const fn is_by_row(self) -> bool {
        matches!(self, Self::Csv | Self::JsonLines)
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    /// Microseconds since 1970, UTC.
    Time,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in formats for programs: `snake_case`.
    pub key: &'static str,
    /// Its header in formats for people.
    pub title: &'static str,
    pub kind: Kind,
}

/// The columns, and what all rows share.
#[derive(Debug, Clone)]
pub struct Table {
    /// Title of the sheet, where there is one: 31 characters at most.
    pub title: &'static str,
    pub columns: Vec<Column>,
    /// Formats for people show times in it, with its offset. Others are in UTC.
    pub zone: TimeZone,
    /// When a file says that it was made.
    pub as_of: Timestamp,
}

/// One value. A time or an integer in a column of text is written as text; anything else that does not fit its column
/// is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Empty,
    Text(Cow<'static, str>),
    Integer(i64),
    Time(Timestamp),
}

/// One value for each column.
pub type Row = Vec<Cell>;

impl Cell {
    /// A word.
    pub const fn word(word: &'static str) -> Self {
        Self::Text(Cow::Borrowed(word))
    }

    /// A text; an empty one is no value.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Empty } else { Self::Text(Cow::Owned(text)) }
    }

    /// A time, if there is one.
    pub fn time(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Empty, Self::Time)
    }

    /// How much memory it takes, about.
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) => text.len(),
                _ => 0,
            }
    }
}

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// With the offset of `zone`.
pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> String {
    PRINTER.timestamp_with_offset_to_string(&at, zone.to_offset(at))
}

pub(crate) fn utc(at: Timestamp) -> String {
    PRINTER.timestamp_to_string(&at)
}
