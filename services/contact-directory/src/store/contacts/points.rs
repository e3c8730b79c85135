//! The addresses of contacts.

use std::collections::HashMap;

use tokio::task::yield_now;
use uuid::Uuid;
use yinyom_consent::Channel;
use yinyom_db::{DbError, Record, Rows, Tx};
use yinyom_kernel::{ContactId, PointId};

use super::{BusinessKeys, ContactRow, StoreError, narrow};
use crate::domain::Contact;
use crate::domain::points::{Point, channel_of};
use crate::store::keys::seal_key;

/// How many addresses are opened before others have the thread: those of a page of a thousand take milliseconds, and whoever
/// says no meanwhile would wait for each such page at each of his steps.
const AT_ONCE: usize = 128;

#[derive(Record)]
pub(super) struct PointRow {
    pub(super) contact_id: Uuid,
    pub(super) point_id: Uuid,
    pub(super) channel: i32,
    pub(super) sealed: Vec<u8>,
}

/// Adds the points to rows, in the order of the rows.
pub async fn with_points(
    tx: &mut Tx,
    keys: &BusinessKeys,
    rows: Vec<ContactRow>,
) -> Result<Vec<Contact>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.contact_id).collect();
    let points: Vec<PointRow> = tx
        .scoped(
            "SELECT contact_id, point_id, channel, sealed FROM contact_points
             WHERE business_id = $1 AND contact_id IN {list} ORDER BY contact_id, point_id",
        )
        .long_list(&ids)
        .fetch_all()
        .await?;
    let mut by_contact: HashMap<Uuid, Vec<Point>> = HashMap::with_capacity(rows.len());
    for some in points.chunks(AT_ONCE) {
        for row in some {
            by_contact.entry(row.contact_id).or_default().push(open(keys, row)?);
        }
        if some.len() == AT_ONCE {
            yield_now().await;
        }
    }
    rows.into_iter()
        .map(|row| {
            let points = by_contact.remove(&row.contact_id).unwrap_or_default();
            row.into_contact(points)
        })
        .collect()
}

/// The point of a row.
pub(super) fn open(keys: &BusinessKeys, row: &PointRow) -> Result<Point, StoreError> {
    let (contact, id) = (ContactId::from(row.contact_id), PointId::from(row.point_id));
    let channel = Channel::from_code(narrow(row.channel))?;
    Ok(Point { id, address: keys.open_address(contact, id, channel, &row.sealed)? })
}

/// Stores new points, or new addresses of points.
pub async fn insert_points(
    tx: &mut Tx,
    keys: &BusinessKeys,
    points: &[(ContactId, &Point)],
) -> Result<(), StoreError> {
    if points.is_empty() {
        return Ok(());
    }
    let sealed: Vec<_> =
        points.iter().map(|(c, point)| keys.seal_address(*c, point.id, &point.address)).collect();
    let indexes: Vec<_> =
        points.iter().map(|(_, point)| keys.blind_index(&point.address)).collect();
    tx.scoped(
        "INSERT INTO contact_points (business_id, contact_id, point_id, channel, sealed, seal_key, blind_index)
         SELECT $1, contact_id, point_id, channel, sealed, seal_key, blind_index FROM {rows} WHERE true
         ON CONFLICT (business_id, contact_id, point_id)
         DO UPDATE SET sealed = excluded.sealed, seal_key = excluded.seal_key,
             blind_index = excluded.blind_index",
    )
    .rows(
        Rows::new()
            .uuids("contact_id", points.iter().map(|(contact, _)| contact.uuid()))
            .uuids("point_id", points.iter().map(|(_, point)| point.id.uuid()))
            .ints(
                "channel",
                points.iter().map(|(_, point)| i64::from(channel_of(&point.address).code())),
            )
            .bytes("sealed", sealed.iter().map(|bytes| &bytes[..]))
            .ints("seal_key", sealed.iter().map(|bytes| i64::from(seal_key(bytes))))
            .bytes("blind_index", indexes.iter().map(|bytes| &bytes[..])),
    )
    .execute()
    .await?;
    Ok(())
}

/// Removes points of a contact.
pub async fn remove_points(
    tx: &mut Tx,
    contact: ContactId,
    points: &[PointId],
) -> Result<(), DbError> {
    if points.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = points.iter().map(|id| id.uuid()).collect();
    tx.scoped(
        "DELETE FROM contact_points WHERE business_id = $1 AND contact_id = $2 AND point_id IN {list}",
    )
    .bind(contact.uuid())
    .list(&ids)
    .execute()
    .await?;
    Ok(())
}
