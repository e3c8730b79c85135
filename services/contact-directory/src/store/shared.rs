//! Addresses that several contacts have, found by their blind index. Nothing here opens one.

use uuid::Uuid;
use yinyom_consent::{ByChannel, Channel};
use yinyom_db::{DbError, Rows, Tx};
use yinyom_kernel::{ContactId, PointId};

use super::StoreError;
use super::contacts::narrow;
use crate::domain::order::{Cursor, CursorKey};

/// An address, without telling which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Index {
    pub channel: Channel,
    pub blind: Vec<u8>,
}

/// How many contacts have an address, by what they consent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holders {
    pub not_set: i64,
    pub granted: i64,
    pub denied: i64,
}

impl Holders {
    /// One said yes and another one no.
    pub const fn conflict(self) -> bool {
        self.granted > 0 && self.denied > 0
    }
}

/// What shared addresses are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    pub channel: Option<Channel>,
    pub only_conflicts: bool,
}

impl Index {
    /// Where a page ends.
    pub fn cursor(&self) -> Cursor {
        let (first, last) = self.blind.split_at(self.blind.len() / 2);
        let half = |bytes| Uuid::from_slice(bytes).unwrap_or_default();
        let key = format!("{}{}", self.channel.code(), half(first).simple());
        Cursor { key: CursorKey::Text(key), id: half(last) }
    }

    /// Where the next page begins; the numbers of the columns.
    fn after(cursor: Option<&Cursor>) -> (i64, Vec<u8>) {
        let read = cursor.and_then(|cursor| {
            let CursorKey::Text(text) = &cursor.key else { return None };
            let (channel, first) = text.split_at_checked(1)?;
            let first = Uuid::try_parse(first).ok()?;
            Some((channel.parse().ok()?, [*first.as_bytes(), *cursor.id.as_bytes()].concat()))
        });
        read.unwrap_or_default()
    }
}

/// A page of addresses, `fetch` of them at most. Some of the conflicts may be none by now: a grant that has run out stands
/// there until it is recorded.
pub async fn page(
    tx: &mut Tx,
    wanted: Wanted,
    after: Option<&Cursor>,
    fetch: i64,
) -> Result<Vec<Index>, StoreError> {
    // Each with the index that holds these rows alone.
    let sql = if wanted.only_conflicts {
        "SELECT channel, blind_index FROM address_tallies
         WHERE business_id = $1 AND disputed AND granted > 0
           AND (channel, blind_index) > ($2, $3) AND channel >= $4 AND channel <= $5
         ORDER BY channel, blind_index LIMIT $6"
    } else {
        "SELECT channel, blind_index FROM address_tallies
         WHERE business_id = $1 AND shared
           AND (channel, blind_index) > ($2, $3) AND channel >= $4 AND channel <= $5
         ORDER BY channel, blind_index LIMIT $6"
    };
    let (first, last) = wanted.channel.map_or((0, i16::MAX), |of| (of.code(), of.code()));
    let (channel, blind) = Index::after(after);
    let found = tx
        .scoped(sql)
        .bind(i32::try_from(channel).unwrap_or_default())
        .bind(blind)
        .bind(i32::from(first))
        .bind(i32::from(last))
        .bind(fetch)
        .fetch_all::<(i32, Vec<u8>)>()
        .await?;
    found
        .into_iter()
        .map(|(channel, blind)| Ok(Index { channel: Channel::from_code(narrow(channel))?, blind }))
        .collect()
}

