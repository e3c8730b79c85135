//! The way out of a producer: numbers, and an outbox apart from that of consent changes.

use uuid::Uuid;
use yinyom_db::{DbError, Rows, Tx};
use yinyom_kernel::BusinessId;
use yinyom_outbox::{Event, GRACE, Outbox};

use crate::Act;

/// Where audit events wait. In tables of their own: what piles up here delays nothing else.
pub const OUTBOX: Outbox = Outbox::prefixed("audit_", "audit-outbox-sweep");

/// The tables, for a producer's migrations on SQLite. `task_leases` are needed, too.
pub const SQLITE_TABLES: [&str; 2] = [
    include_str!("../migrations/sqlite/1_audit_outbox.sql"),
    include_str!("../migrations/sqlite/2_audit_payloads.sql"),
];

/// The tables, for a producer's migrations on PostgreSQL. `task_leases` are needed, too.
pub const POSTGRES_TABLES: [&str; 4] = [
    include_str!("../migrations/postgres/1_audit_outbox.sql"),
    include_str!("../migrations/postgres/2_audit_payloads.sql"),
    include_str!("../migrations/postgres/3_audit_forget.sql"),
    include_str!("../migrations/postgres/4_audit_due_soon.sql"),
];

/// The stream of a business. A producer has one for each: the order in which things happened is told by it.
pub const fn stream(business: BusinessId) -> Uuid {
    business.uuid()
}

/// Numbers `acts` of the business of `tx`, in their order, and puts them into the outbox: some hundreds at most, in one
/// statement on PostgreSQL ([`yinyom_db::Db::write_at_once`]). The lock on the number is held to the end of the unit of work, so
/// numbers are without a gap and are committed in their order (TRAPS 1). Afterwards wake the relay with [`stream`].
pub async fn append(tx: &mut Tx, acts: &[Act]) -> Result<(), DbError> {
    if acts.is_empty() {
        return Ok(());
    }
    let more = i64::try_from(acts.len()).unwrap_or(i64::MAX);
    if tx.is_postgres() {
        return append_on_postgres(tx, acts, more).await;
    }
    let business = tx.scope()?.business();
    let last: i64 = tx
        .scoped(
            "INSERT INTO audit_heads (business_id, last_seq) VALUES ($1, $2)
             ON CONFLICT (business_id) DO UPDATE SET last_seq = audit_heads.last_seq + $2
             RETURNING last_seq",
        )
        .bind(more)
        .scalar()
        .await?;
    let events: Vec<_> = (last - more + 1..)
        .zip(acts)
        .map(|(seq, act)| Event {
            stream: stream(business),
            seq,
            payload: act.encode().into(),
            created_at: act.at,
            trace_parent: yinyom_telemetry::trace_parent(),
        })
        .collect();
    OUTBOX.enqueue(tx, &events).await
}

/// [`append`], and [`Outbox::enqueue`] with the numbers that it takes.
async fn append_on_postgres(tx: &mut Tx, acts: &[Act], more: i64) -> Result<(), DbError> {
    let (payloads, trace_parent): (Vec<_>, _) =
        (acts.iter().map(Act::encode).collect(), yinyom_telemetry::trace_parent());
    let created = |act: &Act| act.at.as_microsecond();
    let grace = i64::try_from(GRACE.as_micros()).unwrap_or(i64::MAX);
    tx.scoped(
        "WITH head AS (
             INSERT INTO audit_heads (business_id, last_seq) VALUES ($1, $2)
             ON CONFLICT (business_id) DO UPDATE SET last_seq = audit_heads.last_seq + $2
             RETURNING last_seq
         ), event AS (
             SELECT head.last_seq - batch.before_last AS seq, batch.* FROM {rows} CROSS JOIN head
         ), said AS (
             INSERT INTO audit_outbox_payloads (business_id, stream_id, seq, payload, trace_parent)
             SELECT $1, $1, seq, payload, trace_parent FROM event
         )
         INSERT INTO audit_outbox (business_id, stream_id, seq, created_at, due_at)
         SELECT $1, $1, seq, created_at, due_at FROM event",
    )
    .bind(more)
    .rows(
        Rows::new()
            .ints("before_last", (0..more).rev())
            .bytes("payload", payloads.iter().map(|payload: &Vec<u8>| &payload[..]))
            .texts("trace_parent", acts.iter().map(|_| trace_parent.as_deref()))
            .ints("created_at", acts.iter().map(created))
            .ints("due_at", acts.iter().map(|act| created(act).saturating_add(grace))),
    )
    .execute()
    .await
    .map(drop)
}
