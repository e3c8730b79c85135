//! What a check of many contacts needs to know, without opening an address.

use std::collections::HashSet;

use uuid::Uuid;
use yinyom_consent::{Channel, ConsentState};
use yinyom_db::{DbError, Record, Tx};
use yinyom_kernel::{ContactId, from_micros};

use super::StoreError;
use super::contacts::{narrow, uuids};
use crate::domain::Consent;
use crate::domain::check::Reach;

/// A channel of one contact.
#[derive(Debug, Clone)]
pub struct ChannelOf {
    pub contact: ContactId,
    pub consent: Consent,
    pub reach: Reach,
}

#[derive(Record)]
struct Row {
    contact_id: Uuid,
    state: i32,
    expires_at: Option<i64>,
    set_at: i64,
    refused_before: bool,
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

/// The channel of each of those contacts that the business has. Whether another contact refuses one of the addresses is
/// looked up if it is `asked` for, and for those who do not refuse it themselves: who says no is not asked about others.
pub async fn channels(
    tx: &mut Tx,
    channel: Channel,
    contacts: &[ContactId],
    asked: bool,
) -> Result<Vec<ChannelOf>, StoreError> {
    let sql = match channel {
        Channel::Phone => {
            "SELECT contact_id, phone_state AS state, phone_expires_at AS expires_at, phone_set_at AS set_at,
                 phone_refused_before AS refused_before
             FROM contacts WHERE business_id = $1 AND contact_id IN {list}"
        }
        Channel::Email => {
            "SELECT contact_id, email_state AS state, email_expires_at AS expires_at, email_set_at AS set_at,
                 email_refused_before AS refused_before
             FROM contacts WHERE business_id = $1 AND contact_id IN {list}"
        }
    };
    let ids = uuids(contacts);
    let rows = tx.scoped(sql).long_list(&ids).fetch_all::<Row>().await?;
    // Apart, and not joined: before PostgreSQL has counted a new business, it joins all its points with each contact. `+ 0`, so
    // that it does not look for them by the index that begins with the channel.
    let points = tx
        .scoped(
            "SELECT contact_id, blind_index FROM contact_points
             WHERE business_id = $1 AND channel + 0 = $2 AND contact_id IN {list}",
        )
        .bind(channel.code())
        .long_list(&ids)
        .fetch_all::<(Uuid, Vec<u8>)>()
        .await?;
    let denied = ConsentState::Denied.code();
    let open: HashSet<_> =
        (rows.iter()).filter(|row| narrow(row.state) != denied).map(|row| row.contact_id).collect();
    let concerned = || points.iter().filter(|(contact, _)| asked && open.contains(contact));
    let addresses: Vec<_> = concerned().map(|(_, address)| address.clone()).collect();
    let disputed: HashSet<_> = if addresses.is_empty() {
        HashSet::new()
    } else {
        disputed(tx, channel, &addresses).await?.into_iter().collect()
    };
    let refused: HashSet<_> = concerned()
        .filter(|(_, address)| disputed.contains(address))
        .map(|(contact, _)| *contact)
        .collect();
    let with_address: HashSet<_> = points.iter().map(|(contact, _)| *contact).collect();
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
                reach: Reach {
                    has_address: with_address.contains(&row.contact_id),
                    refused_by_another: refused.contains(&row.contact_id),
                },
            })
        })
        .collect()
}

/// Which of those addresses somebody refuses and somebody does not: as the tallies have it, which change with the states
/// they count. So an office of thousands with one switchboard costs no more than anybody.
async fn disputed(
    tx: &mut Tx,
    channel: Channel,
    addresses: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, DbError> {
    tx.scoped(
        "SELECT blind_index FROM address_tallies
         WHERE business_id = $1 AND channel = $2 AND disputed AND blind_index IN {list}",
    )
    .bind(channel.code())
    .long_list(addresses)
    .scalars::<Vec<u8>>()
    .await
}
