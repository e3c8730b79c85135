//! The right to ask a store about one business.

use crate::BusinessId;

/// One business, opened by somebody who may act in it.
///
/// A store cannot be asked without one. It comes from an authenticated caller
/// (`yinyom_identity::Caller::scope`) or from background work that opens one business at a time
/// (TRAPS 16); `clippy.toml` bans [`Scope::assume`] everywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope(BusinessId);

impl Scope {
    /// Opens `business` without a caller. Each use says by whose right.
    pub const fn assume(business: BusinessId) -> Self {
        Self(business)
    }

    /// Which business this opens.
    pub const fn business(self) -> BusinessId {
        self.0
    }
}
