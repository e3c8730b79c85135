//! The leases of those who keep a copy of the rules.

use uuid::Uuid;
use yinyom_db::{DbError, Tx};
use yinyom_kernel::from_micros;

use crate::domain::{Lease, Revision};

/// The lease of `holder`.
pub async fn get(tx: &mut Tx, holder: Uuid) -> Result<Option<Lease>, DbError> {
    let row = tx
        .query("SELECT applied_revision, expires_at FROM policy_leases WHERE holder = $1")
        .bind(holder)
        .fetch_optional::<(i64, i64)>()
        .await?;
    Ok(row.map(|(applied, expires_at)| Lease { applied, expires_at: from_micros(expires_at) }))
}

/// Stores a new or renewed lease.
pub async fn save(tx: &mut Tx, holder: Uuid, lease: Lease) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO policy_leases (holder, applied_revision, expires_at) VALUES ($1, $2, $3)
         ON CONFLICT (holder) DO UPDATE SET applied_revision = $2, expires_at = $3",
    )
    .bind(holder)
    .bind(lease.applied)
    .bind(lease.expires_at.as_microsecond())
    .execute()
    .await
    .map(drop)
}

/// How many leases that run out at `alive_after` or later have not applied `revision`.
pub async fn behind(
    tx: &mut Tx,
    revision: Revision,
    alive_after: jiff::Timestamp,
) -> Result<i64, DbError> {
    tx.query("SELECT COUNT(*) FROM policy_leases WHERE applied_revision < $1 AND expires_at >= $2")
        .bind(revision)
        .bind(alive_after.as_microsecond())
        .scalar()
        .await
}

/// Forgets the leases that ran out before `instant`; how many.
pub async fn forget(tx: &mut Tx, instant: jiff::Timestamp) -> Result<u64, DbError> {
    tx.query("DELETE FROM policy_leases WHERE expires_at < $1")
        .bind(instant.as_microsecond())
        .execute()
        .await
}
