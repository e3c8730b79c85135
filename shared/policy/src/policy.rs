//! The rules of one business.

use std::collections::HashMap;
use std::time::Duration;

use yinyom_consent::Role;
use yinyom_kernel::{BusinessId, MemberId};

/// The rules of one business as of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub business: BusinessId,
    /// Every change up to this revision is in it. One counter for all businesses.
    pub revision: i64,
    /// IANA name of the zone that reports are cut by.
    pub time_zone: String,
    pub rules: Rules,
    pub members: HashMap<MemberId, PolicyMember>,
}

/// What the owner and the admins have chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether refusals hide contact points.
    pub enforcement: bool,
    pub not_set_visibility: NotSetVisibility,
    /// Whether a member may lift a mask from themself.
    pub members_may_regrant: bool,
    pub shared_address_policy: SharedAddressPolicy,
    /// When a grant runs out that says nothing of it; never, if `None`.
    pub default_grant_lifetime: Option<Duration>,
}

impl Rules {
    /// A new business's rules.
    pub const INITIAL: Self = Self {
        enforcement: false,
        not_set_visibility: NotSetVisibility::Show,
        members_may_regrant: false,
        shared_address_policy: SharedAddressPolicy::RecordOnly,
        default_grant_lifetime: None,
    };

    /// What holds without a live lease: whatever the true rules are, they hide no more than these.
    pub const STRICTEST: Self = Self {
        enforcement: true,
        not_set_visibility: NotSetVisibility::Mask,
        members_may_regrant: false,
        shared_address_policy: SharedAddressPolicy::MostRestrictive,
        default_grant_lifetime: None,
    };

    /// Whether a refusal of one contact holds for the others who have its address.
    pub const fn heeds_others(&self) -> bool {
        matches!(self.shared_address_policy, SharedAddressPolicy::MostRestrictive)
    }

    /// The strictest rules as far as anybody knows: those of a business whose own were these when they could last be
    /// had. What grants are given for hides nothing, and a grant for ever is not stricter than one for a year.
    #[must_use]
    pub const fn strictest_after(last: Self) -> Self {
        Self { default_grant_lifetime: last.default_grant_lifetime, ..Self::STRICTEST }
    }
}

/// What an unlisted user sees of a channel that was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSetVisibility {
    Show,
    Mask,
}

/// What a refusal means for the same address on another contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedAddressPolicy {
    RecordOnly,
    MostRestrictive,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyMember {
    pub role: Role,
    /// On the viewer list.
    pub listed: bool,
    pub protection_officer: bool,
}

impl PolicyMember {
    /// Owner or admin.
    pub fn administers(self) -> bool {
        matches!(self.role, Role::Owner | Role::Admin)
    }

    /// Sees every contact point, whatever the customer said.
    pub fn sees_everything(self) -> bool {
        self.administers() || self.listed
    }

    /// May read the ledger.
    pub fn reads_ledger(self) -> bool {
        self.administers() || self.protection_officer
    }
}

/// How a token's member stands in the business of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// A member, by rules that hold now.
    Member(PolicyMember),
    /// The rules cannot be had, and by the last ones that were seen this was a member. Has no role; is an
    /// unlisted user under [`Rules::STRICTEST`].
    Presumed,
    /// The rules cannot be had, and none are known that could say whether this is a member: the issuer vouched
    /// for it once, but a member may have been removed since. Is shown nothing.
    Unknown,
    /// No member.
    Stranger,
}
