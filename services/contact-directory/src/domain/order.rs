//! The order of a list, and where a page ends.
//!
//! Lists are ordered by what everybody may see alone: an order by phone number would tell of hidden ones
//! (TRAPS 8).

use yinyom_kernel::{InvalidInput, Text};

/// What a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderKey {
    /// The name, title or display name, case-folded.
    Name,
    CreateTime,
    UpdateTime,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub key: OrderKey,
    pub descending: bool,
}

impl Order {
    /// Reads a client's `order_by` (AIP-132); by creation if empty.
    pub fn read(order_by: &str) -> Result<Self, InvalidInput> {
        let mut words = order_by.split_whitespace();
        let key = match words.next() {
            None | Some("create_time") => OrderKey::CreateTime,
            Some("name") => OrderKey::Name,
            Some("update_time") => OrderKey::UpdateTime,
            Some(_) => return Err(unknown()),
        };
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(unknown()),
        };
        if words.next().is_some() { Err(unknown()) } else { Ok(Self { key, descending }) }
    }
}

fn unknown() -> InvalidInput {
    InvalidInput::one(
        "order_by",
        "UNKNOWN_ORDER",
        Text::new(
            "must be name, create_time or update_time, with or without desc.",
            "ต้องเป็น name, create_time หรือ update_time จะต่อท้ายด้วย desc ก็ได้",
        ),
    )
}

/// The last item of a page: the next one begins after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub key: CursorKey,
    pub id: uuid::Uuid,
}

/// What the list is ordered by, of the last item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorKey {
    Text(String),
    /// Microseconds.
    Time(i64),
}

/// A page, and where it ends if another one follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts the one item too many that a query was asked for.
    pub fn cut(mut items: Vec<T>, rows: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let more = items.len() > rows;
        items.truncate(rows);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }

    /// The same page of something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_cannot_be_ordered_by_what_may_be_hidden() {
        for hidden in ["phone", "email", "phones", "emails.value", "name, phone", "etag"] {
            assert!(Order::read(hidden).is_err(), "{hidden}");
        }
        let by_name = Order { key: OrderKey::Name, descending: true };
        assert_eq!(Order::read("name desc"), Ok(by_name));
        assert!(Order::read("name up").is_err());
        assert!(Order::read("name desc desc").is_err());
    }
}
