//! Lists over a business: current consents, and changes.

use yinyom_consent::Channel;
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, ContactId, PageSize};

use super::{Manager, Reading, Refused, entries};
use crate::domain::{ChangeFilter, ConsentFilter, ConsentRecord, Entry, Page};
use crate::store::{consents as store, ledger};

/// Current consents that match `filter` now, by contact and channel, after those of `after`.
pub async fn consents(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    filter: &ConsentFilter,
    after: Option<(ContactId, Channel)>,
    size: PageSize,
) -> Result<Page<ConsentRecord>, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let now = manager.clock.now();
    let mut tx = manager.db.read(reading.scope()).await?;
    let found = store::page(&mut tx, filter, now, after, size).await?;
    drop(tx);
    let found = found
        .into_iter()
        .map(|(contact, channel, consent)| ConsentRecord::at(now, contact, channel, consent))
        .collect();
    reading.close(Page::cut(found, size)).await
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
    let found = ledger::page(&mut tx, filter, before, size).await?;
    let page = entries::open(&mut tx, &manager.masters, found, size).await?;
    drop(tx);
    reading.close(page).await
}
