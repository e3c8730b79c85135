//! What a check of many contacts needs to know, without opening an address.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use yinyom_consent::{Channel, ConsentState};
use yinyom_db::{DbError, Tx};
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

/// One for each address of a contact in the channel, or one without.
#[derive(sqlx::FromRow)]
struct Row {
    contact_id: Uuid,
    state: i32,
    expires_at: Option<i64>,
    set_at: i64,
    refused_before: bool,
    blind_index: Option<Vec<u8>>,
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
            "SELECT c.contact_id, c.phone_state AS state, c.phone_expires_at AS expires_at, c.phone_set_at AS set_at,
                 c.phone_refused_before AS refused_before, p.blind_index
             FROM contacts c LEFT JOIN contact_points p
                 ON p.business_id = c.business_id AND p.contact_id = c.contact_id AND p.channel = 1
             WHERE c.business_id = $1 AND c.contact_id IN {list}"
        }
        Channel::Email => {
            "SELECT c.contact_id, c.email_state AS state, c.email_expires_at AS expires_at, c.email_set_at AS set_at,
                 c.email_refused_before AS refused_before, p.blind_index
             FROM contacts c LEFT JOIN contact_points p
                 ON p.business_id = c.business_id AND p.contact_id = c.contact_id AND p.channel = 2
             WHERE c.business_id = $1 AND c.contact_id IN {list}"
        }
    };
    let rows = tx.scoped(sql).list(&uuids(contacts)).fetch_all::<Row>().await?;
    let open = |row: &&Row| narrow(row.state) != ConsentState::Denied.code();
    let addresses: Vec<_> =
        rows.iter().filter(open).filter_map(|row| row.blind_index.clone()).collect();
    let disputed: HashSet<_> = if asked && !addresses.is_empty() {
        disputed(tx, channel, &addresses).await?.into_iter().collect()
    } else {
        HashSet::new()
    };
    let mut found: HashMap<Uuid, ChannelOf> = HashMap::with_capacity(contacts.len());
    for row in rows {
        let address = row.blind_index.as_ref();
        let in_dispute = address.is_some_and(|address| disputed.contains(address));
        let reach =
            Reach { has_address: address.is_some(), refused_by_another: in_dispute && open(&&row) };
        match found.entry(row.contact_id) {
            Entry::Occupied(mut another) => {
                another.get_mut().reach.refused_by_another |= reach.refused_by_another;
            }
            Entry::Vacant(first) => {
                let consent = Consent {
                    state: ConsentState::from_code(narrow(row.state))?,
                    expires_at: row.expires_at.map(from_micros),
                    updated_at: from_micros(row.set_at),
                    refused_before: row.refused_before,
                };
                first.insert(ChannelOf { contact: row.contact_id.into(), consent, reach });
            }
        }
    }
    Ok(found.into_values().collect())
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
    .list(addresses)
    .scalars::<Vec<u8>>()
    .await
}
