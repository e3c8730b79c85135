//! The rules as others see them: their revision, and what is in them.

use uuid::Uuid;
use yinyom_db::{DbError, Tx};
use yinyom_kernel::{BusinessId, MemberId};
use yinyom_policy::PolicyMember;

use super::StoreError;
use super::members::role;
use crate::domain::Revision;

/// The revision of the newest change of any business's rules.
pub async fn current(tx: &mut Tx) -> Result<Revision, DbError> {
    tx.query("SELECT revision FROM policy_clock WHERE id = 1").scalar().await
}

/// Gives the change that this transaction makes to the business's rules its revision.
///
/// The counter's row stays locked to the end of the transaction, so revisions are committed in
/// their order: who reads revision r sees every change up to r. Call it last: all businesses wait
/// for this row.
pub async fn advance(tx: &mut Tx) -> Result<Revision, DbError> {
    let revision: Revision = tx
        .query("UPDATE policy_clock SET revision = revision + 1 WHERE id = 1 RETURNING revision")
        .scalar()
        .await?;
    tx.scoped(
        "INSERT INTO policy_revisions (business_id, revision) VALUES ($1, $2)
         ON CONFLICT (business_id) DO UPDATE SET revision = $2",
    )
    .bind(revision)
    .execute()
    .await?;
    Ok(revision)
}

/// The revision of the last change of this business's rules.
pub async fn last_change(tx: &mut Tx) -> Result<Revision, DbError> {
    let last = tx
        .scoped("SELECT revision FROM policy_revisions WHERE business_id = $1")
        .scalar_optional()
        .await?;
    Ok(last.unwrap_or_default())
}

/// Businesses whose rules changed after `revision`, up to `most` of them.
pub async fn changed_since(
    tx: &mut Tx,
    revision: Revision,
    most: i64,
) -> Result<Vec<BusinessId>, DbError> {
    let ids = tx
        .query(
            "SELECT business_id FROM policy_revisions WHERE revision > $1
             ORDER BY revision LIMIT $2",
        )
        .bind(revision)
        .bind(most)
        .scalars::<Uuid>()
        .await?;
    Ok(ids.into_iter().map(BusinessId::from).collect())
}

/// All members of the business, as far as rules speak of them.
pub async fn members(tx: &mut Tx) -> Result<Vec<(MemberId, PolicyMember)>, StoreError> {
    tx.scoped(
        "SELECT member_id, role, listed_at IS NOT NULL, protection_officer
         FROM members WHERE business_id = $1",
    )
    .fetch_all::<(Uuid, i32, bool, bool)>()
    .await?
    .into_iter()
    .map(|(id, code, listed, protection_officer)| {
        Ok((id.into(), PolicyMember { role: role(code)?, listed, protection_officer }))
    })
    .collect()
}
