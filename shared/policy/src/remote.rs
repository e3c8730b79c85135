//! Settings over gRPC.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tonic::Code;
use uuid::Uuid;
use yinyom_consent::Role;
use yinyom_kernel::{BusinessId, MemberId, Name};
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::settings::v1::policy_service_client::PolicyServiceClient;
use yinyom_rpc::Connection;

use crate::{
    NotSetVisibility, Policy, PolicyMember, PolicySource, Renewal, Rules, SharedAddressPolicy,
    SourceError,
};

/// `PolicyService`, as one replica calls it.
#[derive(Clone)]
pub struct RemoteSource {
    client: PolicyServiceClient<Connection>,
}

impl RemoteSource {
    /// Settings at the other end of `connection`.
    pub fn new(connection: Connection) -> Self {
        Self { client: PolicyServiceClient::new(connection) }
    }
}

impl PolicySource for RemoteSource {
    fn policy(&self, business: BusinessId) -> BoxFuture<'_, Result<Option<Policy>, SourceError>> {
        let mut client = self.client.clone();
        async move {
            let request = pb::GetPolicyRequest { name: Name::format_business(business) };
            match client.get_policy(request).await {
                Ok(answer) => read_policy(business, answer.into_inner()).map(Some),
                Err(status) if status.code() == Code::NotFound => Ok(None),
                Err(status) => Err(unanswered(&status)),
            }
        }
        .boxed()
    }

    fn renew(
        &self,
        holder: Uuid,
        applied: i64,
        max_wait: Duration,
    ) -> BoxFuture<'_, Result<Renewal, SourceError>> {
        let mut client = self.client.clone();
        async move {
            let request = pb::RenewPolicyLeaseRequest {
                holder: holder.to_string(),
                applied_revision: applied,
                max_wait: prost_types::Duration::try_from(max_wait).ok(),
            };
            let answer = client.renew_policy_lease(request).await;
            read_renewal(answer.map_err(|status| unanswered(&status))?.get_ref())
        }
        .boxed()
    }
}

/// The code alone: a message may come from anywhere.
fn unanswered(status: &tonic::Status) -> SourceError {
    SourceError(format!("{:?}", status.code()))
}

fn unreadable(what: &str) -> SourceError {
    SourceError(format!("{what} cannot be read"))
}

fn read_renewal(answer: &pb::RenewPolicyLeaseResponse) -> Result<Renewal, SourceError> {
    let duration = answer.lease_duration.as_ref().and_then(|given| Duration::try_from(*given).ok());
    let changed = answer.changed_businesses.iter().map(|name| Name::parse_business(name));
    Ok(Renewal {
        revision: answer.revision,
        changed: changed.collect::<Result<_, _>>().map_err(|_| unreadable("a business"))?,
        drop_all: answer.drop_all,
        duration: duration.ok_or_else(|| unreadable("the lease's duration"))?,
    })
}

/// What this version cannot read in full is not read at all: half a policy could reveal.
fn read_policy(business: BusinessId, answer: pb::GetPolicyResponse) -> Result<Policy, SourceError> {
    let policy = answer.policy.ok_or_else(|| unreadable("the policy"))?;
    if policy.business != Name::format_business(business) {
        return Err(unreadable("the business"));
    }
    let not_set_visibility = match policy.not_set_visibility() {
        pb::NotSetVisibility::Show => NotSetVisibility::Show,
        pb::NotSetVisibility::Mask => NotSetVisibility::Mask,
        pb::NotSetVisibility::Unspecified => return Err(unreadable("not_set_visibility")),
    };
    let shared_address_policy = match policy.shared_address_policy() {
        pb::SharedAddressPolicy::RecordOnly => SharedAddressPolicy::RecordOnly,
        pb::SharedAddressPolicy::MostRestrictive => SharedAddressPolicy::MostRestrictive,
        pb::SharedAddressPolicy::Unspecified => return Err(unreadable("shared_address_policy")),
    };
    let default_grant_lifetime = (policy.default_grant_lifetime)
        .map(|given| Duration::try_from(given).map_err(|_| unreadable("default_grant_lifetime")))
        .transpose()?;
    let members = policy.members.iter().map(|member| {
        let id: MemberId = member.member_id.parse().map_err(|_| unreadable("a member"))?;
        let role = Role::from_wire(member.role).ok().flatten();
        Ok((
            id,
            PolicyMember {
                role: role.ok_or_else(|| unreadable("a role"))?,
                listed: member.listed,
                protection_officer: member.protection_officer,
            },
        ))
    });
    Ok(Policy {
        business,
        revision: policy.revision,
        rules: Rules {
            enforcement: policy.enforcement_enabled,
            not_set_visibility,
            members_may_regrant: policy.members_may_regrant,
            shared_address_policy,
            default_grant_lifetime,
        },
        members: members.collect::<Result<_, SourceError>>()?,
        time_zone: policy.time_zone,
    })
}
