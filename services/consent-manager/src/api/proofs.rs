//! `ProofService`.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use futures::stream::try_unfold;
use tonic::{Request, Response, Status};
use yinyom_kernel::BusinessId;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::proof_service_server::ProofService;
use yinyom_rpc::Call;

use super::wire::{proofs, questions};
use super::{Api, Unanswered};
use crate::commands;

#[tonic::async_trait]
impl ProofService for Api {
    async fn get_checkpoint(
        self: Arc<Self>,
        request: Request<pb::GetCheckpointRequest>,
    ) -> Result<Response<pb::GetCheckpointResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.checkpoint(&call, &body).await)
    }

    async fn get_inclusion_proof(
        self: Arc<Self>,
        request: Request<pb::GetInclusionProofRequest>,
    ) -> Result<Response<pb::GetInclusionProofResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.inclusion(&call, &body).await)
    }

    async fn get_consistency_proof(
        self: Arc<Self>,
        request: Request<pb::GetConsistencyProofRequest>,
    ) -> Result<Response<pb::GetConsistencyProofResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.consistency(&call, &body).await)
    }

    async fn list_ledger_keys(
        self: Arc<Self>,
        request: Request<pb::ListLedgerKeysRequest>,
    ) -> Result<Response<pb::ListLedgerKeysResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(self.ledger_keys(&call, &body).await)
    }

    type ExportLedgerStream =
        Pin<Box<dyn Stream<Item = Result<pb::ExportLedgerResponse, Status>> + Send>>;

    async fn export_ledger(
        self: Arc<Self>,
        request: Request<pb::ExportLedgerRequest>,
    ) -> Result<Response<Self::ExportLedgerStream>, Status> {
        let (call, body) = Call::open(request)?;
        let opened = self.export(&call, &body).await;
        let (business, export) = opened.map_err(|fault| call.status(&fault))?;
        // The next records are read when the client has taken these.
        let records = try_unfold((call, export), move |(call, mut export)| async move {
            let records = export.next().await.map_err(|fault| call.status(&fault))?;
            let answer = |records| proofs::records(business, records, export.end());
            Ok(records.map(answer).map(|answer| (answer, (call, export))))
        });
        Ok(Response::new(Box::pin(records)))
    }
}

impl Api {
    async fn checkpoint(
        &self,
        call: &Call,
        body: &pb::GetCheckpointRequest,
    ) -> Result<pb::GetCheckpointResponse, Unanswered> {
        let business = questions::business(&body.parent)?;
        let head = commands::checkpoint(&self.manager, call.caller(), business).await?;
        Ok(proofs::head(head))
    }

    async fn inclusion(
        &self,
        call: &Call,
        body: &pb::GetInclusionProofRequest,
    ) -> Result<pb::GetInclusionProofResponse, Unanswered> {
        let (business, index, size) = proofs::inclusion(body)?;
        let found =
            commands::inclusion(&self.manager, call.caller(), business, index, size).await?;
        Ok(proofs::included(found))
    }

    async fn consistency(
        &self,
        call: &Call,
        body: &pb::GetConsistencyProofRequest,
    ) -> Result<pb::GetConsistencyProofResponse, Unanswered> {
        let (business, earlier, size) = proofs::consistency(body)?;
        let found =
            commands::consistency(&self.manager, call.caller(), business, earlier, size).await?;
        Ok(proofs::consistent(&found))
    }

    async fn ledger_keys(
        &self,
        call: &Call,
        body: &pb::ListLedgerKeysRequest,
    ) -> Result<pb::ListLedgerKeysResponse, Unanswered> {
        let business = questions::business(&body.parent)?;
        let render = |notary: &_| proofs::keys(business, notary);
        Ok(commands::ledger_keys(&self.manager, call.caller(), business, render).await?)
    }

    async fn export(
        &self,
        call: &Call,
        body: &pb::ExportLedgerRequest,
    ) -> Result<(BusinessId, commands::Export), Unanswered> {
        let (business, start, end) = proofs::export(body)?;
        let export =
            commands::Export::open(&self.manager, call.caller(), business, start, end).await?;
        Ok((business, export))
    }
}
