//! What a service commits reaches another service: exactly once, in order, whatever breaks.
//!
//! An event is inserted into the outbox by the unit of work that makes the change ([`enqueue`]), and
//! deleted when its receiver, a [`Sink`], is known to have it. In between it is on disk. In normal
//! times it costs one `INSERT` and one `DELETE`, and is sent as soon as it is
//! committed, or with what comes a moment later where there is no hurry ([`RelayConfig::gather`]).
//!
//! # Why nobody claims anything
//! Each replica relays at once what it committed itself: the commit wakes its [`Relay`], which reads
//! *everything* that the woken streams have, lowest number first. So if an earlier change of the same
//! contact was committed by another replica and is still there, it goes along. There are no claims to
//! expire, no leader to wait for and no cursor that could pass over a row that is committed late
//! (TRAPS 1).
//!
//! The price is that two relays may send the same event. That is harmless, because
//! - a number is raised and its row inserted in one transaction, under the lock of the stream's own
//!   row: whoever sees number *n* sees every lower one that is not deleted, and a lower one is
//!   deleted only when the receiver has it. So a relay never makes a gap by itself;
//! - the receiver keeps each stream's head and takes what it has already, with the same content, as
//!   had (TRAPS 2), so late and repeated sends change nothing;
//! - a relay deletes only rows that it sent itself and that the receiver acknowledged. It may die
//!   between sending and deleting: the rows are sent again.
//!
//! # Two lanes
//! The *live* lane sends what was woken. The *sweep* looks for what has waited longer than
//! [`GRACE`] and gives its businesses to the *catch-up* lane. Each lane has its own workers and gives
//! businesses bounded turns, one after the other: neither lane waits for the other, no business for
//! another one's million, and no stream for another one's fault (TRAPS 3).
//!
//! # What goes wrong, and what it stops
//! | the receiver | stops | until |
//! |---|---|---|
//! | does not answer | everything | it answers; tried at least once a second |
//! | does not take a batch of one event | the business | tried ever more seldom, after 30 s at most |
//! | refuses a stream, or lacks what is no longer here | the stream: *quarantined* | [`retry`] |
//! | says nothing of a stream | the stream | tried ever more seldom; quarantined after ten times |
//!
//! Nothing is ever dropped. [`status`] shows what waits and what is quarantined.
//!
//! # Using it
//! ```
//! use uuid::Uuid;
//! use yinyom_db::{Db, DbError};
//! use yinyom_kernel::Scope;
//! use yinyom_outbox::{Event, RelayHandle, enqueue};
//!
//! async fn change(
//!     db: &Db, relay: &RelayHandle, scope: Scope, contact: Uuid, event: Event,
//! ) -> Result<(), DbError> {
//!     db.write(scope, move |mut tx| async move {
//!         // … raise the contact's `consent_seq`, save the state …
//!         enqueue(&mut tx, &[event]).await?;
//!         tx.done::<_, DbError>(())
//!     })
//!     .await?;
//!     relay.wake(scope.business(), [contact]);
//!     Ok(())
//! }
//! ```
//! The service's migrations hold [`SQLITE_TABLES`] and [`POSTGRES_TABLES`].
//!
//! What is not done here: the bytes of an event, the call to the receiver, the numbers of a stream.

mod event;
mod gauges;
mod lease;
mod pace;
mod relay;
mod rota;
mod sweep;
mod table;
mod tables;
mod turn;
mod undelivered;
mod verdict;

pub use event::{Event, Outcome, Sink, SinkError, StreamOutcome};
pub use lease::TaskLease;
pub use relay::{Relay, RelayConfig, RelayHandle};
pub use table::{
    GRACE, MOST_RETRIED, POSTGRES_TABLES, Quarantined, SQLITE_TABLES, Status, enqueue, retry,
    retry_all, status,
};
pub use tables::Outbox;
