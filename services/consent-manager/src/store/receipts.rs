//! The changes of one consent, for its receipt.

use yinyom_consent::Channel;
use yinyom_db::Tx;
use yinyom_kernel::ContactId;

use super::StoreError;
use super::ledger::{self, select};
use crate::domain::Recorded;

/// The latest changes that carry `channel`, newest first, and how many there are.
pub async fn latest(
    tx: &mut Tx,
    contact: ContactId,
    channel: Channel,
    most: i64,
) -> Result<(Vec<Recorded>, i64), StoreError> {
    // Channel 1 is the phone, 2 is e-mail.
    let rows = tx
        .scoped(select!(
            "contact_id = $2 AND (($3 = 1 AND phone_changed) OR ($3 = 2 AND email_changed))
             ORDER BY seq DESC LIMIT $4"
        ))
        .bind(contact.uuid())
        .bind(i32::from(channel.code()))
        .bind(most)
        .fetch_all()
        .await?;
    let all: i64 = tx
        .scoped(
            "SELECT COUNT(*) FROM ledger WHERE business_id = $1 AND contact_id = $2
             AND (($3 = 1 AND phone_changed) OR ($3 = 2 AND email_changed))",
        )
        .bind(contact.uuid())
        .bind(i32::from(channel.code()))
        .scalar()
        .await?;
    Ok((ledger::read(tx, rows)?, all))
}
