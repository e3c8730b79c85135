//! What the relay reads and marks: rows that are not known to have arrived.
//!
//! Everything is read lowest number first, stream by stream; there is no cursor that could pass over
//! a row that is committed late (TRAPS 1).

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use yinyom_db::{DbError, Record, Rows, Tx};
use yinyom_kernel::from_micros;

use crate::verdict::{Stall, Verdict};
use crate::{Event, Outbox};

/// `next_attempt_at` of a quarantined stream, and `due_at` of its events. Statements that ask what is due say that it is less:
/// PostgreSQL then knows that the index will do.
pub(crate) const NEVER: i64 = i64::MAX;

/// The first events of a stream, as many as `events`, are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) stream: Uuid,
    pub(crate) events: i64,
}

/// What was found of the streams that were wanted.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// To be sent: by stream, and in a stream in order.
    pub(crate) events: Vec<Event>,
    /// How often a stream of these has failed, where it has.
    pub(crate) attempts: BTreeMap<Uuid, i64>,
    /// Not to be sent now: quarantined, or not yet to be tried again.
    pub(crate) stalled: BTreeSet<Uuid>,
    /// Streams that may have more than was read.
    pub(crate) unread: Vec<Uuid>,
}

#[derive(Record)]
struct Row {
    stream_id: Uuid,
    seq: i64,
    payload: Vec<u8>,
    trace_parent: Option<String>,
    created_at: i64,
    attempts: Option<i64>,
    next_attempt_at: Option<i64>,
}

/// Businesses after `after` in which something is due, in order, up to `most`. Hops from business to
/// business, so that what one of them has a million of costs no more than one row.
pub(crate) async fn businesses(
    of: Outbox,
    tx: &mut Tx,
    after: Uuid,
    now: i64,
    most: i64,
) -> Result<Vec<Uuid>, DbError> {
    tx.query(of.sql(
        "WITH RECURSIVE hop (id) AS (
             SELECT (SELECT o.business_id FROM outbox o WHERE o.business_id > $1
                     ORDER BY o.business_id LIMIT 1)
             UNION ALL
             SELECT (SELECT o.business_id FROM outbox o WHERE o.business_id > hop.id
                     ORDER BY o.business_id LIMIT 1)
             FROM hop WHERE hop.id IS NOT NULL
         )
         SELECT hop.id FROM hop
         WHERE hop.id IS NOT NULL
           AND EXISTS (SELECT 1 FROM outbox o WHERE o.business_id = hop.id AND o.due_at <= $2
                       AND o.due_at < 9223372036854775807)
         LIMIT $3",
    ))
    .bind(after)
    .bind(now)
    .bind(most)
    .scalars()
    .await
}

/// The streams of the `most` events of this business that have been due longest.
pub(crate) async fn due(
    of: Outbox,
    tx: &mut Tx,
    now: i64,
    most: i64,
) -> Result<Vec<Wanted>, DbError> {
    let streams = tx
        .scoped(of.sql(
            "SELECT stream_id, COUNT(*) FROM (
                 SELECT stream_id FROM outbox WHERE business_id = $1 AND due_at <= $2
                     AND due_at < 9223372036854775807
                 ORDER BY due_at LIMIT $3
             ) AS oldest GROUP BY stream_id",
        ))
        .bind(now)
        .bind(most)
        .fetch_all::<(Uuid, i64)>()
        .await?;
    Ok(streams.into_iter().map(|(stream, events)| Wanted { stream, events }).collect())
}

/// `CROSS JOIN` keeps SQLite from starting at the outbox, and `LEFT JOIN` from starting at the payloads, of which a
/// stream may have a million.
const READ_SQLITE: &str = "SELECT o.stream_id, o.seq, p.payload, p.trace_parent, o.created_at,
        s.attempts, s.next_attempt_at
    FROM (
        SELECT batch.stream_id, batch.events, (
            SELECT MIN(h.seq) FROM outbox h
            WHERE h.business_id = $1 AND h.stream_id = batch.stream_id
        ) AS head
        FROM {rows}
    ) AS w
    CROSS JOIN outbox o
    LEFT JOIN outbox_payloads p
        ON p.business_id = $1 AND p.stream_id = o.stream_id AND p.seq = o.seq
    LEFT JOIN outbox_stalls s ON s.business_id = $1 AND s.stream_id = o.stream_id
    WHERE o.business_id = $1 AND o.stream_id = w.stream_id
        AND o.seq >= w.head AND o.seq < w.head + w.events
    ORDER BY o.stream_id, o.seq LIMIT $2";

