//! Marketing Consent Manager: the ledger of every consent change, for ever, and reports over it.
//!
//! It answers «how many said yes, by month?» and «prove it». It changes no state: the directory does, and sends each
//! change here, numbered without a gap for each contact. Nothing here says who a contact is; what identifies a person in
//! the evidence is under the contact's own key.
//!
//! # The way of data
//! - `api`: protobuf; parses, calls, renders, seals page tokens.
//! - `commands`: one function for each use case; [`commands::Reading`] is the gate of every read.
//! - `domain`: what a change makes of a consent, and how it is counted. Pure.
//! - `store`: SQL over a transaction.
//! - [`App`]: the wiring; [`Config`]: what an operator sets; [`ACCESS`]: which kind of caller may use what.
//!
//! # Ingestion
//! One unit of work for a batch of a business: the ledger's end is locked first, so that indexes have no gap and follow the
//! order of commit. Each stream is judged by itself (`domain::judge`), and what is taken is appended with the current
//! consents and the counts (`domain::Batch`). Whatever is sent twice is known already.
//!
//! # Counts
//! Current totals, and what happened by instant, quarter of an hour, hour, day and month (`domain::Series`), are kept as
//! changes are taken; any stretch of time of any zone is put together from few of them (`domain::Cover`). A grant that ran
//! out counts as `NOT_SET` from that instant whether or not anybody recorded it, so each read corrects what was kept by the
//! grants that are due (TRAPS 19). [`commands::recount`] makes all of it anew from the ledger, and compares.
//!
//! # Erasure
//! `ERASED` destroys the contact's key in the unit of work that takes it; `commands::destroy_due` then overwrites its sealed
//! evidence and, after the retention period, the content of its records, unless a legal hold is on it. What the ledger has
//! destroyed itself it says, signed, where it was: so the tree, the proofs and the counts stay what they were.
//!
//! # Proof
//! Records are the leaves of a tree as in certificate transparency (`yinyom_transparency`), which each batch grows in its
//! own transaction; each record is signed there by the [`Notary`], with a key that the database does not hold. Nothing
//! that the database says of itself is believed by who verifies an export.
//!
//! # Files
//! An export (`commands::TableExport`, `yinyom_tables`) is of one moment: it is the same file however long it takes and
//! however often it is taken up again. A receipt (`yinyom_receipt`) is what a person is given, made from the ledger alone.

mod access;
mod api;
mod app;
pub mod commands;
mod config;
pub mod domain;
mod feed;
mod notary;
pub mod store;

pub use access::ACCESS;
pub use app::{App, MIGRATIONS, Parts, StartError};
pub use config::{Config, LedgerArgs};
pub use feed::Feeds;
pub use notary::Notary;
