//! Kept counts: current totals, and transitions by quarter of an hour. What they do not know, the clock, is asked of
//! the current consents (TRAPS 19).

use jiff::Timestamp;
use yinyom_consent::{Channel, ConsentState};
use yinyom_db::{Rows, Tx};

use super::StoreError;
use super::rows::{self, optional_state, state_or_zero};
use crate::domain::{Bucket, QUARTER_MICROS, Tally};

/// A channel's transition in a bucket, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Number of the bucket.
    pub bucket: usize,
    pub channel: Channel,
    pub from: Option<ConsentState>,
    pub to: Option<ConsentState>,
    pub times: i64,
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
    let moves: Vec<_> = tally.transitions().collect();
    if !moves.is_empty() {
        tx.scoped(
            "INSERT INTO transitions (business_id, quarter, channel, from_state, to_state, times)
             SELECT $1, quarter, channel, from_state, to_state, times FROM {rows} WHERE true
             ON CONFLICT (business_id, quarter, channel, from_state, to_state)
             DO UPDATE SET times = transitions.times + excluded.times",
        )
        .rows(
            Rows::new()
                .ints("quarter", moves.iter().map(|(at, _)| at.quarter))
                .ints("channel", moves.iter().map(|(at, _)| i64::from(at.channel.code())))
                .ints("from_state", moves.iter().map(|(at, _)| state_or_zero(at.from)))
                .ints("to_state", moves.iter().map(|(at, _)| state_or_zero(at.to)))
                .ints("times", moves.iter().map(|(_, n)| *n)),
        )
        .execute()
        .await?;
    }
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

/// What happened in each bucket, as recorded.
pub async fn transitions(tx: &mut Tx, buckets: &[Bucket]) -> Result<Vec<Counted>, StoreError> {
    // A bucket starts with a quarter in every zone of today. The offsets of a hundred years ago did not: there a
    // quarter counts where its first instant is.
    let quarter = |at: Timestamp| {
        at.as_microsecond().div_euclid(QUARTER_MICROS)
            + i64::from(at.as_microsecond().rem_euclid(QUARTER_MICROS) != 0)
    };
    let found = tx
        .scoped(
            "SELECT batch.bucket, t.channel, t.from_state, t.to_state, CAST(SUM(t.times) AS BIGINT)
             FROM {rows} JOIN transitions t
               ON t.business_id = $1 AND t.quarter >= batch.since AND t.quarter < batch.beyond
             GROUP BY batch.bucket, t.channel, t.from_state, t.to_state",
        )
        .rows(spans(buckets, quarter))
        .fetch_all::<(i64, i32, i32, i32, i64)>()
        .await?;
    found
        .into_iter()
        .map(|(bucket, channel, from, to, times)| {
            Ok(Counted {
                bucket: usize::try_from(bucket).unwrap_or(usize::MAX),
                channel: rows::channel(channel)?,
                from: optional_state(from)?,
                to: optional_state(to)?,
                times,
            })
        })
        .collect()
}

/// How many grants ran out in each bucket, by `now`, and nobody has recorded it yet.
pub async fn due_in(
    tx: &mut Tx,
    buckets: &[Bucket],
    now: Timestamp,
) -> Result<Vec<Counted>, StoreError> {
    let found = tx
        .scoped(
            "SELECT batch.bucket, c.channel, COUNT(*)
             FROM {rows} JOIN consents c
               ON c.business_id = $1 AND c.state = 2 AND c.expires_at <= $2
                  AND c.expires_at >= batch.since AND c.expires_at < batch.beyond
             GROUP BY batch.bucket, c.channel",
        )
        .bind(now.as_microsecond())
        .rows(spans(buckets, Timestamp::as_microsecond))
        .fetch_all::<(i64, i32, i64)>()
        .await?;
    found
        .into_iter()
        .map(|(bucket, channel, times)| {
            Ok(Counted {
                bucket: usize::try_from(bucket).unwrap_or(usize::MAX),
                channel: rows::channel(channel)?,
                from: Some(ConsentState::Granted),
                to: Some(ConsentState::NotSet),
                times,
            })
        })
        .collect()
}

fn spans(buckets: &[Bucket], unit: impl Fn(Timestamp) -> i64) -> Rows<'static> {
    Rows::new()
        .ints("bucket", (0_i64..).take(buckets.len()))
        .ints("since", buckets.iter().map(|bucket| unit(bucket.start)))
        .ints("beyond", buckets.iter().map(|bucket| unit(bucket.end)))
}
