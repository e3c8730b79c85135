//! `OutboxService`.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status};
use yinyom_consent::CONTACTS;
use yinyom_consent::wire::timestamp;
use yinyom_kernel::{ContactId, Violations};
use yinyom_outbox::MOST_RETRIED;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::outbox_service_server::OutboxService;
use yinyom_rpc::Call;

use super::Api;
use super::wire::read;
use crate::commands::{Directory, Error};

#[tonic::async_trait]
impl OutboxService for Api {
    async fn get_outbox_status(
        self: Arc<Self>,
        request: Request<pb::GetOutboxStatusRequest>,
    ) -> Result<Response<pb::GetOutboxStatusResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(status(&self.directory, &call, body).await)
    }

    async fn retry_quarantined_streams(
        self: Arc<Self>,
        request: Request<pb::RetryQuarantinedStreamsRequest>,
    ) -> Result<Response<pb::RetryQuarantinedStreamsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(retry(&self.directory, &call, body).await)
    }
}

async fn status(
    directory: &Directory,
    call: &Call,
    body: pb::GetOutboxStatusRequest,
) -> Result<pb::GetOutboxStatusResponse, Error> {
    let business = read::business("parent", &body.parent)?;
    let (status, reveals, now) = directory.outbox_status(call.caller(), business).await?;
    let age = status.oldest.map(|oldest| {
        let waited = Duration::try_from(now.duration_since(oldest)).unwrap_or_default();
        prost_types::Duration::try_from(waited).unwrap_or_default()
    });
    Ok(pb::GetOutboxStatusResponse {
        backlog: i64::try_from(status.backlog).unwrap_or(i64::MAX),
        oldest_age: age,
        quarantined: status
            .quarantined
            .into_iter()
            .map(|stream| pb::QuarantinedStream {
                contact: CONTACTS.format(business, ContactId::from(stream.stream)),
                consent_seq: stream.seq,
                reason: stream.reason,
                quarantine_time: Some(timestamp(stream.since)),
            })
            .collect(),
        reveal_backlog: i64::try_from(reveals.backlog).unwrap_or(i64::MAX),
        quarantined_reveals: reveals.quarantined.into_iter().next().map(|stream| {
            pb::QuarantinedReveals {
                seq: stream.seq,
                reason: stream.reason,
                quarantine_time: Some(timestamp(stream.since)),
            }
        }),
    })
}

async fn retry(
    directory: &Directory,
    call: &Call,
    body: pb::RetryQuarantinedStreamsRequest,
) -> Result<pb::RetryQuarantinedStreamsResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let contacts = match &body.contacts[..] {
        [] => Some(Vec::new()),
        some => wrong.merge(read::names("contacts", CONTACTS, business, some, MOST_RETRIED)),
    };
    let (business, contacts) = wrong.finish(business.zip(contacts))?;
    let retried = if contacts.is_empty() {
        directory.retry_all_quarantined(call.caller(), business).await?
    } else {
        directory.retry_quarantined(call.caller(), business, contacts).await?
    };
    Ok(pb::RetryQuarantinedStreamsResponse {
        retried_count: i64::try_from(retried).unwrap_or(i64::MAX),
    })
}
