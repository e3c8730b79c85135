//! A request that is sent twice takes effect once (TRAPS 4, AIP-155).
//!
//! The record keeps a keyed fingerprint of the request and the outcome: names, etags, sequence
//! numbers, codes of rows. Never a rendered value: a replay renders anew, as its caller may see it.
//!
//! A unit of work that begins a request must finish it, or it is not committed:
//!
//! ```
//! # use yinyom_db::{Db, Tx, idempotency::{self, Attempt, Key, RequestError}};
//! # use yinyom_kernel::Scope;
//! # async fn change(_: &mut Tx) -> Result<Vec<u8>, RequestError> { Ok(vec![]) }
//! async fn once(
//!     db: &Db, scope: Scope, key: Key, fingerprint: [u8; 32], now: i64,
//! ) -> Result<Vec<u8>, RequestError> {
//!     db.write(scope, move |mut tx| async move {
//!         match idempotency::begin(&mut tx, &key, fingerprint, now).await? {
//!             Attempt::Replay(outcome) => tx.done(outcome),
//!             Attempt::New => {
//!                 let outcome = change(&mut tx).await?;
//!                 idempotency::finish(&mut tx, &key, &outcome).await?;
//!                 tx.done(outcome)
//!             }
//!         }
//!     })
//!     .await
//! }
//! ```

use uuid::Uuid;
use yinyom_kernel::{BusinessId, Code, Fault, RequestId, Scope, Text};

use crate::{DbError, Rows, Tx};

/// The table, for a service's migrations on SQLite.
pub const SQLITE_TABLE: &str = include_str!("requests.sqlite.sql");

/// The table, for a service's migrations on PostgreSQL.
pub const POSTGRES_TABLE: &str = include_str!("requests.postgres.sql");

/// The table `due_work`, for a service's migrations on SQLite, after the other one.
pub const SQLITE_DUE_TABLE: &str = include_str!("due.sqlite.sql");

/// The table `due_work`, for a service's migrations on PostgreSQL, after the other one.
pub const POSTGRES_DUE_TABLE: &str = include_str!("due.postgres.sql");

/// What makes two requests the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `None` for a request about no business, such as one that creates it.
    pub business: Option<BusinessId>,
    /// Who calls: `member:…`, `service:…`, `operator:…`.
    pub caller: String,
    /// The path of the RPC.
    pub rpc: String,
    /// The client's own id.
    pub request_id: RequestId,
}

impl Key {
    fn business(&self) -> Uuid {
        self.business.map_or(Uuid::nil(), BusinessId::uuid)
    }

    /// What `tx` is about, while it is about a request that is about no business.
    fn enter(&self, tx: &mut Tx) -> Option<Scope> {
        match self.business {
            None => tx.state.scope.replace(about(Uuid::nil())),
            Some(_) => tx.state.scope,
        }
    }
}

/// How a request relates to what was there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a replay must not be carried out again"]
pub enum Attempt {
    /// It is the first. Others with the same key wait until this unit of work ends.
    New,
    /// It was carried out before, with this outcome.
    Replay(Vec<u8>),
}

