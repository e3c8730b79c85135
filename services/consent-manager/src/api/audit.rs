//! `AuditService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_audit::What;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::audit_service_server::AuditService;
use yinyom_rpc::Call;

use super::pages::Question;
use super::wire::audit as wire;
use super::{Api, Unanswered};
use crate::commands;

#[tonic::async_trait]
impl AuditService for Api {
    async fn record_audit_events(
        self: Arc<Self>,
        request: Request<pb::RecordAuditEventsRequest>,
    ) -> Result<Response<pb::RecordAuditEventsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.record_audit(&call, body).await)
    }

    async fn list_reveals(
        self: Arc<Self>,
        request: Request<pb::ListRevealsRequest>,
    ) -> Result<Response<pb::ListRevealsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.reveals(&call, body).await)
    }

    async fn list_settings_changes(
        self: Arc<Self>,
        request: Request<pb::ListSettingsChangesRequest>,
    ) -> Result<Response<pb::ListSettingsChangesResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.settings_changes(&call, body).await)
    }
}

impl Api {
    async fn record_audit(
        &self,
        call: &Call,
        body: pb::RecordAuditEventsRequest,
    ) -> Result<pb::RecordAuditEventsResponse, Unanswered> {
        let (business, streams) = wire::batch(&body)?;
        let manager = &self.manager;
        let results = commands::record_audit(manager, call.caller(), business, streams).await?;
        Ok(pb::RecordAuditEventsResponse {
            results: results.into_iter().map(wire::result).collect(),
        })
    }

    async fn reveals(
        &self,
        call: &Call,
        mut body: pb::ListRevealsRequest,
    ) -> Result<pb::ListRevealsResponse, Unanswered> {
        let (business, filter, size) = wire::reveals(&body, call)?;
        let token = std::mem::take(&mut body.page_token);
        body.page_size = 0;
        let question = Question::of(call, business, &body);
        let before = self.pages.open(&question, &token)?;
        let caller = call.caller();
        let found =
            commands::audited(&self.manager, caller, business, &filter, before, size).await?;
        let last = found.last().map(|audited| audited.index);
        Ok(pb::ListRevealsResponse {
            next_page_token: self.pages.next(&question, last),
            reveals: (found.items.iter())
                .filter_map(|audited| match &audited.act.what {
                    What::Reveal(reveal) => Some(wire::reveal(business, audited, reveal)),
                    What::Settings(_) => None,
                })
                .collect(),
        })
    }

    async fn settings_changes(
        &self,
        call: &Call,
        mut body: pb::ListSettingsChangesRequest,
    ) -> Result<pb::ListSettingsChangesResponse, Unanswered> {
        let (business, filter, size) = wire::settings_changes(&body, call)?;
        let token = std::mem::take(&mut body.page_token);
        body.page_size = 0;
        let question = Question::of(call, business, &body);
        let before = self.pages.open(&question, &token)?;
        let caller = call.caller();
        let found =
            commands::audited(&self.manager, caller, business, &filter, before, size).await?;
        let last = found.last().map(|audited| audited.index);
        Ok(pb::ListSettingsChangesResponse {
            next_page_token: self.pages.next(&question, last),
            settings_changes: (found.items.iter())
                .filter_map(|audited| match &audited.act.what {
                    What::Settings(changes) => {
                        Some(wire::settings_change(business, audited, changes))
                    }
                    What::Reveal(_) => None,
                })
                .collect(),
        })
    }
}
