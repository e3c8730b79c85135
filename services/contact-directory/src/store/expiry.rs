//! Grants that have run out, and when the next one of a business does.
//!
//! `due_work` says which businesses have one, and since when; triggers keep it early enough, whichever path a grant was
//! given by (migration 0010).

use uuid::Uuid;
use yinyom_db::{DbError, Tx};
use yinyom_kernel::{BusinessId, ContactId};

/// Businesses of which a grant has run out by `now` (microseconds), longest first.
pub async fn businesses(tx: &mut Tx, now: i64, most: i64) -> Result<Vec<BusinessId>, DbError> {
    let found = tx
        .query(
            "SELECT business_id FROM due_work WHERE kind = 'expiry' AND due_at <= $1
             ORDER BY due_at, business_id LIMIT $2",
        )
        .bind(now)
        .bind(most)
        .scalars::<Uuid>()
        .await?;
    Ok(found.into_iter().map(BusinessId::from).collect())
}

/// Contacts with a grant that has run out by `now` (microseconds) and is not recorded yet: those of each channel that
/// have waited longest, `most` a channel.
pub async fn due(tx: &mut Tx, now: i64, most: i64) -> Result<Vec<ContactId>, DbError> {
    let found = tx
        .scoped(
            "SELECT contact_id FROM (
                 SELECT contact_id FROM contacts
                 WHERE business_id = $1 AND phone_state = 2 AND phone_expires_at <= $2
                 ORDER BY phone_expires_at, contact_id LIMIT $3
             ) phones
             UNION
             SELECT contact_id FROM (
                 SELECT contact_id FROM contacts
                 WHERE business_id = $1 AND email_state = 2 AND email_expires_at <= $2
                 ORDER BY email_expires_at, contact_id LIMIT $3
             ) emails",
        )
        .bind(now)
        .bind(most)
        .scalars::<Uuid>()
        .await?;
    Ok(found.into_iter().map(ContactId::from).collect())
}

/// Notes when the next grant of the business runs out, once nobody is about to commit an earlier one. Call it in a unit
/// of work of its own: it waits for units that give grants, which may wait for what this one holds.
pub async fn note_next(tx: &mut Tx) -> Result<(), DbError> {
    if tx.is_postgres() {
        // The other half of this lock is in `note_grant_end`.
        tx.scoped("SELECT pg_advisory_xact_lock(6041, hashtext($1::uuid::text))").execute().await?;
    }
    let phone = "SELECT MIN(phone_expires_at) FROM contacts
        WHERE business_id = $1 AND phone_state = 2 AND phone_expires_at IS NOT NULL";
    let email = "SELECT MIN(email_expires_at) FROM contacts
        WHERE business_id = $1 AND email_state = 2 AND email_expires_at IS NOT NULL";
    let (phone,) = tx.scoped(phone).fetch_one::<(Option<i64>,)>().await?;
    let (email,) = tx.scoped(email).fetch_one::<(Option<i64>,)>().await?;
    match phone.into_iter().chain(email).min() {
        Some(next) => put_off(tx, next).await,
        None => tx
            .scoped("DELETE FROM due_work WHERE business_id = $1 AND kind = 'expiry'")
            .execute()
            .await
            .map(drop),
    }
}

/// Looks at the business again not before `until` (microseconds).
pub async fn put_off(tx: &mut Tx, until: i64) -> Result<(), DbError> {
    tx.scoped("UPDATE due_work SET due_at = $2 WHERE business_id = $1 AND kind = 'expiry'")
        .bind(until)
        .execute()
        .await
        .map(drop)
}
