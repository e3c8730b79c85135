//! What is done to the table.

use consent_manager::store::{StoreError, heads, ledger};
use rand::Rng;
use rand::rngs::StdRng;
use sqlx::AssertSqlSafe;
use uuid::Uuid;
use yinyom_db::Tx;
use yinyom_transparency::Frontier;

use super::{KEPT, RECORDS};

/// Every column that a record has, by what it holds. Codes are numbers of 32 bits.
const CODES: [&str; 10] = [
    "cause",
    "surface",
    "parent_kind",
    "actor_kind",
    "actor_role",
    "method",
    "phone_from",
    "phone_to",
    "email_from",
    "email_to",
];
const TIMES: [&str; 5] =
    ["recorded_at", "ingested_at", "claimed_at", "phone_expires_at", "email_expires_at"];
const IDS: [&str; 3] = ["contact_id", "parent_id", "actor_id"];
const TEXTS: [&str; 2] = ["actor_name", "notice_version"];
const BYTES: [&str; 5] =
    ["leaf_hash", "evidence_commitment", "sealed_evidence", "signature", "erasure"];
const FLAGS: [&str; 2] = ["phone_changed", "email_changed"];

/// A new value of a column.
#[derive(Debug, Clone)]
pub enum Value {
    Number(&'static str, Option<i64>),
    Id(&'static str, Uuid),
    Text(&'static str, Option<String>),
    Bytes(&'static str, Option<Vec<u8>>),
    Flag(&'static str, bool),
}

/// Something that is done to the records of a business.
#[derive(Debug, Clone)]
pub enum Crime {
    /// One value of one record.
    Edit { at: i64, value: Value, rehash: bool },
    /// A record, and the gap behind it, if `close`.
    Delete { at: i64, close: bool },
    /// A copy of record `of`, with another contact, before the record at `at`, if there is one.
    Insert { at: i64, of: i64, rehash: bool },
    /// A record of the other business.
    Smuggle { at: i64, of: i64 },
    /// Two records.
    Swap { one: i64, other: i64 },
    /// All but their signatures and indexes.
    SwapContent { one: i64, other: i64 },
    /// Everything from here on.
    Truncate { at: i64 },
    /// The whole table to an older copy, and what came after it again, made up.
    RollBack { at: i64, again: i64 },
    /// A stretch in the middle.
    Hole { from: i64, to: i64 },
    /// A record goes to the other business.
    GiveAway { at: i64 },
}

impl Crime {
    /// Any of them.
    pub fn any(dice: &mut StdRng) -> Self {
        let end = i64::try_from(RECORDS).unwrap();
        let kept = i64::try_from(KEPT).unwrap();
        let at = dice.random_range(0..end);
        let other = (at + dice.random_range(1..end)) % end;
        match dice.random_range(0..16) {
            0..6 => {
                let value = Value::any(dice);
                // A hash that is edited is not mended again.
                let hash = matches!(value, Value::Bytes("leaf_hash", _));
                Self::Edit { at, value, rehash: !hash && dice.random() }
            }
            6 | 7 => Self::Delete { at, close: dice.random() },
            8 => Self::Insert { at: dice.random_range(0..=end), of: other, rehash: dice.random() },
            9 => Self::Smuggle { at: dice.random_range(0..=end), of: dice.random_range(0..20) },
            10 => Self::Swap { one: at, other },
            11 => Self::SwapContent { one: at, other },
            12 => Self::Truncate { at: dice.random_range(0..kept) },
            13 => {
                Self::RollBack { at: dice.random_range(0..kept), again: dice.random_range(0..end) }
            }
            14 => Self::Hole { from: at.min(other), to: at.max(other) },
            _ => Self::GiveAway { at },
        }
    }

    /// Its kind.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Edit { rehash: false, .. } => "edit",
            Self::Edit { rehash: true, .. } => "edit, hash rewritten",
            Self::Delete { close: false, .. } => "delete",
            Self::Delete { close: true, .. } => "delete, gap closed",
            Self::Insert { .. } => "insert",
            Self::Smuggle { .. } => "insert another business's",
            Self::Swap { .. } => "swap",
            Self::SwapContent { .. } => "swap of contents",
            Self::Truncate { .. } => "truncate",
            Self::RollBack { .. } => "roll back, write on",
            Self::Hole { .. } => "delete a stretch",
            Self::GiveAway { .. } => "give to another business",
        }
    }

    /// Whether it only takes the last record away, which a checkpoint of `kept` records cannot show.
    pub fn cuts_off_above(&self, kept: u64) -> bool {
        let last = i64::try_from(RECORDS).unwrap() - 1;
        kept < RECORDS
            && matches!(self, Self::Delete { at, .. } | Self::GiveAway { at } if *at == last)
    }

    /// Does it, and rewrites whatever else the database says of the ledger: hashes, the tree's edge, its size.
    /// Whether that changed anything.
    pub async fn commit(&self, tx: &mut Tx, other: Uuid) -> Result<bool, StoreError> {
        match self {
            Self::Edit { at, value, rehash } => {
                if value.set(tx, *at).await? == 0 {
                    return Ok(false);
                }
                if *rehash {
                    rewrite_hash(tx, *at).await?;
                }
            }
            Self::Delete { at, close } => {
                run(tx, "DELETE FROM ledger WHERE business_id = $1 AND ledger_index = $2", &[*at])
                    .await?;
                if *close {
                    shift(tx, *at + 1, -1).await?;
                }
            }
            Self::Insert { at, of, rehash } => {
                // What is copied moves with the others.
                let of = if of >= at { of + 1 } else { *of };
                shift(tx, *at, 1).await?;
                copy(tx, of, *at, None).await?;
                if *rehash {
                    rewrite_hash(tx, *at).await?;
                }
            }
            Self::Smuggle { at, of } => {
                shift(tx, *at, 1).await?;
                copy(tx, *of, *at, Some(other)).await?;
            }
            Self::Swap { one, other } => swap(tx, *one, *other).await?,
            Self::SwapContent { one, other } => {
                swap(tx, *one, *other).await?;
                let signatures = "UPDATE ledger SET signature = (SELECT signature FROM ledger AS l
                         WHERE l.business_id = $1 AND l.ledger_index = $2 + $3 - ledger.ledger_index)
                     WHERE business_id = $1 AND ledger_index IN ($2, $3)";
                run(tx, signatures, &[*one, *other]).await?;
            }
            Self::Truncate { at } => truncate(tx, *at).await?,
            Self::RollBack { at, again } => {
                truncate(tx, *at).await?;
                // Made up from what is left, if anything is.
                for index in (*at..*again).take_while(|_| *at > 0).take(20) {
                    copy(tx, index % at, index, None).await?;
                    rewrite_hash(tx, index).await?;
                }
            }
            Self::Hole { from, to } => {
                let delete = "DELETE FROM ledger WHERE business_id = $1 AND ledger_index >= $2 AND ledger_index < $3";
                run(tx, delete, &[*from, *to]).await?;
            }
            Self::GiveAway { at } => {
                let give = "UPDATE ledger SET business_id = $3, ledger_index = 1000000
                     WHERE business_id = $1 AND ledger_index = $2";
                tx.scoped(give).bind(*at).bind(other).execute().await?;
            }
        }
        rewrite_tree(tx).await?;
        Ok(true)
    }
}

impl Value {
    fn any(dice: &mut StdRng) -> Self {
        let number = match dice.random_range(0..4) {
            0 => None,
            1 => Some(dice.random_range(100..1_000_000)),
            _ => Some(dice.random_range(0..8)),
        };
        let instant = 1_700_000_000_000_000 + dice.random_range(0..200_000_000_000_000);
        let bytes = || (0..32).map(|_| 7).collect::<Vec<u8>>();
        match dice.random_range(0..10) {
            // Streams have one change of a number.
            0 => Self::Number("seq", Some(dice.random_range(1_000..1_000_000))),
            1..4 => match CODES[dice.random_range(0..10)] {
                // These columns are never empty.
                of @ ("cause" | "surface" | "actor_kind") => Self::Number(of, number.or(Some(2))),
                of => Self::Number(of, number),
            },
            4 => Self::Number(TIMES[dice.random_range(0..5)], Some(instant)),
            5 => Self::Id(IDS[dice.random_range(0..3)], Uuid::from_u128(dice.random())),
            6 => Self::Text(TEXTS[dice.random_range(0..2)], number.map(|n| format!("x{n}"))),
            7 => Self::Flag(FLAGS[dice.random_range(0..2)], dice.random()),
            _ => match BYTES[dice.random_range(0..5)] {
                "leaf_hash" => Self::Bytes("leaf_hash", Some(bytes())),
                of => Self::Bytes(of, number.map(|_| bytes())),
            },
        }
    }

    /// Sets it, if it is another than there is; in how many records.
    async fn set(&self, tx: &mut Tx, at: i64) -> Result<u64, StoreError> {
        let column = match self {
            Self::Number(of, _)
            | Self::Id(of, _)
            | Self::Text(of, _)
            | Self::Bytes(of, _)
            | Self::Flag(of, _) => of,
        };
        let sql = format!(
            "UPDATE ledger SET {column} = $3
             WHERE business_id = $1 AND ledger_index = $2 AND {column} IS DISTINCT FROM $3"
        );
        let query = tx.scoped(AssertSqlSafe(sql)).bind(at);
        let set = match self.clone() {
            Self::Number(_, value) => query.bind(value),
            Self::Id(_, value) => query.bind(value),
            Self::Text(_, value) => query.bind(value),
            Self::Bytes(_, value) => query.bind(value),
            Self::Flag(_, value) => query.bind(value),
        };
        Ok(set.execute().await?)
    }
}

async fn run(tx: &mut Tx, sql: &'static str, numbers: &[i64]) -> Result<(), StoreError> {
    let query = numbers.iter().fold(tx.scoped(sql), |query, number| query.bind(*number));
    query.execute().await?;
    Ok(())
}

/// Moves the records from `from` on, by way of negative numbers, since none may be there twice.
async fn shift(tx: &mut Tx, from: i64, by: i64) -> Result<(), StoreError> {
    let away = "UPDATE ledger SET ledger_index = -ledger_index - 1 - $3
         WHERE business_id = $1 AND ledger_index >= $2";
    run(tx, away, &[from, by]).await?;
    let back = "UPDATE ledger SET ledger_index = -ledger_index - 1 WHERE business_id = $1 AND ledger_index < 0";
    run(tx, back, &[]).await
}

async fn swap(tx: &mut Tx, one: i64, other: i64) -> Result<(), StoreError> {
    let away = "UPDATE ledger SET ledger_index = -($2 + $3 - ledger_index) - 1
         WHERE business_id = $1 AND ledger_index IN ($2, $3)";
    run(tx, away, &[one, other]).await?;
    shift(tx, i64::MAX, 0).await
}

async fn truncate(tx: &mut Tx, at: i64) -> Result<(), StoreError> {
    run(tx, "DELETE FROM ledger WHERE business_id = $1 AND ledger_index >= $2", &[at]).await
}

/// A copy of record `of`, of this business or another, at `at`, of a contact that there is not.
async fn copy(tx: &mut Tx, of: i64, at: i64, from: Option<Uuid>) -> Result<(), StoreError> {
    let from = from.map_or_else(|| tx.business(), Ok)?;
    tx.scoped(
        "INSERT INTO ledger (business_id, ledger_index, contact_id, seq, leaf_hash, recorded_at,
             ingested_at, cause, surface, parent_kind, parent_id, actor_kind, actor_id, actor_name,
             actor_role, method, notice_version, claimed_at, evidence_commitment, sealed_evidence,
             phone_changed, phone_from, phone_to, phone_expires_at,
             email_changed, email_from, email_to, email_expires_at, signature)
         SELECT $1, $2, $3, seq, leaf_hash, recorded_at,
             ingested_at, cause, surface, parent_kind, parent_id, actor_kind, actor_id, actor_name,
             actor_role, method, notice_version, claimed_at, evidence_commitment, sealed_evidence,
             phone_changed, phone_from, phone_to, phone_expires_at,
             email_changed, email_from, email_to, email_expires_at, signature
         FROM ledger WHERE business_id = $4 AND ledger_index = $5",
    )
    .bind(at)
    .bind(Uuid::new_v4())
    .bind(from)
    .bind(of)
    .execute()
    .await?;
    Ok(())
}

/// The stored leaf hash is that of what is there now.
async fn rewrite_hash(tx: &mut Tx, at: i64) -> Result<(), StoreError> {
    let records = ledger::stretch(tx, at, at + 1, 1).await;
    if let Some(record) = records.ok().as_deref().and_then(<[_]>::first) {
        let hash = record.change.leaf_hash().to_vec();
        let sql = "UPDATE ledger SET leaf_hash = $3 WHERE business_id = $1 AND ledger_index = $2";
        tx.scoped(sql).bind(at).bind(hash).execute().await?;
    }
    Ok(())
}

/// What the database says of the whole ledger fits what is there now.
async fn rewrite_tree(tx: &mut Tx) -> Result<(), StoreError> {
    let leaves: Vec<Vec<u8>> = tx
        .scoped("SELECT leaf_hash FROM ledger WHERE business_id = $1 ORDER BY ledger_index")
        .scalars()
        .await?;
    let mut tree = Frontier::default();
    for leaf in leaves {
        tree.append(leaf.try_into().unwrap_or_default(), |_, _| {});
    }
    let next = i64::try_from(tree.size()).unwrap();
    run(tx, "UPDATE ledger_heads SET next_index = $2 WHERE business_id = $1", &[next]).await?;
    heads::advance(tx, 0, 0, Some(&tree)).await
}
