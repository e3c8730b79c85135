//! Which tables a relay and its service mean. A service may have several outboxes, each with tables and a relay of
//! its own: then neither waits for what the other has piled up.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// An outbox, by its tables: `outbox`, `outbox_payloads` and `outbox_stalls`, and `heads` where it numbers events itself
/// ([`Outbox::append`]), with a prefix or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    prefix: &'static str,
    pub(crate) sweep: &'static str,
}

impl Outbox {
    /// The one without a prefix. [`crate::enqueue`] and the like are about it.
    pub const MAIN: Self = Self { prefix: "", sweep: "outbox-sweep" };

    /// The one whose tables begin with `prefix`. `sweep` names its sweep in `task_leases`, which all outboxes of a
    /// database share.
    pub const fn prefixed(prefix: &'static str, sweep: &'static str) -> Self {
        Self { prefix, sweep }
    }

    /// What it is called where it is watched: `ledger`, or its prefix.
    pub(crate) fn name(self) -> &'static str {
        if self.prefix.is_empty() { "ledger" } else { self.prefix.trim_end_matches('_') }
    }

    /// A statement that is written for [`Self::MAIN`], for this one.
    pub(crate) fn sql(self, text: &'static str) -> SqlStr {
        if self.prefix.is_empty() && !text.contains("{heads}") {
            return text.into_sql_str();
        }
        // Both texts are ours, and `'static`.
        let text = text.replace("outbox", &format!("{}outbox", self.prefix));
        AssertSqlSafe(text.replace("{heads}", &format!("{}heads", self.prefix))).into_sql_str()
    }
}
