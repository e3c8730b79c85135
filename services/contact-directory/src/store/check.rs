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

/// The columns of a channel, and whether the contact has an address in it: as it is known, or else by a query of its own for
/// each contact, which finds it by its key, and one that PostgreSQL does not turn into a table of all that have one: before it
/// has counted a new business, it would join all its points with each contact. `+ 0`, so that it does not look for them by the
/// index that begins with the channel.
macro_rules! channel {
    ($channel:literal) => {
        concat!(
            "SELECT c.contact_id, c.", $channel, "_state AS state, c.", $channel, "_expires_at AS expires_at,
                 c.", $channel, "_set_at AS set_at, c.", $channel, "_refused_before AS refused_before,
                 COALESCE(c.has_", $channel, ", (SELECT true FROM contact_points p
                     WHERE p.business_id = $1 AND p.contact_id = c.contact_id AND p.channel + 0 = $2 LIMIT 1),
                     false) AS has_address
             FROM contacts c WHERE c.business_id = $1 AND c.contact_id IN {list}"
        )
    };
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
        Channel::Phone => channel!("phone"),
        Channel::Email => channel!("email"),
    };
    let ids = uuids(contacts);
    let rows = tx.scoped(sql).bind(channel.code()).long_list(&ids).fetch_all::<Row>().await?;
    let denied = ConsentState::Denied.code();
    let open = rows.iter().filter(|row| asked && row.has_address && narrow(row.state) != denied);
    let refused = refused(tx, channel, &open.map(|row| row.contact_id).collect::<Vec<_>>()).await?;
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
                    has_address: row.has_address,
                    refused_by_another: refused.contains(&row.contact_id),
                },
            })
        })
        .collect()
}

/// Which of these contacts, who do not refuse the channel, have an address in it that somebody refuses.
async fn refused(
    tx: &mut Tx,
    channel: Channel,
    contacts: &[Uuid],
) -> Result<HashSet<Uuid>, StoreError> {
    if contacts.is_empty() {
        return Ok(HashSet::new());
    }
    let points = tx
        .scoped(
            "SELECT contact_id, blind_index FROM contact_points
             WHERE business_id = $1 AND channel + 0 = $2 AND contact_id IN {list}",
        )
        .bind(channel.code())
        .long_list(contacts)
        .fetch_all::<(Uuid, Vec<u8>)>()
        .await?;
    let addresses: Vec<_> = points.iter().map(|(_, address)| address.clone()).collect();
    let disputed: HashSet<_> = disputed(tx, channel, &addresses).await?.into_iter().collect();
    let refused = points.into_iter().filter(|(_, address)| disputed.contains(address));
    Ok(refused.map(|(contact, _)| contact).collect())
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
