//! One SQL text, two databases: SQLite on a laptop, PostgreSQL in a cluster.
//!
//! A service's store writes each statement once, with `$1` placeholders, and runs it on a [`Tx`]:
//! a unit of work that [`Db::write`] begins and ends, or a read from [`Db::read`]. What must differ
//! between the databases is behind three small things: `{list}` and `{rows}` for many values in one
//! statement, [`Query::for_update`] for row locks, and [`Tx::dialect`] for the rest.
//!
//! # Writing a store
//! - Times are `i64` microseconds, bound from the clock; ids are `Uuid` (`UUID`, `BLOB`); bytes are
//!   `BYTEA` and `BLOB`; counters are `BIGINT`. SQL never asks for the time (TRAPS 14).
//! - `$1` is the business: [`Tx::scoped`] binds it.
//! - A text column that pages are ordered by is `TEXT COLLATE "C"` in PostgreSQL's migration; the
//!   statements do not say so.
//! - `SUM` of a `BIGINT` is a `NUMERIC` on PostgreSQL: `CAST(SUM(n) AS BIGINT)`. `COUNT` is an `i64`.
//! - A row that may be there already is `ON CONFLICT`, not an error that is caught: a unit of work
//!   in which a statement failed is not committed.
//! - PostgreSQL refuses a statement that lacks a bound value; SQLite takes `NULL`. Run each
//!   statement on both: `yinyom_testkit::both_databases!`.
//!
//! ```
//! use uuid::Uuid;
//! use yinyom_db::{DbError, Record, Tx};
//!
//! #[derive(Debug, Record)]
//! struct LeadRow {
//!     id: Uuid,
//!     name: String,
//!     revision: i64,
//! }
//!
//! async fn upsert(tx: &mut Tx, id: Uuid, name: &str, now: i64) -> Result<LeadRow, DbError> {
//!     tx.scoped(
//!         "INSERT INTO lead (business_id, id, name, revision, updated_at) VALUES ($1, $2, $3, 1, $4)
//!          ON CONFLICT (business_id, id)
//!          DO UPDATE SET name = $3, revision = lead.revision + 1, updated_at = $4
//!          RETURNING id, name, revision",
//!     )
//!     .bind(id)
//!     .bind(name)
//!     .bind(now)
//!     .fetch_one()
//!     .await
//! }
//!
//! /// A page in order of name. The first page is after `("", Uuid::nil())`.
//! async fn page(tx: &mut Tx, after: (&str, Uuid), rows: i64) -> Result<Vec<LeadRow>, DbError> {
//!     tx.scoped(
//!         "SELECT id, name, revision FROM lead
//!          WHERE business_id = $1 AND (name, id) > ($2, $3) ORDER BY name, id LIMIT $4",
//!     )
//!     .bind(after.0)
//!     .bind(after.1)
//!     .bind(rows)
//!     .fetch_all()
//!     .await
//! }
//!
//! async fn lock(tx: &mut Tx, id: Uuid) -> Result<Option<LeadRow>, DbError> {
//!     tx.scoped("SELECT id, name, revision FROM lead WHERE business_id = $1 AND id = $2")
//!         .bind(id)
//!         .for_update()
//!         .fetch_optional()
//!         .await
//! }
//! ```
//!
//! # Row-level security
//! On PostgreSQL each table with a `business_id` is forced to have a policy `business_id = ` what the
//! work's [`Scope`](yinyom_kernel::Scope) says; the text is in the services' migrations. Work without a scope
//! sees no rows of such a table. What work across businesses needs (TRAPS 16) is in a few tables
//! without the policy and without anything personal, such as `due_work`: it reads there which
//! businesses there is something to do for, and enters one at a time.
//!
//! # Migrations
//! A file `0015_expand_letters.sql` says by its name that the releases before it may go on, and start, beside it: it adds what they
//! need not know of, and takes nothing that they use but an index, without which they are slower. Its name is kept in
//! the database, where those releases find it. Any other migration that a release does not know keeps that release from starting.
//!
//! What is not done here: no statement of any service, no clock.

mod answers;
mod changes;
mod config;
mod db;
mod error;
pub mod idempotency;
mod kept;
mod list;
mod migrations;
mod opening;
mod pools;
mod query;
#[doc(hidden)]
pub mod record;
mod row_security;
mod session;
mod tx;

pub use changes::Listener;
pub use config::{DbConfig, Durability, Gate, Pass};
pub use db::Db;
pub use error::{Cause, Constraint, DbError, Violated};
pub use list::{Item, Rows};
pub use migrations::{EXPAND, Migrated, Migrations, OpenError};
pub use query::{Query, Scalar, Value};
pub use record::Record;
pub use tx::{Done, Tx};
/// A struct that a row becomes: each field is the column of its name; `#[record(flatten)]` makes it a struct of several.
/// Fastest where the statement names the columns in the fields' order.
pub use yinyom_db_derive::Record;
