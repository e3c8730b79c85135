//! Records reveals before they happen: who waits for the commit of one shares it with who comes meanwhile.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio::sync::{mpsc, oneshot};
use yinyom_audit::{Act, append, stream};
use yinyom_db::{Db, DbError};
use yinyom_kernel::{BusinessId, Scope};
use yinyom_outbox::RelayHandle;

use super::linger::{self, Linger};

/// How long an answer waits for its reveals to be recorded.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many answers wait at once. An event has 20 KB at most, so these have 20 MB.
const QUEUE: usize = 1_000;

/// The most events of one commit.
const BATCH: usize = 200;

/// Answers with reveals, by what became of them.
static REVEALS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("contact-directory")
        .u64_counter("yinyom.directory.reveals")
        .with_description("Answers that show something by privilege alone: recorded, or masked because they were not")
        .build()
});

/// Takes reveals and tells when they are on disk. Cheap to clone.
///
/// One commit is under way at a time; what arrives meanwhile, or [a moment](Linger) later, is in the next one. So who is alone
/// waits for nobody, and many share the price.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Pending>,
    relay: RelayHandle,
}

struct Pending {
    scope: Scope,
    act: Act,
    committed: oneshot::Sender<()>,
}

impl Recorder {
    /// Records in `db`, on the current runtime, until the last clone is dropped; wakes `relay`.
    pub fn start(db: Db, relay: RelayHandle) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, relay.clone(), waiting));
        Self { queue, relay }
    }

    /// Sends what of `business` waits on its way at once.
    pub fn wake(&self, business: BusinessId) {
        self.relay.wake(business, [stream(business)]);
    }

    /// Whether the reveal is on record. Not, if the store does not answer within half a second or too many wait for
    /// it; then it must not happen. It may be recorded nevertheless.
    pub async fn record(&self, scope: Scope, act: Act) -> bool {
        let (committed, commit) = oneshot::channel();
        let recorded = match self.queue.try_send(Pending { scope, act, committed }) {
            Ok(()) => matches!(tokio::time::timeout(PATIENCE, commit).await, Ok(Ok(()))),
            Err(_) => false,
        };
        let outcome = if recorded { "recorded" } else { "masked" };
        REVEALS.add(1, &[KeyValue::new("outcome", outcome)]);
        recorded
    }
}

async fn run(db: Db, relay: RelayHandle, mut waiting: mpsc::Receiver<Pending>) {
    let (mut batch, mut linger) = (Vec::new(), Linger::default());
    // There may be some who came while others were waited for.
    while !batch.is_empty() || waiting.recv_many(&mut batch, BATCH).await > 0 {
        // Whoever has given up shows nothing.
        batch.retain(|pending| !pending.committed.is_closed());
        let answered = batch.len();
        record(&db, &relay, batch.drain(..)).await;
        if let Some(wanted) = linger.wanted(answered, waiting.len()) {
            linger.waited(linger::moment(fill(&mut batch, &mut waiting, wanted.min(BATCH))).await);
        }
        while batch.len() < BATCH
            && let Ok(pending) = waiting.try_recv()
        {
            batch.push(pending);
        }
    }
}

/// Until so many are in the batch.
async fn fill(batch: &mut Vec<Pending>, waiting: &mut mpsc::Receiver<Pending>, wanted: usize) {
    while batch.len() < wanted {
        let room = wanted - batch.len();
        if waiting.recv_many(batch, room).await == 0 {
            return;
        }
    }
}

/// Records, tells those who wait, and wakes the relay.
async fn record(db: &Db, relay: &RelayHandle, batch: impl Iterator<Item = Pending>) {
    let (mut acts, mut waiters) = (Acts::new(), Vec::new());
    for Pending { scope, act, committed } in batch {
        acts.entry(scope.business()).or_insert((scope, Vec::new())).1.push(act);
        waiters.push(committed);
    }
    let businesses: Vec<_> = acts.keys().copied().collect();
    match commit(db, acts).await {
        Ok(()) => {
            for waiter in waiters {
                // Who has given up meanwhile showed a mask.
                let _ = waiter.send(());
            }
            for business in businesses {
                relay.wake(business, [stream(business)]);
            }
        }
        Err(error) => {
            tracing::warn!(reveals = waiters.len(), %error, "reveals are not recorded; they are masked");
        }
    }
}

/// In the order of businesses, so that two replicas never wait for each other's.
type Acts = BTreeMap<BusinessId, (Scope, Vec<Act>)>;

async fn commit(db: &Db, mut acts: Acts) -> Result<(), DbError> {
    if acts.len() > 1 {
        return db
            .write_unscoped(move |mut tx| async move {
                for (scope, acts) in acts.into_values() {
                    tx.enter(scope);
                    append(&mut tx, &acts).await?;
                }
                tx.done(())
            })
            .await;
    }
    let Some((_, (scope, acts))) = acts.pop_first() else { return Ok(()) };
    db.write_at_once(scope, move |mut tx| async move {
        append(&mut tx, &acts).await?;
        tx.done(())
    })
    .await
}
