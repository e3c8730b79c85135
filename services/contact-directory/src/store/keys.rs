//! The keys of a business: those that seal contact points and subject keys, and one that indexes addresses.
//!
//! They rest wrapped by the master key and are kept unwrapped in memory while they are in use. A key is
//! kept only once it is committed: what a rolled-back transaction sealed could never be opened.
//!
//! A renewal gives the business another key to seal with (`commands::renewal`). What is sealed says under which, so
//! that both are good while there are both. The key that indexes is never renewed: the address behind
//! a hash may be gone, and the hash must go on finding it (PRODUCT.md, deleting).

mod sealing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use yinyom_db::{Db, DbError, Record, Tx};
use yinyom_kernel::{BusinessId, Scope};
use yinyom_privacy::{BlindIndexKey, DataKey, MasterKeys, WrapError, context};

use super::StoreError;

pub use sealing::seal_key;

/// How many businesses' keys are kept in memory.
const CAPACITY: u64 = 10_000;

/// How long they are used before the store is asked whether there are others. Only those are unwrapped.
const FRESH_FOR: Duration = Duration::from_secs(20);

/// How old a key is before anything is sealed under it: by then every replica has asked, and knows it.
const SETTLED_AFTER: Duration = Duration::from_mins(1);

/// How old a key is before nobody seals under an earlier one any more, but a process that was stopped meanwhile; the
/// database refuses what that one seals.
pub const SETTLED_EVERYWHERE_AFTER: Duration = Duration::from_secs(90);

/// The number, in the table, of the key that seals a new business.
const FIRST: i32 = 1;

/// The number of the key that indexes. All others seal.
const INDEX: i32 = 2;

/// The keys of every business. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing {
    masters: Arc<MasterKeys>,
    held: moka::sync::Cache<BusinessId, Held>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<BusinessKeys>,
    /// When the store was asked.
    asked_at: i64,
}

/// The unwrapped keys of one business.
#[derive(Debug)]
pub struct BusinessKeys {
    business: BusinessId,
    /// Those that open, by number.
    sealing: BTreeMap<i32, DataKey>,
    /// The one that seals, and its number.
    current: (i32, DataKey),
    index: BlindIndexKey,
    /// Stored nowhere.
    passing: bool,
}

/// A key as it is stored.
#[derive(Debug, Clone, Record)]
pub struct KeyRow {
    pub number: i32,
    pub wrapped: Vec<u8>,
    pub created_at: i64,
}

impl KeyRow {
    /// Whether it seals.
    pub const fn seals(&self) -> bool {
        self.number != INDEX
    }
}

impl KeyRing {
    /// Keys under `masters`; nothing is unwrapped yet.
    pub fn new(masters: Arc<MasterKeys>) -> Self {
        Self { masters, held: moka::sync::Cache::new(CAPACITY) }
    }

    /// The keys of a business, made at its first use.
    pub async fn of(
        &self,
        db: &Db,
        scope: Scope,
        now: i64,
    ) -> Result<Arc<BusinessKeys>, StoreError> {
        if let Some(keys) = self.known(db, scope, now).await? {
            return Ok(keys);
        }
        let stored = self.make(db, scope, now).await?;
        self.hold(scope.business(), &stored, now).await
    }

    /// The keys of a business, if it has any: nothing is stored.
    pub async fn known(
        &self,
        db: &Db,
        scope: Scope,
        now: i64,
    ) -> Result<Option<Arc<BusinessKeys>>, StoreError> {
        let held = self.held.get(&scope.business());
        if let Some(held) = held.filter(|held| held.is_fresh(now)) {
            return Ok(Some(held.keys));
        }
        let stored = rows(&mut db.read(scope).await?).await?;
        if !has_both(&stored) {
            return Ok(None);
        }
        self.hold(scope.business(), &stored, now).await.map(Some)
    }

    /// Keeps in memory what is stored.
    async fn hold(
        &self,
        business: BusinessId,
        stored: &[KeyRow],
        now: i64,
    ) -> Result<Arc<BusinessKeys>, StoreError> {
        let held = self.held.get(&business);
        let known = held.as_ref().map(|held| &*held.keys);
        let mut keys = match self.unwrap(business, stored, known).await {
            // What it knows is good for a while: nothing is sealed under a new key yet.
            Err(StoreError::Wrap(WrapError::Kms(_))) if known.is_some() => {
                return held.map(|held| held.keys).ok_or(StoreError::MissingKey);
            }
            keys => keys?,
        };
        keys.seal_under(current(stored, now))?;
        let keys = Arc::new(keys);
        self.held.insert(business, Held { keys: Arc::clone(&keys), asked_at: now });
        Ok(keys)
    }

