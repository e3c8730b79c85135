//! What a row becomes: [`Record`](derive@crate::Record) reads each column from the place that it is expected at.
//!
//! Looking a column up by its name costs as much as decoding it. A statement names its columns in the order of the
//! struct's fields, nearly always, so the next column is the wanted one, which a glance at its name confirms. Where it
//! is another one, the name is looked up.

use sqlx::{Column, ColumnIndex, Decode, Row, Type};

pub use sqlx::postgres::PgRow;
pub use sqlx::sqlite::SqliteRow;
pub use sqlx::{Error, FromRow};

/// The columns of a row, one after the other.
#[derive(Debug)]
pub struct Reader<'r, R> {
    row: &'r R,
    next: usize,
}

/// A part of a row, or all of it.
pub trait Columns<'r, R>: Sized {
    /// Takes the columns that it is made of.
    fn read(columns: &mut Reader<'r, R>) -> Result<Self, Error>;
}

/// A whole row.
pub fn read<'r, R, T: Columns<'r, R>>(row: &'r R) -> Result<T, Error> {
    T::read(&mut Reader { row, next: 0 })
}

impl<'r, R> Reader<'r, R>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'n> &'n str: ColumnIndex<R>,
{
    /// The column of that name.
    pub fn next<T>(&mut self, name: &str) -> Result<T, Error>
    where
        T: Decode<'r, R::Database> + Type<R::Database>,
    {
        let place = self.next;
        self.next += 1;
        match self.row.columns().get(place) {
            Some(column) if column.name() == name => self.row.try_get(place),
            _ => self.row.try_get(name),
        }
    }
}
