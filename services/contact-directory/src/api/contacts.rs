//! `ContactService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_consent::CONTACTS;
use yinyom_kernel::Violations;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::contact_service_server::ContactService;
use yinyom_rpc::Call;

use super::pages::Question;
use super::wire::{contacts as wire, read};
use super::{Api, reader, request, session};
use crate::commands::{Directory, Error};
use crate::domain::order::Order;
use crate::store::find::Wanted;

#[tonic::async_trait]
impl ContactService for Api {
    async fn create_contact(
        self: Arc<Self>,
        request: Request<pb::CreateContactRequest>,
    ) -> Result<Response<pb::CreateContactResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(create(&self.directory, &call, body).await)
    }

    async fn get_contact(
        self: Arc<Self>,
        request: Request<pb::GetContactRequest>,
    ) -> Result<Response<pb::GetContactResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(get(&self.directory, &call, body).await)
    }

    async fn batch_get_contacts(
        self: Arc<Self>,
        request: Request<pb::BatchGetContactsRequest>,
    ) -> Result<Response<pb::BatchGetContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(batch_get(&self.directory, &call, body).await)
    }

    async fn list_contacts(
        self: Arc<Self>,
        request: Request<pb::ListContactsRequest>,
    ) -> Result<Response<pb::ListContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(list(&self.directory, &call, body).await)
    }

    async fn search_contacts(
        self: Arc<Self>,
        request: Request<pb::SearchContactsRequest>,
    ) -> Result<Response<pb::SearchContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(search(&self.directory, &call, body).await)
    }

    async fn update_contact(
        self: Arc<Self>,
        request: Request<pb::UpdateContactRequest>,
    ) -> Result<Response<pb::UpdateContactResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(update(&self.directory, &call, body).await)
    }

    async fn delete_contact(
        self: Arc<Self>,
        request: Request<pb::DeleteContactRequest>,
    ) -> Result<Response<pb::DeleteContactResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(delete(&self.directory, &call, body).await)
    }
}

async fn create(
    directory: &Directory,
    call: &Call,
    body: pb::CreateContactRequest,
) -> Result<pb::CreateContactResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let new = wrong.merge(wire::new_contact(body.contact.as_ref()));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let (business, new, request) = wrong.finish((|| Some((business?, new?, request?)))())?;
    let session = session(directory, call, business).await?;
    let written = directory.create_contact(&session, new, request).await?;
    let seen = directory.seen(&session, reader(call), written).await?;
    Ok(pb::CreateContactResponse { contact: Some(wire::written(business, &seen)) })
}

async fn get(
    directory: &Directory,
    call: &Call,
    body: pb::GetContactRequest,
) -> Result<pb::GetContactResponse, Error> {
    let (business, id) = read::name("name", CONTACTS, &body.name)?;
    let session = session(directory, call, business).await?;
    let contact = directory.contact(&session, id).await?;
    let seen = directory.seen(&session, reader(call), contact).await?;
    let contact = wire::contact(business, seen.what(), seen.look());
    Ok(pb::GetContactResponse { contact: Some(contact) })
}

async fn batch_get(
    directory: &Directory,
    call: &Call,
    body: pb::BatchGetContactsRequest,
) -> Result<pb::BatchGetContactsResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let ids =
        wrong.merge(read::names("names", CONTACTS, business, &body.names, call.limits().batch));
    let (business, ids) = wrong.finish(business.zip(ids))?;
    let session = session(directory, call, business).await?;
    let contacts = directory.contacts(&session, &ids).await?;
    let seen = directory.seen(&session, reader(call), contacts).await?;
    Ok(pb::BatchGetContactsResponse { contacts: wire::contacts(business, &seen) })
}

async fn list(
    directory: &Directory,
    call: &Call,
    mut body: pb::ListContactsRequest,
) -> Result<pb::ListContactsResponse, Error> {
    let token = std::mem::take(&mut body.page_token);
    let asked = std::mem::take(&mut body.page_size);
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let size = wrong.merge(call.page_size(asked));
    let order = wrong.merge(Order::read(&body.order_by));
    let (business, size, order) = wrong.finish((|| Some((business?, size?, order?)))())?;
    let session = session(directory, call, business).await?;
    let question = Question::new(call.rpc(), &session, &body);
    let cursor = question.open(&directory.sealer, &token)?;
    let wanted = Wanted::default();
    let found = directory.find_contacts(&session, &wanted, order, cursor.as_ref(), size.rows());
    let page = found.await?;
    let seen = directory.seen(&session, reader(call), page.items).await?;
    Ok(pb::ListContactsResponse {
        contacts: wire::contacts(business, &seen),
        next_page_token: question.seal(&directory.sealer, page.next),
    })
}

async fn search(
    directory: &Directory,
    call: &Call,
    mut body: pb::SearchContactsRequest,
) -> Result<pb::SearchContactsResponse, Error> {
    let token = std::mem::take(&mut body.page_token);
    let asked = std::mem::take(&mut body.page_size);
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let size = wrong.merge(call.page_size(asked));
    let order = wrong.merge(Order::read(&body.order_by));
    let wanted = wrong.merge(wire::wanted(&body));
    let all = (|| Some((business?, size?, order?, wanted?)))();
    let (business, size, order, wanted) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let question = Question::new(call.rpc(), &session, &body);
    let cursor = question.open(&directory.sealer, &token)?;
    let found = directory.find_contacts(&session, &wanted, order, cursor.as_ref(), size.rows());
    let page = found.await?;
    let seen = directory.seen(&session, reader(call), page.items).await?;
    // Which contacts are in the page tells of their addresses: what the viewer sees must not have shrunk since.
    let page_holds = wanted.addresses.is_empty() || seen.is_as(session.view());
    let contacts = if page_holds { wire::contacts(business, &seen) } else { Vec::new() };
    Ok(pb::SearchContactsResponse {
        contacts,
        next_page_token: question.seal(&directory.sealer, page.next.filter(|_| page_holds)),
    })
}

async fn update(
    directory: &Directory,
    call: &Call,
    body: pb::UpdateContactRequest,
) -> Result<pb::UpdateContactResponse, Error> {
    let given = body.contact.clone().unwrap_or_default();
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("contact.name", CONTACTS, &given.name));
    let patch = wrong.merge(wire::patch(&given, body.update_mask.as_ref()));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let all = (|| Some((name?, patch?, request?)))();
    let ((business, id), patch, request) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let written = directory.update_contact(&session, id, patch, given.etag, request).await?;
    let seen = directory.seen(&session, reader(call), written).await?;
    Ok(pb::UpdateContactResponse { contact: Some(wire::written(business, &seen)) })
}

async fn delete(
    directory: &Directory,
    call: &Call,
    body: pb::DeleteContactRequest,
) -> Result<pb::DeleteContactResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("name", CONTACTS, &body.name));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let ((business, id), request) = wrong.finish((|| Some((name?, request?)))())?;
    let session = session(directory, call, business).await?;
    directory.delete_contact(&session, id, body.etag, request).await?;
    Ok(pb::DeleteContactResponse {})
}
