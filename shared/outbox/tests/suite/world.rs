//! A service with an outbox, and its receiver.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yinyom_db::{Db, DbError, Tx};
use yinyom_kernel::{BusinessId, Clock, ManualClock, Scope};
use yinyom_outbox::{Event, GRACE, Relay, RelayConfig, RelayHandle, Status, enqueue};
use yinyom_testkit::TestDb;

use crate::receiver::{Delivery, Ear, Key, Receiver};

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub db: Db,
    pub clock: Arc<ManualClock>,
    pub receiver: Receiver,
    pub ear: Ear,
    pub place: TestDb,
}

pub struct Running {
    pub handle: RelayHandle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Lets the relay end what is under way.
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }

    /// As the death of its process would.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Looks often, so that no test waits for the sweep; nor, where the clock is let go on by
/// [`yinyom_outbox::GRACE`], for the lease of a relay that was killed.
pub fn quick() -> RelayConfig {
    let look = Duration::from_millis(5);
    RelayConfig { look, idle_look: look, lease: GRACE, ..RelayConfig::default() }
}

#[expect(clippy::disallowed_methods, reason = "the test is the caller")]
pub fn scope(business: BusinessId) -> Scope {
    Scope::assume(business)
}

pub fn ids<T: From<Uuid>>(n: usize) -> Vec<T> {
    (0..n).map(|_| T::from(Uuid::now_v7())).collect()
}

