//! Statements for lists: conditions that depend on the question, and pages by key.

use std::fmt::Write;

use sqlx::AssertSqlSafe;
use uuid::Uuid;
use yinyom_db::{DbError, Query, Record, Tx};

use crate::domain::order::{Cursor, CursorKey, Order, OrderKey};

/// A value for a condition.
#[derive(Debug, Clone)]
pub enum Bound {
    Text(String),
    Int(i64),
    Bytes(Vec<u8>),
    Id(Uuid),
}

/// Where a list's rows come from. All of it is text of this crate's, never a client's.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// `contacts c`
    pub from: &'static str,
    /// `c.contact_id, …`
    pub columns: &'static str,
    pub id: &'static str,
    pub name: &'static str,
    pub created_at: &'static str,
    pub updated_at: &'static str,
    pub business: &'static str,
}

/// A list's statement while it is made. `$1` is the business.
#[derive(Debug)]
pub struct Listing {
    source: Source,
    conditions: String,
    values: Vec<Bound>,
}

impl Listing {
    /// All rows of the business.
    pub fn of(source: Source) -> Self {
        Self { source, conditions: String::new(), values: Vec::new() }
    }

    /// Rows of which `condition` is true; each `?` in it stands for the next of `values`, `$1` for the business.
    #[must_use]
    pub fn and(mut self, condition: &str, values: impl IntoIterator<Item = Bound>) -> Self {
        let mut values = values.into_iter();
        self.conditions.push_str(" AND (");
        for c in condition.chars() {
            if c == '?'
                && let Some(value) = values.next()
            {
                self.values.push(value);
                let _ = write!(self.conditions, "${}", self.values.len() + 1);
            } else {
                self.conditions.push(c);
            }
        }
        self.conditions.push(')');
        self
    }

    /// Rows whose case-folded `column` begins with `prefix`. Goes through an index on either database, which
    /// `LIKE` does not.
    #[must_use]
    pub fn starting_with(self, columns: &[&str], prefix: &str) -> Self {
        // Nothing that a person writes sorts behind the last code point.
        let end = format!("{prefix}{}", char::MAX);
        let each = columns.iter().map(|column| format!("({column} >= ? AND {column} < ?)"));
        let condition = each.collect::<Vec<_>>().join(" OR ");
        let values =
            columns.iter().flat_map(|_| [Bound::Text(prefix.to_owned()), Bound::Text(end.clone())]);
        self.and(&condition, values)
    }

    /// Runs it: the rows after `cursor` in `order`, `fetch` of them at most.
    pub async fn fetch<R: Record>(
        mut self,
        tx: &mut Tx,
        order: Order,
        cursor: Option<&Cursor>,
        fetch: i64,
    ) -> Result<Vec<R>, DbError> {
        let asks = !self.conditions.is_empty();
        let (key, id) = (self.key(order), self.source.id);
        let (than, direction) = if order.descending { ("<", " DESC") } else { (">", "") };
        if let Some(cursor) = cursor {
            let last = match &cursor.key {
                CursorKey::Text(text) => Bound::Text(text.clone()),
                CursorKey::Time(micros) => Bound::Int(*micros),
            };
            self = self.and(&format!("({key}, {id}) {than} (?, ?)"), [last, Bound::Id(cursor.id)]);
        }
        let Source { columns, from, business, .. } = self.source;
        let sql = format!(
            "SELECT {columns} FROM {from} WHERE {business} = $1{}
             ORDER BY {key}{direction}, {id}{direction} LIMIT {fetch}",
            self.conditions
        );
        let query = self.values.into_iter().fold(tx.scoped(AssertSqlSafe(sql)), bind);
        // One person of that name or half of all: the way in depends on what is asked.
        let query = if asks { query.plan_for_values() } else { query };
        query.fetch_all().await
    }

    /// The ids of all of them, in their order.
    pub async fn ids(self, tx: &mut Tx) -> Result<Vec<Uuid>, DbError> {
        let Source { from, business, id, .. } = self.source;
        let sql = format!(
            "SELECT {id} FROM {from} WHERE {business} = $1{} ORDER BY {id}",
            self.conditions
        );
        let query = self.values.into_iter().fold(tx.scoped(AssertSqlSafe(sql)), bind);
        query.plan_for_values().scalars().await
    }

    fn key(&self, order: Order) -> &'static str {
        match order.key {
            OrderKey::Name => self.source.name,
            OrderKey::CreateTime => self.source.created_at,
            OrderKey::UpdateTime => self.source.updated_at,
        }
    }
}

fn bind(query: Query<'_>, value: Bound) -> Query<'_> {
    match value {
        Bound::Text(text) => query.bind(text),
        Bound::Int(number) => query.bind(number),
        Bound::Bytes(bytes) => query.bind(bytes),
        Bound::Id(id) => query.bind(id),
    }
}