/// Stream by stream and event by event, by the key. The table is empty most of the time, and what a planner knows of it
/// is of such a time: left alone, it reads all that a business has waiting, a million rows for each batch.
const READ_POSTGRES: &str = "SELECT o.stream_id, o.seq, p.payload, p.trace_parent, o.created_at,
        s.attempts, s.next_attempt_at
    FROM {rows}
    CROSS JOIN LATERAL (
        SELECT e.stream_id, e.seq, e.created_at FROM outbox e
        WHERE e.business_id = $1 AND e.stream_id = batch.stream_id
        ORDER BY e.seq LIMIT batch.events
    ) AS o
    LEFT JOIN LATERAL (
        SELECT e.payload, e.trace_parent FROM outbox_payloads e
        WHERE e.business_id = $1 AND e.stream_id = o.stream_id AND e.seq = o.seq OFFSET 0
    ) AS p ON true
    LEFT JOIN LATERAL (
        SELECT e.attempts, e.next_attempt_at FROM outbox_stalls e
        WHERE e.business_id = $1 AND e.stream_id = o.stream_id OFFSET 0
    ) AS s ON true
    ORDER BY o.stream_id, o.seq LIMIT $2";

/// The first events of streams, `most` in all, from the lowest number that is here.
pub(crate) async fn read(
    of: Outbox,
    tx: &mut Tx,
    wanted: &[Wanted],
    now: i64,
    most: i64,
) -> Result<Found, DbError> {
    let rows = tx
        .scoped(of.sql(tx.dialect(READ_SQLITE, READ_POSTGRES)))
        .bind(most)
        .rows(
            Rows::new()
                .uuids("stream_id", wanted.iter().map(|w| w.stream))
                .ints("events", wanted.iter().map(|w| w.events)),
        )
        .fetch_all::<Row>()
        .await?;
    let mut found = Found { unread: unread(wanted, &rows, most), ..Found::default() };
    for row in rows {
        if row.next_attempt_at.is_some_and(|next| next > now) {
            found.stalled.insert(row.stream_id);
            continue;
        }
        if let Some(attempts) = row.attempts {
            found.attempts.insert(row.stream_id, attempts);
        }
        found.events.push(Event {
            stream: row.stream_id,
            seq: row.seq,
            payload: row.payload.into(),
            created_at: from_micros(row.created_at),
            trace_parent: row.trace_parent,
        });
    }
    Ok(found)
}

/// Which of the `wanted` streams `rows`, of which there are `most` at most, may not hold all of.
fn unread(wanted: &[Wanted], rows: &[Row], most: i64) -> Vec<Uuid> {
    let mut counts = BTreeMap::<Uuid, i64>::new();
    for row in rows {
        *counts.entry(row.stream_id).or_default() += 1;
    }
    let cut = usize::try_from(most).is_ok_and(|most| rows.len() >= most);
    let last = rows.last().filter(|_| cut).map(|row| row.stream_id);
    let whole = |w: &&Wanted| {
        let count = counts.get(&w.stream).copied().unwrap_or_default();
        count < w.events && last.is_none_or(|last| w.stream < last)
    };
    wanted.iter().filter(|w| !whole(w)).map(|w| w.stream).collect()
}

/// Takes events out of the sweep's way that joined a stalled stream after it stalled.
pub(crate) async fn park(of: Outbox, tx: &mut Tx, streams: &[Uuid]) -> Result<(), DbError> {
    // `COALESCE`: the stall may have been cleared since.
    tx.scoped(of.sql(
        "UPDATE outbox SET due_at = COALESCE((
             SELECT s.next_attempt_at FROM outbox_stalls s
             WHERE s.business_id = $1 AND s.stream_id = outbox.stream_id
         ), due_at)
         WHERE business_id = $1 AND stream_id IN {list}",
    ))
    .list(streams)
    .execute()
    .await
    .map(drop)
}

