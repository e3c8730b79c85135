//! The rules and the leases on them in protobuf.

use std::time::Duration;

use uuid::Uuid;
use yinyom_kernel::{InvalidId, InvalidInput, Name, Text, Violations};
use yinyom_policy::{Policy, Renewal};
use yinyom_proto::settings::v1 as pb;

use super::settings::{lifetime_to_wire, shared_address_to_wire, visibility_to_wire};
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
        default_grant_lifetime: lifetime_to_wire(policy.rules.default_grant_lifetime),
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
        // prost's own conversion panics on some numbers that are below zero.
        let below_zero = sent.max_wait.is_some_and(|wait| wait.seconds < 0 || wait.nanos < 0);
        if below_zero {
            negative(&mut wrong, "max_wait");
        }
        let max_wait = sent.max_wait.filter(|_| !below_zero);
        let max_wait = max_wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default();
        let applied = sent.applied_revision;
        wrong.finish(holder.map(|holder| Self { holder, applied, max_wait }))
    }
}

fn negative(wrong: &mut Violations, field: &str) {
    wrong.push(field, "OUT_OF_RANGE", Text::new("must not be negative.", "ต้องไม่เป็นค่าติดลบ"));
}
