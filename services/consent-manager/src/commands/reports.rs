//! Counts over a business.

use jiff::tz::TimeZone;
use yinyom_identity::Caller;
use yinyom_kernel::BusinessId;

use super::{Manager, Reading, Refused};
use crate::domain::{Span, Summary, Trend, TrendError, buckets};
use crate::store::{heads, rollups};

/// Current consents, by channel and state.
pub async fn summary(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
) -> Result<Summary, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let now = manager.clock.now();
    let mut tx = manager.db.snapshot(reading.scope()).await?;
    let (contacts, changes) =
        heads::read(&mut tx).await?.map_or((0, 0), |head| (head.contacts, head.next_index));
    let totals = rollups::totals(&mut tx).await?;
    let due = rollups::due(&mut tx, now).await?;
    drop(tx);
    reading.close(Summary::count(contacts, changes, &totals, &due, now)).await
}

/// What happened, by day, week or month of the business's time zone.
pub async fn trend(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    span: Span,
) -> Result<Trend, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let now = manager.clock.now();
    let time_zone = reading.policy().ok_or(Refused::PolicyUnavailable)?.time_zone.clone();
    let zone = TimeZone::get(&time_zone).map_err(|_| TrendError::UnknownTimeZone)?;
    let buckets = buckets(&zone, span, now)?;
    let mut tx = manager.db.snapshot(reading.scope()).await?;
    let mut counted = rollups::transitions(&mut tx, &buckets).await?;
    counted.extend(rollups::due_in(&mut tx, &buckets, now).await?);
    drop(tx);
    let mut trend = Trend::new(&buckets, time_zone);
    for it in counted {
        trend.count(it.bucket, it.channel, (it.from, it.to), it.times);
    }
    reading.close(trend).await
}
