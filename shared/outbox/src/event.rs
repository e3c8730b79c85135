//! What is relayed, and who receives it.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;
use yinyom_kernel::BusinessId;

/// One event of a stream, in the business of the unit of work that enqueues it.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Which stream: for the directory a contact.
    pub stream: Uuid,
    /// Its number in the stream: from 1, without a gap, raised in the same unit of work.
    pub seq: i64,
    /// What happened, in bytes that the receiver understands. Pseudonyms and ciphertext only
    /// (TRAPS 16).
    pub payload: Bytes,
    /// When it was committed, by the injected clock.
    pub created_at: Timestamp,
    /// W3C `traceparent` of the request that made it, so that one trace tells the whole way.
    pub trace_parent: Option<String>,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("stream", &self.stream)
            .field("seq", &self.seq)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// Where events go.
///
/// It must be idempotent: it keeps the head of each stream, and takes an event that it has already,
/// with the same content, as one that it has (TRAPS 2). The relay sends an event again whenever it is
/// not sure that it arrived, and two relays may send the same events at once.
pub trait Sink: Send + Sync + 'static {
    /// Takes events of one business: for each stream in order of `seq`, and every stream in one
    /// piece. Answers for each stream of `events`; a stream without an answer is sent again later.
    ///
    /// Has a deadline of its own. May be dropped half-way.
    fn deliver(
        &self,
        business: BusinessId,
        events: Vec<Event>,
    ) -> impl Future<Output = Result<Vec<StreamOutcome>, SinkError>> + Send;
}

/// What became of a stream in a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamOutcome {
    /// Which stream.
    pub stream: Uuid,
    /// What became of it.
    pub outcome: Outcome,
}

/// What the receiver says of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has everything up to `last_seq`, now or already.
    Recorded { last_seq: i64 },
    /// It lacks `last_seq` + 1.
    Gap { last_seq: i64 },
    /// It has something else under a number, or can't read an event; sending it again won't help.
    /// It took nothing of what was sent.
    Refused {
        /// `UPPER_SNAKE_CASE`, stable: it is stored and shown.
        reason: &'static str,
    },
}

/// A delivery that was not answered stream by stream. Whether any of it arrived is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The receiver does not answer, whatever it is sent. Everything waits.
    #[error("the receiver does not answer")]
    Unavailable,

    /// The receiver answers, but not to this: a message that is too large, a business that it does
    /// not know, a failure of its own. Only this business waits.
    #[error("the receiver did not take the batch: {reason}")]
    Rejected {
        /// `UPPER_SNAKE_CASE`, stable: it is stored and logged.
        reason: &'static str,
    },
}
