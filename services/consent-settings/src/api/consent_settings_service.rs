//! `yinyom.settings.v1.ConsentSettingsService`.

use std::sync::Arc;

use tonic::Request;
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::settings::v1::consent_settings_service_server::ConsentSettingsService;
use yinyom_rpc::Call;

use super::wire::settings::{EditViewers, UpdateSettings, settings_name, viewer};
use super::{Answer, Api, wire};
use crate::commands::CommandError;

impl Api {
    async fn show_settings(
        &self,
        call: &Call,
        body: pb::GetConsentSettingsRequest,
    ) -> Result<pb::GetConsentSettingsResponse, CommandError> {
        let business = wire::one(|wrong| settings_name(wrong, "name", &body.name))?;
        let settings = self.commands.settings(call.caller(), business).await?;
        Ok(pb::GetConsentSettingsResponse { consent_settings: Some(settings.into()) })
    }

    async fn edit_settings(
        &self,
        call: &Call,
        body: pb::UpdateConsentSettingsRequest,
    ) -> Result<pb::UpdateConsentSettingsResponse, CommandError> {
        let UpdateSettings { business, etag, patch, request_id } = (&body).try_into()?;
        let asker = self.asker(call, request_id, &body);
        let settings = self.commands.update_settings(asker, business, etag, patch).await?;
        Ok(pb::UpdateConsentSettingsResponse { consent_settings: Some(settings.into()) })
    }

    async fn show_viewers(
        &self,
        call: &Call,
        body: pb::ListViewersRequest,
    ) -> Result<pb::ListViewersResponse, CommandError> {
        let (business, asked) = wire::one(|wrong| {
            let business = wire::business(wrong, "parent", &body.parent);
            business.zip(wire::page(wrong, call, body.page_size, body.page_token))
        })?;
        let page = self.commands.viewers(call.caller(), business, &asked).await?;
        Ok(pb::ListViewersResponse {
            viewers: page.items.into_iter().map(viewer).collect(),
            next_page_token: page.next,
        })
    }

    async fn put_on_list(
        &self,
        call: &Call,
        body: pb::AddViewersRequest,
    ) -> Result<pb::AddViewersResponse, CommandError> {
        let EditViewers { business, members, request_id } =
            EditViewers::read(&body.parent, &body.members, &body.request_id)?;
        let asker = self.asker(call, request_id, &body);
        let listed = self.commands.add_viewers(asker, business, members).await?;
        Ok(pb::AddViewersResponse { viewers: listed.into_iter().map(viewer).collect() })
    }

    async fn take_off_list(
        &self,
        call: &Call,
        body: pb::RemoveViewersRequest,
    ) -> Result<pb::RemoveViewersResponse, CommandError> {
        let EditViewers { business, members, request_id } =
            EditViewers::read(&body.parent, &body.members, &body.request_id)?;
        let asker = self.asker(call, request_id, &body);
        self.commands.remove_viewers(asker, business, members).await?;
        Ok(pb::RemoveViewersResponse {})
    }
}

#[tonic::async_trait]
impl ConsentSettingsService for Api {
    async fn get_consent_settings(
        self: Arc<Self>,
        request: Request<pb::GetConsentSettingsRequest>,
    ) -> Answer<pb::GetConsentSettingsResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.show_settings(&call, body).await)
    }

    async fn update_consent_settings(
        self: Arc<Self>,
        request: Request<pb::UpdateConsentSettingsRequest>,
    ) -> Answer<pb::UpdateConsentSettingsResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.edit_settings(&call, body).await)
    }

    async fn list_viewers(
        self: Arc<Self>,
        request: Request<pb::ListViewersRequest>,
    ) -> Answer<pb::ListViewersResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.show_viewers(&call, body).await)
    }

    async fn add_viewers(
        self: Arc<Self>,
        request: Request<pb::AddViewersRequest>,
    ) -> Answer<pb::AddViewersResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.put_on_list(&call, body).await)
    }

    async fn remove_viewers(
        self: Arc<Self>,
        request: Request<pb::RemoveViewersRequest>,
    ) -> Answer<pb::RemoveViewersResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.take_off_list(&call, body).await)
    }
}
