//! `yinyom.settings.v1.PolicyService`.

use std::sync::Arc;

use tonic::Request;
use yinyom_identity::AccessDenied;
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::settings::v1::policy_service_server::PolicyService;
use yinyom_rpc::Call;

use super::wire::policy::{RenewLease, policy, renewal};
use super::{Answer, Api, wire};
use crate::commands::CommandError;

impl Api {
    async fn show_policy(
        &self,
        call: &Call,
        body: pb::GetPolicyRequest,
    ) -> Result<pb::GetPolicyResponse, CommandError> {
        let business = wire::one(|wrong| wire::business(wrong, "name", &body.name))?;
        let rules = self.commands.policy(call.caller(), business).await?;
        Ok(pb::GetPolicyResponse { policy: Some(policy(rules)) })
    }

    async fn renew(
        &self,
        call: &Call,
        body: pb::RenewPolicyLeaseRequest,
    ) -> Result<pb::RenewPolicyLeaseResponse, CommandError> {
        // The answer names businesses that the request does not.
        if !call.caller().opens_every_business() {
            return Err(AccessDenied.into());
        }
        let RenewLease { holder, applied, max_wait } = (&body).try_into()?;
        let renewed = self.commands.leases().renew(holder, applied, max_wait).await?;
        Ok(renewal(renewed))
    }
}

#[tonic::async_trait]
impl PolicyService for Api {
    async fn get_policy(
        self: Arc<Self>,
        request: Request<pb::GetPolicyRequest>,
    ) -> Answer<pb::GetPolicyResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.show_policy(&call, body).await)
    }

    async fn renew_policy_lease(
        self: Arc<Self>,
        request: Request<pb::RenewPolicyLeaseRequest>,
    ) -> Answer<pb::RenewPolicyLeaseResponse> {
        let (call, body) = Call::open(request)?;
        call.answer(self.renew(&call, body).await)
    }
}
