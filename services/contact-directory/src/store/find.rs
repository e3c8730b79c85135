//! Lists of contacts: what a viewer asks for, over what the viewer may see.

use yinyom_consent::{Channel, ConsentState};
use yinyom_db::Tx;
use yinyom_kernel::ContactId;
use yinyom_privacy::Address;

use super::contacts::{ContactRow, SOURCE, with_points};
use super::paging::{Bound, Listing};
use super::{BusinessKeys, StoreError, aliases};
use crate::domain::order::{Cursor, CursorKey, Order, OrderKey, Page};
use crate::domain::points::channel_of;
use crate::domain::{Contact, View};

/// What contacts are looked for; everything that is set must be so.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Case-folded start of «first last» or of the last name.
    pub name_prefix: Option<String>,
    /// Whole addresses.
    pub addresses: Vec<Address>,
    /// The contact's own, or that of one that was merged into it.
    pub external_id: Option<String>,
    pub state: Option<ConsentState>,
    pub channel: Option<Channel>,
}

/// Which page, and when.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    pub order: Order,
    pub cursor: Option<&'a Cursor>,
    pub rows: usize,
    /// Microseconds; a grant that has run out by then is none.
    pub now: i64,
}

/// A page of contacts.
pub async fn page(
    tx: &mut Tx,
    keys: &BusinessKeys,
    wanted: &Wanted,
    view: &View,
    At { order, cursor, rows, now }: At<'_>,
) -> Result<Page<Contact>, StoreError> {
    let fetch = i64::try_from(rows).unwrap_or(i64::MAX - 1) + 1;
    let merged = merged(tx, keys, wanted).await?;
    let listing = listing(keys, wanted, merged, (*view, now));
    let found: Vec<ContactRow> = listing.fetch(tx, order, cursor, fetch).await?;
    let page = Page::cut(found, rows, |row| Cursor {
        key: match order.key {
            OrderKey::Name => CursorKey::Text(row.sort_name.clone()),
            OrderKey::CreateTime => CursorKey::Time(row.created_at),
            OrderKey::UpdateTime => CursorKey::Time(row.updated_at),
        },
        id: row.contact_id,
    });
    Ok(Page { items: with_points(tx, keys, page.items).await?, next: page.next })
}

/// All contacts that `view` finds, in the order of their ids.
pub async fn ids(
    tx: &mut Tx,
    keys: &BusinessKeys,
    wanted: &Wanted,
    view: &View,
    now: i64,
) -> Result<Vec<ContactId>, StoreError> {
    let merged = merged(tx, keys, wanted).await?;
    let found = listing(keys, wanted, merged, (*view, now)).ids(tx).await?;
    Ok(found.into_iter().map(ContactId::from).collect())
}

/// Whom the wanted external id was merged into.
async fn merged(
    tx: &mut Tx,
    keys: &BusinessKeys,
    wanted: &Wanted,
) -> Result<Option<ContactId>, StoreError> {
    let ids = wanted.external_id.as_slice();
    Ok(aliases::by_external_id(tx, keys, ids).await?.pop().map(|(_, contact)| contact))
}

fn listing(
    keys: &BusinessKeys,
    wanted: &Wanted,
    merged: Option<ContactId>,
    (view, now): (View, i64),
) -> Listing {
    let mut listing = Listing::of(SOURCE);
    if let Some(prefix) = &wanted.name_prefix {
        listing = listing.starting_with(&["c.sort_name", "c.sort_last_name"], prefix);
    }
    match (&wanted.external_id, merged) {
        (None, _) => {}
        (Some(_), Some(contact)) => {
            listing = listing.and("c.contact_id = ?", [Bound::Id(contact.uuid())]);
        }
        (Some(id), None) => {
            listing = listing.and("c.external_id = ?", [Bound::Text(id.clone())]);
        }
    }
    for address in &wanted.addresses {
        let channel = channel_of(address);
        let index = keys.blind_index(address).to_vec();
        // Masked is not hidden if you can search for it (TRAPS 8): visible AND equal, in that one statement.
        listing = seen(listing, channel, view, now).and(
            "c.contact_id IN (SELECT p.contact_id FROM contact_points p
             WHERE p.business_id = $1 AND p.channel = ? AND p.blind_index = ?)",
            [Bound::Int(i64::from(channel.code())), Bound::Bytes(index)],
        );
    }
    if let Some(state) = wanted.state {
        let channels =
            wanted.channel.map_or_else(|| Channel::ALL.to_vec(), |channel| vec![channel]);
        let each: Vec<_> = channels.iter().map(|c| format!("{} = ?", state_now(*c))).collect();
        let values =
            channels.iter().flat_map(|_| [Bound::Int(now), Bound::Int(i64::from(state.code()))]);
        listing = listing.and(&each.join(" OR "), values.collect::<Vec<_>>());
    }
    listing
}

/// Contacts whose points of `channel` the viewer sees. It asks the one decision for each state, so that SQL
/// decides nothing.
fn seen(listing: Listing, channel: Channel, view: View, now: i64) -> Listing {
    let states: Vec<_> =
        ConsentState::ALL.iter().filter(|state| view.sight(**state).visible).collect();
    if states.len() == ConsentState::ALL.len() {
        return listing;
    }
    let places = states.iter().map(|state| state.code().to_string()).collect::<Vec<_>>();
    // No state at all is seen by a service without the scope; no state has the number 0.
    let list = if places.is_empty() { "0".to_owned() } else { places.join(", ") };
    listing.and(&format!("{} IN ({list})", state_now(channel)), [Bound::Int(now)])
}

/// The state that counts at `?`.
fn state_now(channel: Channel) -> &'static str {
    match channel {
        Channel::Phone => {
            "CASE WHEN c.phone_state = 2 AND c.phone_expires_at <= ? THEN 1 ELSE c.phone_state END"
        }
        Channel::Email => {
            "CASE WHEN c.email_state = 2 AND c.email_expires_at <= ? THEN 1 ELSE c.email_state END"
        }
    }
}
