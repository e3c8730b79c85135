//! The ledger, narrowed by filters.

use yinyom_db::Tx;
use yinyom_kernel::{ContactId, PageSize};

use super::StoreError;
use super::ledger::{read, select};
use super::rows::{self, micros};
use crate::domain::{ChangeFilter, Recorded};

/// Changes that match `filter`, newest first, before the one at index `before`. On PostgreSQL contact, member and time have
/// an index; for all else it walks back over what does not match. A plan for any values, even one used for no filter alone, takes
/// the filters for narrow, and sorts the whole ledger for a page.
pub async fn page(
    tx: &mut Tx,
    filter: &ChangeFilter,
    before: Option<i64>,
    size: PageSize,
) -> Result<Vec<Recorded>, StoreError> {
    let (actor_id, actor_name) = rows::wanted(filter.actor.as_ref());
    let (parent_kind, parent_id) = rows::wanted_parent(filter.surface_parent);
    let rows = tx
        // Channel 1 is the phone, 2 is e-mail.
        .scoped(select!(
            "ledger_index < $2
             AND (($3 IS NULL AND $4 IS NULL AND $5 IS NULL AND $6 IS NULL AND $7 IS NULL)
                  OR (phone_changed AND ($3 IS NULL OR $3 = 1)
                      AND ($4 IS NULL OR phone_to = $4) AND ($5 IS NULL OR phone_from = $5)
                      AND ($6 IS NULL OR phone_expires_at >= $6)
                      AND ($7 IS NULL OR phone_expires_at < $7))
                  OR (email_changed AND ($3 IS NULL OR $3 = 2)
                      AND ($4 IS NULL OR email_to = $4) AND ($5 IS NULL OR email_from = $5)
                      AND ($6 IS NULL OR email_expires_at >= $6)
                      AND ($7 IS NULL OR email_expires_at < $7)))
             AND ($8 IS NULL OR surface = $8)
             AND ($9 IS NULL OR actor_id = $9)
             AND ($10 IS NULL OR actor_name = $10)
             AND ($11 IS NULL OR cause = $11)
             AND ($12 IS NULL OR recorded_at >= $12)
             AND ($13 IS NULL OR recorded_at < $13)
             AND ($14 IS NULL OR contact_id = $14)
             AND ($15 IS NULL OR actor_role = $15)
             AND ($16 IS NULL OR (parent_kind = $16 AND parent_id = $17))
             AND ($18 IS NULL OR method = $18)
             AND ($19 IS NULL OR notice_version = $19)
             ORDER BY ledger_index DESC LIMIT $20"
        ))
        .bind(before.unwrap_or(i64::MAX))
        .bind(filter.channel.map(|channel| i32::from(channel.code())))
        .bind(filter.state.map(|state| i32::from(state.code())))
        .bind(filter.from_state.map(|state| i32::from(state.code())))
        .bind(micros(filter.expires_since))
        .bind(micros(filter.expires_before))
        .bind(filter.surface.map(|surface| i32::from(surface.code())))
        .bind(actor_id)
        .bind(actor_name)
        .bind(filter.cause.map(|cause| i32::from(cause.code())))
        .bind(micros(filter.since))
        .bind(micros(filter.before))
        .bind(filter.contact.map(ContactId::uuid))
        .bind(filter.actor_role.map(|role| i32::from(role.code())))
        .bind(parent_kind)
        .bind(parent_id)
        .bind(filter.method.map(|method| i32::from(method.code())))
        .bind(filter.notice_version.clone())
        .bind(size.fetch())
        .plan_for_values()
        .fetch_all()
        .await?;
    read(tx, rows)
}
