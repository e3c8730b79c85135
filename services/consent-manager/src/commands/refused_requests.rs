//! Requests of persons that were refused (PDPA s.39): written once, never changed.

use uuid::Uuid;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, ContactId, PageSize};

use super::{Manager, Reading, Refused};
use crate::domain::{NewRefused, Page, RefusedRequest, RequestKind};
use crate::store::{erasures, heads, retention as store};

/// Records a refused request of a contact that the ledger knows.
pub async fn record_refused(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    new: NewRefused,
) -> Result<RefusedRequest, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let (actor, key) = (reading.actor()?, caller.key());
    let now = manager.clock.now().as_microsecond();
    let recorded = manager
        .db
        .write(reading.scope(), move |mut tx| async move {
            erasures::lock(&mut tx).await?;
            let NewRefused { kind, contact, reason, request, .. } = new;
            if let Some(before) = store::refused_of_request(&mut tx, &key, request).await? {
                let same = (before.kind, before.contact, before.reason) == (kind, contact, reason)
                    && before.text == new.text;
                return if same { tx.done(before) } else { Err(Refused::RequestReused) };
            }
            heads::last_seq(&mut tx, contact).await?.ok_or(NotFound)?;
            store::add_refused(&mut tx, &new, Uuid::now_v7(), (&key, &actor), now).await?;
            let recorded = store::refused_of_request(&mut tx, &key, request).await?;
            tx.done(recorded.ok_or(NotFound)?)
        })
        .await?;
    reading.close(recorded).await
}

/// Refused requests that match, newest first, before the one of that number.
pub async fn refused_requests(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    (contact, kind): (Option<ContactId>, Option<RequestKind>),
    before: Option<i64>,
    size: PageSize,
) -> Result<Page<RefusedRequest>, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let mut tx = manager.db.read(reading.scope()).await?;
    let found = store::refused(&mut tx, contact, kind, before, size).await?;
    drop(tx);
    reading.close(Page::cut(found, size)).await
}
