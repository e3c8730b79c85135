//! What waits to reach the ledger, and what it refuses. Holds pseudonyms alone.

use jiff::Timestamp;
use yinyom_audit::OUTBOX;
use yinyom_db::DbError;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, ContactId, Scope};
use yinyom_outbox::{MOST_RETRIED, Status, retry, retry_all};
use yinyom_policy::Membership;

use super::{Directory, Error};
use crate::domain::Refusal;

impl Directory {
    /// What of `business` waits: consent changes, and reveals.
    pub async fn outbox_status(
        &self,
        caller: &Caller,
        business: BusinessId,
    ) -> Result<(Status, Status, Timestamp), Error> {
        let scope = self.keeper(caller, business).await?;
        let mut tx = self.db.read(scope).await?;
        let changes = yinyom_outbox::status(&mut tx).await?;
        let reveals = OUTBOX.status(&mut tx).await?;
        Ok((changes, reveals, self.now()))
    }

    /// Sends again what of `contacts` is in quarantine; how many of them are.
    pub async fn retry_quarantined(
        &self,
        caller: &Caller,
        business: BusinessId,
        contacts: Vec<ContactId>,
    ) -> Result<u64, Error> {
        let scope = self.keeper(caller, business).await?;
        let streams: Vec<_> = contacts.iter().map(|contact| contact.uuid()).collect();
        let retried = self
            .db
            .write(scope, move |mut tx| async move {
                let retried = retry(&mut tx, &streams).await?;
                tx.done::<_, DbError>(retried)
            })
            .await?;
        tracing::info!(%business, retried, "streams were taken out of quarantine");
        self.publish(business, contacts);
        Ok(retried)
    }

    /// Sends again whatever is in quarantine, in units of [`MOST_RETRIED`] contacts; how many they are. Reveals are
    /// sent again, too.
    pub async fn retry_all_quarantined(
        &self,
        caller: &Caller,
        business: BusinessId,
    ) -> Result<u64, Error> {
        let scope = self.keeper(caller, business).await?;
        // What is refused again is not tried again by this call.
        let (before, mut retried) = (self.now(), 0);
        self.db
            .write(scope, move |mut tx| async move {
                OUTBOX.retry_all(&mut tx, before).await?;
                tx.done::<_, DbError>(())
            })
            .await?;
        self.reveals.wake(business);
        loop {
            let freed = self
                .db
                .write(scope, move |mut tx| async move {
                    let freed = retry_all(&mut tx, before).await?;
                    tx.done::<_, DbError>(freed)
                })
                .await?;
            retried += freed.len();
            tracing::info!(%business, retried = freed.len(), "streams were taken out of quarantine");
            let last = freed.len() < MOST_RETRIED;
            self.relay.wake(business, freed);
            if last {
                return Ok(u64::try_from(retried).unwrap_or(u64::MAX));
            }
        }
    }

    /// Lets in owner and admins, services and operators.
    async fn keeper(&self, caller: &Caller, business: BusinessId) -> Result<Scope, Error> {
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
        Ok(scope)
    }
}
