//! Many values in one statement: as arrays on PostgreSQL, as JSON on SQLite, which has none.

use serde_json::Value as Json;
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use uuid::Uuid;

use crate::DbError;

/// What `{list}` can be filled with: `Uuid`, `i64`, `String`, `&str` and `Vec<u8>`.
pub trait Item: Sized {
    /// The type of the array on PostgreSQL.
    #[doc(hidden)]
    const ARRAY: &'static str;
    /// How SQLite gets one back from its JSON `value`.
    #[doc(hidden)]
    const READ: &'static str;
    #[doc(hidden)]
    fn json(&self) -> Json;
    #[doc(hidden)]
    fn add(items: &[Self], values: &mut PgArguments) -> Result<(), BoxDynError>;
}

macro_rules! item {
    ($type:ty, $array:literal, $read:literal, |$item:ident| $json:expr) => {
        impl Item for $type {
            const ARRAY: &'static str = $array;
            const READ: &'static str = $read;

            fn json(&self) -> Json {
                let $item = self;
                Json::from($json)
            }

            fn add(items: &[Self], values: &mut PgArguments) -> Result<(), BoxDynError> {
                values.add(items)
            }
        }
    };
}

item!(Uuid, "uuid[]", "unhex(value)", |id| id.simple().to_string());
item!(i64, "bigint[]", "value", |number| *number);
item!(String, "text[]", "value", |text| text.as_str());
item!(&str, "text[]", "value", |text| *text);
item!(Vec<u8>, "bytea[]", "unhex(value)", |bytes| hex::encode(bytes));

/// What stands in the place of `IN {list}`, with the items as `$number`.
pub(crate) fn membership<T: Item>(postgres: bool, number: usize) -> String {
    if postgres {
        format!("= ANY(${number}::{})", T::ARRAY)
    } else {
        format!("IN (SELECT {} FROM json_each(${number}))", T::READ)
    }
}

/// More items than that are a table, where they only have to be found.
pub(crate) const FEW: usize = 32;

/// Like [`membership`], of many items in a statement that locks and changes nothing.
pub(crate) fn long_membership<T: Item>(postgres: bool, number: usize) -> String {
    if postgres {
        format!("IN (SELECT unnest(${number}::{}))", T::ARRAY)
    } else {
        membership::<T>(postgres, number)
    }
}

/// Items as SQLite takes them.
pub(crate) fn json<T: Item>(items: &[T]) -> String {
    Json::Array(items.iter().map(Item::json).collect()).to_string()
}

/// A table of values, column by column, for `{rows}`; in the statement it is called `batch`.
///
/// The columns have equal lengths. An item is a value or an `Option` of one. Keep it to some
/// hundreds of rows; one statement then costs little more than one row does.
#[derive(Debug, Default)]
#[must_use = "a batch does nothing until a statement takes it"]
pub struct Rows<'a> {
    columns: Vec<(&'static str, Column<'a>)>,
}

enum Column<'a> {
    Uuids(Vec<Option<Uuid>>),
    Ints(Vec<Option<i64>>),
    Flags(Vec<Option<bool>>),
    Texts(Vec<Option<&'a str>>),
    Bytes(Vec<Option<&'a [u8]>>),
}

impl std::fmt::Debug for Column<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.len(), self.array())
    }
}

impl<'a> Rows<'a> {
    /// No columns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A column of ids.
    pub fn uuids<V: Into<Option<Uuid>>>(
        self,
        name: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(name, Column::Uuids(values.into_iter().map(Into::into).collect()))
    }

    /// A column of whole numbers; it fits an INTEGER column as well.
    pub fn ints<V: Into<Option<i64>>>(
        self,
        name: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(name, Column::Ints(values.into_iter().map(Into::into).collect()))
    }

    /// A column of truth values.
    pub fn flags<V: Into<Option<bool>>>(
        self,
        name: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(name, Column::Flags(values.into_iter().map(Into::into).collect()))
    }

    /// A column of texts.
    pub fn texts<V: Into<Option<&'a str>>>(
        self,
        name: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(name, Column::Texts(values.into_iter().map(Into::into).collect()))
    }

    /// A column of byte strings.
    pub fn bytes<V: Into<Option<&'a [u8]>>>(
        self,
        name: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(name, Column::Bytes(values.into_iter().map(Into::into).collect()))
    }

    fn with(mut self, name: &'static str, column: Column<'a>) -> Self {
        self.columns.push((name, column));
        self
    }

    /// What stands in the place of `{rows}`, with the values from `$number` on.
    pub(crate) fn table(&self, postgres: bool, number: usize) -> Result<String, DbError> {
        let lengths = self.columns.iter().map(|(_, column)| column.len());
        if self.columns.is_empty() || lengths.clone().min() != lengths.max() {
            return Err(DbError::bug("the columns of a batch must have equal lengths"));
        }
        let list = |part: &dyn Fn(usize, &str, &Column) -> String| {
            let columns = self.columns.iter().enumerate();
            columns.map(|(i, (name, column))| part(i, name, column)).collect::<Vec<_>>().join(", ")
        };
        Ok(if postgres {
            let arrays = list(&|i, _, column| format!("${}::{}", number + i, column.array()));
            let names = list(&|_, name, _| name.to_owned());
            format!("UNNEST({arrays}) AS batch({names})")
        } else {
            let columns = list(&|i, name, column| format!("{} AS {name}", column.read(i)));
            format!("(SELECT {columns} FROM json_each(${number})) AS batch")
        })
    }

    /// The rows as SQLite takes them: one array for each.
    pub(crate) fn json(&self) -> String {
        let rows = self.columns.first().map_or(0, |(_, column)| column.len());
        let row = |i| self.columns.iter().map(|(_, column)| column.json(i)).collect();
        Json::Array((0..rows).map(|i| Json::Array(row(i))).collect()).to_string()
    }

    /// The columns as PostgreSQL takes them.
    pub(crate) fn add(self, values: &mut PgArguments) -> Result<(), BoxDynError> {
        self.columns.into_iter().try_for_each(|(_, column)| match column {
            Column::Uuids(items) => values.add(items),
            Column::Ints(items) => values.add(items),
            Column::Flags(items) => values.add(items),
            Column::Texts(items) => values.add(items),
            Column::Bytes(items) => values.add(items),
        })
    }
}

impl Column<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Uuids(items) => items.len(),
            Self::Ints(items) => items.len(),
            Self::Flags(items) => items.len(),
            Self::Texts(items) => items.len(),
            Self::Bytes(items) => items.len(),
        }
    }

    fn array(&self) -> &'static str {
        match self {
            Self::Uuids(_) => "uuid[]",
            Self::Ints(_) => "bigint[]",
            Self::Flags(_) => "boolean[]",
            Self::Texts(_) => "text[]",
            Self::Bytes(_) => "bytea[]",
        }
    }

    /// How SQLite reads this column, the `i`th, from a row's JSON array.
    fn read(&self, i: usize) -> String {
        match self {
            Self::Uuids(_) | Self::Bytes(_) => format!("unhex(value ->> {i})"),
            Self::Ints(_) | Self::Flags(_) | Self::Texts(_) => format!("value ->> {i}"),
        }
    }

    fn json(&self, i: usize) -> Json {
        match self {
            Self::Uuids(items) => items[i].map(|id| id.simple().to_string()).into(),
            Self::Ints(items) => items[i].into(),
            Self::Flags(items) => items[i].into(),
            Self::Texts(items) => items[i].into(),
            Self::Bytes(items) => items[i].map(hex::encode).into(),
        }
    }
}
