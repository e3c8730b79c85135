//! What is sealed under an earlier key of the business, some hundreds at a time.
//!
//! Rows that somebody else has locked are passed over: whoever serves a caller is waited for by nobody and
//! waits for one batch at most.

use uuid::Uuid;
use yinyom_db::{DbError, Record, Rows, Tx};

/// The bytes of a blind index. Rows of another length have none.
const INDEX_BYTES: i64 = 32;

/// A contact's own key, sealed under an earlier key.
#[derive(Debug, Record)]
pub struct Subject {
    pub contact_id: Uuid,
    pub subject_key: Vec<u8>,
}

/// A point that is sealed under an earlier key or has no blind index.
#[derive(Debug, Record)]
pub struct StalePoint {
    pub contact_id: Uuid,
    pub point_id: Uuid,
    pub channel: i32,
    pub sealed: Vec<u8>,
}

/// A point as it is sealed now.
#[derive(Debug)]
pub struct FreshPoint {
    pub contact_id: Uuid,
    pub point_id: Uuid,
    pub sealed: Vec<u8>,
    pub blind_index: [u8; 32],
}

/// An event that waits to be sent.
#[derive(Debug, Record)]
pub struct Payload {
    pub stream_id: Uuid,
    pub seq: i64,
    pub payload: Vec<u8>,
}

/// The business's contacts, in order, after that one, that many at most.
pub async fn contacts(tx: &mut Tx, after: Uuid, most: i64) -> Result<Vec<Uuid>, DbError> {
    tx.scoped(
        "SELECT contact_id FROM contacts
         WHERE business_id = $1 AND contact_id > $2 ORDER BY contact_id LIMIT $3",
    )
    .bind(after)
    .bind(most)
    .scalars()
    .await
}

/// Those of `contacts` whose own key is not sealed under `key`.
pub async fn subjects(tx: &mut Tx, contacts: &[Uuid], key: i32) -> Result<Vec<Subject>, DbError> {
    tx.scoped(
        "SELECT contact_id, subject_key FROM contacts
         WHERE business_id = $1 AND seal_key <> $2 AND contact_id IN {list}",
    )
    .bind(key)
    .list(contacts)
    .for_update_skip_locked()
    .fetch_all()
    .await
}

/// Puts their own keys, sealed under `key`. Nobody sees a difference: revisions stay.
pub async fn put_subjects(tx: &mut Tx, subjects: &[Subject], key: i32) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE contacts SET subject_key = batch.subject_key, seal_key = $2 FROM {rows}
         WHERE contacts.business_id = $1 AND contacts.contact_id = batch.contact_id",
    )
    .bind(key)
    .rows(own_keys(subjects))
    .execute()
    .await?;
    Ok(())
}

fn own_keys(subjects: &[Subject]) -> Rows<'_> {
    Rows::new()
        .uuids("contact_id", subjects.iter().map(|of| of.contact_id))
        .bytes("subject_key", subjects.iter().map(|of| &of.subject_key[..]))
}

/// Own keys of contacts that were merged into others and can come back, sealed under another key than `key`.
pub async fn merged(tx: &mut Tx, key: i32, most: i64) -> Result<Vec<Subject>, DbError> {
    tx.scoped(
        "SELECT absorbed_id AS contact_id, subject_key FROM merges
         WHERE business_id = $1 AND subject_key IS NOT NULL AND seal_key <> $2 LIMIT $3",
    )
    .bind(key)
    .bind(most)
    .for_update_skip_locked()
    .fetch_all()
    .await
}

/// Puts those, sealed under `key`.
pub async fn put_merged(tx: &mut Tx, subjects: &[Subject], key: i32) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE merges SET subject_key = batch.subject_key, seal_key = $2 FROM {rows}
         WHERE merges.business_id = $1 AND merges.absorbed_id = batch.contact_id",
    )
    .bind(key)
    .rows(own_keys(subjects))
    .execute()
    .await?;
    Ok(())
}

