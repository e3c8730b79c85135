//! Who asks, in which business, under which rules.

use yinyom_consent::Actor;
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
        let (view, actor) = admit(caller, &standing)?;
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
        let standing = directory.policies.confirm(self.business(), self.standing.clone()).await;
        Ok(admit(caller, &standing)?.0)
    }
}

fn admit(caller: &Caller, standing: &Standing) -> Result<(View, Actor), NotFound> {
    let (viewer, actor) = match caller {
        Caller::Member { member, .. } => {
            let membership = standing.membership(*member);
            let role = match membership {
                Membership::Member(member) => Some(member.role),
                Membership::Presumed | Membership::Unknown | Membership::Stranger => None,
            };
            let viewer = Viewer::of_member(membership).ok_or(NotFound)?;
            (viewer, Actor::Member { member: *member, role })
        }
        Caller::Service(service) => {
            if matches!(standing, Standing::NoSuchBusiness) {
                return Err(NotFound);
            }
            let viewer = Viewer::of_service(caller.has_scope(ServiceScope::AddressesRead));
            (viewer, Actor::Service { name: service.name.clone() })
        }
        Caller::Operator { .. } => return Err(NotFound),
    };
    Ok((View::new(viewer, standing.rules()), actor))
}
