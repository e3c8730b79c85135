//! `PreviewService`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use yinyom_consent::wire::optional;
use yinyom_kernel::Violations;
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::preview_service_server::PreviewService;
use yinyom_rpc::Call;

use super::wire::{previews as wire, read};
use super::{Api, session};
use crate::commands::previews::Proposed;
use crate::commands::{Directory, Error};

#[tonic::async_trait]
impl PreviewService for Api {
    async fn preview_visibility(
        self: Arc<Self>,
        request: Request<pb::PreviewVisibilityRequest>,
    ) -> Result<Response<pb::PreviewVisibilityResponse>, Status> {
        let (call, body) = Call::open(request)?;
        call.answer(visibility(&self.directory, &call, body).await)
    }
}

async fn visibility(
    directory: &Directory,
    call: &Call,
    body: pb::PreviewVisibilityRequest,
) -> Result<pb::PreviewVisibilityResponse, Error> {
    let mut wrong = Violations::new();
    let business = wrong.merge(read::business("parent", &body.parent));
    let not_set = wire::not_set_visibility(body.not_set_visibility);
    let not_set = optional(&mut wrong, "not_set_visibility", not_set);
    let (business, not_set_visibility) = wrong.finish(business.zip(not_set))?;
    let session = session(directory, call, business).await?;
    let proposed = Proposed { enforcement: body.enforcement_enabled, not_set_visibility };
    let preview = directory.preview_visibility(&session, call.caller(), proposed).await?;
    Ok(wire::preview(business, &preview))
}
