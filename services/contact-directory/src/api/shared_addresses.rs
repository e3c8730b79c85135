//! `SharedAddressService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_consent::Channel;
use yinyom_consent::wire::{optional, required};
use yinyom_kernel::Violations;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::shared_address_service_server::SharedAddressService;
use yinyom_rpc::Call;

use super::pages::Question;
use super::wire::{previews, read, shared_addresses as wire};
use super::{Api, reader, session};
use crate::commands::{Directory, Error};
use crate::store::shared::Wanted;

/// Most addresses of a page, and as many if nothing is said: each has up to 50 contacts.
const PAGE: usize = 20;

#[tonic::async_trait]
impl SharedAddressService for Api {
    async fn list_shared_addresses(
        self: Arc<Self>,
        request: Request<pb::ListSharedAddressesRequest>,
    ) -> Result<Response<pb::ListSharedAddressesResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(list(&self.directory, &call, body).await)
    }

    async fn get_shared_address_summary(
        self: Arc<Self>,
        request: Request<pb::GetSharedAddressSummaryRequest>,
    ) -> Result<Response<pb::GetSharedAddressSummaryResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(summary(&self.directory, &call, body).await)
    }

    async fn preview_shared_address_policy(
        self: Arc<Self>,
        request: Request<pb::PreviewSharedAddressPolicyRequest>,
    ) -> Result<Response<pb::PreviewSharedAddressPolicyResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(preview(&self.directory, &call, body).await)
    }
}

async fn list(
    directory: &Directory,
    call: &Call,
    mut body: pb::ListSharedAddressesRequest,
) -> Result<pb::ListSharedAddressesResponse, Error> {
    let token = std::mem::take(&mut body.page_token);
    let asked = std::mem::take(&mut body.page_size);
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let size = wrong.merge(call.page_size(asked));
    let channel = optional(&mut wrong, "channel", Channel::from_wire(body.channel));
    let (business, size, channel) = wrong.finish((|| Some((business?, size?, channel?)))())?;
    let session = session(directory, call, business).await?;
    let question = Question::new(call.rpc(), &session, &body);
    let cursor = question.open(&directory.sealer, &token)?;
    let wanted = Wanted { channel, only_conflicts: body.only_conflicts };
    let rows = size.rows().min(PAGE);
    let found = directory.shared_addresses(&session, reader(call), wanted, cursor.as_ref(), rows);
    let seen = found.await?;
    Ok(pb::ListSharedAddressesResponse {
        shared_addresses: wire::shared_addresses(business, &seen),
        next_page_token: question.seal(&directory.sealer, seen.what().next.clone()),
    })
}

async fn summary(
    directory: &Directory,
    call: &Call,
    body: pb::GetSharedAddressSummaryRequest,
) -> Result<pb::GetSharedAddressSummaryResponse, Error> {
    let business = read::business("parent", &body.parent)?;
    let session = session(directory, call, business).await?;
    let summary = directory.shared_address_summary(&session, call.caller()).await?;
    Ok(pb::GetSharedAddressSummaryResponse { summaries: wire::summaries(&summary) })
}

async fn preview(
    directory: &Directory,
    call: &Call,
    body: pb::PreviewSharedAddressPolicyRequest,
) -> Result<pb::PreviewSharedAddressPolicyResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let policy = previews::shared_address_policy(body.shared_address_policy);
    let policy = required(&mut wrong, "shared_address_policy", policy);
    let (business, policy) = wrong.finish(business.zip(policy))?;
    let session = session(directory, call, business).await?;
    let preview = directory.preview_shared_address_policy(&session, call.caller()).await?;
    Ok(previews::policy_preview(&preview, policy))
}
