//! The consent of one contact, with everything that ever happened to it.

use jiff::Timestamp;
use yinyom_consent::Channel;
use yinyom_db::Tx;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, ContactId, PageSize};

use super::past::{is_past, stood};
use super::{Manager, Reading, Refused, entries};
use crate::domain::{ConsentRecord, Entry, Page};
use crate::store::{StoreError, consents, heads, past};

/// A contact's consents and a page of its changes, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Phone and e-mail; empty while the contact is not there.
    pub consents: Vec<ConsentRecord>,
    pub entries: Page<Entry>,
}

/// Reads the history of `contact`, as it is or as it stood at a past moment, from the change before number `before` on. A
/// contact that the ledger never heard of is `NOT_FOUND`.
pub async fn history(
    manager: &Manager,
    caller: &Caller,
    (business, contact): (BusinessId, ContactId),
    as_of: Option<Timestamp>,
    before: Option<i64>,
    size: PageSize,
) -> Result<History, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let now = manager.clock.now();
    as_of.map_or(Ok(()), |at| is_past(at, now))?;
    let mut tx = manager.db.snapshot(reading.scope()).await?;
    let last = heads::last_seq(&mut tx, contact).await?.ok_or(NotFound)?;
    let (last, consents) = match as_of {
        Some(at) => then(&mut tx, contact, at).await?,
        None => (last, current(&mut tx, contact, now).await?),
    };
    let found = past::history(&mut tx, contact, last, before, size).await?;
    let entries = entries::open(&mut tx, &manager.masters, found, size).await?;
    drop(tx);
    reading.close(History { consents, entries }).await
}

async fn current(
    tx: &mut Tx,
    contact: ContactId,
    now: Timestamp,
) -> Result<Vec<ConsentRecord>, StoreError> {
    let current = consents::of(tx, &[contact.uuid()]).await?.remove(&contact);
    Ok(current.map_or_else(Vec::new, |both| {
        [(Channel::Phone, both.phone), (Channel::Email, both.email)]
            .map(|(channel, consent)| ConsentRecord::at(now, contact, channel, consent))
            .to_vec()
    }))
}

/// The last change by then, 0 if there was none, and what stood.
async fn then(
    tx: &mut Tx,
    contact: ContactId,
    at: Timestamp,
) -> Result<(i64, Vec<ConsentRecord>), StoreError> {
    let last = past::lasts(tx, &[contact], at).await?.get(&contact).map_or(0, |lasts| lasts.seq);
    let mut stood = stood(tx, &[contact], at).await?;
    let made = stood.pop().map_or_else(Vec::new, |(_, made)| made);
    Ok((last, made.into_iter().map(|(record, _)| record).collect()))
}
