//! The retention period, and legal holds.

use uuid::Uuid;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, ContactId, PageSize};

use super::erasures::ERASURES;
use super::{Manager, Reading, Refused};
use crate::domain::{Hold, NewHold, Page, Retention, RetentionPeriod};
use crate::store::{StoreError, erasures, heads, retention as store};

/// The period of a business.
pub async fn retention(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
) -> Result<Retention, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let mut tx = manager.db.read(reading.scope()).await?;
    let found = store::period(&mut tx).await?;
    drop(tx);
    reading.close(found).await
}

/// Sets it. For owner and admins.
pub async fn set_retention(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    period: RetentionPeriod,
) -> Result<Retention, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let actor = reading.administrator()?;
    let now = manager.clock.now();
    let set = manager
        .db
        .write(reading.scope(), move |mut tx| async move {
            erasures::lock(&mut tx).await?;
            let before = store::period(&mut tx).await?;
            if before.set.is_some() && before.period == period {
                return tx.done(before);
            }
            store::set_period(&mut tx, period, actor, now.as_microsecond()).await?;
            erasures::set_due(&mut tx, now.as_microsecond()).await?;
            tx.announce(ERASURES);
            tx.done::<_, StoreError>(Retention { period, set: Some((now, actor)) })
        })
        .await?;
    reading.close(set).await
}

/// Sets a legal hold on a contact that the ledger knows, or on the business.
pub async fn set_hold(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    new: NewHold,
) -> Result<Hold, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let actor = reading.member()?;
    let now = manager.clock.now();
    let set = manager
        .db
        .write(reading.scope(), move |mut tx| async move {
            erasures::lock(&mut tx).await?;
            if let Some(before) = store::hold_of_request(&mut tx, actor, new.request).await? {
                let same = before.contact == new.contact && before.reason == new.reason;
                return if same { tx.done(before) } else { Err(Refused::RequestReused) };
            }
            if let Some(contact) = new.contact {
                heads::last_seq(&mut tx, contact).await?.ok_or(NotFound)?;
            }
            let hold = Hold {
                number: 0,
                id: Uuid::now_v7(),
                contact: new.contact,
                reason: new.reason,
                set_at: now,
                actor,
                released: None,
            };
            store::add_hold(&mut tx, &hold, new.request).await?;
            tx.done(hold)
        })
        .await?;
    reading.close(set).await
}

/// Releases a legal hold; what it had put off is done next.
pub async fn release_hold(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    id: Uuid,
) -> Result<Hold, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let actor = reading.member()?;
    let now = manager.clock.now().as_microsecond();
    let released = manager
        .db
        .write(reading.scope(), move |mut tx| async move {
            erasures::lock(&mut tx).await?;
            let hold = store::hold(&mut tx, id).await?.ok_or(NotFound)?;
            if hold.released.is_some() {
                return tx.done(hold);
            }
            store::release_hold(&mut tx, id, actor, now).await?;
            erasures::set_due(&mut tx, now).await?;
            tx.announce(ERASURES);
            let hold = store::hold(&mut tx, id).await?.ok_or(NotFound)?;
            tx.done::<_, Refused>(hold)
        })
        .await?;
    reading.close(released).await
}

/// Which holds are asked for.
#[derive(Debug, Clone, Copy)]
pub struct WantedHolds {
    pub contact: Option<ContactId>,
    pub released_too: bool,
}

/// Legal holds, newest first, before the one of that number.
pub async fn holds(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    wanted: WantedHolds,
    before: Option<i64>,
    size: PageSize,
) -> Result<Page<Hold>, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let mut tx = manager.db.read(reading.scope()).await?;
    let WantedHolds { contact, released_too } = wanted;
    let found = store::holds(&mut tx, contact, released_too, before, size).await?;
    drop(tx);
    reading.close(Page::cut(found, size)).await
}
