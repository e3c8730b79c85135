//! What the ledger is and how it counts. Knows neither a transport nor a database.
//!
//! - [`judge`]: what becomes of a stream in a batch: taken, known already, a gap, a conflict.
//! - [`advance`]: what a change makes of a contact's consent, and what that adds to the counts ([`Tally`]).
//! - [`Batch`]: what the changes that are taken make of the ledger.
//! - [`Growth`]: what they make of the tree over its records.
//! - [`Trend`] and [`Bucket`]: days, weeks and months of a time zone, and what happened in them.
//! - [`Audited`]: what is kept of reveals and changes of settings. Not consent, and not in the ledger.
//! - [`Summary`]: how many said yes.

mod audit;
mod batch;
mod consent;
mod entry;
mod filter;
mod growth;
mod page;
#[cfg(test)]
mod property;
mod stream;
mod summary;
mod tally;
mod trend;

pub use audit::{AuditFilter, AuditKind, AuditStream, Audited, subjects};
pub use batch::Batch;
pub use consent::{Consent, advance};
pub use entry::{ConsentRecord, Entry, Evidence, Recorded};
pub use filter::{ChangeFilter, ConsentFilter};
pub use growth::Growth;
pub use page::Page;
pub use stream::{Outcome, Stream, StreamResult, Submission, Verdict, judge};
pub use summary::{ChannelSummary, Summary};
pub use tally::{QUARTER_MICROS, Tally, Transition};
pub use trend::{
    Bucket, ChannelTrend, Granularity, MAX_BUCKETS, Span, Trend, TrendError, buckets,
    end_before_start,
};
