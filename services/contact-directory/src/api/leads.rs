//! `LeadService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_consent::{CONTACTS, LEADS};
use yinyom_kernel::Violations;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::lead_service_server::LeadService;
use yinyom_rpc::Call;

use super::pages::Question;
use super::wire::{contacts, leads as wire, read};
use super::{Api, reader, request, session};
use crate::commands::leads::Link;
use crate::commands::{Directory, Error};
use crate::domain::order::Order;
use crate::store::leads::Wanted;

#[tonic::async_trait]
impl LeadService for Api {
    async fn create_lead(
        self: Arc<Self>,
        request: Request<pb::CreateLeadRequest>,
    ) -> Result<Response<pb::CreateLeadResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(create(&self.directory, &call, body).await)
    }

    async fn get_lead(
        self: Arc<Self>,
        request: Request<pb::GetLeadRequest>,
    ) -> Result<Response<pb::GetLeadResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(get(&self.directory, &call, body).await)
    }

    async fn batch_get_leads(
        self: Arc<Self>,
        request: Request<pb::BatchGetLeadsRequest>,
    ) -> Result<Response<pb::BatchGetLeadsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(batch_get(&self.directory, &call, body).await)
    }

    async fn list_leads(
        self: Arc<Self>,
        request: Request<pb::ListLeadsRequest>,
    ) -> Result<Response<pb::ListLeadsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(list(&self.directory, &call, body).await)
    }

    async fn search_leads(
        self: Arc<Self>,
        request: Request<pb::SearchLeadsRequest>,
    ) -> Result<Response<pb::SearchLeadsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(search(&self.directory, &call, body).await)
    }

    async fn update_lead(
        self: Arc<Self>,
        request: Request<pb::UpdateLeadRequest>,
    ) -> Result<Response<pb::UpdateLeadResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(update(&self.directory, &call, body).await)
    }

    async fn delete_lead(
        self: Arc<Self>,
        request: Request<pb::DeleteLeadRequest>,
    ) -> Result<Response<pb::DeleteLeadResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(delete(&self.directory, &call, body).await)
    }

    async fn list_lead_contacts(
        self: Arc<Self>,
        request: Request<pb::ListLeadContactsRequest>,
    ) -> Result<Response<pb::ListLeadContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(list_contacts(&self.directory, &call, body).await)
    }

    async fn add_lead_contacts(
        self: Arc<Self>,
        request: Request<pb::AddLeadContactsRequest>,
    ) -> Result<Response<pb::AddLeadContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(add_contacts(&self.directory, &call, body).await)
    }

    async fn remove_lead_contacts(
        self: Arc<Self>,
        request: Request<pb::RemoveLeadContactsRequest>,
    ) -> Result<Response<pb::RemoveLeadContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(remove_contacts(&self.directory, &call, body).await)
    }

    async fn convert_lead(
        self: Arc<Self>,
        request: Request<pb::ConvertLeadRequest>,
    ) -> Result<Response<pb::ConvertLeadResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(convert(&self.directory, &call, body).await)
    }
}

async fn create(
    directory: &Directory,
    call: &Call,
    body: pb::CreateLeadRequest,
) -> Result<pb::CreateLeadResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let new = wrong.merge(wire::new_lead(business, body.lead.as_ref()));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let (business, new, request) = wrong.finish((|| Some((business?, new?, request?)))())?;
    let session = session(directory, call, business).await?;
    let written = directory.create_lead(&session, new, request).await?;
    Ok(pb::CreateLeadResponse { lead: Some(wire::written(business, &written)) })
}

async fn get(
    directory: &Directory,
    call: &Call,
    body: pb::GetLeadRequest,
) -> Result<pb::GetLeadResponse, Error> {
    let (business, id) = read::name("name", LEADS, &body.name)?;
    let session = session(directory, call, business).await?;
    let lead = directory.lead(&session, id).await?;
    Ok(pb::GetLeadResponse { lead: Some(wire::lead(business, &lead)) })
}

async fn batch_get(
    directory: &Directory,
    call: &Call,
    body: pb::BatchGetLeadsRequest,
) -> Result<pb::BatchGetLeadsResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let ids = wrong.merge(read::names("names", LEADS, business, &body.names, call.limits().batch));
    let (business, ids) = wrong.finish(business.zip(ids))?;
    let session = session(directory, call, business).await?;
    let found = directory.leads(&session, &ids).await?;
    let leads = found.iter().map(|lead| wire::lead(business, lead)).collect();
    Ok(pb::BatchGetLeadsResponse { leads })
}

async fn list(
    directory: &Directory,
    call: &Call,
    mut body: pb::ListLeadsRequest,
) -> Result<pb::ListLeadsResponse, Error> {
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
    let found = directory.find_leads(&session, &wanted, order, cursor.as_ref(), size.rows());
    let page = found.await?;
    Ok(pb::ListLeadsResponse {
        leads: page.items.iter().map(|lead| wire::lead(business, lead)).collect(),
        next_page_token: question.seal(&directory.sealer, page.next),
    })
}

