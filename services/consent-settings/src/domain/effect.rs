//! What a change does to the rules that the other services decide by.

/// What a call did to the rights of anybody. Decides whether the policy gets a new revision and
/// whether the call waits for the holders of leases (TRAPS 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The call was not about rights.
    None,
    /// The call was about rights and found them as it wants them. Whoever says "off the list" must
    /// not return before that is so everywhere, also when somebody else, or an earlier try that
    /// was cut off, took the right a moment ago.
    Stands,
    /// Nobody lost a right. Giving one may lag.
    Gives,
    /// Somebody lost a right. The call returns when no one can use it any more.
    Takes,
}

impl Effect {
    /// The effect of a change that `changed` something, if so `taking` a right.
    pub(super) const fn of(changed: bool, taking: bool) -> Self {
        match (changed, taking) {
            (false, _) => Self::Stands,
            (true, false) => Self::Gives,
            (true, true) => Self::Takes,
        }
    }

    /// Whether the rules changed.
    pub const fn changes_policy(self) -> bool {
        matches!(self, Self::Gives | Self::Takes)
    }
}
