//! Leads and accounts, as far as consent needs them: which contacts are theirs, and which is a lead's primary one.

use jiff::Timestamp;
use yinyom_kernel::{AccountId, ContactId, InvalidInput, LeadId, Violations, one_line};

/// The most characters of a title, a source or a display name.
const MAX_NAME: usize = 200;

/// Somebody may buy something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    pub id: LeadId,
    pub title: String,
    /// Empty if it was not said.
    pub source: String,
    /// The one contact that the lead's page is about.
    pub primary_contact: ContactId,
    /// What it was turned into.
    pub account: Option<AccountId>,
    pub revision: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A registered customer (ทะเบียนลูกค้า).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub display_name: String,
    pub revision: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Reads a title or a display name: one line that is not empty.
pub fn read_title(field: &str, text: &str) -> Result<String, InvalidInput> {
    let mut wrong = Violations::new();
    let title = one_line(field, text, MAX_NAME)?;
    if title.is_none() {
        wrong.missing(field);
    }
    wrong.finish(title)
}

/// Reads a lead's source: one line, or nothing.
pub fn read_source(field: &str, text: &str) -> Result<String, InvalidInput> {
    Ok(one_line(field, text, MAX_NAME)?.unwrap_or_default())
}
