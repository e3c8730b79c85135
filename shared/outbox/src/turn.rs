//! One business's turn: read what waits, send it, mark what arrived.

use std::mem;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yinyom_db::DbError;
use yinyom_failpoints::{Point, reached};
use yinyom_kernel::{BusinessId, Scope};

use crate::relay::Engine;
use crate::rota::{Rota, Turn};
use crate::undelivered::{self, Found, Wanted};
use crate::verdict::{Stall, Verdict, judge};
use crate::{Event, GRACE, Sink, SinkError, StreamOutcome};

/// What is read of each woken stream at least, however many were woken.
const FEWEST: usize = 8;

/// New changes and old ones have workers of their own, so that neither waits for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Streams that were woken by a commit in this replica.
    Live,
    /// Businesses in which the sweep found something.
    CatchUp,
}

/// Why a turn came to nothing.
enum Failure {
    /// The sink or the database does not answer.
    Unavailable,
    /// Another relay was in the way.
    Conflict,
    /// Something is wrong with this business.
    Broken,
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) => Self::Unavailable,
            DbError::Conflict(_) => Self::Conflict,
            DbError::Constraint(_) | DbError::Bug(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox is broken");
                Self::Broken
            }
        }
    }
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// There may be more to do.
    WithMore,
    /// Nothing is left that could be sent now.
    WithNothing,
}

/// What a turn left to be done.
#[derive(Default)]
struct Rest {
    /// Live lane: streams that may have more.
    streams: Vec<Uuid>,
    /// Catch-up lane: there may be more.
    more: bool,
}

/// By the right of the relay, which reads a table of pseudonyms and ciphertext, one business at a
/// time (TRAPS 16).
#[expect(clippy::disallowed_methods, reason = "the relay has no caller")]
fn scope(business: BusinessId) -> Scope {
    Scope::assume(business)
}

impl<S: Sink> Engine<S> {
    /// Takes turn after turn until `stop`.
    pub(crate) async fn work(self: Arc<Self>, lane: Lane, stop: CancellationToken) {
        loop {
            let next = async {
                let turn = self.rota(lane).next(self.config.batch).await;
                self.gate.open().await;
                turn
            };
            let Some(turn) = stop.run_until_cancelled(next).await else { return };
            let business = turn.business;
            // A turn that panics must take neither the worker nor the business's place with it.
            let result = AssertUnwindSafe(self.turn(lane, &turn)).catch_unwind().await;
            let ended = result.unwrap_or_else(|_| {
                tracing::error!(%business, "a delivery panicked");
                self.rests.failed(business);
                Ended::WithMore
            });
            self.finish(lane, business, ended);
        }
    }

