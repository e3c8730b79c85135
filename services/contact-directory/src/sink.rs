//! The manager, as the outbox sees it.

use std::sync::Arc;

use prost::Message;
use tonic::Code;
use tracing::Span;
use uuid::Uuid;
use yinyom_consent::CONTACTS;
use yinyom_db::Db;
use yinyom_kernel::Code::Unavailable;
use yinyom_kernel::{BusinessId, ContactId, Fault, Name, Scope, SharedClock};
use yinyom_outbox::{Event, Outcome, Sink, SinkError, StreamOutcome};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::ledger_service_client::LedgerServiceClient;
use yinyom_rpc::Connection;
use yinyom_telemetry::{continue_from, trace_parent_of};

use crate::store::{BusinessKeys, KeyRing};

/// Delivers events to the manager's ledger.
pub struct Ledger {
    client: LedgerServiceClient<Connection>,
    keys: KeyRing,
    db: Db,
    clock: SharedClock,
}

impl Ledger {
    /// The ledger at the other end of `connection`.
    pub fn new(connection: Connection, keys: KeyRing, db: Db, clock: SharedClock) -> Self {
        let client = LedgerServiceClient::new(connection)
            .max_encoding_message_size(yinyom_rpc::MAX_MESSAGE_BYTES);
        Self { client, keys, db, clock }
    }

    /// The changes of a business as they are sent. Some carry the contact's key: in the outbox it is sealed, and it is
    /// opened for its journey.
    async fn changes(
        &self,
        business: BusinessId,
        events: Vec<Event>,
    ) -> Result<Vec<pb::ConsentChange>, SinkError> {
        let contacts: Vec<_> = events.iter().map(|event| ContactId::from(event.stream)).collect();
        let mut changes: Vec<_> = events.iter().map(decode).collect::<Result<_, _>>()?;
        if changes.iter().all(|change| change.subject_key.is_empty()) {
            return Ok(changes);
        }
        let keys = self.keys(business).await?;
        for (change, contact) in changes.iter_mut().zip(contacts) {
            if !change.subject_key.is_empty() {
                let key = keys.unwrap_subject(contact, &change.subject_key);
                let key = key.map_err(|error| match error.code() {
                    // Renewed meanwhile: the next look finds it under the new one.
                    Unavailable => SinkError::Unavailable,
                    _ => SinkError::Rejected { reason: "SUBJECT_KEY_LOST" },
                })?;
                change.subject_key = key.expose().to_vec();
            }
        }
        Ok(changes)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the relay opens one business at a time (TRAPS 16)"
    )]
    async fn keys(&self, business: BusinessId) -> Result<Arc<BusinessKeys>, SinkError> {
        let now = self.clock.now().as_microsecond();
        self.keys.of(&self.db, Scope::assume(business), now).await.map_err(|error| {
            tracing::warn!(%error, "the business's keys cannot be had");
            SinkError::Unavailable
        })
    }
}

/// The delivery of an event, in the trace of what made it. None where that was not traced.
fn span(event: &Event) -> Span {
    let Some(parent) = &event.trace_parent else { return Span::none() };
    let span = tracing::info_span!("outbox.deliver", otel.kind = "producer");
    continue_from(&span, parent);
    span
}

fn trace_parents(spans: &[Span]) -> Vec<String> {
    if spans.iter().all(Span::is_disabled) {
        return Vec::new();
    }
    spans.iter().map(|span| trace_parent_of(span).unwrap_or_default()).collect()
}

fn decode(event: &Event) -> Result<pb::ConsentChange, SinkError> {
    pb::ConsentChange::decode(&event.payload[..])
        .map_err(|_| SinkError::Rejected { reason: "UNREADABLE" })
}

impl Sink for Ledger {
    async fn deliver(
        &self,
        business: BusinessId,
        events: Vec<Event>,
    ) -> Result<Vec<StreamOutcome>, SinkError> {
        let spans: Vec<_> = events.iter().map(span).collect();
        let request = pb::RecordConsentChangesRequest {
            parent: Name::format_business(business),
            changes: self.changes(business, events).await?,
            trace_parents: trace_parents(&spans),
        };
        let mut client = self.client.clone();
        let answer = client.record_consent_changes(request).await;
        // They last as long as the delivery.
        drop(spans);
        match answer {
            Ok(answer) => answer.into_inner().results.iter().map(read_outcome).collect(),
            Err(status) => Err(refused(&status)),
        }
    }
}

fn read_outcome(result: &pb::StreamResult) -> Result<StreamOutcome, SinkError> {
    let unreadable = SinkError::Rejected { reason: "UNREADABLE_ANSWER" };
    let (_, contact): (_, ContactId) = CONTACTS.parse(&result.contact).map_err(|_| unreadable)?;
    let stream: Uuid = contact.uuid();
    let last_seq = result.last_seq;
    let outcome = match result.outcome() {
        pb::RecordOutcome::Recorded => Outcome::Recorded { last_seq },
        pb::RecordOutcome::Gap => Outcome::Gap { last_seq },
        pb::RecordOutcome::Conflict => Outcome::Refused { reason: "CONFLICT" },
        pb::RecordOutcome::Invalid => Outcome::Refused { reason: "INVALID" },
        pb::RecordOutcome::Unspecified => {
            return Err(SinkError::Rejected { reason: "UNREADABLE_ANSWER" });
        }
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
