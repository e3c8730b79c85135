//! A colleague in a business: roles, the protection officer's flag, the viewer list.

use jiff::Timestamp;
use yinyom_consent::Role;
use yinyom_kernel::{BusinessId, Etag, MemberId};
use yinyom_privacy::Personal;

use super::{Actor, Effect, Refusal, Revision};

/// A colleague in a business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub business: BusinessId,
    pub id: MemberId,
    pub display_name: Personal,
    pub role: Role,
    /// Reads the ledger and the reveals; gives no sight of contact points.
    pub protection_officer: bool,
    /// Since when on the viewer list, if on it.
    pub listed_at: Option<Timestamp>,
    pub revision: Revision,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a new member shall be.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// Where the identity provider gave one already.
    pub id: Option<MemberId>,
    pub display_name: Personal,
    pub role: Role,
    pub protection_officer: bool,
}

/// What of a member shall be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberPatch {
    pub display_name: Option<Personal>,
    pub role: Option<Role>,
    pub protection_officer: Option<bool>,
}

/// The more, the higher.
const fn rank(role: Role) -> u8 {
    match role {
        Role::Owner => 3,
        Role::Admin => 2,
        Role::User => 1,
    }
}

impl NewMember {
    /// The member that `actor` adds. Nobody adds an owner; only the owner adds an admin or a
    /// protection officer.
    pub fn admitted(
        self,
        actor: &Actor,
        business: BusinessId,
        now: Timestamp,
    ) -> Result<Member, Refusal> {
        actor.must_administer()?;
        match self.role {
            Role::Owner => return Err(Refusal::OwnerByTransferOnly),
            Role::Admin => actor.must_own()?,
            Role::User => {}
        }
        if self.protection_officer {
            actor.must_own()?;
        }
        Ok(Member::new(business, self, now))
    }
}

impl Member {
    fn new(business: BusinessId, new: NewMember, now: Timestamp) -> Self {
        Self {
            business,
            id: new.id.unwrap_or_else(MemberId::generate),
            display_name: new.display_name,
            role: new.role,
            protection_officer: new.protection_officer,
            listed_at: None,
            revision: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The first owner of a new business.
    pub fn first_owner(
        business: BusinessId,
        id: Option<MemberId>,
        display_name: Personal,
        now: Timestamp,
    ) -> Self {
        let owner = NewMember { id, display_name, role: Role::Owner, protection_officer: false };
        Self::new(business, owner, now)
    }

    /// Its current etag.
    pub const fn etag(&self) -> Etag {
        Etag::of(self.revision)
    }

    /// The member with `patch` applied. Owner and admins change members; only the owner gives or
    /// takes ADMIN and the protection officer's flag; nobody raises their own role; the owner's role
    /// changes hands by [`transfer`] alone. A field that has the asked value already is no change.
    pub fn edited(
        &self,
        actor: &Actor,
        patch: MemberPatch,
        now: Timestamp,
    ) -> Result<(Self, Effect), Refusal> {
        let about_rights = patch.role.is_some() || patch.protection_officer.is_some();
        let mut after = self.clone();
        after.display_name = patch.display_name.unwrap_or(after.display_name);
        after.role = patch.role.unwrap_or(after.role);
        after.protection_officer = patch.protection_officer.unwrap_or(after.protection_officer);

        if actor.is(self.id) && rank(after.role) > rank(self.role) {
            return Err(Refusal::OwnRoleRaised);
        }
        actor.must_administer()?;
        if after.role != self.role {
            if self.role == Role::Owner || after.role == Role::Owner {
                return Err(Refusal::OwnerByTransferOnly);
            }
            actor.must_own()?;
        }
        if after.protection_officer != self.protection_officer {
            actor.must_own()?;
        }
        let effect = if about_rights { self.effect_of_becoming(&after) } else { Effect::None };
        if after != *self {
            after.touch(now);
        }
        Ok((after, effect))
    }

    /// Whether `actor` may remove this member: owner and admins may, the owner nobody, and an admin
    /// or a protection officer only the owner, since that takes ADMIN or the flag.
    pub fn may_be_removed_by(&self, actor: &Actor) -> Result<(), Refusal> {
        actor.must_administer()?;
        if self.role == Role::Owner {
            return Err(Refusal::OwnerCannotBeRemoved);
        }
        if self.role == Role::Admin || self.protection_officer {
            actor.must_own()?;
        }
        Ok(())
    }

    fn effect_of_becoming(&self, after: &Self) -> Effect {
        let changed =
            (self.role, self.protection_officer) != (after.role, after.protection_officer);
        let demoted = rank(after.role) < rank(self.role);
        Effect::of(changed, demoted || (self.protection_officer && !after.protection_officer))
    }

    fn touch(&mut self, now: Timestamp) {
        self.revision += 1;
        self.updated_at = now;
    }
}

/// Makes `heir` the owner and `actor` an admin: the new owner and the old one. Only the owner does
/// this; before and after there is exactly one.
pub fn transfer(actor: &Actor, heir: &Member, now: Timestamp) -> Result<(Member, Member), Refusal> {
    actor.must_own()?;
    let Actor::Member(owner) = actor else { return Err(Refusal::OwnerOnly) };
    if owner.id == heir.id {
        return Err(Refusal::AlreadyOwner);
    }
    let (mut new, mut previous) = (heir.clone(), owner.clone());
    new.role = Role::Owner;
    previous.role = Role::Admin;
    new.touch(now);
    previous.touch(now);
    Ok((new, previous))
}

/// Whether `actor` may put members on the viewer list and take them off: owner and admins may.
pub fn may_edit_viewers(actor: &Actor) -> Result<(), Refusal> {
    actor.must_administer()
}

#[cfg(test)]
pub(super) mod tests;
