//! Who asks for a change, as settings knows them.

use yinyom_consent::Role;
use yinyom_kernel::MemberId;

use super::{Member, Refusal};

/// Who asks. A member is read from the store under the business's lock, never from the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The vendor of the CRM.
    Operator,
    /// Another service.
    Service,
    /// A colleague in the business.
    Member(Member),
}

impl Actor {
    fn role(&self) -> Option<Role> {
        match self {
            Self::Member(member) => Some(member.role),
            Self::Operator | Self::Service => None,
        }
    }

    /// Whether this is that member.
    pub fn is(&self, other: MemberId) -> bool {
        matches!(self, Self::Member(member) if member.id == other)
    }

    /// Whether this is the business's owner.
    pub fn owns(&self) -> bool {
        self.role() == Some(Role::Owner)
    }

    /// Refuses all but the owner.
    pub fn must_own(&self) -> Result<(), Refusal> {
        if self.owns() { Ok(()) } else { Err(Refusal::OwnerOnly) }
    }

    /// Refuses all but owner and admins.
    pub fn must_administer(&self) -> Result<(), Refusal> {
        match self.role() {
            Some(Role::Owner | Role::Admin) => Ok(()),
            Some(Role::User) | None => Err(Refusal::OwnerOrAdminOnly),
        }
    }

    /// Refuses all but operators.
    pub fn must_operate(&self) -> Result<(), Refusal> {
        if *self == Self::Operator { Ok(()) } else { Err(Refusal::OperatorOnly) }
    }
}
