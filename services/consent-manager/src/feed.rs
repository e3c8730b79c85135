//! Who waits for news of which ledger, and what wakes them: what this replica takes, at once; what another one takes, by
//! looking now and then.
//!
//! A watched ledger costs one look-up by key a tick, whoever many watch it. One that nobody watches costs nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use yinyom_db::Db;
use yinyom_kernel::{BusinessId, Code, Fault, Scope, Text};

use crate::store::heads;

/// How often a watched ledger is looked at, for what other replicas took.
const TICK: Duration = Duration::from_millis(250);

/// How much of all watches those of one business may be.
const SHARE: usize = 4;

/// The ledgers that are watched. Cheap to clone.
#[derive(Clone, Default)]
pub struct Feeds(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// All watches of this replica.
    open: AtomicUsize,
    ledgers: Mutex<HashMap<BusinessId, Weak<Ledger>>>,
}

/// A watched ledger.
struct Ledger {
    /// How many changes it has, as far as anybody here knows.
    size: watch::Sender<i64>,
}

/// There are as many watches as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many watches")]
pub struct TooManyWatches;

impl Fault for TooManyWatches {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn reason(&self) -> &'static str {
        "TOO_MANY_WATCHES"
    }

    fn text(&self) -> Text {
        Text::new(
            "There are as many watches as this server takes. End one, or try again later.",
            "มีผู้ติดตามการเปลี่ยนแปลงครบจำนวนที่ระบบรองรับแล้ว กรุณาปิดบางรายการหรือลองใหม่ภายหลัง",
        )
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }
}

impl Feeds {
    /// Watches the ledger of a business, one of `most` watches.
    pub(crate) fn watch(&self, db: &Db, scope: Scope, most: usize) -> Result<Feed, TooManyWatches> {
        let place = Arc::clone(&self.0);
        if place.open.fetch_add(1, Ordering::Relaxed) >= most {
            place.open.fetch_sub(1, Ordering::Relaxed);
            return Err(TooManyWatches);
        }
        let place = Watched(place);
        let mut ledgers = self.0.ledgers();
        ledgers.retain(|_, ledger| ledger.strong_count() > 0);
        let known = ledgers.get(&scope.business()).and_then(Weak::upgrade);
        let ledger = known.unwrap_or_else(|| {
            let ledger = Arc::new(Ledger { size: watch::Sender::new(0) });
            ledgers.insert(scope.business(), Arc::downgrade(&ledger));
            tokio::spawn(look(db.clone(), scope, Arc::downgrade(&ledger)));
            ledger
        });
        drop(ledgers);
        if ledger.size.receiver_count() >= (most / SHARE).max(1) {
            return Err(TooManyWatches);
        }
        Ok(Feed { size: ledger.size.subscribe(), _ledger: ledger, _place: place })
    }

    /// The ledger of `business` has so many changes now.
    pub(crate) fn grown(&self, business: BusinessId, size: i64) {
        let ledger = self.0.ledgers().get(&business).and_then(Weak::upgrade);
        if let Some(ledger) = ledger {
            ledger.grown(size);
        }
    }
}

impl Shared {
    fn ledgers(&self) -> MutexGuard<'_, HashMap<BusinessId, Weak<Ledger>>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn grown(&self, size: i64) {
        self.size.send_if_modified(|known| std::mem::replace(known, size.max(*known)) < size);
    }
}

/// Looks how far a ledger is, until nobody watches it any more. Where the store does not answer, the next look will tell.
async fn look(db: Db, scope: Scope, ledger: Weak<Ledger>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if ledger.strong_count() == 0 {
            return;
        }
        let Ok(mut tx) = db.read(scope).await else { continue };
        let head = heads::read(&mut tx).await;
        drop(tx);
        if let (Ok(Some(head)), Some(ledger)) = (head, ledger.upgrade()) {
            ledger.grown(head.next_index);
        }
    }
}

/// One watch of a ledger.
pub(crate) struct Feed {
    size: watch::Receiver<i64>,
    _ledger: Arc<Ledger>,
    _place: Watched,
}

impl Feed {
    /// Waits until the ledger has more than `size` changes.
    pub(crate) async fn beyond(&mut self, size: i64) {
        // The sender lives as long as this does.
        let _ = self.size.wait_for(|known| *known > size).await;
    }
}

/// A watch under way.
struct Watched(Arc<Shared>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
