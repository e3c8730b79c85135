//! What a service does with the outbox in its own units of work: put events in, look, try again.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_db::{DbError, Rows, Tx};
use yinyom_kernel::from_micros;

use crate::{Event, Outbox};

/// The tables, for a service's migrations on SQLite.
pub const SQLITE_TABLES: [&str; 2] = [
    include_str!("../migrations/sqlite/1_outbox.sql"),
    include_str!("../migrations/sqlite/2_payloads.sql"),
];

/// The tables, for a service's migrations on PostgreSQL.
pub const POSTGRES_TABLES: [&str; 4] = [
    include_str!("../migrations/postgres/1_outbox.sql"),
    include_str!("../migrations/postgres/2_payloads.sql"),
    include_str!("../migrations/postgres/3_forget.sql"),
    include_str!("../migrations/postgres/4_due_soon.sql"),
];

/// How long the replica that committed an event has it to itself, before the sweep takes it.
pub const GRACE: Duration = Duration::from_secs(1);

/// The most quarantined streams that [`status`] tells of.
const MOST_QUARANTINED: i64 = 1_000;

/// The most streams that one [`retry_all`] frees.
pub const MOST_RETRIED: usize = 1_000;

/// What waits in a business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How many events wait, those of quarantined streams included.
    pub backlog: u64,
    /// When the oldest of them was committed.
    pub oldest: Option<Timestamp>,
    /// Streams that are not sent until somebody says [`retry`]; oldest first, 1,000 at most.
    pub quarantined: Vec<Quarantined>,
}

/// A stream that the receiver refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Which stream.
    pub stream: Uuid,
    /// The first event that was not taken.
    pub seq: i64,
    /// Why: the receiver's reason, or `GAP` if it lacks an event that is no longer here.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// Puts what `event` is into both tables at once, on PostgreSQL.
macro_rules! into_both {
    ($event:literal) => {
        concat!(
            "WITH ",
            $event,
            ", said AS (
                 INSERT INTO outbox_payloads (business_id, stream_id, seq, payload, trace_parent)
                 SELECT $1, stream_id, seq, payload, trace_parent FROM event
             )
             INSERT INTO outbox (business_id, stream_id, seq, created_at, due_at)
             SELECT $1, stream_id, seq, created_at, due_at FROM event"
        )
    };
}

impl Outbox {
    /// Adds `events` to the business of `tx`, in one statement: some hundreds at most. Once the unit of
    /// work is committed, wake the relay ([`crate::RelayHandle::wake`]).
    ///
    /// The caller raised each stream's number in this same unit of work; the lock on the row that holds
    /// the number makes numbers gap-free and visible in their order (TRAPS 1).
    pub async fn enqueue(self, tx: &mut Tx, events: &[Event]) -> Result<(), DbError> {
        if events.is_empty() {
            return Ok(());
        }
        if tx.is_postgres() {
            let both = into_both!("event AS (SELECT * FROM {rows})");
            return tx.scoped(self.sql(both)).rows(all(events)).execute().await.map(drop);
        }
        tx.scoped(self.sql(
            "INSERT INTO outbox_payloads (business_id, stream_id, seq, payload, trace_parent)
             SELECT $1, stream_id, seq, payload, trace_parent FROM {rows}",
        ))
        .rows(payloads(keys(events), events))
        .execute()
        .await?;
        tx.scoped(self.sql(
            "INSERT INTO outbox (business_id, stream_id, seq, created_at, due_at)
             SELECT $1, stream_id, seq, created_at, due_at FROM {rows}",
        ))
        .rows(times(keys(events), events))
        .execute()
        .await
        .map(drop)
    }

