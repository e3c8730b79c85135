//! `AccountService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_consent::{ACCOUNTS, CONTACTS};
use yinyom_kernel::Violations;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::account_service_server::AccountService;
use yinyom_rpc::Call;

use super::pages::Question;
use super::wire::{accounts as wire, contacts, read};
use super::{Api, reader, request, session};
use crate::commands::leads::Link;
use crate::commands::{Directory, Error};
use crate::domain::order::Order;
use crate::store::accounts::Wanted;

#[tonic::async_trait]
impl AccountService for Api {
    async fn create_account(
        self: Arc<Self>,
        request: Request<pb::CreateAccountRequest>,
    ) -> Result<Response<pb::CreateAccountResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(create(&self.directory, &call, body).await)
    }

    async fn get_account(
        self: Arc<Self>,
        request: Request<pb::GetAccountRequest>,
    ) -> Result<Response<pb::GetAccountResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(get(&self.directory, &call, body).await)
    }

    async fn batch_get_accounts(
        self: Arc<Self>,
        request: Request<pb::BatchGetAccountsRequest>,
    ) -> Result<Response<pb::BatchGetAccountsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(batch_get(&self.directory, &call, body).await)
    }

    async fn list_accounts(
        self: Arc<Self>,
        request: Request<pb::ListAccountsRequest>,
    ) -> Result<Response<pb::ListAccountsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(list(&self.directory, &call, body).await)
    }

    async fn search_accounts(
        self: Arc<Self>,
        request: Request<pb::SearchAccountsRequest>,
    ) -> Result<Response<pb::SearchAccountsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(search(&self.directory, &call, body).await)
    }

    async fn update_account(
        self: Arc<Self>,
        request: Request<pb::UpdateAccountRequest>,
    ) -> Result<Response<pb::UpdateAccountResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(update(&self.directory, &call, body).await)
    }

    async fn delete_account(
        self: Arc<Self>,
        request: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::DeleteAccountResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(delete(&self.directory, &call, body).await)
    }

    async fn list_account_contacts(
        self: Arc<Self>,
        request: Request<pb::ListAccountContactsRequest>,
    ) -> Result<Response<pb::ListAccountContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(list_contacts(&self.directory, &call, body).await)
    }

    async fn add_account_contacts(
        self: Arc<Self>,
        request: Request<pb::AddAccountContactsRequest>,
    ) -> Result<Response<pb::AddAccountContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(add_contacts(&self.directory, &call, body).await)
    }

    async fn remove_account_contacts(
        self: Arc<Self>,
        request: Request<pb::RemoveAccountContactsRequest>,
    ) -> Result<Response<pb::RemoveAccountContactsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(remove_contacts(&self.directory, &call, body).await)
    }
}

async fn create(
    directory: &Directory,
    call: &Call,
    body: pb::CreateAccountRequest,
) -> Result<pb::CreateAccountResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let new = wrong.merge(wire::new_account(body.account.as_ref()));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let (business, new, request) = wrong.finish((|| Some((business?, new?, request?)))())?;
    let session = session(directory, call, business).await?;
    let written = directory.create_account(&session, new, request).await?;
    Ok(pb::CreateAccountResponse { account: Some(wire::written(business, &written)) })
}

async fn get(
    directory: &Directory,
    call: &Call,
    body: pb::GetAccountRequest,
) -> Result<pb::GetAccountResponse, Error> {
    let (business, id) = read::name("name", ACCOUNTS, &body.name)?;
    let session = session(directory, call, business).await?;
    let account = directory.account(&session, id).await?;
    Ok(pb::GetAccountResponse { account: Some(wire::account(business, &account)) })
}

async fn batch_get(
    directory: &Directory,
    call: &Call,
    body: pb::BatchGetAccountsRequest,
) -> Result<pb::BatchGetAccountsResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let ids =
        wrong.merge(read::names("names", ACCOUNTS, business, &body.names, call.limits().batch));
    let (business, ids) = wrong.finish(business.zip(ids))?;
    let session = session(directory, call, business).await?;
    let found = directory.accounts(&session, &ids).await?;
    let accounts = found.iter().map(|account| wire::account(business, account)).collect();
    Ok(pb::BatchGetAccountsResponse { accounts })
}

async fn list(
    directory: &Directory,
    call: &Call,
    mut body: pb::ListAccountsRequest,
) -> Result<pb::ListAccountsResponse, Error> {
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
    let found = directory.find_accounts(&session, &wanted, order, cursor.as_ref(), size.rows());
    let page = found.await?;
    Ok(pb::ListAccountsResponse {
        accounts: page.items.iter().map(|account| wire::account(business, account)).collect(),
        next_page_token: question.seal(&directory.sealer, page.next),
    })
}

