//! What a change of the settings would do, before it is made.

use std::sync::Arc;

use yinyom_consent::ByChannel;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, MemberId};
use yinyom_policy::{Membership, NotSetVisibility, Policy, Rules, SharedAddressPolicy};

use super::{Directory, Error, Session};
use crate::domain::Refusal;
use crate::domain::preview::{Effect, effect};
use crate::domain::viewer::may_use_address_equality;
use crate::store::counts;
use crate::store::shared::{Stopped, stopped};

/// Rules that would hold; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proposed {
    pub enforcement: Option<bool>,
    pub not_set_visibility: Option<NotSetVisibility>,
}

/// What it would do, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    pub effect: Effect,
    /// Those who see by consent alone, by id.
    pub members: Vec<MemberId>,
}

/// What another policy on shared addresses would do to checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyPreview {
    pub current: SharedAddressPolicy,
    /// Whom a refusal of another one stops, under the policy that heeds those.
    pub stopped: ByChannel<Stopped>,
}

impl Directory {
    /// What members who see by consent alone would not see any more under other rules, and what they would see.
    pub async fn preview_visibility(
        &self,
        session: &Session,
        caller: &Caller,
        proposed: Proposed,
    ) -> Result<Preview, Error> {
        let business = session.business();
        self.administered(caller, business).await?;
        let mut tx = self.db.snapshot(session.scope).await?;
        let kinds = counts::kinds(&mut tx, self.now().as_microsecond()).await?;
        drop(tx);
        // As they are by now: who is no admin any more is told nothing.
        let policy = self.administered(caller, business).await?;
        let rules = policy.rules;
        let then = Rules {
            enforcement: proposed.enforcement.unwrap_or(rules.enforcement),
            not_set_visibility: proposed.not_set_visibility.unwrap_or(rules.not_set_visibility),
            ..rules
        };
        let unlisted = policy.members.iter().filter(|(_, member)| !member.sees_everything());
        let mut members: Vec<_> = unlisted.map(|(id, _)| *id).collect();
        members.sort_unstable();
        Ok(Preview { effect: effect(kinds, &rules, &then), members })
    }

    /// Of how many contacts a check would be answered otherwise, were refusals of others heeded or not.
    pub async fn preview_shared_address_policy(
        &self,
        session: &Session,
        caller: &Caller,
    ) -> Result<PolicyPreview, Error> {
        may_use_address_equality(session.view().viewer(), session.view().rules())?;
        let mut tx = self.db.snapshot(session.scope).await?;
        let stopped = stopped(&mut tx, self.now().as_microsecond()).await?;
        drop(tx);
        let view = session.look(self, caller).await?;
        may_use_address_equality(view.viewer(), view.rules())?;
        // A service with the scope is let in without a lease, and then nobody knows which policy holds.
        let standing = self.policies.of(session.business()).await;
        let policy = standing.live().ok_or(Refusal::PolicyUnavailable)?;
        Ok(PolicyPreview { current: policy.rules.shared_address_policy, stopped })
    }

    /// The rules, for owner and admins.
    async fn administered(
        &self,
        caller: &Caller,
        business: BusinessId,
    ) -> Result<Arc<Policy>, Error> {
        let standing = self.policies.of(business).await;
        let member = caller.member().ok_or(Error::OwnerOrAdminOnly)?;
        match (standing.membership(member), standing.live()) {
            (Membership::Member(member), Some(policy)) if member.administers() => {
                Ok(Arc::clone(policy))
            }
            (Membership::Member(_), _) => Err(Error::OwnerOrAdminOnly),
            (Membership::Presumed | Membership::Unknown, _) => {
                Err(Refusal::PolicyUnavailable.into())
            }
            (Membership::Stranger, _) => Err(NotFound.into()),
        }
    }
}
