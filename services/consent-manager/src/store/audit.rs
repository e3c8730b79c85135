//! The audit record: its end, its streams, its events.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use uuid::Uuid;
use yinyom_audit::{Act, Actor, AuditEvent};
use yinyom_db::{Rows, Tx};
use yinyom_kernel::{PageSize, from_micros};

use super::StoreError;
use super::rows::micros;
use crate::domain::{AuditFilter, AuditKind, Audited, subjects};

const MEMBER: i32 = 1;
const SERVICE: i32 = 2;
const OPERATOR: i32 = 3;

/// An event with its place.
#[derive(Debug)]
pub struct Placed {
    pub index: i64,
    pub event: AuditEvent,
}

/// What two events of one number are compared by.
pub fn fingerprint(act: &[u8]) -> [u8; 32] {
    Sha256::digest(act).into()
}

/// Locks the end of the audit record to the end of the transaction, and makes it if there is none. Index of the next
/// event.
pub async fn lock(tx: &mut Tx) -> Result<i64, StoreError> {
    let next = tx
        .scoped(
            "INSERT INTO audit_ends (business_id, next_index) VALUES ($1, 0)
             ON CONFLICT (business_id) DO UPDATE SET next_index = audit_ends.next_index
             RETURNING next_index",
        )
        .scalar()
        .await?;
    Ok(next)
}

/// The last number of each of a producer's streams; one that has not begun is left out.
pub async fn lasts(
    tx: &mut Tx,
    producer: &str,
    streams: &[Uuid],
) -> Result<HashMap<Uuid, i64>, StoreError> {
    let rows = tx
        .scoped(
            "SELECT stream_id, last_seq FROM audit_streams
             WHERE business_id = $1 AND producer = $2 AND stream_id IN {list}",
        )
        .bind(producer)
        .list(streams)
        .fetch_all::<(Uuid, i64)>()
        .await?;
    Ok(rows.into_iter().collect())
}

/// The fingerprints of a producer's events that are here already.
pub async fn known(
    tx: &mut Tx,
    producer: &str,
    events: &[(Uuid, i64)],
) -> Result<HashMap<Uuid, BTreeMap<i64, [u8; 32]>>, StoreError> {
    let rows = tx
        .scoped(
            // `CROSS JOIN` keeps SQLite from starting at the events.
            "SELECT e.stream_id, e.seq, e.act FROM {rows} CROSS JOIN audit_events e
             WHERE e.business_id = $1 AND e.producer = batch.producer
              AND e.stream_id = batch.stream_id AND e.seq = batch.seq",
        )
        .rows(
            Rows::new()
                .texts("producer", events.iter().map(|_| producer))
                .uuids("stream_id", events.iter().map(|(stream, _)| *stream))
                .ints("seq", events.iter().map(|(_, seq)| *seq)),
        )
        .fetch_all::<(Uuid, i64, Vec<u8>)>()
        .await?;
    let mut known: HashMap<Uuid, BTreeMap<i64, [u8; 32]>> = HashMap::new();
    for (stream, seq, act) in rows {
        known.entry(stream).or_default().insert(seq, fingerprint(&act));
    }
    Ok(known)
}

/// Appends events of a producer. Their indexes are the caller's, who holds the end locked and moves it on.
pub async fn append(
    tx: &mut Tx,
    producer: &str,
    placed: &[Placed],
    now: i64,
) -> Result<(), StoreError> {
    let acts: Vec<Vec<u8>> = placed.iter().map(|placed| placed.event.act.encode()).collect();
    let kinds = || placed.iter().map(|placed| kind(&placed.event.act));
    let actors = || placed.iter().map(|placed| actor(&placed.event.act.actor));
    let rows = Rows::new()
        .ints("kind", kinds())
        .ints("event_index", placed.iter().map(|placed| placed.index))
        .texts("producer", placed.iter().map(|_| producer))
        .uuids("stream_id", placed.iter().map(|placed| placed.event.stream))
        .ints("seq", placed.iter().map(|placed| placed.event.seq))
        .ints("recorded_at", placed.iter().map(|placed| placed.event.act.at.as_microsecond()))
        .ints("ingested_at", placed.iter().map(|_| now))
        .ints("actor_kind", actors().map(|(kind, ..)| i64::from(kind)))
        .uuids("actor_id", actors().map(|(_, id, _)| id))
        .texts("actor_name", actors().map(|(.., name)| name))
        .bytes("act", acts.iter().map(|act| &act[..]));
    tx.scoped(
        "INSERT INTO audit_events (business_id, kind, event_index, producer, stream_id, seq,
             recorded_at, ingested_at, actor_kind, actor_id, actor_name, act)
         SELECT $1, kind, event_index, producer, stream_id, seq,
             recorded_at, ingested_at, actor_kind, actor_id, actor_name, act FROM {rows}",
    )
    .rows(rows)
    .execute()
    .await?;
    let subjects: Vec<(i64, i64, Uuid)> = placed
        .iter()
        .flat_map(|Placed { index, event }| {
            subjects(&event.act).into_iter().map(|id| (kind(&event.act), *index, id))
        })
        .collect();
    for some in subjects.chunks(1_000) {
        tx.scoped(
            "INSERT INTO audit_subjects (business_id, kind, subject_id, event_index)
             SELECT $1, kind, subject_id, event_index FROM {rows}",
        )
        .rows(
            Rows::new()
                .ints("kind", some.iter().map(|(kind, ..)| *kind))
                .uuids("subject_id", some.iter().map(|(.., id)| *id))
                .ints("event_index", some.iter().map(|(_, index, _)| *index)),
        )
        .execute()
        .await?;
    }
    Ok(())
}

