//! Kept counts: current totals, and what happened when and by whom. What they do not know, the clock, is asked of the
//! current consents (TRAPS 19). What reports ask is planned for the stretch of time that they ask for: a plan for any would
//! read a business's counts from beginning to end.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Channel, ConsentState};
use yinyom_db::{Record, Rows, Tx};

use super::StoreError;
use super::rows;
use crate::domain::{Bucket, Counts, Dimension, Piece, Series, Spot, Tally};

#[derive(Debug, Record)]
pub(super) struct CountColumns {
    changes: i64,
    grants: i64,
    refusals: i64,
    resets: i64,
    opt_outs: i64,
    not_set: i64,
    granted: i64,
    denied: i64,
}

impl CountColumns {
    const fn read(&self) -> Counts {
        let Self { changes, grants, refusals, resets, opt_outs, not_set, granted, denied } = *self;
        Counts { changes, grants, refusals, resets, opt_outs, not_set, granted, denied }
    }
}

/// The sums of all counts, where `$sign` is put before each.
macro_rules! sums {
    ($sign:literal) => {
        concat!(
            "CAST(SUM(",
            $sign,
            "changes) AS BIGINT) AS changes,
             CAST(SUM(",
            $sign,
            "grants) AS BIGINT) AS grants,
             CAST(SUM(",
            $sign,
            "refusals) AS BIGINT) AS refusals,
             CAST(SUM(",
            $sign,
            "resets) AS BIGINT) AS resets,
             CAST(SUM(",
            $sign,
            "opt_outs) AS BIGINT) AS opt_outs,
             CAST(SUM(",
            $sign,
            "not_set) AS BIGINT) AS not_set,
             CAST(SUM(",
            $sign,
            "granted) AS BIGINT) AS granted,
             CAST(SUM(",
            $sign,
            "denied) AS BIGINT) AS denied"
        )
    };
}

/// Adds what a batch counted.
pub async fn add(tx: &mut Tx, tally: &Tally) -> Result<(), StoreError> {
    let totals: Vec<_> = tally.totals().collect();
    if !totals.is_empty() {
        tx.scoped(
            "INSERT INTO totals (business_id, channel, state, consents)
             SELECT $1, channel, state, consents FROM {rows} WHERE true
             ON CONFLICT (business_id, channel, state)
             DO UPDATE SET consents = totals.consents + excluded.consents",
        )
        .rows(
            Rows::new()
                .ints("channel", totals.iter().map(|(channel, ..)| i64::from(channel.code())))
                .ints("state", totals.iter().map(|(_, state, _)| i64::from(state.code())))
                .ints("consents", totals.iter().map(|(.., n)| *n)),
        )
        .execute()
        .await?;
    }
    let happened: Vec<_> = tally.rollups().into_iter().collect();
    // A statement is meant for some hundreds of rows.
    for some in happened.chunks(2_000) {
        add_rollups(tx, some).await?;
    }
    Ok(())
}

async fn add_rollups(tx: &mut Tx, some: &[(Spot, Counts)]) -> Result<(), StoreError> {
    let column = |i: usize| some.iter().map(move |(_, counts)| counts.each()[i]);
    tx.scoped(
        "INSERT INTO rollups (business_id, series, unit, value, channel,
             changes, grants, refusals, resets, opt_outs, not_set, granted, denied)
         SELECT $1, series, unit, value, channel,
             changes, grants, refusals, resets, opt_outs, not_set, granted, denied
         FROM {rows} WHERE true
         ON CONFLICT (business_id, series, unit, value, channel) DO UPDATE SET
             changes = rollups.changes + excluded.changes,
             grants = rollups.grants + excluded.grants,
             refusals = rollups.refusals + excluded.refusals,
             resets = rollups.resets + excluded.resets,
             opt_outs = rollups.opt_outs + excluded.opt_outs,
             not_set = rollups.not_set + excluded.not_set,
             granted = rollups.granted + excluded.granted,
             denied = rollups.denied + excluded.denied",
    )
    .rows(
        Rows::new()
            .ints("series", some.iter().map(|(spot, _)| i64::from(spot.series.code())))
            .ints("unit", some.iter().map(|(spot, _)| spot.unit))
            .texts("value", some.iter().map(|(spot, _)| spot.value.as_str()))
            .ints("channel", some.iter().map(|(spot, _)| i64::from(spot.channel.code())))
            .ints("changes", column(0))
            .ints("grants", column(1))
            .ints("refusals", column(2))
            .ints("resets", column(3))
            .ints("opt_outs", column(4))
            .ints("not_set", column(5))
            .ints("granted", column(6))
            .ints("denied", column(7)),
    )
    .execute()
    .await?;
    Ok(())
}

/// How many consents are recorded in each state.
pub async fn totals(tx: &mut Tx) -> Result<Vec<(Channel, ConsentState, i64)>, StoreError> {
    let found = tx
        .scoped("SELECT channel, state, consents FROM totals WHERE business_id = $1")
        .fetch_all::<(i32, i32, i64)>()
        .await?;
    found
        .into_iter()
        .map(|(channel, state, n)| Ok((rows::channel(channel)?, rows::state(state)?, n)))
        .collect()
}

/// How many grants have run out by `now` and nobody has recorded it yet.
pub async fn due(tx: &mut Tx, now: Timestamp) -> Result<Vec<(Channel, i64)>, StoreError> {
    let found = tx
        .scoped(
            "SELECT channel, COUNT(*) FROM consents
             WHERE business_id = $1 AND state = 2 AND expires_at <= $2 GROUP BY channel",
        )
        .bind(now.as_microsecond())
        .fetch_all::<(i32, i64)>()
        .await?;
    found.into_iter().map(|(channel, n)| Ok((rows::channel(channel)?, n))).collect()
}

/// What was counted in each piece, as recorded, in the order of the pieces.
pub async fn counted(tx: &mut Tx, pieces: &[Piece]) -> Result<ByChannel<Vec<Counts>>, StoreError> {
    // Piece by piece, by the key, as in `consents::of`. On SQLite a cross join keeps its order.
    let sql = tx.dialect(
        concat!(
            "SELECT batch.piece, r.channel, ",
            sums!("r."),
            " FROM {rows} CROSS JOIN rollups r
             WHERE r.business_id = $1 AND r.series = batch.series
               AND r.unit >= batch.since AND r.unit < batch.beyond
             GROUP BY batch.piece, r.channel"
        ),
        concat!(
            "SELECT batch.piece, r.* FROM {rows} CROSS JOIN LATERAL (
                 SELECT channel, ",
            sums!(""),
            " FROM rollups WHERE business_id = $1 AND series = batch.series
                    AND unit >= batch.since AND unit < batch.beyond
                 GROUP BY channel
             ) AS r"
        ),
    );
    let mut counted = ByChannel::from_fn(|_| vec![Counts::default(); pieces.len()]);
    let query = tx.scoped(sql).plan_for_values().rows(numbered(pieces));
    let found = query.fetch_all::<CountedPiece>().await?;
    for row in found {
        let piece = usize::try_from(row.piece).unwrap_or(usize::MAX);
        let of = counted.get_mut(rows::channel(row.channel)?);
        let counts = of.get_mut(piece).ok_or(StoreError::Unreadable("no piece"))?;
        *counts = row.counts.read();
    }
    Ok(counted)
}

#[derive(Debug, Record)]
struct CountedPiece {
    piece: i64,
    channel: i32,
    #[record(flatten)]
    counts: CountColumns,
}

fn numbered(pieces: &[Piece]) -> Rows<'static> {
    Rows::new()
        .ints("piece", (0_i64..).take(pieces.len()))
        .ints("series", pieces.iter().map(|piece| i64::from(piece.series.code())))
        .ints("since", pieces.iter().map(|piece| piece.since))
        .ints("beyond", pieces.iter().map(|piece| piece.beyond))
}

/// The sums of what is kept by value, and by which one: a part of it, where doings are told apart.
macro_rules! by_value {
    () => {
        "SELECT CASE batch.by_doing WHEN 1 THEN substr(r.value, $2, $3) ELSE r.value END AS value, r.channel,
                CAST(SUM(batch.sign * r.grants) AS BIGINT), CAST(SUM(batch.sign * r.refusals) AS BIGINT),
                CAST(SUM(batch.sign * r.resets) AS BIGINT), CAST(SUM(batch.sign * r.opt_outs) AS BIGINT)"
    };
}

/// What was counted in signed pieces of a breakdown, by its values: what is kept by value.
pub async fn by_value(
    tx: &mut Tx,
    dimension: Dimension,
    pieces: &[(Piece, i64)],
) -> Result<Vec<(String, Channel, Counts)>, StoreError> {
    let (from, length) = dimension.in_doing();
    let sql = tx.dialect(
        concat!(by_value!(), " FROM {rows} CROSS JOIN rollups r
         WHERE r.business_id = $1 AND r.series = batch.series
           AND r.unit >= batch.since AND r.unit < batch.beyond
           AND r.value <> '' GROUP BY 1, 2"),
        concat!(by_value!(), " FROM {rows} CROSS JOIN LATERAL (
             SELECT value, channel, SUM(grants) AS grants, SUM(refusals) AS refusals, SUM(resets) AS resets,
                    SUM(opt_outs) AS opt_outs
             FROM rollups WHERE business_id = $1 AND series = batch.series
                AND unit >= batch.since AND unit < batch.beyond AND value <> ''
             GROUP BY value, channel
         ) AS r GROUP BY 1, 2"),
    );
    let (plain, signs): (Vec<Piece>, Vec<i64>) = pieces.iter().copied().unzip();
    let by_doing = plain.iter().map(|piece| i64::from(piece.series.is_by_doing()));
    let found = tx
        .scoped(sql)
        .plan_for_values()
        .bind(from)
        .bind(length)
        .rows(numbered(&plain).ints("sign", signs).ints("by_doing", by_doing))
        .fetch_all::<(String, i32, i64, i64, i64, i64)>()
        .await?;
    found
        .into_iter()
        .map(|(value, channel, grants, refusals, resets, opt_outs)| {
            let counts = Counts { grants, refusals, resets, opt_outs, ..Counts::default() };
            Ok((value, rows::channel(channel)?, counts))
        })
        .collect()
}

/// How many grants ran out in each bucket by `now`, and nobody has recorded it yet.
pub async fn due_in(
    tx: &mut Tx,
    buckets: &[Bucket],
    now: Timestamp,
) -> Result<Vec<(usize, Channel, i64)>, StoreError> {
    let found = tx
        .scoped(
            "SELECT batch.bucket, c.channel, COUNT(*)
             FROM {rows} CROSS JOIN consents c
             WHERE c.business_id = $1 AND c.state = 2 AND c.expires_at <= $2
               AND c.expires_at >= batch.since AND c.expires_at < batch.beyond
             GROUP BY batch.bucket, c.channel",
        )
        .plan_for_values()
        .bind(now.as_microsecond())
        .rows(
            Rows::new()
                .ints("bucket", (0_i64..).take(buckets.len()))
                .ints("since", buckets.iter().map(|bucket| bucket.start.as_microsecond()))
                .ints("beyond", buckets.iter().map(|bucket| bucket.end.as_microsecond())),
        )
        .fetch_all::<(i64, i32, i64)>()
        .await?;
    found
        .into_iter()
        .map(|(bucket, channel, n)| {
            Ok((usize::try_from(bucket).unwrap_or(usize::MAX), rows::channel(channel)?, n))
        })
        .collect()
}

/// Some of the kept counts, in the order of their keys, after `last`: for who compares them. What a later release counts
/// beside them, by a migration that this one may run beside, is left to it.
pub async fn kept(
    tx: &mut Tx,
    last: Option<&Spot>,
    most: i64,
) -> Result<Vec<(Spot, Counts)>, StoreError> {
    let found = tx
        .scoped(
            "SELECT series, unit, value, channel, CAST(changes AS BIGINT) AS changes,
                    CAST(grants AS BIGINT) AS grants, CAST(refusals AS BIGINT) AS refusals,
                    CAST(resets AS BIGINT) AS resets, CAST(opt_outs AS BIGINT) AS opt_outs,
                    CAST(not_set AS BIGINT) AS not_set, CAST(granted AS BIGINT) AS granted,
                    CAST(denied AS BIGINT) AS denied
             FROM rollups WHERE business_id = $1 AND (series, unit, value, channel) > ($2, $3, $4, $5)
               AND series <= $6
             ORDER BY series, unit, value, channel LIMIT $7",
        )
        .bind(last.map_or(-1, |spot| spot.series.code()))
        .bind(last.map_or(i64::MIN, |spot| spot.unit))
        .bind(last.map_or_else(String::new, |spot| spot.value.clone()))
        .bind(last.map_or(0, |spot| i32::from(spot.channel.code())))
        .bind(Series::ALL.last().map_or(0, |newest| newest.code()))
        .bind(most)
        .fetch_all::<KeptRow>()
        .await?;
    found.into_iter().map(KeptRow::read).collect()
}

#[derive(Debug, Record)]
struct KeptRow {
    series: i32,
    unit: i64,
    value: String,
    channel: i32,
    #[record(flatten)]
    counts: CountColumns,
}

impl KeptRow {
    fn read(self) -> Result<(Spot, Counts), StoreError> {
        let mut all = Series::ALL.into_iter();
        let series = all.find(|series| series.code() == self.series);
        let series = series.ok_or(StoreError::Unreadable("no series"))?;
        let channel = rows::channel(self.channel)?;
        Ok((Spot { series, unit: self.unit, value: self.value, channel }, self.counts.read()))
    }
}

/// Forgets all kept counts of the business: they are about to be counted anew.
pub async fn forget(tx: &mut Tx) -> Result<(), StoreError> {
    tx.scoped("DELETE FROM rollups WHERE business_id = $1").execute().await?;
    Ok(())
}

/// Forgets the totals, too.
pub async fn forget_totals(tx: &mut Tx) -> Result<(), StoreError> {
    tx.scoped("DELETE FROM totals WHERE business_id = $1").execute().await?;
    Ok(())
}
