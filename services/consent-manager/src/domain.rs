//! What the ledger is and how it counts. Knows neither a transport nor a database.
//!
//! - [`judge`]: what becomes of a stream in a batch: taken, known already, a gap, a conflict.
//! - [`advance`]: what a change makes of a contact's consent, and what that adds to the counts ([`Tally`]).
//! - [`moments`]: from when a change counts; [`retrace`]: what all changes of a contact make.
//! - [`Batch`]: what the changes that are taken make of the ledger.
//! - [`Growth`]: what they make of the tree over its records.
//! - [`Trend`] and [`Bucket`]: days, weeks and months of a time zone, and what happened in them.
//! - [`Audited`]: what is kept of reveals and changes of settings. Not consent, and not in the ledger.
//! - [`Prints`] and [`Difference`]: kept counts against a recount.
//! - [`Series`] and [`Cover`]: how any stretch of time is put together from months, days, hours and less.
//! - [`stood`]: how a contact stood at a past moment.
//! - [`Summary`]: how many said yes. [`Breakdown`]: where, to whom, and how.
//! - [`Retention`], [`Hold`], [`Erasure`], [`RefusedRequest`]: what is kept how long, and what holds that up.
//! - [`WantedRows`], [`Fixed`], [`Fold`]: what an export holds, and of which moment.

mod audit;
mod batch;
mod breakdown;
mod consent;
mod cover;
mod entry;
mod export;
mod filter;
mod growth;
mod page;
mod past;
#[cfg(test)]
mod property;
mod recount;
mod retention;
mod series;
mod stream;
mod summary;
mod tally;
mod trend;

pub use audit::{AuditFilter, AuditKind, AuditStream, Audited, subjects};
pub use batch::{Batch, Counting, Known, StreamEnd};
pub use breakdown::{Breakdown, By, Dimension, Period, Place, Share};
pub use consent::{Consent, advance, ends, moments, next, retrace};
pub use cover::{Cover, Piece};
pub use entry::{ConsentRecord, Entry, Evidence, Recorded, evidence_hash};
pub use export::{Exported, Fixed, Fold, Wanted as WantedRows, Written};
pub use filter::{ChangeFilter, ConsentFilter};
pub use growth::Growth;
pub use page::Page;
pub use past::{Made, Stood, stood, stood_after};
pub use recount::{Difference, Prints, Stretch};
pub use retention::{
    Erasure, Hold, NewHold, NewRefused, RefusalReason, RefusedRequest, RequestKind, Retention,
    RetentionPeriod, Told, read_words,
};
pub use series::Series;
pub use stream::{Outcome, Stream, StreamResult, Submission, Verdict, judge};
pub use summary::{ChannelSummary, Summary};
pub use tally::{Counts, Spot, Tally};
pub use trend::{
    Bucket, ChannelTrend, Granularity, MAX_BUCKETS, Span, Trend, TrendError, buckets, edges,
    end_before_start, share,
};
