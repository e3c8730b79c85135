//! `ConsentService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_consent::wire::required;
use yinyom_consent::{CONTACTS, Channel};
use yinyom_kernel::{BusinessId, Violations};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::consent_service_server::ConsentService;
use yinyom_rpc::Call;

use super::wire::{consents as wire, read};
use super::{Api, request, session};
use crate::commands::consents::Saying;
use crate::commands::{Directory, Error};

#[tonic::async_trait]
impl ConsentService for Api {
    async fn get_contact_consents(
        self: Arc<Self>,
        request: Request<pb::GetContactConsentsRequest>,
    ) -> Result<Response<pb::GetContactConsentsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(get(&self.directory, &call, body).await)
    }

    async fn set_contact_consents(
        self: Arc<Self>,
        request: Request<pb::SetContactConsentsRequest>,
    ) -> Result<Response<pb::SetContactConsentsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(set(&self.directory, &call, body).await)
    }

    async fn withdraw_consent(
        self: Arc<Self>,
        request: Request<pb::WithdrawConsentRequest>,
    ) -> Result<Response<pb::WithdrawConsentResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(withdraw(&self.directory, &call, body).await)
    }

    async fn batch_set_contact_consents(
        self: Arc<Self>,
        request: Request<pb::BatchSetContactConsentsRequest>,
    ) -> Result<Response<pb::BatchSetContactConsentsResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(batch_set(&self.directory, &call, body).await)
    }

    async fn batch_check_consent(
        self: Arc<Self>,
        request: Request<pb::BatchCheckConsentRequest>,
    ) -> Result<Response<pb::BatchCheckConsentResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(batch_check(&self.directory, &call, body).await)
    }
}

async fn get(
    directory: &Directory,
    call: &Call,
    body: pb::GetContactConsentsRequest,
) -> Result<pb::GetContactConsentsResponse, Error> {
    let (business, id) = read::name("contact", CONTACTS, &body.contact)?;
    let session = session(directory, call, business).await?;
    let contact = directory.consents(&session, id).await?;
    let consents = wire::consents(business, &contact, directory.now());
    Ok(pb::GetContactConsentsResponse { contact_consents: Some(consents) })
}

async fn set(
    directory: &Directory,
    call: &Call,
    body: pb::SetContactConsentsRequest,
) -> Result<pb::SetContactConsentsResponse, Error> {
    let now = directory.now();
    let mut wrong = Violations::new();
    let saying = wrong.merge(wire::saying(&body, now));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let ((business, saying), request) = wrong.finish((|| Some((saying?, request?)))())?;
    let session = session(directory, call, business).await?;
    let written = directory.say(&session, saying, request).await?;
    let consents = wire::written(business, &written, directory.now());
    Ok(pb::SetContactConsentsResponse { contact_consents: Some(consents) })
}

async fn withdraw(
    directory: &Directory,
    call: &Call,
    body: pb::WithdrawConsentRequest,
) -> Result<pb::WithdrawConsentResponse, Error> {
    let now = directory.now();
    let mut wrong = Violations::new();
    let saying = wrong.merge(wire::withdrawal(&body, now));
    let request = wrong.merge(request(call, &body.request_id, &body));
    let ((business, saying), request) = wrong.finish((|| Some((saying?, request?)))())?;
    let session = session(directory, call, business).await?;
    let written = directory.say(&session, saying, request).await?;
    let consents = wire::written(business, &written, directory.now());
    Ok(pb::WithdrawConsentResponse { contact_consents: Some(consents) })
}

async fn batch_set(
    directory: &Directory,
    call: &Call,
    body: pb::BatchSetContactConsentsRequest,
) -> Result<pb::BatchSetContactConsentsResponse, Error> {
    let now = directory.now();
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let request = wrong.merge(request(call, &body.request_id, &body));
    read::count(&mut wrong, "requests", body.requests.len(), call.limits().batch);
    let (business, request) = wrong.finish((|| Some((business?, request?)))())?;
    let session = session(directory, call, business).await?;
    let sayings = body.requests.iter().map(|row| one_of(business, row, now)).collect();
    let rows = directory.say_all(&session, sayings, request).await?;
    let (language, now) = (call.language(), directory.now());
    let results = rows.into_iter().map(|row| wire::row(business, row, language, now)).collect();
    Ok(pb::BatchSetContactConsentsResponse { results })
}

/// Reads a row of a batch: wrong fields refuse the row, not the batch.
fn one_of(
    business: BusinessId,
    row: &pb::SetContactConsentsRequest,
    now: jiff::Timestamp,
) -> Result<Saying, Error> {
    let mut wrong = Violations::new();
    let saying = wrong.merge(wire::saying(row, now));
    if saying.as_ref().is_some_and(|(owner, _)| *owner != business) {
        read::other_business(&mut wrong, "contact");
    }
    if !row.request_id.is_empty() {
        let text = yinyom_kernel::Text::new(
            "belongs to the batch, not to a row of it.",
            "ต้องระบุที่คำขอหลัก ไม่ใช่ที่แต่ละรายการ",
        );
        wrong.push("request_id", "NOT_IN_A_ROW", text);
    }
    Ok(wrong.finish(saying)?.1)
}

async fn batch_check(
    directory: &Directory,
    call: &Call,
    body: pb::BatchCheckConsentRequest,
) -> Result<pb::BatchCheckConsentResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let channel = required(&mut wrong, "channel", Channel::from_wire(body.channel));
    let ids = read::names("contacts", CONTACTS, business, &body.contacts, call.limits().batch);
    let ids = wrong.merge(ids);
    let (business, channel, ids) = wrong.finish((|| Some((business?, channel?, ids?)))())?;
    let session = session(directory, call, business).await?;
    let checks = directory.check(&session, call.caller(), channel, &ids).await?;
    let checks = body.contacts.into_iter().zip(checks);
    Ok(pb::BatchCheckConsentResponse {
        checks: checks.map(|(contact, check)| wire::check(contact, check)).collect(),
    })
}
