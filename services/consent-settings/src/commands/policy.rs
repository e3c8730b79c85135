//! The rules of a business, for those who keep a copy.

use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::BusinessId;
use yinyom_policy::Policy;

use super::{CommandError, Commands};
use crate::store::{businesses, policy, settings};

impl Commands {
    /// The rules of `business` and the revision that they are of.
    ///
    /// The counter is read first, and all of it in one snapshot of the primary (TRAPS 15): the rules
    /// hold every change up to the revision that they carry. The other way round, a change between
    /// the two reads would be claimed and missing, and a holder would go on showing what was
    /// refused.
    pub async fn policy(
        &self,
        caller: &Caller,
        business: BusinessId,
    ) -> Result<Policy, CommandError> {
        let mut tx = self.db.snapshot(caller.scope(business)?).await?;
        let revision = policy::current(&mut tx).await?;
        let stored = businesses::get(&mut tx).await?.ok_or(NotFound)?;
        let settings = settings::get(&mut tx).await?.ok_or(NotFound)?;
        let members = policy::members(&mut tx).await?;
        Ok(Policy {
            business,
            revision,
            time_zone: stored.time_zone.name().to_owned(),
            rules: settings.rules,
            members: members.into_iter().collect(),
        })
    }
}