/// Why a request was not begun.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The id was used for another request.
    #[error("the request id was used for another request")]
    Reused,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Fault for RequestError {
    fn code(&self) -> Code {
        match self {
            Self::Reused => Code::AlreadyExists,
            Self::Db(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Reused => "REQUEST_ID_REUSED",
            Self::Db(error) => error.reason(),
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::Reused => Text::new(
                "This request id was used before, for another request. Use a new one.",
                "request id นี้ถูกใช้กับคำขออื่นไปแล้ว กรุณาใช้ค่าใหม่",
            ),
            Self::Db(error) => error.text(),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Reused => None,
            Self::Db(error) => error.retry_after(),
        }
    }
}

/// Begins a request. `fingerprint` is a keyed hash of everything in it that matters; `now` is in
/// microseconds.
pub async fn begin(
    tx: &mut Tx,
    key: &Key,
    fingerprint: [u8; 32],
    now: i64,
) -> Result<Attempt, RequestError> {
    let scope = key.enter(tx);
    let attempt = attempt(tx, key, fingerprint, now).await;
    tx.state.scope = scope;
    attempt
}

async fn attempt(
    tx: &mut Tx,
    key: &Key,
    fingerprint: [u8; 32],
    now: i64,
) -> Result<Attempt, RequestError> {
    if !tx.is_postgres() {
        note_due(tx, key.business(), now).await?;
    }
    // On PostgreSQL the same, in the round trip of the other one.
    let sql = tx.dialect(
        "INSERT INTO requests (business_id, caller, rpc, request_id, fingerprint, outcome, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (business_id, caller, rpc, request_id) DO NOTHING",
        "WITH due AS (
             INSERT INTO due_work (business_id, kind, due_at) VALUES ($1, 'requests', $7 + $8)
             ON CONFLICT (business_id, kind) DO NOTHING
         )
         INSERT INTO requests (business_id, caller, rpc, request_id, fingerprint, outcome, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (business_id, caller, rpc, request_id) DO NOTHING",
    );
    let postgres = tx.is_postgres();
    let insert = tx
        .query(sql)
        .bind(key.business())
        .bind(&*key.caller)
        .bind(&*key.rpc)
        .bind(key.request_id.uuid())
        .bind(&fingerprint[..])
        .bind(&[][..])
        .bind(now);
    let insert = if postgres { insert.bind(kept()) } else { insert };
    let inserted = insert.execute().await?;
    if inserted == 1 {
        tx.state.unanswered = true;
        return Ok(Attempt::New);
    }
    let (before, outcome) = tx
        .query(
            "SELECT fingerprint, outcome FROM requests
             WHERE business_id = $1 AND caller = $2 AND rpc = $3 AND request_id = $4",
        )
        .bind(key.business())
        .bind(&*key.caller)
        .bind(&*key.rpc)
        .bind(key.request_id.uuid())
        .fetch_one::<(Vec<u8>, Vec<u8>)>()
        .await?;
    if before == fingerprint { Ok(Attempt::Replay(outcome)) } else { Err(RequestError::Reused) }
}

/// That there is something to forget, in time.
async fn note_due(tx: &mut Tx, business: Uuid, now: i64) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO due_work (business_id, kind, due_at) VALUES ($1, 'requests', $2 + $3)
         ON CONFLICT (business_id, kind) DO NOTHING",
    )
    .bind(business)
    .bind(now)
    .bind(kept())
    .execute()
    .await
    .map(drop)
}

/// Keeps the outcome of a request that was [`begin`]ned in the same unit of work.
pub async fn finish(tx: &mut Tx, key: &Key, outcome: &[u8]) -> Result<(), DbError> {
    let scope = key.enter(tx);
    let updated = tx
        .query(
            "UPDATE requests SET outcome = $5
             WHERE business_id = $1 AND caller = $2 AND rpc = $3 AND request_id = $4",
        )
        .bind(key.business())
        .bind(&*key.caller)
        .bind(&*key.rpc)
        .bind(key.request_id.uuid())
        .bind(outcome)
        .execute()
        .await;
    tx.state.scope = scope;
    let updated = updated?;
    if updated == 1 {
        tx.state.unanswered = false;
        Ok(())
    } else {
        Err(DbError::bug("a request was finished that had not been begun"))
    }
}

/// Which of these requests about the business of `tx` are on record. Only looks: one that is not may be there in a moment.
pub async fn known(tx: &mut Tx, keys: &[Key]) -> Result<Vec<bool>, DbError> {
    let mut known = vec![false; keys.len()];
    if keys.is_empty() {
        return Ok(known);
    }
    let places = tx
        .scoped(
            "SELECT place FROM {rows} WHERE EXISTS (SELECT 1 FROM requests r WHERE r.business_id = $1
                 AND r.caller = batch.caller AND r.rpc = batch.rpc AND r.request_id = batch.request_id)",
        )
        .rows(rows(keys.iter()).ints("place", (0..).take(keys.len())))
        .scalars::<i64>()
        .await?;
    for place in places {
        if let Some(known) = usize::try_from(place).ok().and_then(|place| known.get_mut(place)) {
            *known = true;
        }
    }
    Ok(known)
}

/// A request that was carried out: its key, its fingerprint, its outcome.
pub type Kept = (Key, [u8; 32], Vec<u8>);