/// Moves the end of the record and of a producer's streams on.
pub async fn advance(
    tx: &mut Tx,
    producer: &str,
    events: i64,
    streams: &[(Uuid, i64)],
) -> Result<(), StoreError> {
    tx.scoped("UPDATE audit_ends SET next_index = next_index + $2 WHERE business_id = $1")
        .bind(events)
        .execute()
        .await?;
    tx.scoped(
        "INSERT INTO audit_streams (business_id, producer, stream_id, last_seq)
         SELECT $1, producer, stream_id, last_seq FROM {rows} WHERE true
         ON CONFLICT (business_id, producer, stream_id) DO UPDATE SET last_seq = excluded.last_seq",
    )
    .rows(
        Rows::new()
            .texts("producer", streams.iter().map(|_| producer))
            .uuids("stream_id", streams.iter().map(|(stream, _)| *stream))
            .ints("last_seq", streams.iter().map(|(_, last)| *last)),
    )
    .execute()
    .await?;
    Ok(())
}

/// Events that match `filter`, newest first, before the one at index `before`.
pub async fn page(
    tx: &mut Tx,
    filter: &AuditFilter,
    before: Option<i64>,
    size: PageSize,
) -> Result<Vec<Audited>, StoreError> {
    let (kind, id, name) = match &filter.actor {
        None => (None, None, None),
        Some(wanted) => {
            let (kind, id, name) = actor(wanted);
            (Some(kind), id, name.map(str::to_owned))
        }
    };
    // Which way in is best depends on what is asked, so the plan is made for the values.
    let rows = tx
        .scoped(
            "SELECT e.event_index, e.ingested_at, e.act FROM audit_events e
             WHERE e.business_id = $1 AND e.kind = $2 AND e.event_index < $3
               AND ($4 IS NULL OR e.event_index IN (
                   SELECT s.event_index FROM audit_subjects s
                   WHERE s.business_id = $1 AND s.kind = $2 AND s.subject_id = $4
               ))
               AND ($5 IS NULL OR e.actor_kind = $5)
               AND ($6 IS NULL OR e.actor_id = $6)
               AND ($7 IS NULL OR e.actor_name = $7)
               AND ($8 IS NULL OR e.recorded_at >= $8)
               AND ($9 IS NULL OR e.recorded_at < $9)
             ORDER BY e.event_index DESC LIMIT $10",
        )
        .bind(filter.kind.code())
        .bind(before.unwrap_or(i64::MAX))
        .bind(filter.subject)
        .bind(kind)
        .bind(id)
        .bind(name)
        .bind(micros(filter.since))
        .bind(micros(filter.before))
        .bind(size.fetch())
        .plan_for_values()
        .fetch_all::<(i64, i64, Vec<u8>)>()
        .await?;
    rows.into_iter()
        .map(|(index, ingested_at, act)| {
            let act = Act::decode(&act).map_err(|_| StoreError::Unreadable("no audit event"))?;
            Ok(Audited { index, ingested_at: from_micros(ingested_at), act })
        })
        .collect()
}

fn kind(act: &Act) -> i64 {
    AuditKind::of(act).code().into()
}

fn actor(actor: &Actor) -> (i32, Option<Uuid>, Option<&str>) {
    match actor {
        Actor::Member { member, .. } => (MEMBER, Some(member.uuid()), None),
        Actor::Service { name } => (SERVICE, None, Some(name)),
        Actor::Operator { name } => (OPERATOR, None, Some(name)),
    }
}
