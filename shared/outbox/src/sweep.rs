//! Finds what nobody relayed: committed by a replica that died, left out where there was no room,
//! held back by a receiver that was down.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yinyom_db::DbError;

use crate::relay::Engine;
use crate::{Sink, TaskLease, undelivered};

/// How many businesses wait for the catch-up lane before no more are looked for.
const PAGE: usize = 500;
const NEXT_PAGE: Duration = Duration::from_millis(20);

/// Where the sweep is.
struct Round {
    lease: TaskLease,
    /// To be renewed, or tried again, not before this.
    decided: Option<(bool, Instant)>,
    after: Uuid,
}

impl<S: Sink> Engine<S> {
    /// Looks again and again until `stop`.
    pub(crate) async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        let lease = TaskLease::new(
            self.db.clone(),
            Arc::clone(&self.clock),
            self.outbox.sweep,
            self.config.lease,
        );
        let mut round = Round { lease, decided: None, after: Uuid::nil() };
        loop {
            let look = Box::pin(async {
                // A look that fails is a look that found nothing; the next one is the retry.
                let pause = self.look(&mut round).await.unwrap_or(self.config.idle_look);
                tokio::time::sleep(pause).await;
            });
            if stop.run_until_cancelled(look).await.is_none() {
                if matches!(round.decided, Some((true, _))) {
                    // So that no other replica has to wait for its end.
                    let _ = round.lease.release().await;
                }
                return;
            }
        }
    }

    /// Puts businesses in which something is due into the catch-up lane; when to look again.
    async fn look(&self, round: &mut Round) -> Result<Duration, DbError> {
        if !self.ours(round).await? {
            self.gauges.leave();
            return Ok(self.config.idle_look);
        }
        self.gauges.look(self.outbox, &self.db).await?;
        if self.catch_up.waiting() >= PAGE {
            return Ok(self.config.look);
        }
        let now = self.clock.now().as_microsecond();
        let most = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let mut tx = self.db.read_unscoped().await?;
        let found = undelivered::businesses(self.outbox, &mut tx, round.after, now, most).await?;
        drop(tx);
        for business in found.iter().map(|id| (*id).into()) {
            if !self.rests.rests(business) {
                self.catch_up.call(business);
            }
        }
        let last = found.iter().max().copied().filter(|_| found.len() >= PAGE);
        let began = round.after.is_nil();
        round.after = last.unwrap_or_default();
        Ok(match last {
            Some(_) => NEXT_PAGE,
            None if found.is_empty() && began => self.config.idle_look,
            None => self.config.look,
        })
    }

    /// Whether this replica sweeps. On SQLite there is one; on PostgreSQL the holder of the lease.
    async fn ours(&self, round: &mut Round) -> Result<bool, DbError> {
        if !self.db.is_postgres() {
            return Ok(true);
        }
        if let Some((ours, until)) = round.decided
            && Instant::now() < until
        {
            return Ok(ours);
        }
        let was_ours = matches!(round.decided, Some((true, _)));
        let now = Instant::now();
        if was_ours && self.gate.down_for() > self.config.lease {
            // The sink may be out of this replica's reach alone: let another one try.
            round.lease.release().await?;
            round.decided = Some((false, now + self.config.idle_look * 2));
            self.catch_up.clear();
            return Ok(false);
        }
        let ours = round.lease.hold().await?;
        let again = if ours { self.config.lease / 3 } else { self.config.idle_look };
        round.decided = Some((ours, now + again));
        Ok(ours)
    }
}
