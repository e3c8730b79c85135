//! `LedgerService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use tracing::Span;
use yinyom_consent::CONTACTS;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::ledger_service_server::LedgerService;
use yinyom_rpc::Call;
use yinyom_telemetry::continue_from;

use super::pages::Question;
use super::wire::{answers, batch, questions};
use super::{Api, Unanswered};
use crate::commands;

#[tonic::async_trait]
impl LedgerService for Api {
    async fn record_consent_changes(
        self: Arc<Self>,
        request: Request<pb::RecordConsentChangesRequest>,
    ) -> Result<Response<pb::RecordConsentChangesResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.record(&call, body).await)
    }

    async fn get_contact_history(
        self: Arc<Self>,
        request: Request<pb::GetContactHistoryRequest>,
    ) -> Result<Response<pb::GetContactHistoryResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.history(&call, body).await)
    }

    async fn list_consents(
        self: Arc<Self>,
        request: Request<pb::ListConsentsRequest>,
    ) -> Result<Response<pb::ListConsentsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.consents(&call, body).await)
    }

    async fn list_consent_changes(
        self: Arc<Self>,
        request: Request<pb::ListConsentChangesRequest>,
    ) -> Result<Response<pb::ListConsentChangesResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.changes(&call, body).await)
    }
}

impl Api {
    async fn record(
        &self,
        call: &Call,
        body: pb::RecordConsentChangesRequest,
    ) -> Result<pb::RecordConsentChangesResponse, Unanswered> {
        let spans: Vec<_> =
            body.trace_parents.iter().take(MOST).map(|parent| span(parent)).collect();
        let (business, streams) = batch::read(body)?;
        let results = commands::record(&self.manager, call.caller(), business, streams).await?;
        // They last until all of the batch is committed.
        drop(spans);
        Ok(pb::RecordConsentChangesResponse {
            results: results.into_iter().map(batch::result).collect(),
        })
    }

    async fn history(
        &self,
        call: &Call,
        mut body: pb::GetContactHistoryRequest,
    ) -> Result<pb::GetContactHistoryResponse, Unanswered> {
        let (name, as_of, size) = questions::history(&body, call)?;
        let token = std::mem::take(&mut body.page_token);
        body.page_size = 0;
        let question = Question::of(call, name.0, &body);
        let before = self.pages.open(&question, &token)?;
        let found =
            commands::history(&self.manager, call.caller(), name, as_of, before, size).await?;
        let merged = found.merged.iter().map(|contact| CONTACTS.format(name.0, *contact));
        Ok(pb::GetContactHistoryResponse {
            merged_contacts: merged.collect(),
            next_page_token: self.pages.next(&question, found.next()),
            consents: answers::consents(name.0, found.consents),
            entries: found.entries.items.into_iter().map(answers::entry).collect(),
        })
    }

    async fn consents(
        &self,
        call: &Call,
        mut body: pb::ListConsentsRequest,
    ) -> Result<pb::ListConsentsResponse, Unanswered> {
        let (business, filter, as_of, size) = questions::consents(&body, call)?;
        let token = std::mem::take(&mut body.page_token);
        body.page_size = 0;
        let question = Question::of(call, business, &body);
        let after = self.pages.open(&question, &token)?;
        let caller = call.caller();
        let filter = (&filter, as_of);
        let found =
            commands::consents(&self.manager, caller, business, filter, after, size).await?;
        Ok(pb::ListConsentsResponse {
            next_page_token: self.pages.next(&question, found.next),
            consents: answers::consents(business, found.records),
        })
    }

    async fn changes(
        &self,
        call: &Call,
        mut body: pb::ListConsentChangesRequest,
    ) -> Result<pb::ListConsentChangesResponse, Unanswered> {
        let (business, filter, size) = questions::changes(&body, call)?;
        let token = std::mem::take(&mut body.page_token);
        body.page_size = 0;
        let question = Question::of(call, business, &body);
        let before = self.pages.open(&question, &token)?;
        let caller = call.caller();
        let found =
            commands::changes(&self.manager, caller, business, &filter, before, size).await?;
        let last = found.last().map(|entry| entry.recorded.ledger_index);
        Ok(pb::ListConsentChangesResponse {
            next_page_token: self.pages.next(&question, last),
            entries: found.items.into_iter().map(answers::entry).collect(),
        })
    }
}

/// Changes of a batch.
const MOST: usize = 1_000;

/// The change's part of what made it, wherever that began.
fn span(trace_parent: &str) -> Span {
    if trace_parent.is_empty() {
        return Span::none();
    }
    let span = tracing::info_span!("ledger.append", otel.kind = "consumer");
    continue_from(&span, trace_parent);
    span
}
