//! `SubjectService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_consent::wire::timestamp;
use yinyom_consent::{ACCOUNTS, CONTACTS, LEADS};
use yinyom_kernel::Violations;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::subject_service_server::SubjectService;
use yinyom_rpc::Call;

use super::{Api, request};
use crate::commands::{Directory, Error};

#[tonic::async_trait]
impl SubjectService for Api {
    async fn erase_subject(
        self: Arc<Self>,
        request: Request<pb::EraseSubjectRequest>,
    ) -> Result<Response<pb::EraseSubjectResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(erase(&self.directory, &call, body).await)
    }
}

async fn erase(
    directory: &Directory,
    call: &Call,
    body: pb::EraseSubjectRequest,
) -> Result<pb::EraseSubjectResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.take("contact", CONTACTS.parse(&body.contact));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let ((business, contact), request) = wrong.finish(name.zip(request))?;
    let erased = directory.erase_subject(call.caller(), (business, contact), request).await?;
    let lead = |id: &_| LEADS.format(business, *id);
    let accounts = erased.accounts.iter().map(|id| ACCOUNTS.format(business, *id));
    Ok(pb::EraseSubjectResponse {
        contact: CONTACTS.format(business, erased.contact),
        erase_time: Some(timestamp(erased.at)),
        deleted_leads: erased.deleted_leads.iter().map(lead).collect(),
        linked: erased.leads.iter().map(lead).chain(accounts).collect(),
    })
}
