//! What is thrown away in time: records of old requests and leases of holders that are gone.

use yinyom_db::{DbError, idempotency};

use super::Commands;
use crate::domain::Lease;
use crate::store::leases;

impl Commands {
    /// Throws away what is old; how many rows it was. Any replica may do it at any time.
    pub async fn tidy(&self) -> Result<u64, DbError> {
        let now = self.clock.now();
        let leases = self
            .db
            .write_unscoped::<_, DbError, _, _>(move |mut tx| async move {
                let rows = leases::forget(&mut tx, Lease::forgotten_before(now)).await?;
                tx.done(rows)
            })
            .await?;
        Ok(leases + idempotency::forget_old(&self.db, now.as_microsecond()).await?)
    }
}
