//! The rules and the leases on them in protobuf.

use std::time::Duration;

use uuid::Uuid;
use yinyom_kernel::{InvalidId, InvalidInput, Name, Text, Violations};
use yinyom_policy::{Policy, Renewal};
use yinyom_proto::settings::v1 as pb;

use super::settings::{shared_address_to_wire, visibility_to_wire};
use crate::domain::Revision;

/// The rules, members by id.
pub(in crate::api) fn policy(policy: Policy) -> pb::Policy {
    let mut members: Vec<_> = policy.members.into_iter().collect();
    members.sort_unstable_by_key(|(id, _)| *id);
    let members = members.into_iter().map(|(id, member)| pb::PolicyMember {
        member_id: id.to_string(),
        role: member.role.to_wire(),
        listed: member.listed,
        protection_officer: member.protection_officer,
    });
    pb::Policy {
        business: Name::format_business(policy.business),
        revision: policy.revision,
        time_zone: policy.time_zone,
        enforcement_enabled: policy.rules.enforcement,
        not_set_visibility: visibility_to_wire(policy.rules.not_set_visibility).into(),
        members_may_regrant: policy.rules.members_may_regrant,
        shared_address_policy: shared_address_to_wire(policy.rules.shared_address_policy).into(),
        members: members.collect(),
    }
}

/// A renewed lease.
pub(in crate::api) fn renewal(renewal: Renewal) -> pb::RenewPolicyLeaseResponse {
    pb::RenewPolicyLeaseResponse {
        revision: renewal.revision,
        changed_businesses: renewal.changed.into_iter().map(Name::format_business).collect(),
        drop_all: renewal.drop_all,
        lease_duration: prost_types::Duration::try_from(renewal.duration).ok(),
    }
}

pub(in crate::api) struct RenewLease {
    pub(in crate::api) holder: Uuid,
    pub(in crate::api) applied: Revision,
    pub(in crate::api) max_wait: Duration,
}

impl TryFrom<&pb::RenewPolicyLeaseRequest> for RenewLease {
    type Error = InvalidInput;

    fn try_from(sent: &pb::RenewPolicyLeaseRequest) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let holder = wrong.take("holder", Uuid::try_parse(&sent.holder).map_err(|_| InvalidId));
        if sent.applied_revision < 0 {
            negative(&mut wrong, "applied_revision");
        }
        let max_wait = match sent.max_wait.map(Duration::try_from) {
            None => Duration::ZERO,
            Some(Ok(wait)) => wait,
            Some(Err(_)) => {
                negative(&mut wrong, "max_wait");
                Duration::ZERO
            }
        };
        let applied = sent.applied_revision;
        wrong.finish(holder.map(|holder| Self { holder, applied, max_wait }))
    }
}

fn negative(wrong: &mut Violations, field: &str) {
    wrong.push(field, "OUT_OF_RANGE", Text::new("must not be negative.", "ต้องไม่เป็นค่าติดลบ"));
}
