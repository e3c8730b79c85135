//! Operations that go on by themselves, and what became of their contacts.
//!
//! `due_work` says of which businesses there are some to go on with, or to forget (kind `operations`). One is dealt with by
//! whoever has locked its row; the claim in it only keeps replicas from taking turns at every block.

mod blocks;

use uuid::Uuid;
use yinyom_db::{DbError, Record, Rows, Tx};
use yinyom_kernel::{BusinessId, ContactId, OperationId, from_micros};

use super::StoreError;
use crate::domain::bulk::{Operation, State};

pub use blocks::{Block, Outcome, Place, dealt_with, next, results};

macro_rules! columns {
    () => {
        "operation_id, caller, state, total, recorded, refused, created_at, started_at, ended_at"
    };
}

/// An operation, and who began it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    pub operation: Operation,
    pub caller: String,
}

#[derive(Record)]
struct Row {
    operation_id: Uuid,
    caller: String,
    state: i32,
    total: i64,
    recorded: i64,
    refused: i64,
    created_at: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
}

impl TryFrom<Row> for Begun {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let operation = Operation {
            id: row.operation_id.into(),
            state: State::from_code(row.state).ok_or(StoreError::Unreadable)?,
            total: row.total,
            recorded: row.recorded,
            refused: row.refused,
            created_at: from_micros(row.created_at),
            started_at: row.started_at.map(from_micros),
            ended_at: row.ended_at.map(from_micros),
        };
        Ok(Self { operation, caller: row.caller })
    }
}

/// What is said of each contact, as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    pub word: &'a [u8],
    /// What may identify somebody, and the key that seals it.
    pub sealed: Option<(&'a [u8], i32)>,
}

/// Stores a new operation over `contacts`, which are in the order of their turns.
pub async fn insert(
    tx: &mut Tx,
    begun: &Begun,
    words: Words<'_>,
    contacts: &[ContactId],
) -> Result<(), DbError> {
    let Begun { operation, caller } = begun;
    let now = operation.created_at.as_microsecond();
    // Before the operation is there: see `note_next`.
    tx.scoped(
        "INSERT INTO due_work (business_id, kind, due_at) VALUES ($1, 'operations', $2)
         ON CONFLICT (business_id, kind) DO UPDATE
             SET due_at = CASE WHEN due_work.due_at < excluded.due_at THEN due_work.due_at ELSE excluded.due_at END",
    )
    .bind(now)
    .execute()
    .await?;
    tx.scoped(
        "INSERT INTO operations (business_id, operation_id, caller, state, total, recorded, refused, next_block,
             word, sealed, seal_key, created_at, claimed_until)
         VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $6, $7, $8, $9, 0)",
    )
    .bind(operation.id.uuid())
    .bind(&caller[..])
    .bind(operation.state.code())
    .bind(operation.total)
    .bind(words.word)
    .bind(words.sealed.map(|(sealed, _)| sealed))
    .bind(words.sealed.map(|(_, key)| key))
    .bind(now)
    .execute()
    .await?;
    blocks::insert(tx, operation.id, contacts).await
}

/// How many of the business go on.
pub async fn under_way(tx: &mut Tx) -> Result<i64, DbError> {
    tx.scoped("SELECT COUNT(*) FROM operations WHERE business_id = $1 AND state = 1").scalar().await
}

/// The operation, if the business has it.
pub async fn find(tx: &mut Tx, id: OperationId) -> Result<Option<Begun>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM operations WHERE business_id = $1 AND operation_id = $2"
    );
    let row: Option<Row> = tx.scoped(sql).bind(id.uuid()).fetch_optional().await?;
    row.map(Begun::try_from).transpose()
}

/// Which operations are listed.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Those of this caller, or all.
    pub caller: Option<&'a str>,
    /// Whether they have ended.
    pub done: Option<bool>,
}

/// The newest operations before that one, `fetch` of them at most.
pub async fn page(
    tx: &mut Tx,
    wanted: Wanted<'_>,
    before: Option<(i64, Uuid)>,
    fetch: i64,
) -> Result<Vec<Operation>, StoreError> {
    let (time, id) = before.unwrap_or((i64::MAX, Uuid::max()));
    let rows: Vec<Row> = tx
        .scoped(concat!(
            "SELECT ",
            columns!(),
            " FROM operations WHERE business_id = $1 AND (created_at, operation_id) < ($2, $3)
                 AND ($4 OR caller = $5) AND ($6 OR (state <> 1) = $7)
             ORDER BY created_at DESC, operation_id DESC LIMIT $8",
        ))
        .bind(time)
        .bind(id)
        .bind(wanted.caller.is_none())
        .bind(wanted.caller.unwrap_or_default())
        .bind(wanted.done.is_none())
        .bind(wanted.done.unwrap_or_default())
        .bind(fetch)
        .fetch_all()
        .await?;
    rows.into_iter().map(|row| Ok(Begun::try_from(row)?.operation)).collect()
}

/// Ends an operation that goes on, whoever is at it: what identifies goes with that. Whether it did.
pub async fn end(tx: &mut Tx, id: OperationId, how: State, now: i64) -> Result<bool, DbError> {
    let ended = tx
        .scoped(
            "UPDATE operations SET state = $3, ended_at = $4, sealed = NULL, seal_key = NULL,
                 claimed_by = NULL, claimed_until = 0
             WHERE business_id = $1 AND operation_id = $2 AND state = 1",
        )
        .bind(id.uuid())
        .bind(how.code())
        .bind(now)
        .execute()
        .await?;
    Ok(ended == 1)
}

