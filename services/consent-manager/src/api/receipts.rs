//! `ReceiptService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::receipt_service_server::ReceiptService;
use yinyom_rpc::Call;

use super::wire::receipts as wire;
use super::{Api, Unanswered};
use crate::commands;

#[tonic::async_trait]
impl ReceiptService for Api {
    async fn get_consent_receipt(
        self: Arc<Self>,
        request: Request<pb::GetConsentReceiptRequest>,
    ) -> Result<Response<pb::GetConsentReceiptResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.receipt(&call, &body).await)
    }
}

impl Api {
    async fn receipt(
        &self,
        call: &Call,
        body: &pb::GetConsentReceiptRequest,
    ) -> Result<pb::GetConsentReceiptResponse, Unanswered> {
        let wire::Asked { name, channel, format, language } = wire::question(body)?;
        let (manager, caller) = (&self.manager, call.caller());
        let (receipt, jws) = commands::receipt(manager, caller, name, channel, language).await?;
        Ok(wire::answer(&receipt, jws, format))
    }
}
