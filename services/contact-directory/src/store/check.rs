//! What a check of many contacts needs to know, without opening an address.

use uuid::Uuid;
use yinyom_consent::{Channel, ConsentState};
use yinyom_db::{DbError, Tx};
use yinyom_kernel::{ContactId, from_micros};

use super::StoreError;
use super::contacts::{narrow, uuids};
use crate::domain::Consent;

/// A channel of one contact.
#[derive(Debug, Clone)]
pub struct ChannelOf {
    pub contact: ContactId,
    pub consent: Consent,
    pub has_address: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    contact_id: Uuid,
    state: i32,
    expires_at: Option<i64>,
    set_at: i64,
    refused_before: bool,
    has_address: bool,
}

/// The business's contacts after that one, or from the first one on, by id, that many at most.
pub async fn after(
    tx: &mut Tx,
    contact: Option<ContactId>,
    most: i64,
) -> Result<Vec<ContactId>, DbError> {
    let found = tx
        .scoped(
            "SELECT contact_id FROM contacts
             WHERE business_id = $1 AND contact_id > $2 ORDER BY contact_id LIMIT $3",
        )
        .bind(contact.map_or(Uuid::nil(), ContactId::uuid))
        .bind(most)
        .scalars::<Uuid>()
        .await?;
    Ok(found.into_iter().map(ContactId::from).collect())
}

/// The channel of each of those contacts that the business has.
pub async fn channels(
    tx: &mut Tx,
    channel: Channel,
    contacts: &[ContactId],
) -> Result<Vec<ChannelOf>, StoreError> {
    let sql = match channel {
        Channel::Phone => {
            "SELECT contact_id, phone_state AS state, phone_expires_at AS expires_at, phone_set_at AS set_at,
                 phone_refused_before AS refused_before,
                 EXISTS (SELECT 1 FROM contact_points p WHERE p.business_id = c.business_id
                     AND p.contact_id = c.contact_id AND p.channel = 1) AS has_address
             FROM contacts c WHERE business_id = $1 AND contact_id IN {list}"
        }
        Channel::Email => {
            "SELECT contact_id, email_state AS state, email_expires_at AS expires_at, email_set_at AS set_at,
                 email_refused_before AS refused_before,
                 EXISTS (SELECT 1 FROM contact_points p WHERE p.business_id = c.business_id
                     AND p.contact_id = c.contact_id AND p.channel = 2) AS has_address
             FROM contacts c WHERE business_id = $1 AND contact_id IN {list}"
        }
    };
    let rows = tx.scoped(sql).list(&uuids(contacts)).fetch_all::<Row>().await?;
    rows.into_iter()
        .map(|row| {
            Ok(ChannelOf {
                contact: row.contact_id.into(),
                consent: Consent {
                    state: ConsentState::from_code(narrow(row.state))?,
                    expires_at: row.expires_at.map(from_micros),
                    updated_at: from_micros(row.set_at),
                    refused_before: row.refused_before,
                },
                has_address: row.has_address,
            })
        })
        .collect()
}

/// Counts the refusals of each address once, and not once for each of those who share it: an office of thousands
/// has one switchboard.
macro_rules! refused_by_others {
    ($state:literal, $channel:literal) => {
        concat!(
            "WITH mine AS MATERIALIZED (
                 SELECT p.contact_id, p.blind_index, c.",
            $state,
            " AS state FROM contact_points p
                 JOIN contacts c ON c.business_id = p.business_id AND c.contact_id = p.contact_id
                 WHERE p.business_id = $1 AND p.channel = ",
            $channel,
            " AND p.contact_id IN {list}
             ), refused AS MATERIALIZED (
                 SELECT p.blind_index, COUNT(*) AS refusals
                 FROM (SELECT DISTINCT blind_index FROM mine) of
                 CROSS JOIN contact_points p
                 CROSS JOIN contacts c
                 WHERE p.business_id = $1 AND p.channel = ",
            $channel,
            " AND p.blind_index = of.blind_index
                     AND c.business_id = $1 AND c.contact_id = p.contact_id AND c.",
            $state,
            " = 3 GROUP BY p.blind_index
             )
             SELECT DISTINCT mine.contact_id
             FROM mine JOIN refused ON refused.blind_index = mine.blind_index
             WHERE refused.refusals > CASE WHEN mine.state = 3 THEN 1 ELSE 0 END",
        )
    };
}

/// Which of those contacts have an address that another contact has too and that is refused there.
pub async fn refused_by_others(
    tx: &mut Tx,
    channel: Channel,
    contacts: &[ContactId],
) -> Result<Vec<ContactId>, DbError> {
    let sql = match channel {
        Channel::Phone => refused_by_others!("phone_state", "1"),
        Channel::Email => refused_by_others!("email_state", "2"),
    };
    let found = tx.scoped(sql).list(&uuids(contacts)).scalars::<Uuid>().await?;
    Ok(found.into_iter().map(ContactId::from).collect())
}
