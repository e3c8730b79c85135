//! What waits to reach the ledger.

use jiff::Timestamp;
use yinyom_identity::Caller;
use yinyom_kernel::BusinessId;
use yinyom_outbox::Status;
use yinyom_policy::Membership;

use super::{Directory, Error};
use crate::domain::Refusal;
use yinyom_identity::NotFound;

impl Directory {
    /// What of `business` waits, for its owner and admins, services and operators. Holds pseudonyms alone.
    pub async fn outbox_status(
        &self,
        caller: &Caller,
        business: BusinessId,
    ) -> Result<(Status, Timestamp), Error> {
        let scope = caller.scope(business)?;
        if let Some(member) = caller.member() {
            match self.policies.of(business).await.membership(member) {
                Membership::Member(member) if member.administers() => {}
                Membership::Member(_) => return Err(Error::OwnerOrAdminOnly),
                Membership::Presumed | Membership::Unknown => {
                    return Err(Refusal::PolicyUnavailable.into());
                }
                Membership::Stranger => return Err(NotFound.into()),
            }
        }
        let status = yinyom_outbox::status(&mut self.db.read(scope).await?).await?;
        Ok((status, self.now()))
    }
}