impl World {
    /// The clock stands still: what is not woken does not become due until [`Self::let_pass`].
    pub async fn new(db: TestDb) -> Self {
        db.write_unscoped(|mut tx| async move {
            let sql = tx.dialect(
                "CREATE TABLE heads (business_id BLOB, stream_id BLOB, seq BIGINT NOT NULL,
                 PRIMARY KEY (business_id, stream_id))",
                "CREATE TABLE heads (business_id UUID, stream_id UUID, seq BIGINT NOT NULL,
                 PRIMARY KEY (business_id, stream_id))",
            );
            tx.query(sql).execute().await?;
            tx.done::<_, DbError>(())
        })
        .await
        .unwrap();
        let (receiver, ear) = Receiver::new();
        let clock = Arc::new(ManualClock::at("2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap()));
        Self { db: db.handle(), clock, receiver, ear, place: db }
    }

    /// One more replica's relay.
    pub fn relay(&self, config: RelayConfig) -> Running {
        self.relay_to(&self.receiver, config)
    }

    /// One more replica's relay, to a receiver as that replica sees it.
    pub fn relay_to(&self, receiver: &Receiver, config: RelayConfig) -> Running {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let relay = Relay::new(self.db.clone(), receiver.clone(), clock, config);
        let (handle, stop) = (relay.handle(), CancellationToken::new());
        let task = tokio::spawn(relay.run(stop.clone()));
        Running { handle, stop, task }
    }

    /// What was committed becomes due.
    pub fn let_pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Commits one change of each stream, as a service does. Wakes nobody.
    pub async fn commit(&self, business: BusinessId, streams: &[Uuid]) {
        commit(self.db.clone(), self.clock.now(), business, streams.to_vec()).await.unwrap();
    }

    /// Commits `changes` of each of `streams` at once.
    pub async fn bulk(&self, business: BusinessId, streams: &[Uuid], changes: i64) {
        let (now, streams) = (self.clock.now(), streams.to_vec());
        self.db
            .write(scope(business), move |mut tx| async move {
                let all = streams.iter().flat_map(|s| (1..=changes).map(|seq| event(*s, seq, now)));
                for some in all.collect::<Vec<_>>().chunks(500) {
                    enqueue(&mut tx, some).await?;
                }
                tx.done::<_, DbError>(())
            })
            .await
            .unwrap();
    }

    /// The next `n` events that are recorded for the first time.
    pub async fn arrive(&mut self, n: usize) -> Vec<Key> {
        let mut news = Vec::new();
        let all = async {
            while news.len() < n {
                news.push(self.ear.news.recv().await.expect("the receiver lives"));
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, all).await;
        assert!(in_time.is_ok(), "only {} of {n} events arrived", news.len());
        news
    }

    /// The next delivery for which `wanted` holds.
    pub async fn delivery(&mut self, wanted: impl Fn(&Delivery) -> bool) -> Delivery {
        let next = async {
            loop {
                let delivery = self.ear.calls.recv().await.expect("the receiver lives");
                if wanted(&delivery) {
                    return delivery;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a delivery")
    }

    /// The deliveries so far that nobody asked for yet.
    pub fn deliveries(&mut self) -> Vec<Delivery> {
        std::iter::from_fn(|| self.ear.calls.try_recv().ok()).collect()
    }

    /// Which streams were sent since somebody asked.
    pub fn sent(&mut self) -> BTreeSet<Uuid> {
        self.deliveries().iter().flat_map(|d| &d.events).map(|(stream, _)| *stream).collect()
    }

    pub async fn status(&self, business: BusinessId) -> Status {
        yinyom_outbox::status(&mut self.db.read(scope(business)).await.unwrap()).await.unwrap()
    }

    /// Waits until what waits is as it should be.
    pub async fn until(
        &self,
        business: BusinessId,
        as_it_should: impl Fn(&Status) -> bool,
    ) -> Status {
        let there = async {
            loop {
                let status = self.status(business).await;
                if as_it_should(&status) {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.expect("what waits is not as it should be")
    }

    /// How many events wait, and how many streams are quarantined.
    pub async fn waiting(&self, business: BusinessId) -> (u64, usize) {
        let status = self.status(business).await;
        (status.backlog, status.quarantined.len())
    }

    /// Until the relay has marked all that it sent of `business`, and nothing of it waits.
    pub async fn until_marked(&self, business: BusinessId) {
        let marked = async { while self.waiting(business).await.0 > 0 {} };
        tokio::time::timeout(PATIENCE, marked).await.expect("it is marked");
    }

    /// Rows in the table of stalls, whatever they are for.
    pub async fn stalls(&self) -> i64 {
        let mut tx = self.place.unbound().await.read_unscoped().await.unwrap();
        tx.query("SELECT COUNT(*) FROM outbox_stalls").scalar().await.unwrap()
    }

    /// [`Self::assert_received`], of each stream.
    pub fn assert_all_received(&self, business: BusinessId, streams: &[Uuid], changes: i64) {
        for stream in streams {
            self.assert_received(business, *stream, changes);
        }
    }

    /// That a stream was received whole, in order, and as it was sent.
    pub fn assert_received(&self, business: BusinessId, stream: Uuid, changes: i64) {
        let got = self.receiver.ledger(business, stream);
        let sent: Vec<_> =
            (1..=changes).map(|seq| event(stream, seq, self.clock.now()).payload).collect();
        assert_eq!(got, sent, "every change of the stream, once and in order");
    }
}

pub async fn commit(
    db: Db,
    now: Timestamp,
    business: BusinessId,
    streams: Vec<Uuid>,
) -> Result<(), DbError> {
    db.write(scope(business), move |mut tx| async move {
        for stream in streams {
            let seq = raise(&mut tx, stream).await?;
            enqueue(&mut tx, &[event(stream, seq, now)]).await?;
        }
        tx.done(())
    })
    .await
}

/// Takes the stream's next number, and the lock on it.
pub async fn raise(tx: &mut Tx, stream: Uuid) -> Result<i64, DbError> {
    tx.scoped(
        "INSERT INTO heads (business_id, stream_id, seq) VALUES ($1, $2, 1)
         ON CONFLICT (business_id, stream_id) DO UPDATE SET seq = heads.seq + 1 RETURNING seq",
    )
    .bind(stream)
    .scalar()
    .await
}

pub fn event(stream: Uuid, seq: i64, now: Timestamp) -> Event {
    Event {
        stream,
        seq,
        payload: format!("{stream} {seq}").into(),
        created_at: now,
        trace_parent: (seq % 2 == 0).then(|| "00-trace-span-01".to_owned()),
    }
}
