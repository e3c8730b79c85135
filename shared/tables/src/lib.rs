//! Rows of a table, written as files that other programs open: CSV, JSON Lines, Parquet, XLSX. Knows neither what the rows
//! mean nor where they come from.
//!
//! - [`Table`]: columns, their headers, and the zone that times are shown in; [`Cell`], [`Row`]: what is in it.
//! - [`Writer`]: takes rows, gives bytes, in memory that does not grow with the rows. CSV and JSON Lines come out as rows go
//!   in; Parquet a group of rows at a time; a workbook at the end, from files that have no name and are gone with the
//!   writer, however that ends.
//!
//! Parquet and XLSX are features, since their libraries are large; without them [`Format::is_built`] says no.
//!
//! The same rows make the same bytes, whatever pieces they come in: so a file can be taken up again where it broke off.

#[cfg(not(all(feature = "parquet", feature = "xlsx")))]
mod absent;
mod comma;
mod lines;
#[cfg(feature = "parquet")]
mod parquet_file;
mod table;
#[cfg(feature = "xlsx")]
mod workbook;
mod writer;

pub use table::{Cell, Column, Format, Kind, MAX_SHEET_ROWS, Row, Table};
pub use writer::{Rest, TableError, Writer};
