//! Wraps everything anew that is not under the active master key.
//!
//! Where it stands is told by the keys themselves: it can be killed at any moment and begun again, or run twice at once.
//! A batch is read, wrapped, which may ask a key management service, and then written in a unit of work of its own that
//! takes no lock but on the rows that it changes.

use std::collections::BTreeMap;
use std::time::Duration;

use yinyom_db::{Db, DbError};
use yinyom_kernel::Scope;
use yinyom_privacy::{KeyId, MasterKeys};

use crate::register::{hold, registered, strike};
use crate::shelf::{Replacement, Shelf, ShelfError};

const BUSINESSES: i64 = 500;
/// Until what somebody else has locked is looked at again.
const AGAIN: Duration = Duration::from_millis(200);

/// How many keys are under which master key.
pub type Counts = BTreeMap<KeyId, i64>;

/// How fast.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Keys that are looked at, and wrapped anew, at a time.
    pub batch: i64,
    /// Give up after that many batches; for tests, and whoever wants a bit at a time.
    pub batches: Option<u64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch: 500, batches: None }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Keys that were looked at.
    pub seen: u64,
    /// Of those, were wrapped anew.
    pub wrapped: u64,
    /// Nothing is left under another key.
    pub finished: bool,
}

/// How many keys are under which master key. Those that are registered are there even if nothing is under them.
pub async fn count(db: &Db, shelf: impl Shelf) -> Result<Counts, DbError> {
    let mut counts = Counts::new();
    for id in registered(&mut db.read_unscoped().await?).await? {
        counts.insert(id, 0);
    }
    let mut after = None;
    loop {
        let businesses =
            shelf.businesses(&mut db.read_unscoped().await?, after, BUSINESSES).await?;
        for scope in &businesses {
            let mut tx = read(db, *scope).await?;
            for (id, keys) in shelf.count(&mut tx).await? {
                *counts.entry(KeyId::of(&id)).or_default() += keys;
            }
        }
        match next(&businesses) {
            Some(last) => after = Some(last),
            None => return Ok(counts),
        }
    }
}

/// Wraps anew until a walk through all keys finds none under another master key than the active one, and takes the
/// others out of the register. `told` is told how far it is after each batch.
pub async fn rotate(
    db: &Db,
    masters: &MasterKeys,
    shelf: impl Shelf,
    pace: Pace,
    now: i64,
    mut told: impl FnMut(Progress),
) -> Result<Progress, ShelfError> {
    let mut walk =
        Walk { db, masters, shelf, pace, now, progress: Progress::default(), batches: 0 };
    let others = |registered: Vec<KeyId>| {
        registered.into_iter().filter(|id| *id != masters.active()).collect::<Vec<_>>()
    };
    loop {
        // Read before the walk: what is registered later has keys that the walk may not have seen.
        let struck = others(registered(&mut db.read_unscoped().await?).await?);
        match walk.through(&mut told).await? {
            Found::CutShort => return Ok(walk.progress),
            Found::Stale => tokio::time::sleep(AGAIN).await,
            Found::Nothing if struck.is_empty() => {
                walk.progress.finished = true;
                told(walk.progress);
                return Ok(walk.progress);
            }
            // Whoever was about to commit a key under them has done so once they are out; the next walk sees it.
            Found::Nothing => {
                for id in struck {
                    strike(db, id).await?;
                }
            }
        }
    }
}

enum Found {
    Nothing,
    Stale,
    CutShort,
}

struct Walk<'a, S> {
    db: &'a Db,
    masters: &'a MasterKeys,
    shelf: S,
    pace: Pace,
    now: i64,
    progress: Progress,
    batches: u64,
}

impl<S: Shelf> Walk<'_, S> {
    async fn through(&mut self, told: &mut impl FnMut(Progress)) -> Result<Found, ShelfError> {
        let (mut after, mut found) = (None, Found::Nothing);
        loop {
            let mut tx = self.db.read_unscoped().await?;
            let businesses = self.shelf.businesses(&mut tx, after, BUSINESSES).await?;
            drop(tx);
            for scope in &businesses {
                match self.business(*scope, told).await? {
                    Found::Nothing => {}
                    Found::Stale => found = Found::Stale,
                    Found::CutShort => return Ok(Found::CutShort),
                }
            }
            match next(&businesses) {
                Some(last) => after = Some(last),
                None => return Ok(found),
            }
        }
    }

    async fn business(
        &mut self,
        scope: Option<Scope>,
        told: &mut impl FnMut(Progress),
    ) -> Result<Found, ShelfError> {
        let (mut after, mut found) = (None, Found::Nothing);
        loop {
            let mut tx = read(self.db, scope).await?;
            let keys = self.shelf.page(&mut tx, after, self.pace.batch).await?;
            drop(tx);
            let Some((last, _)) = keys.last() else { return Ok(found) };
            after = Some(*last);
            self.progress.seen += keys.len() as u64;
            let stale: Vec<_> =
                keys.into_iter().filter(|(_, key)| !self.masters.is_current(key)).collect();
            if !stale.is_empty() {
                if self.pace.batches.is_some_and(|most| self.batches >= most) {
                    return Ok(Found::CutShort);
                }
                self.batches += 1;
                found = Found::Stale;
                self.progress.wrapped += self.wrap(scope, stale).await?;
            }
            told(self.progress);
        }
    }

    async fn wrap(
        &self,
        scope: Option<Scope>,
        stale: Vec<(S::Id, Vec<u8>)>,
    ) -> Result<u64, ShelfError> {
        let mut replacements = Vec::with_capacity(stale.len());
        for (id, stale) in stale {
            let aad = self.shelf.aad(scope, id);
            let key = self.masters.unwrap(&stale, &aad).await?;
            let fresh = self.masters.wrap(&key, &aad).await?;
            replacements.push(Replacement { id, stale, fresh });
        }
        let (keeper, active, now) = (self.shelf, self.masters.active(), self.now);
        let replaced = self.db.write_unscoped::<_, DbError, _, _>(move |mut tx| async move {
            if let Some(scope) = scope {
                tx.enter(scope);
            }
            hold(&mut tx, active, now).await?;
            let replaced = keeper.replace(&mut tx, replacements).await?;
            tx.done(replaced)
        });
        Ok(replaced.await?)
    }
}

/// The business to go on after, if there may be more.
fn next(businesses: &[Option<Scope>]) -> Option<Scope> {
    businesses.last().copied().flatten()
}

async fn read(db: &Db, scope: Option<Scope>) -> Result<yinyom_db::Tx, DbError> {
    match scope {
        Some(scope) => db.read(scope).await,
        None => db.read_unscoped().await,
    }
}
