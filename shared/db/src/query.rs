//! One statement: its text, its values, its rows.

use std::time::Duration;

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{
    Arguments, AssertSqlSafe, Decode, Encode, Executor, Postgres, SqlSafeStr, SqlStr, Sqlite, Type,
};

use uuid::Uuid;

use crate::list::{self, Item, Rows};
use crate::session::{Connection, Session, in_time};
use crate::tx::{AtOnce, Left, Plans, State};
use crate::{DbError, row_security};

/// What can be bound in a statement: `i64`, `i32`, `bool`, `&str`, `String`, `Uuid`, `&[u8]`,
/// `Vec<u8>`, and an `Option` of each. A `[u8; 32]` is bound as `&hash[..]`.
pub trait Value<'q>:
    Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres>
{
}

impl<'q, T> Value<'q> for T where
    T: Encode<'q, Sqlite> + Type<Sqlite> + Encode<'q, Postgres> + Type<Postgres>
{
}

/// What a single column can become.
pub trait Scalar:
    for<'r> Decode<'r, Sqlite>
    + Type<Sqlite>
    + for<'r> Decode<'r, Postgres>
    + Type<Postgres>
    + Send
    + Unpin
{
}

impl<T> Scalar for T where
    T: for<'r> Decode<'r, Sqlite>
        + Type<Sqlite>
        + for<'r> Decode<'r, Postgres>
        + Type<Postgres>
        + Send
        + Unpin
{
}

/// A statement that waits for its values and is then run by one of the `fetch_…` methods,
/// `scalar…` or [`Query::execute`].
#[must_use = "a statement does nothing until it is run"]
pub struct Query<'t> {
    target: Option<Target<'t>>,
    failed: &'t mut bool,
    pub(crate) left: &'t mut Left,
    /// What business PostgreSQL believes that this is about, and what it has to be told first.
    told: &'t mut Option<Uuid>,
    business: Option<Uuid>,
    plans: &'t mut Plans,
    in_transaction: bool,
    /// What it leaves behind if it is not there to fetch rows: nothing, if it is a transaction by itself.
    pub(crate) leaves: Left,
    text: Text,
    lock: &'static str,
    pub(crate) keeps_plan: bool,
    postgres: bool,
    pub(crate) limit: Duration,
    problem: Option<DbError>,
}