async fn search(
    directory: &Directory,
    call: &Call,
    mut body: pb::SearchLeadsRequest,
) -> Result<pb::SearchLeadsResponse, Error> {
    let token = std::mem::take(&mut body.page_token);
    let asked = std::mem::take(&mut body.page_size);
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let size = wrong.merge(call.page_size(asked));
    let order = wrong.merge(Order::read(&body.order_by));
    let wanted = wrong.merge(wire::wanted(business, &body));
    let all = (|| Some((business?, size?, order?, wanted?)))();
    let (business, size, order, wanted) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let question = Question::new(call.rpc(), &session, &body);
    let cursor = question.open(&directory.sealer, &token)?;
    let found = directory.find_leads(&session, &wanted, order, cursor.as_ref(), size.rows());
    let page = found.await?;
    Ok(pb::SearchLeadsResponse {
        leads: page.items.iter().map(|lead| wire::lead(business, lead)).collect(),
        next_page_token: question.seal(&directory.sealer, page.next),
    })
}

async fn update(
    directory: &Directory,
    call: &Call,
    body: pb::UpdateLeadRequest,
) -> Result<pb::UpdateLeadResponse, Error> {
    let given = body.lead.clone().unwrap_or_default();
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("lead.name", LEADS, &given.name));
    let business = name.map(|(business, _)| business);
    let patch = wrong.merge(wire::patch(business, &given, body.update_mask.as_ref()));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let all = (|| Some((name?, patch?, request?)))();
    let ((business, id), patch, request) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let written = directory.update_lead(&session, id, patch, given.etag, request).await?;
    Ok(pb::UpdateLeadResponse { lead: Some(wire::written(business, &written)) })
}

async fn delete(
    directory: &Directory,
    call: &Call,
    body: pb::DeleteLeadRequest,
) -> Result<pb::DeleteLeadResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("name", LEADS, &body.name));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let ((business, id), request) = wrong.finish((|| Some((name?, request?)))())?;
    let session = session(directory, call, business).await?;
    directory.delete_lead(&session, id, body.etag, request).await?;
    Ok(pb::DeleteLeadResponse {})
}

async fn list_contacts(
    directory: &Directory,
    call: &Call,
    mut body: pb::ListLeadContactsRequest,
) -> Result<pb::ListLeadContactsResponse, Error> {
    let token = std::mem::take(&mut body.page_token);
    let asked = std::mem::take(&mut body.page_size);
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("parent", LEADS, &body.parent));
    let size = wrong.merge(call.page_size(asked));
    let ((business, id), size) = wrong.finish((|| Some((name?, size?)))())?;
    let session = session(directory, call, business).await?;
    let question = Question::new(call.rpc(), &session, &body);
    let cursor = question.open(&directory.sealer, &token)?;
    let page = directory.contacts_of_lead(&session, id, cursor.as_ref(), size.rows()).await?;
    let seen = directory.seen(&session, reader(call), page.items).await?;
    Ok(pb::ListLeadContactsResponse {
        contacts: contacts::contacts(business, &seen),
        next_page_token: question.seal(&directory.sealer, page.next),
    })
}

async fn add_contacts(
    directory: &Directory,
    call: &Call,
    body: pb::AddLeadContactsRequest,
) -> Result<pb::AddLeadContactsResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("parent", LEADS, &body.parent));
    let business = name.map(|(business, _)| business);
    let ids = read::names("contacts", CONTACTS, business, &body.contacts, call.limits().batch);
    let ids = wrong.merge(ids);
    let request = wrong.merge(request(call, &body.request_id, &body));
    let all = (|| Some((name?, ids?, request?)))();
    let ((business, id), ids, request) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let written = directory.link_lead_contacts(&session, id, Link::Add(ids), request).await?;
    Ok(pb::AddLeadContactsResponse { lead: Some(wire::written(business, &written)) })
}

async fn remove_contacts(
    directory: &Directory,
    call: &Call,
    body: pb::RemoveLeadContactsRequest,
) -> Result<pb::RemoveLeadContactsResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("parent", LEADS, &body.parent));
    let business = name.map(|(business, _)| business);
    let ids = read::names("contacts", CONTACTS, business, &body.contacts, call.limits().batch);
    let ids = wrong.merge(ids);
    let request = wrong.merge(request(call, &body.request_id, &body));
    let all = (|| Some((name?, ids?, request?)))();
    let ((business, id), ids, request) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let written = directory.link_lead_contacts(&session, id, Link::Remove(ids), request).await?;
    Ok(pb::RemoveLeadContactsResponse { lead: Some(wire::written(business, &written)) })
}

async fn convert(
    directory: &Directory,
    call: &Call,
    body: pb::ConvertLeadRequest,
) -> Result<pb::ConvertLeadResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("name", LEADS, &body.name));
    let business = name.map(|(business, _)| business);
    let target = wrong.merge(wire::target(business, body.target.as_ref()));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let all = (|| Some((name?, target?, request?)))();
    let ((business, id), target, request) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let converted = directory.convert_lead(&session, id, target, body.etag, request);
    let (lead, account) = converted.await?;
    Ok(pb::ConvertLeadResponse {
        lead: Some(wire::written(business, &lead)),
        account: Some(super::wire::accounts::written(business, &account)),
    })
}
