//! The way out of a producer: numbers, and an outbox apart from that of consent changes.

use uuid::Uuid;
use yinyom_db::{DbError, Tx};
use yinyom_kernel::BusinessId;
use yinyom_outbox::{Event, Outbox};

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

/// Numbers `acts` of the business of `tx`, in their order, and puts them into the outbox ([`Outbox::append`]): some hundreds
/// at most. The lock on the number is held to the end of the unit of work, so numbers are without a gap and are committed in
/// their order (TRAPS 1). Afterwards wake the relay with [`stream`].
pub async fn append(tx: &mut Tx, acts: &[Act]) -> Result<(), DbError> {
    let stream = stream(tx.scope()?.business());
    let trace_parent = yinyom_telemetry::trace_parent();
    let event = |(seq, act): (i64, &Act)| Event {
        stream,
        seq,
        payload: act.encode().into(),
        created_at: act.at,
        trace_parent: trace_parent.clone(),
    };
    OUTBOX.append(tx, (1..).zip(acts).map(event).collect()).await
}
