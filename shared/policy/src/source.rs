//! Where rules come from.

use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;
use yinyom_kernel::BusinessId;

use crate::Policy;

/// Settings, as a holder of a lease sees it.
pub trait PolicySource: Send + Sync + 'static {
    /// The rules of `business`, or `None` if there is no such business.
    fn policy(&self, business: BusinessId) -> BoxFuture<'_, Result<Option<Policy>, SourceError>>;

    /// Renews the lease of `holder`, who has applied everything up to `applied`.
    fn renew(
        &self,
        holder: Uuid,
        applied: i64,
        max_wait: Duration,
    ) -> BoxFuture<'_, Result<Renewal, SourceError>>;
}

/// A renewed lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Once what follows is applied, this is what the holder has applied.
    pub revision: i64,
    /// Businesses whose rules have changed.
    pub changed: Vec<BusinessId>,
    /// All rules may have changed.
    pub drop_all: bool,
    /// How long the lease holds, from when the holder asked.
    pub duration: Duration,
}

/// Settings did not answer, or not in words that this version knows. Either way nothing is revealed.
#[derive(Debug, thiserror::Error)]
#[error("the policy source does not answer: {0}")]
pub struct SourceError(pub String);
