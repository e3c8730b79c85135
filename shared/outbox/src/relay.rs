//! The relay of one replica: its lanes, and how it starts and stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yinyom_db::Db;
use yinyom_kernel::{BusinessId, SharedClock};

use crate::gauges::Gauges;
use crate::pace::{Gate, Rests};
use crate::rota::{Bounds, Rota};
use crate::turn::Lane;
use crate::{Outbox, Sink};

const LIVE: Bounds = Bounds { of_a_business: 5_000, in_all: 50_000 };
/// The catch-up lane names businesses, not streams.
const CATCH_UP: Bounds = Bounds { of_a_business: 0, in_all: 0 };

/// How a relay behaves. The defaults suit a service replica.
#[derive(Debug, Clone, Copy)]
pub struct RelayConfig {
    /// The most events in one delivery.
    pub batch: usize,
    /// Deliveries at once of what was just committed here.
    pub live: usize,
    /// Deliveries at once of what was left over.
    pub catch_up: usize,
    /// After a turn that left nothing of a business to be sent, how long its next one waits for company: what is committed
    /// meanwhile is sent together. Well below [`crate::GRACE`].
    pub gather: Duration,
    /// How often the sweep looks while something is due.
    pub look: Duration,
    /// How often it looks while nothing is.
    pub idle_look: Duration,
    /// After how long another replica takes over the sweep from one that died.
    pub lease: Duration,
    /// After how long a delivery is given up. It is sent again.
    pub delivery_timeout: Duration,
    /// How long a delivery that is under way may take when the relay is stopped.
    pub drain: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            batch: 500,
            live: 4,
            catch_up: 3,
            gather: Duration::ZERO,
            look: Duration::from_millis(250),
            idle_look: Duration::from_secs(1),
            lease: Duration::from_secs(3),
            delivery_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(2),
        }
    }
}

/// Sends what was committed to a sink.
#[derive(Debug)]
pub struct Relay<S>(Arc<Engine<S>>);

/// What all tasks of a relay share.
pub(crate) struct Engine<S> {
    pub(crate) outbox: Outbox,
    pub(crate) db: Db,
    pub(crate) sink: S,
    pub(crate) clock: SharedClock,
    pub(crate) config: RelayConfig,
    pub(crate) live: Arc<Rota>,
    pub(crate) catch_up: Rota,
    pub(crate) gate: Gate,
    pub(crate) rests: Rests,
    pub(crate) gauges: Gauges,
}

impl<S> std::fmt::Debug for Engine<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Tells the relay of this replica what was just committed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RelayHandle(Arc<Rota>);

impl RelayHandle {
    /// To be said after the commit, never before it. Costs a lock, cannot fail and may do nothing:
    /// what does not get in here is found by the sweep after [`crate::GRACE`].
    pub fn wake(&self, business: BusinessId, streams: impl IntoIterator<Item = Uuid>) {
        self.0.offer(business, streams);
    }
}

impl<S: Sink> Relay<S> {
    /// A relay from the [main](Outbox::MAIN) outbox in `db` to `sink`. It does nothing before it [runs](Self::run).
    pub fn new(db: Db, sink: S, clock: SharedClock, config: RelayConfig) -> Self {
        Self::of(Outbox::MAIN, db, sink, clock, config)
    }

    /// A relay from another outbox in `db`.
    pub fn of(outbox: Outbox, db: Db, sink: S, clock: SharedClock, config: RelayConfig) -> Self {
        Self(Arc::new(Engine {
            outbox,
            db,
            sink,
            clock,
            config,
            live: Arc::new(Rota::new(LIVE)),
            catch_up: Rota::new(CATCH_UP),
            gate: Gate::default(),
            rests: Rests::default(),
            gauges: Gauges::default(),
        }))
    }

    /// The handle for whoever commits events.
    pub fn handle(&self) -> RelayHandle {
        RelayHandle(Arc::clone(&self.0.live))
    }

    /// Relays until `stop` is cancelled, and then ends what is under way or leaves it to be sent
    /// again. Dropping the future is a crash, and as harmless as one.
    pub async fn run(self, stop: CancellationToken) {
        let Self(engine) = self;
        let clock = Arc::clone(&engine.clock);
        engine.gauges.register(engine.outbox, move || clock.now().as_microsecond());
        let mut tasks = JoinSet::new();
        for (lane, workers) in
            [(Lane::Live, engine.config.live), (Lane::CatchUp, engine.config.catch_up)]
        {
            for _ in 0..workers.max(1) {
                tasks.spawn(Arc::clone(&engine).work(lane, stop.clone()));
            }
        }
        tasks.spawn(Arc::clone(&engine).sweep(stop.clone()));
        stop.cancelled().await;
        let ended = async { while tasks.join_next().await.is_some() {} };
        // Whoever is still at work after that is aborted with the set.
        let _ = tokio::time::timeout(engine.config.drain, ended).await;
    }
}
