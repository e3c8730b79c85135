//! `MergeService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_consent::CONTACTS;
use yinyom_kernel::Violations;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::merge_service_server::MergeService;
use yinyom_rpc::Call;

use super::pages::Question;
use super::wire::{contacts, merges as wire, read};
use super::{Api, reader, request, session};
use crate::commands::{Directory, Error};

#[tonic::async_trait]
impl MergeService for Api {
    async fn merge_contacts(
        self: Arc<Self>,
        request: Request<pb::MergeContactsRequest>,
    ) -> Result<Response<pb::MergeContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(merge(&self.directory, &call, body).await)
    }

    async fn undo_merge(
        self: Arc<Self>,
        request: Request<pb::UndoMergeRequest>,
    ) -> Result<Response<pb::UndoMergeResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(undo(&self.directory, &call, body).await)
    }

    async fn list_merges(
        self: Arc<Self>,
        request: Request<pb::ListMergesRequest>,
    ) -> Result<Response<pb::ListMergesResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(list(&self.directory, &call, body).await)
    }
}

async fn merge(
    directory: &Directory,
    call: &Call,
    body: pb::MergeContactsRequest,
) -> Result<pb::MergeContactsResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let pair = wrong.merge(wire::pair(business, &body));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let (business, pair, request) = wrong.finish((|| Some((business?, pair?, request?)))())?;
    let session = session(directory, call, business).await?;
    let merged = directory.merge_contacts(&session, pair, request).await?;
    let seen = directory.seen(&session, reader(call), merged).await?;
    let merged = seen.what();
    Ok(pb::MergeContactsResponse {
        contact: Some(contacts::written_as(business, &merged.contact, seen.look())),
        merge: Some(match &merged.merge {
            Some(told) => wire::merge(business, told),
            None => pb::Merge { name: wire::name(business, merged.id), ..pb::Merge::default() },
        }),
    })
}

async fn undo(
    directory: &Directory,
    call: &Call,
    body: pb::UndoMergeRequest,
) -> Result<pb::UndoMergeResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("name", wire::MERGES, &body.name));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let ((business, id), request) = wrong.finish((|| Some((name?, request?)))())?;
    let session = session(directory, call, business).await?;
    let undone = directory.undo_merge(&session, id, body.etag, request).await?;
    let seen = directory.seen(&session, reader(call), undone).await?;
    let undone = seen.what();
    let contact = |of| contacts::received(business, of, undone.contact(of), seen.look());
    Ok(pb::UndoMergeResponse {
        survivor: Some(contact(&undone.survivor)),
        restored: Some(contact(&undone.restored)),
    })
}

async fn list(
    directory: &Directory,
    call: &Call,
    mut body: pb::ListMergesRequest,
) -> Result<pb::ListMergesResponse, Error> {
    let token = std::mem::take(&mut body.page_token);
    let asked = std::mem::take(&mut body.page_size);
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let size = wrong.merge(call.page_size(asked));
    let of = wrong.merge(read::optional_name("contact", CONTACTS, business, &body.contact));
    let (business, size, of) = wrong.finish((|| Some((business?, size?, of?)))())?;
    let session = session(directory, call, business).await?;
    let question = Question::new(call.rpc(), &session, &body);
    let after = question.open(&directory.sealer, &token)?;
    let page = directory.find_merges(&session, of, after.as_ref(), size.rows()).await?;
    // Whoever was taken out of the business meanwhile is told nothing.
    session.look(directory, call.caller()).await?;
    Ok(pb::ListMergesResponse {
        merges: page.items.iter().map(|told| wire::merge(business, told)).collect(),
        next_page_token: question.seal(&directory.sealer, page.next),
    })
}