/// How many contacts have each of the addresses at `now` (microseconds).
pub async fn holders(tx: &mut Tx, addresses: &[Index], now: i64) -> Result<Vec<Holders>, DbError> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let found = tx
        .scoped(
            "SELECT place, SUM(CASE WHEN state = 1 THEN 1 ELSE 0 END), SUM(CASE WHEN state = 2 THEN 1 ELSE 0 END),
                 SUM(CASE WHEN state = 3 THEN 1 ELSE 0 END)
             FROM (
                 SELECT batch.place, CASE
                     WHEN p.channel = 1 AND c.phone_state = 2 AND c.phone_expires_at <= $2 THEN 1
                     WHEN p.channel = 1 THEN c.phone_state
                     WHEN c.email_state = 2 AND c.email_expires_at <= $2 THEN 1
                     ELSE c.email_state END AS state
                 FROM {rows}
                 CROSS JOIN contact_points p
                 CROSS JOIN contacts c
                 WHERE p.business_id = $1 AND p.channel = batch.channel AND p.blind_index = batch.blind_index
                   AND c.business_id = $1 AND c.contact_id = p.contact_id
             ) held GROUP BY place",
        )
        .bind(now)
        .rows(rows(addresses))
        .fetch_all::<(i64, i64, i64, i64)>()
        .await?;
    let mut all = vec![Holders::default(); addresses.len()];
    for (place, not_set, granted, denied) in found {
        if let Some(of) = usize::try_from(place).ok().and_then(|place| all.get_mut(place)) {
            *of = Holders { not_set, granted, denied };
        }
    }
    Ok(all)
}

/// The first contacts, by id, that have each of the addresses, with the point that it is; `most` an address.
pub async fn contacts(
    tx: &mut Tx,
    addresses: &[Index],
    most: i64,
) -> Result<Vec<Vec<(ContactId, PointId)>>, DbError> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let found = tx
        .scoped(
            "SELECT place, contact_id, point_id FROM (
                 SELECT batch.place, p.contact_id, p.point_id,
                     ROW_NUMBER() OVER (PARTITION BY batch.place ORDER BY p.contact_id) AS number
                 FROM {rows}
                 CROSS JOIN contact_points p
                 WHERE p.business_id = $1 AND p.channel = batch.channel AND p.blind_index = batch.blind_index
             ) held WHERE number <= $2 ORDER BY place, contact_id",
        )
        .bind(most)
        .rows(rows(addresses))
        .fetch_all::<(i64, Uuid, Uuid)>()
        .await?;
    let mut all = vec![Vec::new(); addresses.len()];
    for (place, contact, point) in found {
        if let Some(of) = usize::try_from(place).ok().and_then(|place| all.get_mut(place)) {
            of.push((contact.into(), point.into()));
        }
    }
    Ok(all)
}

fn rows(addresses: &[Index]) -> Rows<'_> {
    Rows::new()
        .ints("place", 0..i64::try_from(addresses.len()).unwrap_or(i64::MAX))
        .ints("channel", addresses.iter().map(|of| i64::from(of.channel.code())))
        .bytes("blind_index", addresses.iter().map(|of| &of.blind[..]))
}

/// Contacts whom another contact's refusal of the same address would stop, and how many of them have granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stopped {
    pub contacts: i64,
    pub granted: i64,
}

/// From the disputed addresses alone.
macro_rules! stopped {
    ($name:literal, $channel:literal) => {
        concat!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(granted), 0) AS BIGINT) FROM (
                 SELECT DISTINCT c.contact_id, CASE WHEN c.",
            $name,
            "_state = 2 AND (c.",
            $name,
            "_expires_at IS NULL OR c.",
            $name,
            "_expires_at > $2) THEN 1 ELSE 0 END AS granted
                 FROM address_tallies t
                 CROSS JOIN contact_points p
                 CROSS JOIN contacts c
                 WHERE t.business_id = $1 AND t.channel = ",
            $channel,
            " AND t.disputed
                   AND p.business_id = $1 AND p.channel = ",
            $channel,
            " AND p.blind_index = t.blind_index
                   AND c.business_id = $1 AND c.contact_id = p.contact_id AND c.",
            $name,
            "_state <> 3
             ) stopped",
        )
    };
}

/// Of each channel, at `now` (microseconds).
pub async fn stopped(tx: &mut Tx, now: i64) -> Result<ByChannel<Stopped>, DbError> {
    let mut all = ByChannel::<Stopped>::default();
    for (channel, sql) in
        [(Channel::Phone, stopped!("phone", "1")), (Channel::Email, stopped!("email", "2"))]
    {
        let (contacts, granted) = tx.scoped(sql).bind(now).fetch_one::<(i64, i64)>().await?;
        *all.get_mut(channel) = Stopped { contacts, granted };
    }
    Ok(all)
}
