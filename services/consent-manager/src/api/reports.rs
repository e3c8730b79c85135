//! `ReportService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::report_service_server::ReportService;
use yinyom_rpc::Call;

use super::pages::Question;
use super::wire::{answers, questions};
use super::{Api, Unanswered};
use crate::commands;

#[tonic::async_trait]
impl ReportService for Api {
    async fn get_consent_summary(
        self: Arc<Self>,
        request: Request<pb::GetConsentSummaryRequest>,
    ) -> Result<Response<pb::GetConsentSummaryResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.summary(&call, &body).await)
    }

    async fn get_consent_trend(
        self: Arc<Self>,
        request: Request<pb::GetConsentTrendRequest>,
    ) -> Result<Response<pb::GetConsentTrendResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.trend(&call, &body).await)
    }

    async fn get_consent_breakdown(
        self: Arc<Self>,
        request: Request<pb::GetConsentBreakdownRequest>,
    ) -> Result<Response<pb::GetConsentBreakdownResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.breakdown(&call, body).await)
    }
}

impl Api {
    async fn summary(
        &self,
        call: &Call,
        body: &pb::GetConsentSummaryRequest,
    ) -> Result<pb::GetConsentSummaryResponse, Unanswered> {
        let (business, as_of) = questions::summary(body)?;
        let summary = commands::summary(&self.manager, call.caller(), business, as_of).await?;
        Ok(answers::summary(&summary))
    }

    async fn trend(
        &self,
        call: &Call,
        body: &pb::GetConsentTrendRequest,
    ) -> Result<pb::GetConsentTrendResponse, Unanswered> {
        let (business, span) = questions::trend(body)?;
        let trend = commands::trend(&self.manager, call.caller(), business, span).await?;
        Ok(answers::trend(trend))
    }

    async fn breakdown(
        &self,
        call: &Call,
        mut body: pb::GetConsentBreakdownRequest,
    ) -> Result<pb::GetConsentBreakdownResponse, Unanswered> {
        let (business, dimension, period, size) = questions::breakdown(&body, call)?;
        let token = std::mem::take(&mut body.page_token);
        body.page_size = 0;
        let question = Question::of(call, business, &body);
        let after = self.pages.open(&question, &token)?;
        let (manager, caller) = (&self.manager, call.caller());
        let mut breakdown =
            commands::breakdown(manager, caller, business, dimension, period).await?;
        if let Some(place) = &after {
            breakdown.after(place);
        }
        let next = breakdown.cut(size);
        Ok(answers::breakdown(business, &breakdown, self.pages.next(&question, next)))
    }
}
