//! Who asks, in which business, under which rules.

use yinyom_audit::Privilege;
use yinyom_consent::{Actor, Role};
use yinyom_identity::{Caller, NotFound, ServiceScope};
use yinyom_kernel::{BusinessId, Scope};
use yinyom_policy::{Membership, Standing};

use super::{Directory, Error};
use crate::domain::surface;
use crate::domain::{View, Viewer};

/// A caller who may act in a business. The only way to its store.
#[derive(Debug, Clone)]
pub struct Session {
    pub scope: Scope,
    /// As the ledger names them.
    pub actor: Actor,
    pub kind: surface::By,
    /// Stable for each caller; page tokens and request records are bound to it.
    pub caller_key: String,
    view: View,
    standing: Standing,
}

impl Session {
    /// Lets `caller` into `business`. A foreign business, an absent one and one that the caller is no member
    /// of are answered alike.
    pub async fn open(
        directory: &Directory,
        caller: &Caller,
        business: BusinessId,
    ) -> Result<Self, Error> {
        let scope = caller.scope(business)?;
        let standing = directory.policies.of(business).await;
        let Looker { view, actor, .. } = admit(caller, &standing)?;
        let kind = match actor {
            Actor::Member { .. } => surface::By::Member,
            Actor::Service { .. } => surface::By::Service,
        };
        Ok(Self { scope, actor, kind, caller_key: caller.key(), view, standing })
    }

    /// The business.
    pub fn business(&self) -> BusinessId {
        self.scope.business()
    }

    /// What the caller saw when the session was opened. For decisions on writes; what leaves is decided by
    /// [`Session::look`].
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// What the caller sees at this moment. Call it after the store was read and before anything is rendered:
    /// a right that was taken away in between shows nothing any more (TRAPS 6).
    pub async fn look(&self, directory: &Directory, caller: &Caller) -> Result<View, Error> {
        Ok(self.look_closely(directory, caller).await?.view)
    }

    /// Like [`Session::look`], with who looks and by what right.
    pub(crate) async fn look_closely(
        &self,
        directory: &Directory,
        caller: &Caller,
    ) -> Result<Looker, Error> {
        let standing = directory.policies.confirm(self.business(), self.standing.clone()).await;
        Ok(admit(caller, &standing)?)
    }
}

/// Somebody at a moment.
pub(crate) struct Looker {
    pub view: View,
    pub actor: Actor,
    /// What makes them see what others do not, if anything does.
    pub privilege: Option<Privilege>,
}

fn admit(caller: &Caller, standing: &Standing) -> Result<Looker, NotFound> {
    let (viewer, actor, privilege) = match caller {
        Caller::Member { member, .. } => {
            let membership = standing.membership(*member);
            let role = match membership {
                Membership::Member(member) => Some(member.role),
                Membership::Presumed | Membership::Unknown | Membership::Stranger => None,
            };
            let viewer = Viewer::of_member(membership).ok_or(NotFound)?;
            (viewer, Actor::Member { member: *member, role }, privilege_of(membership))
        }
        Caller::Service(service) => {
            if matches!(standing, Standing::NoSuchBusiness) {
                return Err(NotFound);
            }
            let reads = caller.has_scope(ServiceScope::AddressesRead);
            let privilege = reads.then_some(Privilege::AddressesRead);
            (Viewer::of_service(reads), Actor::Service { name: service.name.clone() }, privilege)
        }
        Caller::Operator { .. } => return Err(NotFound),
    };
    Ok(Looker { view: View::new(viewer, standing.rules()), actor, privilege })
}

const fn privilege_of(membership: Membership) -> Option<Privilege> {
    match membership {
        Membership::Member(member) => match member.role {
            Role::Owner => Some(Privilege::Owner),
            Role::Admin => Some(Privilege::Admin),
            Role::User if member.listed => Some(Privilege::Listed),
            Role::User => None,
        },
        Membership::Presumed | Membership::Unknown | Membership::Stranger => None,
    }
}
