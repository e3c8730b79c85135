//! The contacts of an operation, some hundreds in a row, and what became of each.

use minicbor::{Decode, Encode};
use uuid::Uuid;
use yinyom_db::{DbError, Record, Rows, Tx};
use yinyom_kernel::{ContactId, OperationId};

use super::{Claim, StoreError};
use crate::domain::bulk::{BLOCK, Became};

/// Blocks that are stored in one statement.
const BLOCKS: usize = 500;
/// Blocks that are read in one statement.
const READ: i64 = 8;

/// Stores the contacts of an operation, which are in the order of their turns.
pub(super) async fn insert(
    tx: &mut Tx,
    id: OperationId,
    contacts: &[ContactId],
) -> Result<(), DbError> {
    let blocks: Vec<_> = contacts.chunks(BLOCK).map(packed).collect();
    for (first, some) in (0..).step_by(BLOCKS).zip(blocks.chunks(BLOCKS)) {
        tx.scoped(
            "INSERT INTO operation_blocks (business_id, operation_id, block, contacts, refused)
             SELECT $1, $2, block, contacts, 0 FROM {rows}",
        )
        .bind(id.uuid())
        .rows(
            Rows::new()
                .ints("block", (first..).take(some.len()))
                .bytes("contacts", some.iter().map(|block| &block[..])),
        )
        .execute()
        .await?;
    }
    Ok(())
}

fn packed(contacts: &[ContactId]) -> Vec<u8> {
    contacts.iter().flat_map(|id| *id.uuid().as_bytes()).collect()
}

fn unpacked(contacts: &[u8]) -> Vec<ContactId> {
    let (ids, _) = contacts.as_chunks::<16>();
    ids.iter().map(|id| Uuid::from_bytes(*id).into()).collect()
}

/// What comes next of an operation.
#[derive(Debug)]
pub struct Block {
    pub number: i64,
    pub contacts: Vec<ContactId>,
    pub word: Vec<u8>,
    pub sealed: Option<Vec<u8>>,
    /// No other one comes after it.
    pub last: bool,
}

#[derive(Record)]
struct NextRow {
    next_block: i64,
    total: i64,
    word: Vec<u8>,
    sealed: Option<Vec<u8>>,
}

/// The next block of an operation that is `holder`'s, locked: nobody else deals with it, cancels or ends it meanwhile. `None` if
/// it has ended, or is another one's.
pub async fn next(tx: &mut Tx, id: OperationId, holder: Uuid) -> Result<Option<Block>, StoreError> {
    let row = tx
        .scoped(
            "SELECT next_block, total, word, sealed FROM operations
             WHERE business_id = $1 AND operation_id = $2 AND state = 1 AND claimed_by = $3",
        )
        .bind(id.uuid())
        .bind(holder)
        .for_update()
        .fetch_optional::<NextRow>()
        .await?;
    let Some(NextRow { next_block: number, total, word, sealed }) = row else { return Ok(None) };
    let contacts = tx
        .scoped(
            "SELECT contacts FROM operation_blocks
             WHERE business_id = $1 AND operation_id = $2 AND block = $3 AND outcomes IS NULL",
        )
        .bind(id.uuid())
        .bind(number)
        .fetch_optional::<(Vec<u8>,)>()
        .await?;
    // An operation that covers nobody has no block.
    let contacts = contacts.map(|(contacts,)| unpacked(&contacts)).unwrap_or_default();
    let blocks = usize::try_from(total).unwrap_or_default().div_ceil(BLOCK);
    let last = usize::try_from(number + 1).unwrap_or(usize::MAX) >= blocks;
    Ok(Some(Block { number, contacts, word, sealed, last }))
}