/// A connection and the values in its own encoding.
pub(crate) enum Target<'t> {
    Sqlite(&'t mut sqlx::SqliteConnection, SqliteArguments),
    Postgres(&'t mut sqlx::PgConnection, PgArguments),
}

/// The statement's text, as it came or with marks filled.
enum Text {
    Given(SqlStr),
    Filled(String),
}

impl Text {
    fn as_str(&self) -> &str {
        match self {
            Self::Given(sql) => sql.as_str(),
            Self::Filled(sql) => sql,
        }
    }

    fn into_sql_str(self) -> SqlStr {
        match self {
            Self::Given(sql) => sql,
            // Made from an audited text and from column names and type names, all `&'static`.
            Self::Filled(sql) => AssertSqlSafe(sql).into_sql_str(),
        }
    }
}

impl<'t> Query<'t> {
    pub(crate) fn new(state: &'t mut State, sql: SqlStr) -> Self {
        let in_transaction = state.session.as_ref().is_some_and(Session::is_transaction);
        let target = state.session.as_mut().map(|session| match session.connection() {
            Connection::Sqlite(connection) => {
                Target::Sqlite(connection, SqliteArguments::default())
            }
            Connection::Postgres(connection) => {
                Target::Postgres(connection, PgArguments::default())
            }
        });
        let problem = if state.failed {
            Some(DbError::bug("an earlier statement of this unit failed"))
        } else if state.at_once == AtOnce::Done {
            Some(DbError::bug("this unit is one statement"))
        } else {
            None
        };
        if state.at_once == AtOnce::NotYet {
            state.at_once = AtOnce::Done;
        }
        Self {
            target,
            failed: &mut state.failed,
            left: &mut state.left,
            told: &mut state.told,
            business: state.scope.map(|scope| scope.business().uuid()),
            plans: &mut state.plans,
            in_transaction,
            leaves: if state.at_once == AtOnce::No { Left::Something } else { Left::Nothing },
            text: Text::Given(sql),
            lock: "",
            keeps_plan: true,
            postgres: state.postgres,
            limit: state.limits.next(),
            problem,
        }
    }

    /// The next `$n`. See [`Value`] for what can be bound.
    pub fn bind<'q>(mut self, value: impl Value<'q>) -> Self {
        let bound = match &mut self.target {
            Some(Target::Sqlite(_, values)) => values.add(value),
            Some(Target::Postgres(_, values)) => values.add(value),
            None => Ok(()),
        };
        if bound.is_err() {
            self.problem.get_or_insert_with(|| DbError::bug("a value could not be encoded"));
        }
        self
    }

    /// Fills the next `IN {list}` of the text with `items`: ids, numbers, texts or byte strings.
    /// Takes one `$n`. An empty list is fine and matches nothing.
    ///
    /// ```
    /// # use yinyom_db::{Tx, DbError};
    /// # use uuid::Uuid;
    /// async fn known(tx: &mut Tx, contacts: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    ///     tx.scoped("SELECT id FROM contact WHERE business_id = $1 AND id IN {list}")
    ///         .list(contacts)
    ///         .scalars()
    ///         .await
    /// }
    /// ```
    pub fn list<T: Item>(self, items: &[T]) -> Self {
        let membership = list::membership::<T>;
        self.fill_list(items, membership)
    }

    /// Like [`Query::list`], of up to thousands of items, for a statement that only reads: in what order it comes upon the rows
    /// is PostgreSQL's affair.
    ///
    /// PostgreSQL plans once for any list, and takes it for a short one. Where it believes that the business has few rows it
    /// would compare each of them with one item after the other; of a table of items it makes a hash.
    pub fn long_list<T: Item>(self, items: &[T]) -> Self {
        let few = items.len() <= list::FEW;
        self.fill_list(items, if few { list::membership::<T> } else { list::long_membership::<T> })
    }

    fn fill_list<T: Item>(mut self, items: &[T], membership: fn(bool, usize) -> String) -> Self {
        let number = self.bound() + 1;
        self.fill("IN {list}", &membership(self.postgres, number));
        if self.postgres {
            self.bind_arrays(|values| T::add(items, values))
        } else {
            self.bind(list::json(items))
        }
    }

    /// Fills `{rows}` with a table of `rows`, whose columns have the names given there. Takes one
    /// `$n` or more, so nothing can be bound after it.
    ///
    /// On SQLite an `INSERT … SELECT … FROM {rows} ON CONFLICT …` needs `WHERE true` before
    /// `ON CONFLICT`, or `ON` is read as a join's.
    ///
    /// ```
    /// # use yinyom_db::{Tx, DbError, Rows};
    /// # use uuid::Uuid;
    /// # struct Point { id: Uuid, sealed: Vec<u8>, note: Option<String>, at: i64 }
    /// async fn insert(tx: &mut Tx, points: &[Point]) -> Result<u64, DbError> {
    ///     tx.scoped(
    ///         "INSERT INTO point (business_id, id, sealed, note, at)
    ///          SELECT $1, id, sealed, note, at FROM {rows} WHERE true
    ///          ON CONFLICT (business_id, id) DO NOTHING",
    ///     )
    ///     .rows(
    ///         Rows::new()
    ///             .uuids("id", points.iter().map(|p| p.id))
    ///             .bytes("sealed", points.iter().map(|p| &p.sealed[..]))
    ///             .texts("note", points.iter().map(|p| p.note.as_deref()))
    ///             .ints("at", points.iter().map(|p| p.at)),
    ///     )
    ///     .execute()
    ///     .await
    /// }
    /// ```
    pub fn rows(mut self, rows: Rows<'_>) -> Self {
        let number = self.bound() + 1;
        match rows.table(self.postgres, number) {
            Ok(table) => self.fill("{rows}", &table),
            Err(error) => return self.fail(error),
        }
        if self.postgres {
            self.bind_arrays(|values| rows.add(values))
        } else {
            self.bind(rows.json())
        }
    }

    fn bind_arrays(
        mut self,
        add: impl FnOnce(&mut PgArguments) -> Result<(), BoxDynError>,
    ) -> Self {
        if let Some(Target::Postgres(_, values)) = &mut self.target
            && add(values).is_err()
        {
            self.problem.get_or_insert_with(|| DbError::bug("a value could not be encoded"));
        }
        self
    }

    /// Locks the rows that the statement answers with to the end of the unit of work. On SQLite,
    /// which has one unit of work at a time, there is nothing to do.
    pub fn for_update(mut self) -> Self {
        if self.postgres {
            self.lock = " FOR UPDATE";
        }
        self
    }

    /// Like [`Query::for_update`], but passes over rows that another unit of work has locked.
    pub fn for_update_skip_locked(mut self) -> Self {
        if self.postgres {
            self.lock = " FOR UPDATE SKIP LOCKED";
        }
        self
    }

    /// Plans the statement for these very values, and keeps neither plan nor text.
    ///
    /// Any other statement is planned once, for any values. That is right for a key and wrong for a
    /// condition like a name's start, where the best way in depends on how many rows fit: it then
    /// walks through a million. Costs two round trips.
    pub fn plan_for_values(mut self) -> Self {
        self.keeps_plan = false;
        self
    }

    pub(crate) fn fail(mut self, error: DbError) -> Self {
        self.problem.get_or_insert(error);
        self
    }

    fn bound(&self) -> usize {
        match &self.target {
            Some(Target::Sqlite(_, values)) => values.len(),
            Some(Target::Postgres(_, values)) => values.len(),
            None => 0,
        }
    }

    fn fill(&mut self, mark: &str, with: &str) {
        if self.text.as_str().contains(mark) {
            self.text = Text::Filled(self.text.as_str().replacen(mark, with, 1));
        } else {
            self.problem
                .get_or_insert_with(|| DbError::bug("the statement lacks the mark to fill"));
        }
    }

    /// The statement, if nothing was wrong so far, on a connection that knows what business it is about. Until it has
    /// succeeded it has failed: it may be dropped half-way.
    pub(crate) async fn ready(self) -> Result<(Target<'t>, SqlStr, &'t mut bool), DbError> {
        *self.failed = true;
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let mut target = self.target.ok_or_else(|| DbError::bug("this unit of work is over"))?;
        if let Target::Postgres(connection, _) = &mut target {
            let another = *self.told != self.business;
            let plans = !self.keeps_plan && *self.plans == Plans::ForAll;
            if another || plans {
                let tell = row_security::tell(another, self.business, plans, self.in_transaction);
                in_time(self.limit, connection.execute(tell)).await?;
                *self.told = self.business;
                if plans {
                    *self.plans = Plans::ForValues;
                    if !self.in_transaction {
                        *self.left = Left::Something;
                    }
                }
            }
        }
        let text = if self.lock.is_empty() {
            self.text
        } else {
            Text::Filled(format!("{}{}", self.text.as_str(), self.lock))
        };
        Ok((target, text.into_sql_str(), self.failed))
    }
}
