//! Keyed hashes: of addresses that deleted contacts had refused, and of contacts that an import finds again.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;
use yinyom_db::{DbError, Query, Rows, Tx};
use yinyom_kernel::ContactId;

use super::BusinessKeys;
use super::aliases::name_digest;
use crate::domain::points::channel_of;
use yinyom_privacy::Address;

/// Which of `addresses` a deleted contact had refused.
pub async fn refused(
    tx: &mut Tx,
    keys: &BusinessKeys,
    addresses: &[&Address],
) -> Result<HashSet<Address>, DbError> {
    let all = tx.scoped(
        "SELECT channel, blind_index FROM refused_addresses
         WHERE business_id = $1 AND blind_index IN {list}",
    );
    among(keys, addresses, all).await
}

/// Which of `addresses` the statement finds by their channels and `{list}`, their indexes. Nobody asks it of none.
pub(super) async fn among(
    keys: &BusinessKeys,
    addresses: &[&Address],
    all: Query<'_>,
) -> Result<HashSet<Address>, DbError> {
    if addresses.is_empty() {
        return Ok(HashSet::new());
    }
    let indexes: Vec<Vec<u8>> =
        addresses.iter().map(|address| keys.blind_index(address).to_vec()).collect();
    let found = all.list(&indexes).fetch_all::<(i32, Vec<u8>)>().await?;
    let found: HashSet<_> = found.into_iter().collect();
    let is_found = |(address, index): &(&&Address, Vec<u8>)| {
        found.contains(&(i32::from(channel_of(address).code()), index.clone()))
    };
    let found = addresses.iter().zip(indexes).filter(is_found);
    Ok(found.map(|(address, _)| (*address).clone()).collect())
}

// The contacts of a row of the batch, by address. `CROSS JOIN` keeps SQLite from starting at the contacts, and on
// PostgreSQL the subquery around it: of a business that was founded a minute ago either knows nothing.
macro_rules! refusing_namesakes {
    () => {
        "
    CROSS JOIN contact_points p
    CROSS JOIN contacts c
    WHERE p.business_id = $1 AND p.channel = batch.channel AND p.blind_index = batch.blind_index
      AND c.business_id = $1 AND c.contact_id = p.contact_id
      AND (c.sort_name = batch.sort_name OR EXISTS (
          SELECT 1 FROM contact_aliases a WHERE a.business_id = $1 AND a.kind = 2
            AND a.digest = batch.alias AND a.contact_id = c.contact_id))
      AND ((p.channel = 1 AND (c.phone_state = 3 OR (c.phone_refused_before
              AND (c.phone_state <> 2 OR c.phone_expires_at <= $2))))
        OR (p.channel = 2 AND (c.email_state = 3 OR (c.email_refused_before
              AND (c.email_state <> 2 OR c.email_expires_at <= $2)))))"
    };
}

