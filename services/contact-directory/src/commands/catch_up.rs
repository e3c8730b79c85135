//! Erasures outlive backups: what this database and the ledger know of them is compared before a replica serves, and again and
//! again.
//!
//! A directory that came back from a backup has people whom it had erased: the ledger names them, and they are erased anew
//! ([`Replay`]). A manager that came back has their keys: it is sent their `ERASED` again, at the end of what it has of their
//! stream, and destroys them anew. If both came back, an operator's list says what neither knows (`yinyom erasures`).

use std::collections::HashSet;
use std::time::Duration;

use tonic::Code;
use uuid::Uuid;
use yinyom_consent::wire::change_to_wire;
use yinyom_consent::{CONTACTS, ConsentChange};
use yinyom_db::{Db, DbError};
use yinyom_kernel::{BusinessId, ContactId, Name, Scope, SharedClock, from_micros};
use yinyom_outbox::TaskLease;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::ledger_service_client::LedgerServiceClient;
use yinyom_proto::manager::v1::retention_service_client::RetentionServiceClient;
use yinyom_rpc::Connection;

use super::Error;
use super::erase::{Replay, told_again};
use crate::store::erase::{self as store, Erased};

const EVERY: &str = "businesses/-";
const PAGE: i32 = 1_000;
/// Until the manager is asked again that did not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// How often one looks whether both know equally many.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Holds this database against the ledger.
#[derive(Clone)]
pub struct CatchUp {
    db: Db,
    clock: SharedClock,
    replay: Replay,
    retention: RetentionServiceClient<Connection>,
    ledger: LedgerServiceClient<Connection>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaughtUp {
    /// Contacts that were erased here anew.
    pub erased: u64,
    /// Erasures of which the ledger was told anew.
    pub told: u64,
}

/// It could not be done now.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    #[error("the manager does not answer: {0}")]
    Manager(Code),
    #[error("the manager's answer cannot be read")]
    Unreadable,
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<DbError> for CatchUpError {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

impl From<tonic::Status> for CatchUpError {
    fn from(status: tonic::Status) -> Self {
        Self::Manager(status.code())
    }
}

impl CatchUp {
    /// Of that database, with the manager at the other end of `connection`.
    pub fn new(db: Db, clock: SharedClock, connection: Connection) -> Self {
        Self {
            replay: Replay::new(db.clone()),
            db,
            clock,
            retention: RetentionServiceClient::new(connection.clone()),
            ledger: LedgerServiceClient::new(connection),
        }
    }

    /// Until both know of the same erasures. Waits for the manager, for ever.
    pub async fn first(&self) {
        loop {
            match self.once().await {
                Ok(_) => return,
                Err(CatchUpError::Manager(Code::PermissionDenied)) => tracing::error!(
                    "the caller table does not let this service list erasures across businesses \
                     (RetentionService/ListErasures): until it does, or the check is skipped, nothing is served"
                ),
                Err(error) => {
                    tracing::warn!(%error, "waiting: which erasures the ledger knows is not known");
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Again and again, for ever: one replica at a time.
    pub async fn keep(self) {
        let clock = SharedClock::clone(&self.clock);
        let lease = TaskLease::new(self.db.clone(), clock, "catch-up", LOOK_EVERY * 3);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !matches!(lease.hold().await, Ok(true)) {
                continue;
            }
            if let Err(error) = self.glance().await {
                tracing::debug!(%error, "which erasures the ledger knows is not known");
            }
        }
    }

    /// Compares numbers, and everything if they differ.
    async fn glance(&self) -> Result<(), CatchUpError> {
        let known = self.told().await?;
        let answer = self.page(String::new(), 1, known).await?;
        if answer.total_size != known {
            self.once().await?;
        }
        Ok(())
    }

    /// Compares everything once, and mends what differs.
    pub async fn once(&self) -> Result<CaughtUp, CatchUpError> {
        let mut done = CaughtUp::default();
        let known = self.told().await?;
        let theirs = self.pull(known, &mut done).await?;
        self.push(&theirs, &mut done).await?;
        if done != CaughtUp::default() {
            let CaughtUp { erased, told } = done;
            tracing::warn!(
                erased,
                told,
                "erasures were replayed: a database came back from a backup"
            );
            self.db.write_back_journal().await?;
            // It opens evidence again once it hears that it lacks nothing.
            self.page(String::new(), 1, self.told().await?).await?;
        }
        Ok(done)
    }

    /// Erases here whom the ledger knows to be erased. All of those.
    async fn pull(
        &self,
        known: i64,
        done: &mut CaughtUp,
    ) -> Result<HashSet<(Uuid, Uuid)>, CatchUpError> {
        let mut theirs = HashSet::new();
        let mut token = String::new();
        loop {
            let page = self.page(token, PAGE, known).await?;
            for erasure in page.erasures {
                let (business, erased) = read(&erasure).ok_or(CatchUpError::Unreadable)?;
                theirs.insert((business.uuid(), erased.contact.uuid()));
                done.erased += u64::from(self.replay.erase(about(business), erased).await?);
            }
            token = page.next_page_token;
            if token.is_empty() {
                return Ok(theirs);
            }
        }
    }

    /// Tells the ledger of those that it does not know.
    async fn push(
        &self,
        theirs: &HashSet<(Uuid, Uuid)>,
        done: &mut CaughtUp,
    ) -> Result<(), CatchUpError> {
        let mut after = (Uuid::nil(), Uuid::nil());
        loop {
            let ours = self.replay.known(after, i64::from(PAGE)).await?;
            let Some((business, last)) = ours.last() else { return Ok(()) };
            after = (*business, last.contact.uuid());
            for (business, erased) in ours {
                if theirs.contains(&(business, erased.contact.uuid())) {
                    continue;
                }
                let scope = about(business.into());
                // What waits to be sent says so itself.
                if store::waits(&mut self.db.read(scope).await?, erased.contact).await? {
                    continue;
                }
                self.tell(scope, erased).await?;
                done.told += 1;
            }
        }
    }

    /// Sends `ERASED` at the end of what the ledger has of the stream.
    async fn tell(&self, scope: Scope, erased: Erased) -> Result<(), CatchUpError> {
        // A number beyond all asks for the last one.
        let probe = self.record(&told_again(scope, erased, i64::MAX)).await?;
        let next = probe.last_seq.saturating_add(1);
        let told = self.record(&told_again(scope, erased, next)).await?;
        if told.outcome() == pb::RecordOutcome::Recorded {
            Ok(())
        } else {
            Err(CatchUpError::Unreadable)
        }
    }

    async fn record(&self, change: &ConsentChange) -> Result<pb::StreamResult, CatchUpError> {
        let request = pb::RecordConsentChangesRequest {
            parent: Name::format_business(change.business),
            changes: vec![change_to_wire(change)],
            ..<_>::default()
        };
        let answer = self.ledger.clone().record_consent_changes(request).await?.into_inner();
        answer.results.into_iter().next().ok_or(CatchUpError::Unreadable)
    }

    async fn page(
        &self,
        page_token: String,
        page_size: i32,
        known_size: i64,
    ) -> Result<pb::ListErasuresResponse, CatchUpError> {
        let parent = EVERY.to_owned();
        let request = pb::ListErasuresRequest { parent, page_size, page_token, known_size };
        Ok(self.retention.clone().list_erasures(request).await?.into_inner())
    }

    /// How many erasures the ledger should know.
    async fn told(&self) -> Result<i64, DbError> {
        store::count_told(&mut self.db.read_unscoped().await?).await
    }
}

fn read(erasure: &pb::Erasure) -> Option<(BusinessId, Erased)> {
    let (business, contact): (_, ContactId) = CONTACTS.parse(&erasure.contact).ok()?;
    let at = erasure.erase_time?;
    let at = at.seconds.checked_mul(1_000_000)?.checked_add(i64::from(at.nanos / 1_000))?;
    Some((business, Erased { contact, seq: erasure.seq, at: from_micros(at) }))
}

/// By the right of the erasure, which reads a table of pseudonyms and enters one business at a time (TRAPS 16).
#[expect(clippy::disallowed_methods, reason = "who was erased stays so, whoever asks")]
pub fn about(business: BusinessId) -> Scope {
    Scope::assume(business)
}
