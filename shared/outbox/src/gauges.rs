//! What waits in an outbox, for whoever watches the service from outside. The replica that sweeps tells it for all.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::{KeyValue, global};
use tokio::time::Instant;
use yinyom_db::{Db, DbError, Record};

use crate::Outbox;
use crate::undelivered::NEVER;

/// How often the table is looked at.
const EVERY: Duration = Duration::from_secs(10);

/// More rows than this are not counted: what is so far behind is known to be.
const MOST: i64 = 100_000;

/// What was found at the last look; nothing where another replica looks.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    found: Arc<Mutex<Option<Found>>>,
    next: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Record)]
pub(crate) struct Found {
    pub(crate) backlog: i64,
    /// In microseconds since 1970.
    pub(crate) oldest: Option<i64>,
    pub(crate) quarantined: i64,
}

impl Gauges {
    /// Tells what was found for as long as it is kept. `now` in microseconds since 1970.
    pub(crate) fn register(&self, outbox: Outbox, now: impl Fn() -> i64 + Send + Sync + 'static) {
        let now = Arc::new(now);
        let age = move |found: Found| {
            let oldest = found.oldest.map(|oldest| now().saturating_sub(oldest).max(0));
            lossy(oldest.unwrap_or_default()) / 1e6
        };
        let of = KeyValue::new("outbox", outbox.name());
        self.gauge("yinyom.outbox.backlog", "{event}", of.clone(), |found| lossy(found.backlog));
        self.gauge("yinyom.outbox.oldest.age", "s", of.clone(), age);
        let quarantined = |found: Found| lossy(found.quarantined);
        self.gauge("yinyom.outbox.quarantined.streams", "{stream}", of, quarantined);
    }

    fn gauge(
        &self,
        name: &'static str,
        unit: &'static str,
        of: KeyValue,
        value: impl Fn(Found) -> f64 + Send + Sync + 'static,
    ) {
        let found = Arc::downgrade(&self.found);
        let found = move || *found.upgrade()?.lock().unwrap_or_else(PoisonError::into_inner);
        global::meter("yinyom")
            .f64_observable_gauge(name)
            .with_unit(unit)
            .with_callback(move |gauge| {
                if let Some(found) = found() {
                    gauge.observe(value(found), std::slice::from_ref(&of));
                }
            })
            .build();
    }

    /// Looks at the table, if it is time.
    pub(crate) async fn look(&self, outbox: Outbox, db: &Db) -> Result<(), DbError> {
        let due = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let due = next.is_none_or(|next| Instant::now() >= next);
            if due {
                *next = Some(Instant::now() + EVERY);
            }
            due
        };
        if due {
            let found = found(outbox, db).await?;
            self.tell(Some(found));
        }
        Ok(())
    }

    /// Another replica looks from now on.
    pub(crate) fn leave(&self) {
        self.tell(None);
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn tell(&self, found: Option<Found>) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// Streams and times alone, across businesses (TRAPS 16).
pub(crate) async fn found(outbox: Outbox, db: &Db) -> Result<Found, DbError> {
    let mut tx = db.read_unscoped().await?;
    tx.query(outbox.sql(
        "SELECT COUNT(*) AS backlog, MIN(created_at) AS oldest,
                COUNT(DISTINCT CASE WHEN due_at = $1 THEN stream_id END) AS quarantined
         FROM (SELECT stream_id, created_at, due_at FROM outbox LIMIT $2) AS waiting",
    ))
    .bind(NEVER)
    .bind(MOST)
    .fetch_one::<Found>()
    .await
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is read by people")]
const fn lossy(number: i64) -> f64 {
    number as f64
}
