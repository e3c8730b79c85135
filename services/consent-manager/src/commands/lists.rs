//! Lists over a business: consents, and changes.

use jiff::Timestamp;
use yinyom_consent::Channel;
use yinyom_db::Tx;
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, ContactId, PageSize};

use super::past::{self, is_past};
use super::{Manager, Reading, Refused, entries};
use crate::domain::{ChangeFilter, ConsentFilter, ConsentRecord, Entry, Page};
use crate::store::{StoreError, changes as store_changes, consents as store, past as ledger_past};

/// How many contacts are looked at together, and in all for one page of the past: what matches may be far between.
const TOGETHER: i64 = 500;
const ROUNDS: usize = 20;

/// The place of a consent in a list.
pub type Place = (ContactId, Channel);

/// Some consents of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consents {
    pub records: Vec<ConsentRecord>,
    /// After which place the next page begins; `None` if this is the last.
    pub next: Option<Place>,
}

/// Consents that match `filter` now, or at a past moment, by contact and channel, after those of `after`.
pub async fn consents(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    (filter, as_of): (&ConsentFilter, Option<Timestamp>),
    after: Option<Place>,
    size: PageSize,
) -> Result<Consents, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let now = manager.clock.now();
    if let Some(at) = as_of {
        is_past(at, now)?;
        let mut tx = manager.db.snapshot(reading.scope()).await?;
        let found = stood(&mut tx, filter, at, after, size).await?;
        drop(tx);
        return reading.close(found).await;
    }
    let mut tx = manager.db.read(reading.scope()).await?;
    let found = store::page(&mut tx, filter, now, after, size).await?;
    drop(tx);
    let found = found
        .into_iter()
        .map(|(contact, channel, consent)| ConsentRecord::at(now, contact, channel, consent))
        .collect();
    let page = Page::cut(found, size);
    let next = page.last().map(|record| (record.contact, record.channel));
    reading.close(Consents { records: page.items, next }).await
}

/// Consents as they stood at `at`. The contacts that the ledger ever heard of are gone through in order.
async fn stood(
    tx: &mut Tx,
    filter: &ConsentFilter,
    at: Timestamp,
    after: Option<Place>,
    size: PageSize,
) -> Result<Consents, StoreError> {
    let mut records = Vec::new();
    // The contact of the last place may have another channel.
    let mut contacts = match (filter.contact, after) {
        (Some(contact), _) | (None, Some((contact, _))) => vec![contact],
        // Each has two rows, as a rule.
        (None, None) => {
            let some = size.fetch() / 2 + 1;
            ledger_past::contacts(tx, None, some.min(TOGETHER)).await?
        }
    };
    for round in 0..ROUNDS {
        let Some(last) = contacts.last().copied() else { break };
        for (contact, stood) in past::stood(tx, &contacts, at).await? {
            for (record, made) in stood {
                let place = (contact, record.channel);
                if after.is_none_or(|after| place > after) && filter.admits(&record, &made) {
                    records.push(record);
                }
            }
        }
        if records.len() > size.rows() {
            records.truncate(size.rows());
            let next = records.last().map(|record| (record.contact, record.channel));
            return Ok(Consents { records, next });
        }
        if filter.contact.is_some() {
            return Ok(Consents { records, next: None });
        }
        let left = size.fetch() - i64::try_from(records.len()).unwrap_or_default();
        // Where little fits, more have to be looked at.
        let some = if round == 0 { left / 2 + 1 } else { TOGETHER };
        contacts = ledger_past::contacts(tx, Some(last), some.min(TOGETHER)).await?;
        if contacts.is_empty() {
            return Ok(Consents { records, next: None });
        }
    }
    // Enough for one call: the next page goes on before the first contact that was not looked at.
    let next = contacts.first().map(|first| (before(*first), Channel::Email));
    Ok(Consents { records, next })
}

/// The greatest place before a contact's.
fn before(contact: ContactId) -> ContactId {
    uuid::Uuid::from_u128(contact.uuid().as_u128().saturating_sub(1)).into()
}

/// Changes that match `filter`, newest first, before the one at index `before`. What arrives meanwhile is newer, so it
/// moves no page.
pub async fn changes(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    filter: &ChangeFilter,
    before: Option<i64>,
    size: PageSize,
) -> Result<Page<Entry>, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let mut tx = manager.db.read(reading.scope()).await?;
    let found = store_changes::page(&mut tx, filter, before, size).await?;
    let page = entries::open(&mut tx, &manager.masters, found, size).await?;
    drop(tx);
    reading.close(page).await
}