    /// The keys of a business that has any, of which the newest seals, however new it is.
    pub async fn newest(
        &self,
        stored: &[KeyRow],
        scope: Scope,
    ) -> Result<BusinessKeys, StoreError> {
        let mut keys = self.unwrap(scope.business(), stored, None).await?;
        keys.seal_under(newest(stored).map(|key| key.number))?;
        Ok(keys)
    }

    /// Gives the business another key to seal with.
    pub async fn add(&self, db: &Db, scope: Scope, now: i64) -> Result<(), StoreError> {
        let stored = rows(&mut db.read(scope).await?).await?;
        let last = stored.iter().map(|key| key.number).max().unwrap_or_default();
        self.store(db, scope, now, &[last.max(INDEX) + 1]).await?;
        Ok(())
    }

    /// Stores new keys, unless somebody else was faster; answers with what is stored now.
    async fn make(&self, db: &Db, scope: Scope, now: i64) -> Result<Vec<KeyRow>, StoreError> {
        self.store(db, scope, now, &[FIRST, INDEX]).await
    }

    async fn store(
        &self,
        db: &Db,
        scope: Scope,
        now: i64,
        numbers: &[i32],
    ) -> Result<Vec<KeyRow>, StoreError> {
        let mut fresh = Vec::with_capacity(numbers.len());
        for number in numbers {
            let aad = key_context(scope.business(), *number);
            fresh.push((*number, self.masters.wrap(&DataKey::generate(), &aad).await?));
        }
        let under = self.masters.active();
        db.write(scope, move |mut tx| async move {
            yinyom_keys::hold(&mut tx, under, now).await?;
            for (number, wrapped) in fresh {
                tx.scoped(
                    "INSERT INTO business_keys (business_id, purpose, wrapped, created_at)
                     VALUES ($1, $2, $3, $4) ON CONFLICT (business_id, purpose) DO NOTHING",
                )
                .bind(number)
                .bind(wrapped)
                .bind(now)
                .execute()
                .await?;
            }
            let stored = rows(&mut tx).await?;
            tx.done(stored)
        })
        .await
    }

    /// Unwraps what is not known yet.
    async fn unwrap(
        &self,
        business: BusinessId,
        stored: &[KeyRow],
        known: Option<&BusinessKeys>,
    ) -> Result<BusinessKeys, StoreError> {
        let (mut sealing, mut index) = (BTreeMap::new(), known.map(|keys| keys.index.clone()));
        for KeyRow { number, wrapped, .. } in stored {
            let aad = key_context(business, *number);
            match known.and_then(|keys| keys.sealing.get(number)) {
                Some(key) => {
                    sealing.insert(*number, key.clone());
                }
                None if *number != INDEX => {
                    sealing.insert(*number, self.masters.unwrap(wrapped, &aad).await?);
                }
                None if index.is_none() => {
                    index = Some(BlindIndexKey::of(&self.masters.unwrap(wrapped, &aad).await?));
                }
                None => {}
            }
        }
        let first = sealing.first_key_value().map(|(number, key)| (*number, key.clone()));
        let (index, current) = index.zip(first).ok_or(StoreError::MissingKey)?;
        Ok(BusinessKeys { business, sealing, current, index, passing: false })
    }
}

impl Held {
    fn is_fresh(&self, now: i64) -> bool {
        (0..micros(FRESH_FOR)).contains(&now.saturating_sub(self.asked_at))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn has_both(stored: &[KeyRow]) -> bool {
    stored.iter().any(KeyRow::seals) && stored.iter().any(|key| !key.seals())
}

/// The newest key that seals.
pub fn newest(stored: &[KeyRow]) -> Option<&KeyRow> {
    stored.iter().filter(|key| key.seals()).max_by_key(|key| key.number)
}

/// The newest key that every replica knows; the oldest, if none is that old.
fn current(stored: &[KeyRow], now: i64) -> Option<i32> {
    let known = |key: &&KeyRow| now.saturating_sub(key.created_at) >= micros(SETTLED_AFTER);
    let sealing = || stored.iter().filter(|key| key.seals());
    let settled = sealing().filter(known).map(|key| key.number).max();
    settled.or_else(|| sealing().map(|key| key.number).min())
}

/// The business's keys as they are stored.
pub async fn rows(tx: &mut Tx) -> Result<Vec<KeyRow>, DbError> {
    tx.scoped(
        "SELECT purpose AS number, wrapped, created_at FROM business_keys WHERE business_id = $1",
    )
    .fetch_all()
    .await
}

/// What key `number` of the business is wrapped with.
pub(super) fn key_context(business: BusinessId, number: i32) -> Vec<u8> {
    context(&[b"business key", business.uuid().as_bytes(), &number.to_be_bytes()])
}