    /// Lets the business have its next turn: at once, or when there may be more to send in it.
    fn finish(self: &Arc<Self>, lane: Lane, business: BusinessId, ended: Ended) {
        let gather = self.config.gather;
        if ended == Ended::WithMore || gather.is_zero() {
            return self.rota(lane).finish(business);
        }
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(gather).await;
            engine.rota(lane).finish(business);
        });
    }

    fn rota(&self, lane: Lane) -> &Rota {
        match lane {
            Lane::Live => &self.live,
            Lane::CatchUp => &self.catch_up,
        }
    }

    async fn turn(&self, lane: Lane, turn: &Turn) -> Ended {
        let business = turn.business;
        if self.rests.rests(business) {
            // The sweep comes back to it.
            return Ended::WithMore;
        }
        match (self.relay(lane, turn).await, lane) {
            (Ok(rest), Lane::Live) if rest.streams.is_empty() => return Ended::WithNothing,
            (Ok(rest), Lane::Live) => self.live.offer(business, rest.streams),
            (Ok(rest), Lane::CatchUp) if rest.more => self.catch_up.call(business),
            (Ok(_), Lane::CatchUp) => {}
            (Err(Failure::Broken), _) => self.rests.failed(business),
            (Err(failure), lane) => {
                if matches!(failure, Failure::Unavailable) {
                    self.gate.failed();
                }
                match lane {
                    Lane::CatchUp => self.catch_up.call(business),
                    // By now it is the sweep's: to keep it here would mean to send it twice.
                    Lane::Live if self.gate.down_for() > GRACE => self.live.clear(),
                    Lane::Live => self.live.offer(business, turn.streams.iter().copied()),
                }
            }
        }
        Ended::WithMore
    }

    async fn relay(&self, lane: Lane, turn: &Turn) -> Result<Rest, Failure> {
        let business = turn.business;
        let batch = self.rests.batch(business, self.config.batch);
        let most = i64::try_from(batch).unwrap_or(i64::MAX);
        let now = self.clock.now().as_microsecond();

        let mut tx = self.db.read(scope(business)).await?;
        let wanted = match lane {
            Lane::Live => first_of(&turn.streams, batch),
            Lane::CatchUp => undelivered::due(self.outbox, &mut tx, now, most).await?,
        };
        if wanted.is_empty() {
            return Ok(Rest::default());
        }
        let mut found = undelivered::read(self.outbox, &mut tx, &wanted, now, most).await?;
        drop(tx);

        if lane == Lane::CatchUp && !found.stalled.is_empty() {
            self.park(business, found.stalled.iter().copied().collect()).await?;
        }
        let full = wanted.iter().map(|w| w.events).sum::<i64>() >= most;
        found.unread.retain(|stream| !found.stalled.contains(stream));
        let unread = mem::take(&mut found.unread);
        let sent = self.send(business, found).await?;
        if !sent.moved {
            // To look again at once would not help; the sweep comes back to it.
            return Ok(Rest::default());
        }
        Ok(Rest {
            streams: if sent.more { wanted.iter().map(|w| w.stream).collect() } else { unread },
            more: sent.more || full,
        })
    }

    /// Sends events and marks what arrived, in ever smaller parts while something is refused.
    async fn send(&self, business: BusinessId, found: Found) -> Result<Sent, Failure> {
        let Found { mut events, attempts, stalled, .. } = found;
        let mut sent = Sent { more: false, moved: !stalled.is_empty() };
        while let Some(first) = events.first() {
            match self.deliver(business, events.clone()).await {
                Ok(outcomes) => {
                    reached(Point::AfterSend).await.map_err(DbError::from)?;
                    let mut verdict = judge(&events, &outcomes, &attempts);
                    events = mem::take(&mut verdict.narrower);
                    sent.more |= verdict.more;
                    // Here the receiver has the events and we do not know it yet. Whoever dies
                    // here, or loses the answer, sends them again.
                    sent.moved |= self.mark(business, verdict).await?;
                    self.rests.taken(business, self.config.batch);
                }
                Err(SinkError::Unavailable) => return Err(Failure::Unavailable),
                Err(SinkError::Rejected { .. }) if events.len() > 1 => {
                    events.truncate(events.len() / 2);
                    self.rests.narrow(business, events.len());
                    sent.more = true;
                }
                Err(SinkError::Rejected { reason }) => {
                    tracing::warn!(%business, reason, "a business's events are not taken");
                    let before = attempts.get(&first.stream).copied().unwrap_or_default();
                    let stalls = vec![Stall::pausing(first, reason, before)];
                    self.mark(business, Verdict { stalls, ..Verdict::default() }).await?;
                    self.rests.failed(business);
                    return Ok(Sent::default());
                }
            }
        }
        Ok(sent)
    }

    async fn deliver(
        &self,
        business: BusinessId,
        events: Vec<Event>,
    ) -> Result<Vec<StreamOutcome>, SinkError> {
        let delivery = self.sink.deliver(business, events);
        let answer = tokio::time::timeout(self.config.delivery_timeout, delivery)
            .await
            .unwrap_or(Err(SinkError::Unavailable));
        if !matches!(answer, Err(SinkError::Unavailable)) {
            self.gate.answered();
        }
        answer
    }

    /// Whether anything changed.
    async fn mark(&self, business: BusinessId, verdict: Verdict) -> Result<bool, DbError> {
        for stall in verdict.stalls.iter().filter(|stall| stall.pause.is_none()) {
            let Stall { stream, seq, reason, .. } = stall;
            tracing::warn!(%business, %stream, seq, reason, "a stream is quarantined");
        }
        let (of, now) = (self.outbox, self.clock.now().as_microsecond());
        if verdict.stalls.is_empty() && verdict.recovered.is_empty() {
            return self
                .db
                .write_at_once(scope(business), move |mut tx| async move {
                    let forgotten = undelivered::mark(of, &mut tx, &verdict, now).await?;
                    tx.done(forgotten > 0)
                })
                .await;
        }
        self.db
            .write(scope(business), move |mut tx| async move {
                let forgotten = undelivered::mark(of, &mut tx, &verdict, now).await?;
                tx.done(forgotten > 0 || !verdict.stalls.is_empty())
            })
            .await
    }

    async fn park(&self, business: BusinessId, streams: Vec<Uuid>) -> Result<(), DbError> {
        let of = self.outbox;
        self.db
            .write(scope(business), move |mut tx| async move {
                undelivered::park(of, &mut tx, &streams).await?;
                tx.done(())
            })
            .await
    }
}

/// What came of sending.
#[derive(Default)]
struct Sent {
    /// More of the same streams can be sent.
    more: bool,
    /// Rows were deleted or put aside, so others are next.
    moved: bool,
}

/// A fair part of each woken stream: all of it, unless one or many have much.
fn first_of(streams: &[Uuid], batch: usize) -> Vec<Wanted> {
    let part = (batch / streams.len().max(1)).max(FEWEST);
    let events = i64::try_from(part).unwrap_or(i64::MAX);
    streams.iter().map(|stream| Wanted { stream: *stream, events }).collect()
}
