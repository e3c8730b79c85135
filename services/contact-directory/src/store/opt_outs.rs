//! Addresses that a suppression list refuses: who has them, and those that nobody has.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use yinyom_consent::ConsentState;
use yinyom_db::{DbError, Rows, Tx};
use yinyom_kernel::ContactId;
use yinyom_privacy::Address;

use super::{BusinessKeys, refused};
use crate::domain::points::channel_of;

/// Whose refusal it is if it is no contact's: of those that a list has brought, and of those from before hashes had an
/// owner. No erasure forgets it.
const NOBODY: Uuid = Uuid::nil();

/// Who has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub contact: ContactId,
    /// Whether the contact refuses in the address's channel already.
    pub denied: bool,
    /// Whether others were merged into it and can come out again.
    pub merged: bool,
}

/// Waits until no list of opt-outs is being taken in the business, and keeps lists waiting until this unit of work ends. Call it
/// before you look which addresses are refused, if one of them shall become a contact's.
///
/// A list looks for whoever has an address, and keeps what nobody has; whoever comes with an address looks for what is kept. Two
/// that do so at once would each miss the other. One lock of a business and not one of an address: a list has thousands. Those who
/// come do not wait for each other. Imports need it not: they take turns with lists anyhow.
///
/// Take it after requests and turns and before any contact is locked: a list does the same.
pub async fn wait_for_lists(tx: &mut Tx) -> Result<(), DbError> {
    // SQLite has one unit of work at a time.
    if tx.is_postgres() {
        let sql = "SELECT pg_advisory_xact_lock_shared(6042, hashtext($1::uuid::text))";
        tx.scoped(sql).execute().await?;
    }
    Ok(())
}

/// Waits until nobody is coming with an address to the business, and keeps everybody waiting until this unit of work ends: the
/// other half of [`wait_for_lists`].
pub async fn wait_for_comers(tx: &mut Tx) -> Result<(), DbError> {
    if tx.is_postgres() {
        let sql = "SELECT pg_advisory_xact_lock(6042, hashtext($1::uuid::text))";
        tx.scoped(sql).execute().await?;
    }
    Ok(())
}

/// Who has each of the addresses; those that nobody has are left out.
pub async fn holders(
    tx: &mut Tx,
    keys: &BusinessKeys,
    addresses: &[&Address],
) -> Result<HashMap<Address, Vec<Holder>>, DbError> {
    let mut all: HashMap<Address, Vec<Holder>> = HashMap::new();
    if addresses.is_empty() {
        return Ok(all);
    }
    let indexes: Vec<_> = addresses.iter().map(|address| keys.blind_index(address)).collect();
    // `CROSS JOIN` keeps SQLite from starting at the contacts.
    let found = tx
        .scoped(
            "SELECT batch.place, c.contact_id,
                 CASE WHEN p.channel = 1 THEN c.phone_state ELSE c.email_state END, c.merges
             FROM {rows}
             CROSS JOIN contact_points p
             CROSS JOIN contacts c
             WHERE p.business_id = $1 AND p.channel = batch.channel AND p.blind_index = batch.blind_index
               AND c.business_id = $1 AND c.contact_id = p.contact_id
             ORDER BY batch.place, c.contact_id",
        )
        .rows(
            Rows::new()
                .ints("place", 0..i64::try_from(addresses.len()).unwrap_or(i64::MAX))
                .ints("channel", addresses.iter().map(|a| i64::from(channel_of(a).code())))
                .bytes("blind_index", indexes.iter().map(|index| &index[..])),
        )
        .fetch_all::<(i64, Uuid, i32, i64)>()
        .await?;
    for (place, contact, state, merges) in found {
        let Some(address) = usize::try_from(place).ok().and_then(|at| addresses.get(at)) else {
            continue;
        };
        let denied = state == i32::from(ConsentState::Denied.code());
        let of = all.entry((*address).clone()).or_default();
        of.push(Holder { contact: contact.into(), denied, merged: merges > 0 });
    }
    Ok(all)
}

/// Which of the addresses a list has brought before.
pub async fn kept(
    tx: &mut Tx,
    keys: &BusinessKeys,
    addresses: &[&Address],
) -> Result<HashSet<Address>, DbError> {
    let lists = tx
        .scoped(
            "SELECT channel, blind_index FROM refusers
             WHERE business_id = $1 AND contact_id = $2 AND blind_index IN {list}",
        )
        .bind(NOBODY);
    refused::among(keys, addresses, lists).await
}

/// Keeps that the addresses are refused, for whoever comes with them.
pub async fn keep(
    tx: &mut Tx,
    keys: &BusinessKeys,
    addresses: &[&Address],
    now: i64,
) -> Result<(), DbError> {
    refused::keep(tx, keys, NOBODY.into(), addresses, now).await
}