/// The points of `contacts` that are not sealed under `key`, or have no index.
pub async fn points(tx: &mut Tx, contacts: &[Uuid], key: i32) -> Result<Vec<StalePoint>, DbError> {
    tx.scoped(
        "SELECT contact_id, point_id, channel, sealed FROM contact_points
         WHERE business_id = $1 AND (seal_key <> $2 OR length(blind_index) <> $3)
           AND contact_id IN {list}",
    )
    .bind(key)
    .bind(INDEX_BYTES)
    .list(contacts)
    .for_update_skip_locked()
    .fetch_all()
    .await
}

/// Puts them, sealed under `key`.
pub async fn put_points(tx: &mut Tx, points: &[FreshPoint], key: i32) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE contact_points
         SET sealed = batch.sealed, blind_index = batch.blind_index, seal_key = $2 FROM {rows}
         WHERE contact_points.business_id = $1 AND contact_points.contact_id = batch.contact_id
           AND contact_points.point_id = batch.point_id",
    )
    .bind(key)
    .rows(
        Rows::new()
            .uuids("contact_id", points.iter().map(|of| of.contact_id))
            .uuids("point_id", points.iter().map(|of| of.point_id))
            .bytes("sealed", points.iter().map(|of| &of.sealed[..]))
            .bytes("blind_index", points.iter().map(|of| &of.blind_index[..])),
    )
    .execute()
    .await?;
    Ok(())
}

/// Whether anything of the contacts is still not as it should be under `key`. Looks at all of them.
pub async fn any_left(tx: &mut Tx, key: i32) -> Result<bool, DbError> {
    for sealed in [
        "SELECT 1 FROM contacts WHERE business_id = $1 AND seal_key <> $2 LIMIT 1",
        "SELECT 1 FROM merges WHERE business_id = $1 AND seal_key <> $2 LIMIT 1",
        "SELECT 1 FROM operations WHERE business_id = $1 AND seal_key <> $2 LIMIT 1",
    ] {
        if tx.scoped(sealed).bind(key).fetch_optional::<(i32,)>().await?.is_some() {
            return Ok(true);
        }
    }
    let point = tx
        .scoped(
            "SELECT 1 FROM contact_points
             WHERE business_id = $1 AND (seal_key <> $2 OR length(blind_index) <> $3) LIMIT 1",
        )
        .bind(key)
        .bind(INDEX_BYTES)
        .fetch_optional::<(i32,)>()
        .await?;
    Ok(point.is_some())
}

/// The events that wait, in order, after that one, that many at most.
pub async fn payloads(tx: &mut Tx, after: (Uuid, i64), most: i64) -> Result<Vec<Payload>, DbError> {
    tx.scoped(
        "SELECT stream_id, seq, payload FROM outbox_payloads
         WHERE business_id = $1 AND (stream_id, seq) > ($2, $3) ORDER BY stream_id, seq LIMIT $4",
    )
    .bind(after.0)
    .bind(after.1)
    .bind(most)
    .fetch_all()
    .await
}

/// Puts what an event carries, if it still waits and is still `stale`; how many. An erasure may have emptied it meanwhile.
pub async fn put_payload(tx: &mut Tx, of: &Payload, stale: &[u8]) -> Result<u64, DbError> {
    tx.scoped(
        "UPDATE outbox_payloads SET payload = $4
         WHERE business_id = $1 AND stream_id = $2 AND seq = $3 AND payload = $5",
    )
    .bind(of.stream_id)
    .bind(of.seq)
    .bind(&of.payload[..])
    .bind(stale)
    .execute()
    .await
}

/// Deletes all keys that sealed before `key`. Refused by the database where anything is sealed under one.
pub async fn drop_earlier(tx: &mut Tx, key: i32) -> Result<(), DbError> {
    tx.scoped("DELETE FROM business_keys WHERE business_id = $1 AND purpose <> 2 AND purpose < $2")
        .bind(key)
        .execute()
        .await?;
    Ok(())
}