    /// [`Self::enqueue`] of the next events of a business that has one stream alone: the last number is raised in the table
    /// `PREFIX_heads`, and `seq` of each, from 1 on, is added to what it was. On PostgreSQL that is one statement
    /// ([`yinyom_db::Db::write_at_once`]).
    pub async fn append(self, tx: &mut Tx, mut events: Vec<Event>) -> Result<(), DbError> {
        if events.is_empty() {
            return Ok(());
        }
        let more = i64::try_from(events.len()).unwrap_or(i64::MAX);
        if tx.is_postgres() {
            let both = into_both!(
                "head AS (
                     INSERT INTO {heads} AS heads (business_id, last_seq) VALUES ($1, $2)
                     ON CONFLICT (business_id) DO UPDATE SET last_seq = heads.last_seq + $2
                     RETURNING last_seq
                 ), event AS (
                     SELECT stream_id, head.last_seq - $2 + batch.seq AS seq, payload, trace_parent,
                         created_at, due_at
                     FROM {rows} CROSS JOIN head
                 )"
            );
            let both = tx.scoped(self.sql(both)).bind(more);
            return both.rows(all(&events)).execute().await.map(drop);
        }
        let last: i64 = tx
            .scoped(self.sql(
                "INSERT INTO {heads} AS heads (business_id, last_seq) VALUES ($1, $2)
                 ON CONFLICT (business_id) DO UPDATE SET last_seq = heads.last_seq + $2
                 RETURNING last_seq",
            ))
            .bind(more)
            .scalar()
            .await?;
        for event in &mut events {
            event.seq += last - more;
        }
        self.enqueue(tx, &events).await
    }

    /// What waits in the business of `tx`. Counts its rows.
    pub async fn status(self, tx: &mut Tx) -> Result<Status, DbError> {
        let (backlog, oldest) = tx
            .scoped(self.sql("SELECT COUNT(*), MIN(created_at) FROM outbox WHERE business_id = $1"))
            .fetch_one::<(i64, Option<i64>)>()
            .await?;
        let quarantined = tx
            .scoped(self.sql(
                "SELECT stream_id, seq, reason, quarantined_at FROM outbox_stalls
                 WHERE business_id = $1 AND quarantined_at IS NOT NULL
                 ORDER BY quarantined_at, stream_id LIMIT $2",
            ))
            .bind(MOST_QUARANTINED)
            .fetch_all::<(Uuid, i64, String, i64)>()
            .await?;
        let quarantined = quarantined.into_iter().map(|(stream, seq, reason, since)| Quarantined {
            stream,
            seq,
            reason,
            since: from_micros(since),
        });
        Ok(Status {
            backlog: u64::try_from(backlog).unwrap_or_default(),
            oldest: oldest.map(from_micros),
            quarantined: quarantined.collect(),
        })
    }

    /// Ends the quarantine of `streams` in the business of `tx`; how many were in it. They are sent by
    /// the next sweep, or at once if the relay is woken after the commit.
    pub async fn retry(self, tx: &mut Tx, streams: &[Uuid]) -> Result<u64, DbError> {
        let freed = tx
            .scoped(self.sql(
                "DELETE FROM outbox_stalls
                 WHERE business_id = $1 AND quarantined_at IS NOT NULL AND stream_id IN {list}",
            ))
            .list(streams)
            .execute()
            .await?;
        if freed > 0 {
            self.make_due(tx, streams).await?;
        }
        Ok(freed)
    }

    /// Like [`Self::retry`], of the streams of the business of `tx` that were in quarantine at `before`: of the first
    /// [`MOST_RETRIED`] of them, which are returned. If there are so many, say it again.
    pub async fn retry_all(self, tx: &mut Tx, before: Timestamp) -> Result<Vec<Uuid>, DbError> {
        let most = i64::try_from(MOST_RETRIED).unwrap_or(i64::MAX);
        let freed = tx
            .scoped(self.sql(
                "DELETE FROM outbox_stalls WHERE business_id = $1 AND stream_id IN (
                     SELECT stream_id FROM outbox_stalls
                     WHERE business_id = $1 AND quarantined_at <= $2
                     ORDER BY quarantined_at, stream_id LIMIT $3
                 ) RETURNING stream_id",
            ))
            .bind(before.as_microsecond())
            .bind(most)
            .scalars::<Uuid>()
            .await?;
        if !freed.is_empty() {
            self.make_due(tx, &freed).await?;
        }
        Ok(freed)
    }

    async fn make_due(self, tx: &mut Tx, streams: &[Uuid]) -> Result<(), DbError> {
        tx.scoped(self.sql(
            "UPDATE outbox SET due_at = created_at WHERE business_id = $1 AND stream_id IN {list}",
        ))
        .list(streams)
        .execute()
        .await
        .map(drop)
    }
}

fn all(events: &[Event]) -> Rows<'_> {
    times(payloads(keys(events), events), events)
}

fn keys(events: &[Event]) -> Rows<'_> {
    Rows::new()
        .uuids("stream_id", events.iter().map(|e| e.stream))
        .ints("seq", events.iter().map(|e| e.seq))
}

fn payloads<'e>(rows: Rows<'e>, events: &'e [Event]) -> Rows<'e> {
    rows.bytes("payload", events.iter().map(|e| &e.payload[..]))
        .texts("trace_parent", events.iter().map(|e| e.trace_parent.as_deref()))
}

fn times<'e>(rows: Rows<'e>, events: &'e [Event]) -> Rows<'e> {
    let created = |event: &Event| event.created_at.as_microsecond();
    rows.ints("created_at", events.iter().map(created))
        .ints("due_at", events.iter().map(|e| created(e).saturating_add(micros(GRACE))))
}

/// [`Outbox::enqueue`] of [`Outbox::MAIN`].
pub async fn enqueue(tx: &mut Tx, events: &[Event]) -> Result<(), DbError> {
    Outbox::MAIN.enqueue(tx, events).await
}

/// [`Outbox::status`] of [`Outbox::MAIN`].
pub async fn status(tx: &mut Tx) -> Result<Status, DbError> {
    Outbox::MAIN.status(tx).await
}

/// [`Outbox::retry`] of [`Outbox::MAIN`].
pub async fn retry(tx: &mut Tx, streams: &[Uuid]) -> Result<u64, DbError> {
    Outbox::MAIN.retry(tx, streams).await
}

/// [`Outbox::retry_all`] of [`Outbox::MAIN`].
pub async fn retry_all(tx: &mut Tx, before: Timestamp) -> Result<Vec<Uuid>, DbError> {
    Outbox::MAIN.retry_all(tx, before).await
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
