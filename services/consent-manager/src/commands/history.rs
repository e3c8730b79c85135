//! The consent of one contact, with everything that ever happened to it.

use yinyom_consent::Channel;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, ContactId, PageSize};

use super::{Manager, Reading, Refused, entries};
use crate::domain::{ConsentRecord, Entry, Page};
use crate::store::{consents, heads, ledger};

/// A contact's consents and a page of its changes, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Phone and e-mail; empty once the contact is gone.
    pub consents: Vec<ConsentRecord>,
    pub entries: Page<Entry>,
}

/// Reads the history of `contact`, from the change before number `before` on. A contact that the ledger never heard of is
/// `NOT_FOUND`.
pub async fn history(
    manager: &Manager,
    caller: &Caller,
    (business, contact): (BusinessId, ContactId),
    before: Option<i64>,
    size: PageSize,
) -> Result<History, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let now = manager.clock.now();
    let mut tx = manager.db.snapshot(reading.scope()).await?;
    heads::last_seq(&mut tx, contact).await?.ok_or(NotFound)?;
    let current = consents::of(&mut tx, &[contact.uuid()]).await?.remove(&contact);
    let consents = current.map_or_else(Vec::new, |both| {
        [(Channel::Phone, both.phone), (Channel::Email, both.email)]
            .map(|(channel, consent)| ConsentRecord::at(now, contact, channel, consent))
            .to_vec()
    });
    let found = ledger::history(&mut tx, contact, before, size).await?;
    let entries = entries::open(&mut tx, &manager.masters, found, size).await?;
    drop(tx);
    reading.close(History { consents, entries }).await
}
