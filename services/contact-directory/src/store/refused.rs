//! Keyed hashes: of addresses that deleted contacts had refused, and of contacts that an import finds again.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;
use yinyom_db::{DbError, Rows, Tx};
use yinyom_kernel::ContactId;

use super::BusinessKeys;
use crate::domain::points::channel_of;
use yinyom_privacy::Address;

/// Which of `addresses` a deleted contact had refused.
pub async fn refused(
    tx: &mut Tx,
    keys: &BusinessKeys,
    addresses: &[&Address],
) -> Result<HashSet<Address>, DbError> {
    if addresses.is_empty() {
        return Ok(HashSet::new());
    }
    let indexes: Vec<Vec<u8>> =
        addresses.iter().map(|address| keys.blind_index(address).to_vec()).collect();
    let found: HashSet<(i32, Vec<u8>)> = tx
        .scoped(
            "SELECT channel, blind_index FROM refused_addresses
             WHERE business_id = $1 AND blind_index IN {list}",
        )
        .list(&indexes)
        .fetch_all::<(i32, Vec<u8>)>()
        .await?
        .into_iter()
        .collect();
    Ok(addresses
        .iter()
        .zip(indexes)
        .filter(|(address, index)| {
            found.contains(&(i32::from(channel_of(address).code()), index.clone()))
        })
        .map(|(address, _)| (*address).clone())
        .collect())
}

/// Which of these names and addresses a contact has together whose channel refuses: one that is `DENIED`, or was and has
/// not said yes since; a yes that has run out by `now` (microseconds) is none. Names are case-folded.
pub async fn refused_by_namesakes(
    tx: &mut Tx,
    keys: &BusinessKeys,
    named: &[(String, &Address)],
    now: i64,
) -> Result<HashSet<(String, Address)>, DbError> {
    if named.is_empty() {
        return Ok(HashSet::new());
    }
    let indexes: Vec<_> = named.iter().map(|(_, address)| keys.blind_index(address)).collect();
    // `CROSS JOIN` keeps SQLite from starting at the contacts.
    let places = tx
        .scoped(
            "SELECT batch.place FROM {rows}
             CROSS JOIN contact_points p
             CROSS JOIN contacts c
             WHERE p.business_id = $1 AND p.channel = batch.channel
               AND p.blind_index = batch.blind_index
               AND c.business_id = $1 AND c.contact_id = p.contact_id
               AND c.sort_name = batch.sort_name
               AND ((p.channel = 1 AND (c.phone_state = 3 OR (c.phone_refused_before
                       AND (c.phone_state <> 2 OR c.phone_expires_at <= $2))))
                 OR (p.channel = 2 AND (c.email_state = 3 OR (c.email_refused_before
                       AND (c.email_state <> 2 OR c.email_expires_at <= $2)))))",
        )
        .bind(now)
        .rows(
            Rows::new()
                .ints("place", 0..i64::try_from(named.len()).unwrap_or(i64::MAX))
                .texts("sort_name", named.iter().map(|(name, _)| &name[..]))
                .ints("channel", named.iter().map(|(_, a)| i64::from(channel_of(a).code())))
                .bytes("blind_index", indexes.iter().map(|index| &index[..])),
        )
        .scalars::<i64>()
        .await?;
    Ok(places
        .into_iter()
        .filter_map(|place| named.get(usize::try_from(place).ok()?))
        .map(|(name, address)| (name.clone(), (*address).clone()))
        .collect())
}

/// Keeps that `addresses` were refused.
pub async fn keep(
    tx: &mut Tx,
    keys: &BusinessKeys,
    addresses: &[&Address],
    now: i64,
) -> Result<(), DbError> {
    if addresses.is_empty() {
        return Ok(());
    }
    // In one order, so that two units that keep the same ones never wait for each other.
    let kept: BTreeSet<_> = (addresses.iter())
        .map(|address| (channel_of(address).code(), keys.blind_index(address)))
        .collect();
    tx.scoped(
        "INSERT INTO refused_addresses (business_id, channel, blind_index, refused_at)
         SELECT $1, channel, blind_index, refused_at FROM {rows} WHERE true
         ON CONFLICT (business_id, channel, blind_index) DO NOTHING",
    )
    .rows(
        Rows::new()
            .ints("channel", kept.iter().map(|(channel, _)| i64::from(*channel)))
            .bytes("blind_index", kept.iter().map(|(_, index)| &index[..]))
            .ints("refused_at", kept.iter().map(|_| now)),
    )
    .execute()
    .await?;
    Ok(())
}

/// The contacts of those fingerprints.
pub async fn by_fingerprint(
    tx: &mut Tx,
    fingerprints: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], ContactId>, DbError> {
    let wanted: Vec<Vec<u8>> = fingerprints.iter().map(|f| f.to_vec()).collect();
    let found = tx
        .scoped(
            "SELECT fingerprint, contact_id FROM contact_fingerprints
             WHERE business_id = $1 AND fingerprint IN {list}",
        )
        .list(&wanted)
        .fetch_all::<(Vec<u8>, Uuid)>()
        .await?;
    Ok(found
        .into_iter()
        .filter_map(|(bytes, id)| Some((<[u8; 32]>::try_from(bytes).ok()?, id.into())))
        .collect())
}

/// Keeps what contacts are found by. A contact that changed is found by what it was, too; the first one that
/// had a fingerprint keeps it.
pub async fn keep_fingerprints(
    tx: &mut Tx,
    fingerprints: &[([u8; 32], ContactId)],
) -> Result<(), DbError> {
    if fingerprints.is_empty() {
        return Ok(());
    }
    tx.scoped(
        "INSERT INTO contact_fingerprints (business_id, fingerprint, contact_id)
         SELECT $1, fingerprint, contact_id FROM {rows} WHERE true
         ON CONFLICT (business_id, fingerprint) DO NOTHING",
    )
    .rows(
        Rows::new()
            .bytes("fingerprint", fingerprints.iter().map(|(f, _)| &f[..]))
            .uuids("contact_id", fingerprints.iter().map(|(_, id)| id.uuid())),
    )
    .execute()
    .await?;
    Ok(())
}