async fn search(
    directory: &Directory,
    call: &Call,
    mut body: pb::SearchAccountsRequest,
) -> Result<pb::SearchAccountsResponse, Error> {
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
    let found = directory.find_accounts(&session, &wanted, order, cursor.as_ref(), size.rows());
    let page = found.await?;
    Ok(pb::SearchAccountsResponse {
        accounts: page.items.iter().map(|account| wire::account(business, account)).collect(),
        next_page_token: question.seal(&directory.sealer, page.next),
    })
}

async fn update(
    directory: &Directory,
    call: &Call,
    body: pb::UpdateAccountRequest,
) -> Result<pb::UpdateAccountResponse, Error> {
    let given = body.account.clone().unwrap_or_default();
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("account.name", ACCOUNTS, &given.name));
    let patch = wrong.merge(wire::patch(&given, body.update_mask.as_ref()));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let all = (|| Some((name?, patch?, request?)))();
    let ((business, id), patch, request) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let written = directory.update_account(&session, id, Some(patch), given.etag, request).await?;
    Ok(pb::UpdateAccountResponse { account: Some(wire::written(business, &written)) })
}

async fn delete(
    directory: &Directory,
    call: &Call,
    body: pb::DeleteAccountRequest,
) -> Result<pb::DeleteAccountResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("name", ACCOUNTS, &body.name));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let ((business, id), request) = wrong.finish((|| Some((name?, request?)))())?;
    let session = session(directory, call, business).await?;
    directory.delete_account(&session, id, body.etag, request).await?;
    Ok(pb::DeleteAccountResponse {})
}

async fn list_contacts(
    directory: &Directory,
    call: &Call,
    mut body: pb::ListAccountContactsRequest,
) -> Result<pb::ListAccountContactsResponse, Error> {
    let token = std::mem::take(&mut body.page_token);
    let asked = std::mem::take(&mut body.page_size);
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("parent", ACCOUNTS, &body.parent));
    let size = wrong.merge(call.page_size(asked));
    let ((business, id), size) = wrong.finish((|| Some((name?, size?)))())?;
    let session = session(directory, call, business).await?;
    let question = Question::new(call.rpc(), &session, &body);
    let cursor = question.open(&directory.sealer, &token)?;
    let page = directory.contacts_of_account(&session, id, cursor.as_ref(), size.rows()).await?;
    let seen = directory.seen(&session, reader(call), page.items).await?;
    Ok(pb::ListAccountContactsResponse {
        contacts: contacts::contacts(business, &seen),
        next_page_token: question.seal(&directory.sealer, page.next),
    })
}

async fn add_contacts(
    directory: &Directory,
    call: &Call,
    body: pb::AddAccountContactsRequest,
) -> Result<pb::AddAccountContactsResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("parent", ACCOUNTS, &body.parent));
    let business = name.map(|(business, _)| business);
    let ids = read::names("contacts", CONTACTS, business, &body.contacts, call.limits().batch);
    let ids = wrong.merge(ids);
    let request = wrong.merge(request(call, &body.request_id, &body));
    let all = (|| Some((name?, ids?, request?)))();
    let ((business, id), ids, request) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let written = directory.link_account_contacts(&session, id, Link::Add(ids), request).await?;
    Ok(pb::AddAccountContactsResponse { account: Some(wire::written(business, &written)) })
}

async fn remove_contacts(
    directory: &Directory,
    call: &Call,
    body: pb::RemoveAccountContactsRequest,
) -> Result<pb::RemoveAccountContactsResponse, Error> {
    let mut wrong = Violations::new();
    let name = wrong.merge(read::name("parent", ACCOUNTS, &body.parent));
    let business = name.map(|(business, _)| business);
    let ids = read::names("contacts", CONTACTS, business, &body.contacts, call.limits().batch);
    let ids = wrong.merge(ids);
    let request = wrong.merge(request(call, &body.request_id, &body));
    let all = (|| Some((name?, ids?, request?)))();
    let ((business, id), ids, request) = wrong.finish(all)?;
    let session = session(directory, call, business).await?;
    let written = directory.link_account_contacts(&session, id, Link::Remove(ids), request).await?;
    Ok(pb::RemoveAccountContactsResponse { account: Some(wire::written(business, &written)) })
}
