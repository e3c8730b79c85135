//! Records that grants have run out: each once, by one replica, seconds after its instant.
//!
//! Nothing depends on it but the ledger: everybody counts a grant as `NOT_SET` from its instant on. So what is
//! recorded here changes neither etag nor update time: nobody can tell by them whether this has run yet.
//!
//! One replica does it at a time, by a lease; that saves work and proves nothing. Two at once are harmless, and so is one
//! that is killed: each contact is locked and looked at again, and a batch is one unit of work.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::metrics::Counter;
use tokio_util::sync::CancellationToken;
use yinyom_consent::Surface;
use yinyom_kernel::{BusinessId, ContactId, Scope, SharedClock};
use yinyom_outbox::{TaskLease, enqueue};

use super::contacts::{DIRECTORY, settle};
use super::{Change, Directory, Error};
use crate::store::{contacts, expiry};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// After this another replica takes over from one that was killed.
const LEASE: Duration = Duration::from_secs(4);

/// How many businesses one look goes through.
const BUSINESSES: i64 = 100;

/// How many units of work one business has in a look, so that a huge one does not hold up the others.
const UNITS: usize = 20;

/// How long a business whose grants cannot be recorded is left alone.
const REST: Duration = Duration::from_secs(30);

/// Expiries, recorded.
static RECORDED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("contact-directory")
        .u64_counter("yinyom.directory.expiries")
        .with_description("Contacts of which it was recorded that a grant has run out")
        .build()
});

/// The task.
pub struct Expiries {
    directory: Directory,
    lease: TaskLease,
    /// Contacts in a unit of work, of each channel.
    batch: i64,
}

impl Expiries {
    /// Of this replica.
    pub fn new(directory: Directory) -> Self {
        let clock = SharedClock::clone(&directory.clock);
        let lease = TaskLease::new(directory.db.clone(), clock, "expiry", LEASE);
        Self { directory, lease, batch: 200 }
    }

    /// With other units of work.
    #[must_use]
    pub const fn in_batches(mut self, of: i64) -> Self {
        self.batch = of;
        self
    }

    /// Looks again and again until `stop`. What fails is tried again.
    pub async fn run(self, stop: CancellationToken) {
        let mut ours = false;
        loop {
            let look = Box::pin(async {
                tokio::time::sleep(LOOK).await;
                let looked = self.look().await;
                looked.inspect_err(|error| tracing::warn!(%error, "expiries are not recorded"))
            });
            match stop.run_until_cancelled(look).await {
                Some(looked) => ours = looked.unwrap_or(false),
                None => break,
            }
        }
        if ours {
            // So that no other replica has to wait for its end.
            let _ = self.lease.release().await;
        }
    }

    /// Whether this replica is the one; if so, it records.
    async fn look(&self) -> Result<bool, Error> {
        // With SQLite there is one replica.
        if self.directory.db.is_postgres() && !self.lease.hold().await? {
            return Ok(false);
        }
        self.record_due().await?;
        Ok(true)
    }

    /// Records what has run out by now, a part of it if it is much; of how many contacts.
    pub async fn record_due(&self) -> Result<usize, Error> {
        let now = self.directory.now().as_microsecond();
        let mut tx = self.directory.db.read_unscoped().await?;
        let due = expiry::businesses(&mut tx, now, BUSINESSES).await?;
        drop(tx);
        let mut recorded = 0;
        for business in due {
            let scope = about(business);
            match self.record_of(scope).await {
                Ok(contacts) => recorded += contacts,
                Err(error) => {
                    tracing::warn!(%business, %error, "expiries of a business are not recorded");
                    self.put_off(scope).await?;
                }
            }
        }
        Ok(recorded)
    }

    async fn record_of(&self, scope: Scope) -> Result<usize, Error> {
        let mut recorded = 0;
        for _ in 0..UNITS {
            let (due, changed) = self.unit(scope).await?;
            recorded += changed.len();
            RECORDED.add(changed.len() as u64, &[]);
            self.directory.publish(scope.business(), changed);
            if due == 0 {
                let noted = self.directory.db.write(scope, move |mut tx| async move {
                    expiry::note_next(&mut tx).await?;
                    tx.done::<_, Error>(())
                });
                noted.await?;
                return Ok(recorded);
            }
        }
        // The rest waits for the next look; `due_work` says so still.
        Ok(recorded)
    }

    /// How many contacts were due, and of which of them it was recorded: not of those that somebody else has changed
    /// since they were found.
    async fn unit(&self, scope: Scope) -> Result<(usize, Vec<ContactId>), Error> {
        let Directory { db, keys, .. } = &self.directory;
        let now = self.directory.now();
        let micros = now.as_microsecond();
        let (keys, most) = (keys.of(db, scope, micros).await?, self.batch);
        db.write(scope, move |mut tx| async move {
            let due = expiry::due(&mut tx, micros, most).await?;
            let mut found = contacts::lock_to_hear(&mut tx, &due).await?;
            let (surface, parent, evidence) = (Surface::Api, None, None);
            let change =
                Change { scope, keys: &keys, actor: &DIRECTORY, surface, parent, evidence, now };
            let mut events = Vec::with_capacity(found.len());
            let mut changed = Vec::with_capacity(found.len());
            for contact in &mut found {
                let recorded = settle(&change, contact)?;
                if !recorded.is_empty() {
                    events.extend(recorded);
                    changed.push(&*contact);
                }
            }
            contacts::update(&mut tx, &changed).await?;
            enqueue(&mut tx, &events).await?;
            let changed = changed.iter().map(|contact| contact.id).collect();
            tx.done::<_, Error>((due.len(), changed))
        })
        .await
    }

    async fn put_off(&self, scope: Scope) -> Result<(), Error> {
        let until = self.directory.now() + REST;
        self.directory
            .db
            .write(scope, move |mut tx| async move {
                expiry::put_off(&mut tx, until.as_microsecond()).await?;
                tx.done::<_, Error>(())
            })
            .await
    }
}

/// By the directory's own right, one business at a time (TRAPS 16).
#[expect(clippy::disallowed_methods, reason = "nobody asks for an expiry to be recorded")]
fn about(business: BusinessId) -> Scope {
    Scope::assume(business)
}
