//! Which replica does a task that one is enough for.

use std::time::Duration;

use uuid::Uuid;
use yinyom_db::{Db, DbError};
use yinyom_kernel::SharedClock;

use crate::table::micros;

/// A wish to be the one that does a task. Saves work; proves nothing: two replicas whose clocks
/// differ may both hold it, so the task must be harmless when it is done twice at once.
#[derive(Clone)]
pub struct TaskLease {
    db: Db,
    clock: SharedClock,
    task: &'static str,
    holder: Uuid,
    duration: Duration,
}

impl TaskLease {
    /// For `task`, in the table `task_leases` of `db`. A lease that is not renewed ends after
    /// `duration`.
    pub fn new(db: Db, clock: SharedClock, task: &'static str, duration: Duration) -> Self {
        Self { db, clock, task, holder: Uuid::now_v7(), duration }
    }

    /// Takes or renews it; whether it is ours now.
    pub async fn hold(&self) -> Result<bool, DbError> {
        let (task, holder) = (self.task, self.holder);
        let now = self.clock.now().as_microsecond();
        let until = now.saturating_add(micros(self.duration));
        self.db
            .write_unscoped(move |mut tx| async move {
                let held = tx
                    .query(
                        "INSERT INTO task_leases (task, holder, held_until) VALUES ($1, $2, $3)
                         ON CONFLICT (task) DO UPDATE
                             SET holder = excluded.holder, held_until = excluded.held_until
                             WHERE task_leases.holder = excluded.holder
                                OR task_leases.held_until <= $4",
                    )
                    .bind(task)
                    .bind(holder)
                    .bind(until)
                    .bind(now)
                    .execute()
                    .await?;
                tx.done(held == 1)
            })
            .await
    }

    /// Gives it back, so that another replica has it at once.
    pub async fn release(&self) -> Result<(), DbError> {
        let (task, holder) = (self.task, self.holder);
        self.db
            .write_unscoped(move |mut tx| async move {
                tx.query("DELETE FROM task_leases WHERE task = $1 AND holder = $2")
                    .bind(task)
                    .bind(holder)
                    .execute()
                    .await?;
                tx.done(())
            })
            .await
    }
}

impl std::fmt::Debug for TaskLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskLease").field("task", &self.task).finish_non_exhaustive()
    }
}
