//! Counts over a business.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use yinyom_consent::{ByChannel, ConsentState};
use yinyom_db::Tx;
use yinyom_identity::Caller;
use yinyom_kernel::BusinessId;

use super::past::is_past;
use super::{Manager, Reading, Refused};
use crate::domain::{
    Breakdown, Bucket, Counts, Cover, Dimension, Period, Series, Span, Summary, Trend, TrendError,
    buckets, edges,
};
use crate::store::{StoreError, heads, rollups};

/// Consents, by channel and state: current ones, or as they stood at a past moment.
pub async fn summary(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    as_of: Option<Timestamp>,
) -> Result<Summary, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let now = manager.clock.now();
    as_of.map_or(Ok(()), |at| is_past(at, now))?;
    let mut tx = manager.db.snapshot(reading.scope()).await?;
    let summary = match as_of {
        Some(at) => then(&mut tx, at).await?,
        None => current(&mut tx, now).await?,
    };
    drop(tx);
    reading.close(summary).await
}

async fn current(tx: &mut Tx, now: Timestamp) -> Result<Summary, StoreError> {
    let (contacts, changes) =
        heads::read(tx).await?.map_or((0, 0), |head| (head.contacts, head.next_index));
    let totals = rollups::totals(tx).await?;
    let due = rollups::due(tx, now).await?;
    Ok(Summary::count(contacts, changes, &totals, &due, now))
}

/// Everything that happened up to `at`, and with it.
async fn then(tx: &mut Tx, at: Timestamp) -> Result<Summary, Refused> {
    must_be_counted(tx).await?;
    let after = at.as_microsecond().saturating_add(1);
    let cover = Cover::of(&[after], &[], &Series::TIME);
    let counted = rollups::counted(tx, &cover.pieces).await?;
    let mut happened = ByChannel::from_fn(|channel| cover.before(counted.get(channel)));
    for (channel, n) in rollups::due(tx, at).await? {
        happened.get_mut(channel).add(&expiry(), n);
    }
    Ok(Summary::of(&happened, at))
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
    let cover = Cover::of(&edges(&buckets), span.granularity.series(), &Series::TIME);
    let mut tx = manager.db.snapshot(reading.scope()).await?;
    let (before, within) = happened(&mut tx, &cover, &buckets, now).await?;
    drop(tx);
    reading.close(Trend::new(&buckets, time_zone, before, &within)).await
}

/// What happened, by where, by whom, or by how the customer told us.
pub async fn breakdown(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    dimension: Dimension,
    (start, end): (Option<Timestamp>, Option<Timestamp>),
) -> Result<Breakdown, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let now = manager.clock.now();
    let period = Period::of(start, end, now)?;
    let edges = [period.start, period.end].map(Timestamp::as_microsecond);
    let everything = Cover::of(&edges, &Series::TIME, &Series::TIME);
    let by_value = Cover::of(&edges, &dimension.series(), &[]);
    let whole = Bucket { date: jiff::civil::Date::ZERO, start: period.start, end: period.end };
    let mut tx = manager.db.snapshot(reading.scope()).await?;
    let (before, within) = happened(&mut tx, &everything, &[whole], now).await?;
    let counted = rollups::by_value(&mut tx, dimension, &by_value.whole()).await?;
    drop(tx);
    let could_opt_out = ByChannel::from_fn(|channel| {
        let since: i64 = within.get(channel).iter().map(|counts| counts.grants).sum();
        before.get(channel).granted + since
    });
    reading.close(Breakdown::new(period, dimension, counted, could_opt_out)).await
}

/// What happened before the buckets, and in each; with the grants that ran out by `now` and nobody has recorded it yet.
async fn happened(
    tx: &mut Tx,
    cover: &Cover,
    buckets: &[Bucket],
    now: Timestamp,
) -> Result<(ByChannel<Counts>, ByChannel<Vec<Counts>>), Refused> {
    must_be_counted(tx).await?;
    let counted = rollups::counted(tx, &cover.pieces).await?;
    let mut before = ByChannel::from_fn(|channel| cover.before(counted.get(channel)));
    let mut within = ByChannel::from_fn(|channel| cover.between(counted.get(channel)));
    let mut all = buckets.to_vec();
    if let Some(first) = buckets.first() {
        all.push(Bucket { start: Timestamp::MIN, end: first.start, ..*first });
    }
    for (bucket, channel, n) in rollups::due_in(tx, &all, now).await? {
        match within.get_mut(channel).get_mut(bucket) {
            Some(counts) => counts.add(&expiry(), n),
            None => before.get_mut(channel).add(&expiry(), n),
        }
    }
    Ok((before, within))
}

fn expiry() -> Counts {
    Counts::of(Some(ConsentState::Granted), Some(ConsentState::NotSet))
}

/// Counts by time are not to be had while they are being made.
async fn must_be_counted(tx: &mut Tx) -> Result<(), Refused> {
    if heads::is_counted(tx).await? { Ok(()) } else { Err(Refused::BeingRebuilt) }
}