/// Puts requests about the business of `tx` on record that this unit of work carried out, in one statement, without that
/// they were [`begin`]ned. Whether none of them was on record: otherwise the unit must not be committed.
pub async fn keep(tx: &mut Tx, requests: &[Kept], now: i64) -> Result<bool, DbError> {
    if requests.is_empty() {
        return Ok(true);
    }
    let business = tx.business()?;
    if !tx.is_postgres() {
        note_due(tx, business, now).await?;
    }
    let sql = tx.dialect(
        "INSERT INTO requests (business_id, caller, rpc, request_id, fingerprint, outcome, created_at)
         SELECT $1, caller, rpc, request_id, fingerprint, outcome, $2 FROM {rows} WHERE true
         ON CONFLICT (business_id, caller, rpc, request_id) DO NOTHING",
        "WITH due AS (
             INSERT INTO due_work (business_id, kind, due_at) VALUES ($1, 'requests', $2 + $3)
             ON CONFLICT (business_id, kind) DO NOTHING
         )
         INSERT INTO requests (business_id, caller, rpc, request_id, fingerprint, outcome, created_at)
         SELECT $1, caller, rpc, request_id, fingerprint, outcome, $2 FROM {rows}
         ON CONFLICT (business_id, caller, rpc, request_id) DO NOTHING",
    );
    let postgres = tx.is_postgres();
    let insert = tx.scoped(sql).bind(now);
    let insert = if postgres { insert.bind(kept()) } else { insert };
    let kept = insert
        .rows(
            rows(requests.iter().map(|(key, ..)| key))
                .bytes("fingerprint", requests.iter().map(|(_, fingerprint, _)| &fingerprint[..]))
                .bytes("outcome", requests.iter().map(|(.., outcome)| &outcome[..])),
        )
        .execute()
        .await?;
    Ok(usize::try_from(kept) == Ok(requests.len()))
}

fn rows<'k>(keys: impl Iterator<Item = &'k Key> + Clone) -> Rows<'k> {
    Rows::new()
        .texts("caller", keys.clone().map(|key| &*key.caller))
        .texts("rpc", keys.clone().map(|key| &*key.rpc))
        .uuids("request_id", keys.map(|key| key.request_id.uuid()))
}

/// How long a repeated request is recognised.
pub const KEPT: std::time::Duration = std::time::Duration::from_hours(24);

fn kept() -> i64 {
    i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX)
}

/// How many records one unit of work forgets, so that it holds up no other.
const BATCH: i64 = 1_000;

/// How many businesses are looked up at once.
const BUSINESSES: i64 = 100;

/// By the right of housekeeping, which enters one business at a time (TRAPS 16).
#[expect(clippy::disallowed_methods, reason = "housekeeping has no caller")]
fn about(business: Uuid) -> Scope {
    Scope::assume(business.into())
}

/// Forgets every request that is older than [`KEPT`] at `now` (microseconds); how many it forgot. Any replica may
/// do it at any time.
pub async fn forget_old(db: &crate::Db, now: i64) -> Result<u64, DbError> {
    let mut all = 0;
    loop {
        let due = db
            .read_unscoped()
            .await?
            .query(
                "SELECT business_id FROM due_work WHERE kind = 'requests' AND due_at < $1
                 ORDER BY due_at, business_id LIMIT $2",
            )
            .bind(now)
            .bind(BUSINESSES)
            .scalars::<Uuid>()
            .await?;
        if due.is_empty() {
            return Ok(all);
        }
        for business in due {
            all += db
                .write::<_, DbError, _, _>(about(business), move |mut tx| async move {
                    let forgotten = prune(&mut tx, now, BATCH).await?;
                    tx.done(forgotten)
                })
                .await?;
        }
    }
}

/// Forgets up to `most` requests of the business of `tx` that are older than [`KEPT`] at `now` (microseconds), and
/// notes when there is more to forget; how many it forgot.
pub async fn prune(tx: &mut Tx, now: i64, most: i64) -> Result<u64, DbError> {
    let forgotten = tx
        .scoped(
            "DELETE FROM requests WHERE business_id = $1 AND (caller, rpc, request_id) IN
             (SELECT caller, rpc, request_id FROM requests
              WHERE business_id = $1 AND created_at < $2 ORDER BY created_at LIMIT $3)",
        )
        .bind(now.saturating_sub(kept()))
        .bind(most)
        .execute()
        .await?;
    // The row is never deleted: a request that is being begun relies on it.
    tx.scoped(
        "UPDATE due_work SET due_at = $3 + COALESCE(
             (SELECT MIN(created_at) FROM requests WHERE business_id = $1), $2)
         WHERE business_id = $1 AND kind = 'requests'",
    )
    .bind(now)
    .bind(kept())
    .execute()
    .await?;
    Ok(forgotten)
}
