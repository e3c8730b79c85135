//! `yinyom.settings.v1.BusinessService`.

use std::sync::Arc;

use tonic::Request;
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::settings::v1::business_service_server::BusinessService;
use yinyom_rpc::Call;

use super::wire::business::{CreateBusiness, UpdateBusiness};
use super::wire::member::{CreateMember, DeleteMember, TransferOwnership, UpdateMember};
use super::{Answer, Api, wire};
use crate::commands::CommandError;

impl Api {
    async fn found(
        &self,
        call: &Call,
        body: pb::CreateBusinessRequest,
    ) -> Result<pb::CreateBusinessResponse, CommandError> {
        let CreateBusiness { new, request_id } = (&body).try_into()?;
        let asker = self.asker(call, request_id, &body);
        let founded = self.commands.create_business(asker, new).await?;
        Ok(pb::CreateBusinessResponse {
            business: Some(founded.business.into()),
            owner: founded.owner.map(Into::into),
        })
    }

    async fn show_business(
        &self,
        call: &Call,
        body: pb::GetBusinessRequest,
    ) -> Result<pb::GetBusinessResponse, CommandError> {
        let id = wire::one(|wrong| wire::business(wrong, "name", &body.name))?;
        let business = self.commands.business(call.caller(), id).await?;
        Ok(pb::GetBusinessResponse { business: Some(business.into()) })
    }

    async fn show_businesses(
        &self,
        call: &Call,
        body: pb::ListBusinessesRequest,
    ) -> Result<pb::ListBusinessesResponse, CommandError> {
        let asked = wire::one(|wrong| wire::page(wrong, call, body.page_size, body.page_token))?;
        let page = self.commands.businesses(call.caller(), &asked).await?;
        Ok(pb::ListBusinessesResponse {
            businesses: page.items.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
        })
    }

    async fn edit_business(
        &self,
        call: &Call,
        body: pb::UpdateBusinessRequest,
    ) -> Result<pb::UpdateBusinessResponse, CommandError> {
        let UpdateBusiness { business, etag, patch, request_id } = (&body).try_into()?;
        let asker = self.asker(call, request_id, &body);
        let business = self.commands.update_business(asker, business, etag, patch).await?;
        Ok(pb::UpdateBusinessResponse { business: Some(business.into()) })
    }

    async fn add_member(
        &self,
        call: &Call,
        body: pb::CreateMemberRequest,
    ) -> Result<pb::CreateMemberResponse, CommandError> {
        let CreateMember { business, new, request_id } = (&body).try_into()?;
        let asker = self.asker(call, request_id, &body);
        let member = self.commands.create_member(asker, business, new).await?;
        Ok(pb::CreateMemberResponse { member: Some(member.into()) })
    }

    async fn show_member(
        &self,
        call: &Call,
        body: pb::GetMemberRequest,
    ) -> Result<pb::GetMemberResponse, CommandError> {
        let (business, id) = wire::one(|wrong| wire::member(wrong, "name", &body.name))?;
        let member = self.commands.member(call.caller(), business, id).await?;
        Ok(pb::GetMemberResponse { member: Some(member.into()) })
    }

    async fn show_members(
        &self,
        call: &Call,
        body: pb::ListMembersRequest,
    ) -> Result<pb::ListMembersResponse, CommandError> {
        let (business, asked) = wire::one(|wrong| {
            let business = wire::business(wrong, "parent", &body.parent);
            business.zip(wire::page(wrong, call, body.page_size, body.page_token))
        })?;
        let page = self.commands.members(call.caller(), business, &asked).await?;
        Ok(pb::ListMembersResponse {
            members: page.items.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
        })
    }

    async fn edit_member(
        &self,
        call: &Call,
        body: pb::UpdateMemberRequest,
    ) -> Result<pb::UpdateMemberResponse, CommandError> {
        let UpdateMember { member, etag, patch, request_id } = (&body).try_into()?;
        let asker = self.asker(call, request_id, &body);
        let member = self.commands.update_member(asker, member, etag, patch).await?;
        Ok(pb::UpdateMemberResponse { member: Some(member.into()) })
    }

    async fn remove_member(
        &self,
        call: &Call,
        body: pb::DeleteMemberRequest,
    ) -> Result<pb::DeleteMemberResponse, CommandError> {
        let DeleteMember { member, request_id } = (&body).try_into()?;
        let asker = self.asker(call, request_id, &body);
        self.commands.delete_member(asker, member, body.etag).await?;
        Ok(pb::DeleteMemberResponse {})
    }

    async fn hand_over(
        &self,
        call: &Call,
        body: pb::TransferOwnershipRequest,
    ) -> Result<pb::TransferOwnershipResponse, CommandError> {
        let TransferOwnership { business, heir, request_id } = (&body).try_into()?;
        let asker = self.asker(call, request_id, &body);
        let owners = self.commands.transfer_ownership(asker, business, heir).await?;
        Ok(pb::TransferOwnershipResponse {
            new_owner: owners.new_owner.map(Into::into),
            previous_owner: owners.previous_owner.map(Into::into),
        })
    }
}

#[tonic::async_trait]
impl BusinessService for Api {
    async fn create_business(
        self: Arc<Self>,
        request: Request<pb::CreateBusinessRequest>,
    ) -> Answer<pb::CreateBusinessResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.found(&call, body).await)
    }

    async fn get_business(
        self: Arc<Self>,
        request: Request<pb::GetBusinessRequest>,
    ) -> Answer<pb::GetBusinessResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.show_business(&call, body).await)
    }

    async fn list_businesses(
        self: Arc<Self>,
        request: Request<pb::ListBusinessesRequest>,
    ) -> Answer<pb::ListBusinessesResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.show_businesses(&call, body).await)
    }

    async fn update_business(
        self: Arc<Self>,
        request: Request<pb::UpdateBusinessRequest>,
    ) -> Answer<pb::UpdateBusinessResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.edit_business(&call, body).await)
    }

    async fn create_member(
        self: Arc<Self>,
        request: Request<pb::CreateMemberRequest>,
    ) -> Answer<pb::CreateMemberResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.add_member(&call, body).await)
    }

    async fn get_member(
        self: Arc<Self>,
        request: Request<pb::GetMemberRequest>,
    ) -> Answer<pb::GetMemberResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.show_member(&call, body).await)
    }

    async fn list_members(
        self: Arc<Self>,
        request: Request<pb::ListMembersRequest>,
    ) -> Answer<pb::ListMembersResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.show_members(&call, body).await)
    }

    async fn update_member(
        self: Arc<Self>,
        request: Request<pb::UpdateMemberRequest>,
    ) -> Answer<pb::UpdateMemberResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.edit_member(&call, body).await)
    }

    async fn delete_member(
        self: Arc<Self>,
        request: Request<pb::DeleteMemberRequest>,
    ) -> Answer<pb::DeleteMemberResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.remove_member(&call, body).await)
    }

    async fn transfer_ownership(
        self: Arc<Self>,
        request: Request<pb::TransferOwnershipRequest>,
    ) -> Answer<pb::TransferOwnershipResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.hand_over(&call, body).await)
    }
}