/// Notes what became of a block, in the order of its contacts, in the unit of work that made it so.
pub async fn dealt_with(
    tx: &mut Tx,
    id: OperationId,
    block: i64,
    outcomes: &[Became],
    claim: Claim,
) -> Result<(), DbError> {
    let refused = outcomes.iter().filter(|became| matches!(became, Became::Refused(..))).count();
    let refused = i64::try_from(refused).unwrap_or(i64::MAX);
    let recorded = i64::try_from(outcomes.len()).unwrap_or(i64::MAX) - refused;
    tx.scoped(
        "UPDATE operation_blocks SET outcomes = $4, refused = $5
         WHERE business_id = $1 AND operation_id = $2 AND block = $3",
    )
    .bind(id.uuid())
    .bind(block)
    .bind(encode(outcomes))
    .bind(refused)
    .execute()
    .await?;
    tx.scoped(
        "UPDATE operations SET next_block = $3, recorded = recorded + $4, refused = refused + $5,
             started_at = COALESCE(started_at, $6), claimed_until = $7
         WHERE business_id = $1 AND operation_id = $2",
    )
    .bind(id.uuid())
    .bind(block + 1)
    .bind(recorded)
    .bind(refused)
    .bind(claim.now)
    .bind(claim.until)
    .execute()
    .await?;
    Ok(())
}

/// What became of a contact, and where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub contact: ContactId,
    pub became: Became,
    pub place: Place,
}

/// Where a contact stands in its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    pub block: i64,
    pub contact: usize,
}

/// What became of the contacts after that one, or of those that were refused, `fetch` of them at most.
pub async fn results(
    tx: &mut Tx,
    id: OperationId,
    only_refused: bool,
    after: Option<Place>,
    fetch: usize,
) -> Result<Vec<Outcome>, StoreError> {
    let mut found = Vec::new();
    let mut from = after.map_or(0, |place| place.block);
    while found.len() < fetch {
        let blocks = tx
            .scoped(
                "SELECT block, contacts, outcomes FROM operation_blocks
                 WHERE business_id = $1 AND operation_id = $2 AND block >= $3 AND outcomes IS NOT NULL
                   AND (NOT $4 OR refused > 0)
                 ORDER BY block LIMIT $5",
            )
            .bind(id.uuid())
            .bind(from)
            .bind(only_refused)
            .bind(READ)
            .fetch_all::<(i64, Vec<u8>, Vec<u8>)>()
            .await?;
        let Some((last, ..)) = blocks.last() else { break };
        from = last + 1;
        for (block, contacts, outcomes) in blocks {
            let each = unpacked(&contacts).into_iter().zip(decode(&outcomes)?).enumerate();
            for (i, (contact, became)) in each {
                let place = Place { block, contact: i };
                let later = after.is_none_or(|after| (block, i) > (after.block, after.contact));
                if later && !(only_refused && matches!(became, Became::Recorded(_))) {
                    found.push(Outcome { contact, became, place });
                }
            }
        }
    }
    found.truncate(fetch);
    Ok(found)
}

#[derive(Encode, Decode)]
enum Kept {
    #[n(0)]
    Recorded(#[n(0)] i64),
    #[n(1)]
    Refused(#[n(0)] i32, #[n(1)] String),
}

fn encode(outcomes: &[Became]) -> Vec<u8> {
    let kept: Vec<_> = outcomes
        .iter()
        .map(|became| match became {
            Became::Recorded(seq) => Kept::Recorded(*seq),
            Became::Refused(code, reason) => Kept::Refused(*code, reason.clone()),
        })
        .collect();
    minicbor::to_vec(&kept).unwrap_or_default()
}

fn decode(outcomes: &[u8]) -> Result<Vec<Became>, StoreError> {
    let kept: Vec<Kept> = minicbor::decode(outcomes).map_err(|_| StoreError::Unreadable)?;
    let became = kept.into_iter().map(|kept| match kept {
        Kept::Recorded(seq) => Became::Recorded(seq),
        Kept::Refused(code, reason) => Became::Refused(code, reason),
    });
    Ok(became.collect())
}
