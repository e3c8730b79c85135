//! `RetentionService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_kernel::{BusinessId, ContactId};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::retention_service_server::RetentionService;
use yinyom_rpc::Call;

use super::pages::Question;
use super::wire::retention as wire;
use super::{Api, Unanswered};
use crate::commands;

#[tonic::async_trait]
impl RetentionService for Api {
    async fn get_retention(
        self: Arc<Self>,
        request: Request<pb::GetRetentionRequest>,
    ) -> Result<Response<pb::GetRetentionResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.retention(&call, &body).await)
    }

    async fn update_retention(
        self: Arc<Self>,
        request: Request<pb::UpdateRetentionRequest>,
    ) -> Result<Response<pb::UpdateRetentionResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.set_retention(&call, &body).await)
    }

    async fn set_legal_hold(
        self: Arc<Self>,
        request: Request<pb::SetLegalHoldRequest>,
    ) -> Result<Response<pb::SetLegalHoldResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.set_hold(&call, &body).await)
    }

    async fn release_legal_hold(
        self: Arc<Self>,
        request: Request<pb::ReleaseLegalHoldRequest>,
    ) -> Result<Response<pb::ReleaseLegalHoldResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.release_hold(&call, &body).await)
    }

    async fn list_legal_holds(
        self: Arc<Self>,
        request: Request<pb::ListLegalHoldsRequest>,
    ) -> Result<Response<pb::ListLegalHoldsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.holds(&call, body).await)
    }

    async fn record_refused_request(
        self: Arc<Self>,
        request: Request<pb::RecordRefusedRequestRequest>,
    ) -> Result<Response<pb::RecordRefusedRequestResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.record_refused(&call, &body).await)
    }

    async fn list_refused_requests(
        self: Arc<Self>,
        request: Request<pb::ListRefusedRequestsRequest>,
    ) -> Result<Response<pb::ListRefusedRequestsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.refused_requests(&call, body).await)
    }

    async fn list_erasures(
        self: Arc<Self>,
        request: Request<pb::ListErasuresRequest>,
    ) -> Result<Response<pb::ListErasuresResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.erasures(&call, body).await)
    }
}

impl Api {
    async fn retention(
        &self,
        call: &Call,
        body: &pb::GetRetentionRequest,
    ) -> Result<pb::GetRetentionResponse, Unanswered> {
        let business = wire::retention_name("name", &body.name)?;
        let found = commands::retention(&self.manager, call.caller(), business).await?;
        Ok(pb::GetRetentionResponse { retention: Some(wire::retention(business, found)) })
    }

    async fn set_retention(
        &self,
        call: &Call,
        body: &pb::UpdateRetentionRequest,
    ) -> Result<pb::UpdateRetentionResponse, Unanswered> {
        let (business, period) = wire::new_retention(body)?;
        let set = commands::set_retention(&self.manager, call.caller(), business, period).await?;
        Ok(pb::UpdateRetentionResponse { retention: Some(wire::retention(business, set)) })
    }

    async fn set_hold(
        &self,
        call: &Call,
        body: &pb::SetLegalHoldRequest,
    ) -> Result<pb::SetLegalHoldResponse, Unanswered> {
        let (business, new) = wire::new_hold(body)?;
        let hold = commands::set_hold(&self.manager, call.caller(), business, new).await?;
        Ok(pb::SetLegalHoldResponse { legal_hold: Some(wire::hold(business, hold)) })
    }

    async fn release_hold(
        &self,
        call: &Call,
        body: &pb::ReleaseLegalHoldRequest,
    ) -> Result<pb::ReleaseLegalHoldResponse, Unanswered> {
        let (business, id) = wire::hold_name(&body.name)?;
        let hold = commands::release_hold(&self.manager, call.caller(), business, id).await?;
        Ok(pb::ReleaseLegalHoldResponse { legal_hold: Some(wire::hold(business, hold)) })
    }

    async fn holds(
        &self,
        call: &Call,
        mut body: pb::ListLegalHoldsRequest,
    ) -> Result<pb::ListLegalHoldsResponse, Unanswered> {
        let (business, wanted, size) = wire::holds(&body, call)?;
        let token = std::mem::take(&mut body.page_token);
        body.page_size = 0;
        let question = Question::of(call, business, &body);
        let before = self.pages.open(&question, &token)?;
        let caller = call.caller();
        let found = commands::holds(&self.manager, caller, business, wanted, before, size).await?;
        let last = found.last().map(|hold| hold.number);
        Ok(pb::ListLegalHoldsResponse {
            next_page_token: self.pages.next(&question, last),
            legal_holds: found.items.into_iter().map(|hold| wire::hold(business, hold)).collect(),
        })
    }

    async fn record_refused(
        &self,
        call: &Call,
        body: &pb::RecordRefusedRequestRequest,
    ) -> Result<pb::RecordRefusedRequestResponse, Unanswered> {
        let (business, new) = wire::new_refused(body)?;
        let recorded =
            commands::record_refused(&self.manager, call.caller(), business, new).await?;
        let refused_request = Some(wire::refused(business, recorded));
        Ok(pb::RecordRefusedRequestResponse { refused_request })
    }

    async fn refused_requests(
        &self,
        call: &Call,
        mut body: pb::ListRefusedRequestsRequest,
    ) -> Result<pb::ListRefusedRequestsResponse, Unanswered> {
        let (business, wanted, size) = wire::refused_requests(&body, call)?;
        let token = std::mem::take(&mut body.page_token);
        body.page_size = 0;
        let question = Question::of(call, business, &body);
        let before = self.pages.open(&question, &token)?;
        let caller = call.caller();
        let found =
            commands::refused_requests(&self.manager, caller, business, wanted, before, size)
                .await?;
        let last = found.last().map(|refused| refused.number);
        let items = found.items.into_iter().map(|refused| wire::refused(business, refused));
        Ok(pb::ListRefusedRequestsResponse {
            next_page_token: self.pages.next(&question, last),
            refused_requests: items.collect(),
        })
    }

    async fn erasures(
        &self,
        call: &Call,
        mut body: pb::ListErasuresRequest,
    ) -> Result<pb::ListErasuresResponse, Unanswered> {
        let (business, size) = wire::erasures(&body, call)?;
        let token = std::mem::take(&mut body.page_token);
        let known = std::mem::take(&mut body.known_size);
        body.page_size = 0;
        let Some(business) = business else {
            // No business has that id.
            let nobodys = BusinessId::from(uuid::Uuid::nil());
            let question = Question::of(call, nobodys, &body);
            let after = self.pages.open::<(BusinessId, ContactId)>(&question, &token)?;
            let caller = call.caller();
            let (found, all) =
                commands::erasures_across(&self.manager, caller, after, known, size).await?;
            let last = found.last().map(|(business, told)| (*business, told.contact));
            let items = found.items.into_iter();
            return Ok(pb::ListErasuresResponse {
                next_page_token: self.pages.next(&question, last),
                erasures: items.map(|(business, told)| wire::told(business, told)).collect(),
                total_size: all,
            });
        };
        let question = Question::of(call, business, &body);
        let after = self.pages.open::<ContactId>(&question, &token)?;
        let (found, all) =
            commands::erasures(&self.manager, call.caller(), business, after, size).await?;
        let last = found.last().map(|erasure| erasure.contact);
        Ok(pb::ListErasuresResponse {
            next_page_token: self.pages.next(&question, last),
            erasures: found.items.into_iter().map(|of| wire::erasure(business, of)).collect(),
            total_size: all,
        })
    }
}
