//! What a row becomes: [`Record`](derive@crate::Record) reads each column from the place that it is expected at.
//!
//! Looking a column up by its name costs as much as decoding it. A statement names its columns in the order of the
//! struct's fields, nearly always, so the next column is the wanted one, which a glance at its name confirms. Where it
//! is another one, the name is looked up. All rows of an answer have their columns in the same places: the first one
//! tells whether the others need a glance.

use sqlx::{Column, ColumnIndex, Decode, Row, Type};

pub use sqlx::Error;
pub use sqlx::postgres::PgRow;
pub use sqlx::sqlite::SqliteRow;

/// What a row can become. `#[derive(Record)]` is enough; tuples are records, too.
pub trait Record:
    for<'r> Columns<'r, SqliteRow> + for<'r> Columns<'r, PgRow> + Send + Unpin
{
}

impl<T> Record for T where
    T: for<'r> Columns<'r, SqliteRow> + for<'r> Columns<'r, PgRow> + Send + Unpin
{
}

/// The columns of a row, one after the other.
#[derive(Debug)]
pub struct Reader<'r, R> {
    row: &'r R,
    next: usize,
    places: Places,
}

/// Where the columns of an answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Places {
    /// No column was elsewhere so far.
    Unknown,
    /// In the order in which they are read.
    InOrder,
    /// At least one of them is elsewhere.
    ByName,
}

/// A part of a row, or all of it.
pub trait Columns<'r, R>: Sized {
    /// Takes the columns that it is made of.
    fn read(columns: &mut Reader<'r, R>) -> Result<Self, Error>;
}

/// A whole row of an answer whose columns are in `places`; and then, where those of the others are.
pub(crate) fn read<'r, R, T: Columns<'r, R>>(
    row: &'r R,
    places: Places,
) -> Result<(T, Places), Error> {
    let mut columns = Reader { row, next: 0, places };
    let record = T::read(&mut columns)?;
    let known = match columns.places {
        Places::Unknown => Places::InOrder,
        known => known,
    };
    Ok((record, known))
}

/// All rows of an answer.
pub(crate) fn read_all<R, T: for<'r> Columns<'r, R>>(rows: &[R]) -> Result<Vec<T>, Error> {
    let mut records = Vec::with_capacity(rows.len());
    let mut places = Places::Unknown;
    for row in rows {
        let (record, known) = read(row, places)?;
        records.push(record);
        places = known;
    }
    Ok(records)
}

impl<'r, R> Reader<'r, R>
where
    R: Row,
    usize: ColumnIndex<R>,
{
    /// The next column, whatever its name.
    fn following<T>(&mut self) -> Result<T, Error>
    where
        T: Decode<'r, R::Database> + Type<R::Database>,
    {
        let place = self.next;
        self.next += 1;
        self.row.try_get(place)
    }
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
        let here = || self.row.columns().get(self.next).is_some_and(|next| next.name() == name);
        if self.places == Places::InOrder || here() {
            return self.following();
        }
        self.places = Places::ByName;
        self.next += 1;
        self.row.try_get(name)
    }
}

/// Tuples: columns in their order.
macro_rules! tuples {
    ($($column:ident)+) => {
        impl<'r, R, $($column),+> Columns<'r, R> for ($($column,)+)
        where
            R: Row,
            usize: ColumnIndex<R>,
            $($column: Decode<'r, R::Database> + Type<R::Database>),+
        {
            fn read(columns: &mut Reader<'r, R>) -> Result<Self, Error> {
                Ok(($(columns.following::<$column>()?,)+))
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