/// Deletes an operation that has ended. Whether it did.
pub async fn delete(tx: &mut Tx, id: OperationId) -> Result<bool, DbError> {
    let deleted = tx
        .scoped(
            "DELETE FROM operations WHERE business_id = $1 AND operation_id = $2 AND state <> 1",
        )
        .bind(id.uuid())
        .execute()
        .await?;
    Ok(deleted == 1)
}

/// Businesses of which there is something to go on with, or to forget, by `now`, longest first.
pub async fn businesses(tx: &mut Tx, now: i64, most: i64) -> Result<Vec<BusinessId>, DbError> {
    let found = tx
        .query(
            "SELECT business_id FROM due_work WHERE kind = 'operations' AND due_at <= $1
             ORDER BY due_at, business_id LIMIT $2",
        )
        .bind(now)
        .bind(most)
        .scalars::<Uuid>()
        .await?;
    Ok(found.into_iter().map(BusinessId::from).collect())
}

/// Who is at something, and until when others leave it alone.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    pub holder: Uuid,
    pub now: i64,
    pub until: i64,
}

/// Takes the operation that has waited longest and is nobody else's, and tells who began it. Passes over what somebody is at.
pub async fn claim(tx: &mut Tx, claim: Claim) -> Result<Option<(OperationId, String)>, DbError> {
    let free = tx
        .scoped(
            "SELECT operation_id, caller FROM operations
             WHERE business_id = $1 AND state = 1 AND (claimed_by = $2 OR claimed_until <= $3)
             ORDER BY claimed_until, operation_id LIMIT 1",
        )
        .bind(claim.holder)
        .bind(claim.now)
        .for_update_skip_locked()
        .fetch_optional::<(Uuid, String)>()
        .await?;
    let Some((id, caller)) = free else { return Ok(None) };
    hold(tx, id.into(), claim).await?;
    Ok(Some((id.into(), caller)))
}

async fn hold(tx: &mut Tx, id: OperationId, claim: Claim) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE operations SET claimed_by = $3, claimed_until = $4 WHERE business_id = $1 AND operation_id = $2",
    )
    .bind(id.uuid())
    .bind(claim.holder)
    .bind(claim.until)
    .execute()
    .await
    .map(drop)
}

/// Leaves an operation alone until `claim.until`, if it is still ours.
pub async fn put_off(tx: &mut Tx, id: OperationId, claim: Claim) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE operations SET claimed_by = NULL, claimed_until = $4
         WHERE business_id = $1 AND operation_id = $2 AND claimed_by = $3",
    )
    .bind(id.uuid())
    .bind(claim.holder)
    .bind(claim.until)
    .execute()
    .await
    .map(drop)
}

/// Forgets operations that ended before `before`, and notes when the business has to be looked at again. Call it in a unit of
/// work of its own.
pub async fn tidy(tx: &mut Tx, before: i64, kept: i64) -> Result<(), DbError> {
    tx.scoped("DELETE FROM operations WHERE business_id = $1 AND state <> 1 AND ended_at <= $2")
        .bind(before)
        .execute()
        .await?;
    // Whoever begins an operation holds this row, or makes it, before the operation is there. So what is looked for from here
    // on has all that were begun before; one that is begun later makes the row anew.
    tx.scoped("SELECT due_at FROM due_work WHERE business_id = $1 AND kind = 'operations'")
        .for_update()
        .fetch_optional::<(i64,)>()
        .await?;
    if under_way(tx).await? > 0 {
        return Ok(());
    }
    let (first,) = tx
        .scoped("SELECT MIN(ended_at) FROM operations WHERE business_id = $1 AND state <> 1")
        .fetch_one::<(Option<i64>,)>()
        .await?;
    match first {
        Some(first) => tx
            .scoped(
                "UPDATE due_work SET due_at = $2 WHERE business_id = $1 AND kind = 'operations'",
            )
            .bind(first.saturating_add(kept)),
        None => tx.scoped("DELETE FROM due_work WHERE business_id = $1 AND kind = 'operations'"),
    }
    .execute()
    .await
    .map(drop)
}

/// Operations that go on with something sealed under another key than `key`.
pub async fn sealed_before(
    tx: &mut Tx,
    key: i32,
    most: i64,
) -> Result<Vec<(Uuid, Vec<u8>)>, DbError> {
    tx.scoped(
        "SELECT operation_id, sealed FROM operations
         WHERE business_id = $1 AND sealed IS NOT NULL AND seal_key <> $2 LIMIT $3",
    )
    .bind(key)
    .bind(most)
    .for_update_skip_locked()
    .fetch_all()
    .await
}

/// Puts that, sealed under `key`.
pub async fn put_sealed(
    tx: &mut Tx,
    operations: &[(Uuid, Vec<u8>)],
    key: i32,
) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE operations SET sealed = batch.sealed, seal_key = $2 FROM {rows}
         WHERE operations.business_id = $1 AND operations.operation_id = batch.operation_id",
    )
    .bind(key)
    .rows(
        Rows::new()
            .uuids("operation_id", operations.iter().map(|(id, _)| *id))
            .bytes("sealed", operations.iter().map(|(_, sealed)| &sealed[..])),
    )
    .execute()
    .await
    .map(drop)
}

/// Gives back all operations of the business that are `holder`'s, or anybody's.
pub async fn let_go(tx: &mut Tx, holder: Option<Uuid>) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE operations SET claimed_by = NULL, claimed_until = 0
         WHERE business_id = $1 AND state = 1 AND ($2 OR claimed_by = $3)",
    )
    .bind(holder.is_none())
    .bind(holder.unwrap_or_default())
    .execute()
    .await
    .map(drop)
}