/// Writes down what became of a delivery; how many events it deleted. If all is well, that is one statement on PostgreSQL.
pub(crate) async fn mark(
    of: Outbox,
    tx: &mut Tx,
    verdict: &Verdict,
    now: i64,
) -> Result<u64, DbError> {
    let forgotten = match &verdict.recorded[..] {
        [] => 0,
        recorded => forget(of, tx, recorded).await?,
    };
    if !verdict.recovered.is_empty() {
        tx.scoped(
            of.sql("DELETE FROM outbox_stalls WHERE business_id = $1 AND stream_id IN {list}"),
        )
        .list(&verdict.recovered)
        .execute()
        .await?;
    }
    if !verdict.stalls.is_empty() {
        stall(of, tx, &verdict.stalls, now).await?;
        let streams: Vec<Uuid> = verdict.stalls.iter().map(|s| s.stream).collect();
        park(of, tx, &streams).await?;
    }
    Ok(forgotten)
}

/// Deletes events that arrived; how many.
async fn forget(of: Outbox, tx: &mut Tx, recorded: &[(Uuid, i64)]) -> Result<u64, DbError> {
    let rows = || {
        Rows::new()
            .uuids("stream_id", recorded.iter().map(|(stream, _)| *stream))
            .ints("seq", recorded.iter().map(|(_, seq)| *seq))
    };
    if tx.is_postgres() {
        let both = "SELECT forget_outbox($1, array_agg(stream_id), array_agg(seq)) FROM {rows}";
        let forgotten = tx.scoped(of.sql(both)).rows(rows()).scalar::<i64>().await?;
        return Ok(forgotten.unsigned_abs());
    }
    tx.scoped(of.sql(
        "DELETE FROM outbox_payloads WHERE (business_id, stream_id, seq) IN (
             SELECT $1, stream_id, seq FROM {rows}
         )",
    ))
    .rows(rows())
    .execute()
    .await?;
    tx.scoped(of.sql(
        "DELETE FROM outbox WHERE (business_id, stream_id, seq) IN (
             SELECT $1, stream_id, seq FROM {rows}
         )",
    ))
    .rows(rows())
    .execute()
    .await
}

/// Notes streams that were not taken, if they still wait: another relay may have had more luck.
async fn stall(of: Outbox, tx: &mut Tx, stalls: &[Stall], now: i64) -> Result<(), DbError> {
    let next = |stall: &Stall| stall.pause.map_or(NEVER, |pause| now.saturating_add(pause));
    tx.scoped(of.sql(
        "INSERT INTO outbox_stalls
             (business_id, stream_id, seq, reason, attempts, next_attempt_at, quarantined_at)
         SELECT $1, batch.stream_id, batch.seq, batch.reason, batch.attempts,
                batch.next_attempt_at, batch.quarantined_at
         FROM {rows}
         WHERE EXISTS (
             SELECT 1 FROM outbox o
             WHERE o.business_id = $1 AND o.stream_id = batch.stream_id AND o.seq = batch.seq
         )
         ON CONFLICT (business_id, stream_id) DO UPDATE SET
             seq = excluded.seq, reason = excluded.reason, attempts = excluded.attempts,
             next_attempt_at = excluded.next_attempt_at, quarantined_at = excluded.quarantined_at",
    ))
    .rows(
        Rows::new()
            .uuids("stream_id", stalls.iter().map(|s| s.stream))
            .ints("seq", stalls.iter().map(|s| s.seq))
            .texts("reason", stalls.iter().map(|s| s.reason))
            .ints("attempts", stalls.iter().map(|s| s.attempts))
            .ints("next_attempt_at", stalls.iter().map(next))
            .ints("quarantined_at", stalls.iter().map(|s| s.pause.is_none().then_some(now))),
    )
    .execute()
    .await
    .map(drop)
}

#[cfg(test)]
mod tests;
