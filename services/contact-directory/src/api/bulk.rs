//! `BulkConsentService`.

use std::sync::Arc;

use prost::Message;
use tonic::{Request, Response, Status};
use yinyom_kernel::Violations;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::bulk_consent_service_server::BulkConsentService;
use yinyom_proto::{longrunning, rpc};
use yinyom_rpc::Call;

use super::pages::Question;
use super::wire::{bulk as wire, consents, read};
use super::{Api, request, session};
use crate::commands::{Directory, Error};

#[tonic::async_trait]
impl BulkConsentService for Api {
    async fn bulk_set_contact_consents(
        self: Arc<Self>,
        request: Request<pb::BulkSetContactConsentsRequest>,
    ) -> Result<Response<longrunning::Operation>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(begin(&self.directory, &call, body).await)
    }

    async fn list_bulk_set_results(
        self: Arc<Self>,
        request: Request<pb::ListBulkSetResultsRequest>,
    ) -> Result<Response<pb::ListBulkSetResultsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(results(&self.directory, &call, body).await)
    }
}

async fn begin(
    directory: &Directory,
    call: &Call,
    body: pb::BulkSetContactConsentsRequest,
) -> Result<longrunning::Operation, Error> {
    let now = directory.now();
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let covers = wrong.merge(wire::covers(business, &body));
    let said = wrong.merge(consents::said(business, &body, now));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let all = (|| Some((business?, covers?, said?, request?)))();
    let (business, covers, said, request) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let begun = directory.begin_bulk(&session, call.caller(), covers, said, request).await?;
    Ok(wire::operation(business, &begun, directory.operations_are_kept(), status(call)))
}

async fn results(
    directory: &Directory,
    call: &Call,
    mut body: pb::ListBulkSetResultsRequest,
) -> Result<pb::ListBulkSetResultsResponse, Error> {
    let token = std::mem::take(&mut body.page_token);
    let asked = std::mem::take(&mut body.page_size);
    let mut wrong = Violations::new();
    let name = wrong.merge(wire::name("operation", &body.operation));
    let size = wrong.merge(call.page_size(asked));
    let ((business, id), size) = wrong.finish(name.zip(size))?;
    let session = session(directory, call, business).await?;
    let question = Question::new(call.rpc(), &session, &body);
    let cursor = question.open(&directory.sealer, &token)?;
    let (only_refused, rows) = (body.only_refused, size.rows());
    let found =
        directory.bulk_results(&session, call.caller(), id, only_refused, cursor.as_ref(), rows);
    let page = found.await?;
    Ok(pb::ListBulkSetResultsResponse {
        results: page.items.into_iter().map(|row| wire::result(business, row)).collect(),
        next_page_token: question.seal(&directory.sealer, page.next),
    })
}

/// Makes the status of a fault that is answered as a part of something else.
pub(super) fn status(call: &Call) -> impl Fn(crate::commands::bulk::OperationFault) -> rpc::Status {
    // The details of a status are that very message.
    move |fault| rpc::Status::decode(call.status(&fault).details()).unwrap_or_default()
}
