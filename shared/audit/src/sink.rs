//! The manager, as the audit outbox sees it.

use tonic::Code;
use uuid::Uuid;
use yinyom_kernel::{BusinessId, Name};
use yinyom_outbox::{Event, Outcome, Sink, SinkError, StreamOutcome};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::audit_service_client::AuditServiceClient;
use yinyom_rpc::{Connection, MAX_MESSAGE_BYTES};

use crate::{Act, AuditEvent, wire};

/// What one delivery may weigh, roughly: a reveal of a whole page is a hundred times as large as another one.
const BUDGET: usize = MAX_MESSAGE_BYTES / 2;

/// How much longer names are than the ids that an act is kept with, at most.
const GROWTH: usize = 8;

/// Delivers audit events to the manager.
pub struct AuditSink {
    client: AuditServiceClient<Connection>,
}

impl AuditSink {
    /// The manager at the other end of `connection`.
    pub fn new(connection: Connection) -> Self {
        let client =
            AuditServiceClient::new(connection).max_encoding_message_size(MAX_MESSAGE_BYTES);
        Self { client }
    }
}

impl Sink for AuditSink {
    /// Sends as many as fit into one message. Of the others nothing is said, or that they are not recorded: they are
    /// sent next.
    async fn deliver(
        &self,
        business: BusinessId,
        events: Vec<Event>,
    ) -> Result<Vec<StreamOutcome>, SinkError> {
        let events = &events[..fitting(&events)];
        let request = pb::RecordAuditEventsRequest {
            parent: Name::format_business(business),
            events: events
                .iter()
                .map(|event| message(business, event))
                .collect::<Result<_, _>>()?,
        };
        let mut client = self.client.clone();
        match client.record_audit_events(request).await {
            Ok(answer) => answer.into_inner().results.iter().map(read_outcome).collect(),
            Err(status) => Err(refused(&status)),
        }
    }
}

fn fitting(events: &[Event]) -> usize {
    let mut weight = 0_usize;
    let fits = events.iter().take_while(|event| {
        weight = weight.saturating_add(event.payload.len().saturating_mul(GROWTH));
        weight <= BUDGET
    });
    fits.count().max(1).min(events.len())
}

fn message(business: BusinessId, event: &Event) -> Result<pb::AuditEvent, SinkError> {
    let act = Act::decode(&event.payload).map_err(|error| {
        tracing::error!(%business, seq = event.seq, %error, "an audit event is lost");
        SinkError::Rejected { reason: "UNREADABLE" }
    })?;
    Ok(wire::event(business, &AuditEvent { stream: event.stream, seq: event.seq, act }))
}

fn read_outcome(result: &pb::AuditStreamResult) -> Result<StreamOutcome, SinkError> {
    let unreadable = SinkError::Rejected { reason: "UNREADABLE_ANSWER" };
    let stream = Uuid::try_parse(&result.stream).map_err(|_| unreadable)?;
    let last_seq = result.last_seq;
    let outcome = match result.outcome() {
        pb::RecordOutcome::Recorded => Outcome::Recorded { last_seq },
        pb::RecordOutcome::Gap => Outcome::Gap { last_seq },
        pb::RecordOutcome::Conflict => Outcome::Refused { reason: "CONFLICT" },
        pb::RecordOutcome::Invalid => Outcome::Refused { reason: "INVALID" },
        pb::RecordOutcome::Unspecified => return Err(unreadable),
    };
    Ok(StreamOutcome { stream, outcome })
}

/// What trying again later can mend, and what it cannot.
fn refused(status: &tonic::Status) -> SinkError {
    match status.code() {
        Code::InvalidArgument => SinkError::Rejected { reason: "INVALID_ARGUMENT" },
        Code::NotFound => SinkError::Rejected { reason: "NOT_FOUND" },
        Code::Internal => SinkError::Rejected { reason: "INTERNAL" },
        Code::OutOfRange => SinkError::Rejected { reason: "OUT_OF_RANGE" },
        _ => SinkError::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(bytes: &[usize]) -> Vec<Event> {
        let event = |(seq, bytes): (i64, &usize)| Event {
            stream: Uuid::nil(),
            seq,
            payload: vec![0; *bytes].into(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            trace_parent: None,
        };
        (1..).zip(bytes).map(event).collect()
    }

    #[test]
    fn a_delivery_fits_into_a_message_and_is_never_empty() {
        let page = BUDGET / GROWTH / 2;
        assert_eq!(fitting(&events(&[100; 500])), 500);
        assert_eq!(fitting(&events(&[page, page, 1])), 2);
        assert_eq!(fitting(&events(&[page * 9, 1])), 1, "the manager says what it thinks of it");
        assert_eq!(fitting(&[]), 0);
    }
}
