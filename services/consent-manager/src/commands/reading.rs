//! Who may read the ledger: owner, admins and protection officers of the business, and services.

use std::sync::Arc;

use yinyom_consent::Actor;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, MemberId, Scope};
use yinyom_policy::{Membership, Policy, Standing};

use super::{Manager, Refused};
use crate::store::heads;

/// A read of one business's ledger by somebody who may read it.
pub struct Reading<'a> {
    manager: &'a Manager,
    caller: &'a Caller,
    scope: Scope,
    standing: Standing,
}

impl<'a> Reading<'a> {
    /// Opens the ledger of `business`, or says why not. A business that is not there, or is another's, is `NOT_FOUND`
    /// alike. A member's role needs rules that hold now; a service is known without.
    pub async fn open(
        manager: &'a Manager,
        caller: &'a Caller,
        business: BusinessId,
    ) -> Result<Self, Refused> {
        let scope = caller.scope(business)?;
        let standing = manager.policies.of(business).await;
        admit(caller, &standing)?;
        let reading = Self { manager, caller, scope, standing };
        reading.must_exist().await?;
        Ok(reading)
    }

    /// Which business is read.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Who reads, with the role by rules that hold now.
    pub fn actor(&self) -> Result<Actor, Refused> {
        match self.caller {
            Caller::Member { member, .. } => match self.standing.membership(*member) {
                Membership::Member(of) => {
                    Ok(Actor::Member { member: *member, role: Some(of.role) })
                }
                _ => Err(Refused::PolicyUnavailable),
            },
            Caller::Service(service) => Ok(Actor::Service { name: service.name.clone() }),
            Caller::Operator { .. } => Err(NotFound.into()),
        }
    }

    /// The member who reads; what is for people is not for services.
    pub fn member(&self) -> Result<MemberId, Refused> {
        Ok(self.caller.member().ok_or(NotFound)?)
    }

    /// The same, if it is owner or admin.
    pub fn administrator(&self) -> Result<MemberId, Refused> {
        let member = self.member()?;
        match self.standing.membership(member) {
            Membership::Member(of) if of.administers() => Ok(member),
            _ => Err(Refused::OwnerOrAdminOnly),
        }
    }

    /// The last known rules of the business, as far as they were ever known.
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        match &self.standing {
            Standing::Live(policy) | Standing::Lapsed(Some(policy)) => Some(policy),
            Standing::Lapsed(None) | Standing::NoSuchBusiness => None,
        }
    }

    /// `found`, if the caller may still read the ledger: a role that was taken away while the store was read shows
    /// nothing more (TRAPS 6).
    pub async fn close<T>(self, found: T) -> Result<T, Refused> {
        let Self { manager, caller, scope, standing } = self;
        let standing = manager.policies.confirm(scope.business(), standing).await;
        admit(caller, &standing)?;
        Ok(found)
    }

    /// A service may name a business that there is not. Where settings cannot be asked, the ledger knows those that
    /// ever sent a change.
    async fn must_exist(&self) -> Result<(), Refused> {
        if self.policy().is_some() {
            return Ok(());
        }
        let mut tx = self.manager.db.read(self.scope).await?;
        match heads::read(&mut tx).await? {
            Some(_) => Ok(()),
            None => Err(Refused::PolicyUnavailable),
        }
    }
}

fn admit(caller: &Caller, standing: &Standing) -> Result<(), Refused> {
    if let Some(member) = caller.member() {
        return match standing.membership(member) {
            Membership::Member(member) if member.reads_ledger() => Ok(()),
            Membership::Member(_) => Err(Refused::LedgerReadersOnly),
            Membership::Presumed | Membership::Unknown => Err(Refused::PolicyUnavailable),
            Membership::Stranger => Err(NotFound.into()),
        };
    }
    match standing {
        Standing::NoSuchBusiness => Err(NotFound.into()),
        Standing::Live(_) | Standing::Lapsed(_) => Ok(()),
    }
}