/// Which of these names and addresses a contact has together, or one with a name that one had who was merged into it, whose
/// channel refuses: one that is `DENIED`, or was and has not said yes since, with that contact; a yes that has run out by
/// `now` (microseconds) is none. Names are case-folded.
pub async fn refused_by_namesakes(
    tx: &mut Tx,
    keys: &BusinessKeys,
    named: &[(String, &Address)],
    now: i64,
) -> Result<HashSet<(String, Address, ContactId)>, DbError> {
    if named.is_empty() {
        return Ok(HashSet::new());
    }
    let indexes: Vec<_> = named.iter().map(|(_, address)| keys.blind_index(address)).collect();
    let aliases: Vec<_> = named.iter().map(|(name, _)| name_digest(keys, name)).collect();
    let sql = tx.dialect(
        concat!("SELECT batch.place, c.contact_id FROM {rows}", refusing_namesakes!()),
        concat!(
            "SELECT batch.place, found.contact_id FROM {rows}
             CROSS JOIN LATERAL (SELECT c.contact_id FROM (VALUES (1)) one",
            refusing_namesakes!(),
            " OFFSET 0) found"
        ),
    );
    let places = tx
        .scoped(sql)
        .bind(now)
        .rows(
            Rows::new()
                .ints("place", 0..i64::try_from(named.len()).unwrap_or(i64::MAX))
                .texts("sort_name", named.iter().map(|(name, _)| &name[..]))
                .bytes("alias", aliases.iter().map(|digest| &digest[..]))
                .ints("channel", named.iter().map(|(_, a)| i64::from(channel_of(a).code())))
                .bytes("blind_index", indexes.iter().map(|index| &index[..])),
        )
        .fetch_all::<(i64, Uuid)>()
        .await?;
    Ok(places
        .into_iter()
        .filter_map(|(place, contact)| Some((named.get(usize::try_from(place).ok()?)?, contact)))
        .map(|((name, address), contact)| (name.clone(), (*address).clone(), contact.into()))
        .collect())
}

/// Keeps that `contact` refused `addresses`, until it is erased.
pub async fn keep(
    tx: &mut Tx,
    keys: &BusinessKeys,
    contact: ContactId,
    addresses: &[&Address],
    now: i64,
) -> Result<(), DbError> {
    if addresses.is_empty() {
        return Ok(());
    }
    // In one order, so that two units that keep the same ones never wait for each other. What is there is locked, so that
    // nobody's erasure takes it away unseen.
    let kept: BTreeSet<_> = (addresses.iter())
        .map(|address| (channel_of(address).code(), keys.blind_index(address)))
        .collect();
    tx.scoped(
        "INSERT INTO refused_addresses (business_id, channel, blind_index, refused_at)
         SELECT $1, channel, blind_index, refused_at FROM {rows} WHERE true
         ON CONFLICT (business_id, channel, blind_index)
         DO UPDATE SET refused_at = refused_addresses.refused_at",
    )
    .rows(
        Rows::new()
            .ints("channel", kept.iter().map(|(channel, _)| i64::from(*channel)))
            .bytes("blind_index", kept.iter().map(|(_, index)| &index[..]))
            .ints("refused_at", kept.iter().map(|_| now)),
    )
    .execute()
    .await?;
    tx.scoped(
        "INSERT INTO refusers (business_id, contact_id, channel, blind_index)
         SELECT $1, contact_id, channel, blind_index FROM {rows} WHERE true
         ON CONFLICT (business_id, contact_id, channel, blind_index) DO NOTHING",
    )
    .rows(
        Rows::new()
            .uuids("contact_id", kept.iter().map(|_| contact.uuid()))
            .ints("channel", kept.iter().map(|(channel, _)| i64::from(*channel)))
            .bytes("blind_index", kept.iter().map(|(_, index)| &index[..])),
    )
    .execute()
    .await?;
    Ok(())
}

/// Forgets what `contact` refused. A hash stays if it is another contact's refusal, too.
pub async fn forget(tx: &mut Tx, contact: ContactId) -> Result<(), DbError> {
    // Locked in one order, as `keep` takes them: the row of a hash that nobody else refuses goes with it.
    let hashes = tx
        .scoped(
            "SELECT a.channel, a.blind_index FROM refused_addresses a
             WHERE a.business_id = $1 AND EXISTS (
                 SELECT 1 FROM refusers r WHERE r.business_id = $1 AND r.contact_id = $2
                   AND r.channel = a.channel AND r.blind_index = a.blind_index)
             ORDER BY a.channel, a.blind_index",
        )
        .bind(contact.uuid())
        .for_update()
        .fetch_all::<(i32, Vec<u8>)>()
        .await?;
    tx.scoped("DELETE FROM refusers WHERE business_id = $1 AND contact_id = $2")
        .bind(contact.uuid())
        .execute()
        .await?;
    if hashes.is_empty() {
        return Ok(());
    }
    tx.scoped(
        "DELETE FROM refused_addresses WHERE business_id = $1
         AND (channel, blind_index) IN (SELECT channel, blind_index FROM {rows})
         AND NOT EXISTS (SELECT 1 FROM refusers r WHERE r.business_id = $1
             AND r.channel = refused_addresses.channel
             AND r.blind_index = refused_addresses.blind_index)",
    )
    .rows(
        Rows::new()
            .ints("channel", hashes.iter().map(|(channel, _)| i64::from(*channel)))
            .bytes("blind_index", hashes.iter().map(|(_, index)| &index[..])),
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
