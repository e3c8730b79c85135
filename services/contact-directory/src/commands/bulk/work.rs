//! Goes on with operations: a block of contacts in a unit of work, by the rights that hold then of who began it.
//!
//! One replica is at an operation at a time, by a claim with an end. That saves work and proves nothing: the operation's row is
//! locked while a block is dealt with, and says which one is next. So two at once are harmless, and so is one that is killed.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, Code, ContactId, Fault, OperationId, Scope, Violations};

use super::{RPC, word};
use crate::commands::consents::{Row, Saying, Word, say_each};
use crate::commands::{Directory, Error, Session};
use crate::domain::Refusal;
use crate::domain::bulk::{Became, State};
use crate::domain::set::refuse_past;
use crate::store::operations::{self, Claim};

/// Between two looks for what other replicas have left or taken in.
const LOOK: Duration = Duration::from_secs(1);

/// After this another replica goes on with what one had that was killed.
const CLAIM: Duration = Duration::from_secs(4);

/// How long an operation rests whose next block cannot be dealt with.
const REST: Duration = Duration::from_secs(1);
const LONG_REST: Duration = Duration::from_secs(30);

/// How many businesses one look goes through.
const BUSINESSES: i64 = 100;

/// How many blocks one business has in a look, so that a huge operation does not hold up the others.
const BLOCKS: usize = 10;

/// Contacts of operations, by what became of them.
static CONTACTS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("contact-directory")
        .u64_counter("yinyom.directory.bulk.contacts")
        .with_description("Contacts that bulk operations dealt with: recorded, or refused")
        .build()
});

/// The task.
pub struct Work {
    directory: Directory,
    holder: Uuid,
    /// Of one business, in a look.
    blocks: usize,
}

/// What became of a block.
enum Step {
    /// It was dealt with, and these contacts have changed.
    Dealt(Vec<ContactId>),
    /// It was the last one.
    Ended(Vec<ContactId>),
    /// It is another replica's, or was cancelled.
    Lost,
}

impl Work {
    /// Of this replica.
    pub fn new(directory: Directory) -> Self {
        Self { directory, holder: Uuid::now_v7(), blocks: BLOCKS }
    }

    /// With so many blocks of a business in a look.
    #[must_use]
    pub const fn in_looks_of(mut self, blocks: usize) -> Self {
        self.blocks = blocks;
        self
    }

    /// Goes on until `stop`. What fails is tried again.
    pub async fn run(self, stop: CancellationToken) {
        if !self.directory.db.is_postgres() {
            // There is one replica: whoever had a claim here is gone.
            let _ = self.let_go(None).await;
        }
        let mut more = false;
        loop {
            let look = Box::pin(async {
                if !more {
                    let begun = self.directory.desk.begun.notified();
                    let _ = tokio::time::timeout(LOOK, begun).await;
                }
                let looked = self.go_on().await;
                looked.inspect_err(|error| tracing::warn!(%error, "operations do not go on"))
            });
            match stop.run_until_cancelled(look).await {
                Some(Ok(left)) => more = left,
                Some(Err(_)) => {
                    more = false;
                    if stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
                        break;
                    }
                }
                None => break,
            }
        }
        // So that no other replica has to wait for the end of a claim.
        let _ = self.let_go(Some(self.holder)).await;
    }

    /// Deals with some blocks of each business that has any; whether there are more that nobody else is at.
    pub async fn go_on(&self) -> Result<bool, Error> {
        let now = self.directory.now().as_microsecond();
        let mut tx = self.directory.db.read_unscoped().await?;
        let due = operations::businesses(&mut tx, now, BUSINESSES).await?;
        drop(tx);
        let mut more = false;
        for business in due {
            match self.of(about(business)).await {
                Ok(left) => more |= left,
                Err(error) => {
                    tracing::warn!(%business, %error, "operations of a business do not go on");
                }
            }
        }
        Ok(more)
    }

    async fn of(&self, scope: Scope) -> Result<bool, Error> {
        for _ in 0..self.blocks {
            let Some((id, caller)) = self.claimed(scope).await? else {
                self.tidy(scope).await?;
                return Ok(false);
            };
            match self.block(scope, id, &caller).await {
                Ok(Step::Dealt(changed)) => self.directory.publish(scope.business(), changed),
                Ok(Step::Ended(changed)) => {
                    self.directory.publish(scope.business(), changed);
                    self.directory.desk.tell_of_end();
                }
                Ok(Step::Lost) => {}
                Err(error) => {
                    tracing::warn!(operation = %id, %error, "an operation has to rest");
                    let rest = if error.code() == Code::Internal { LONG_REST } else { REST };
                    self.put_off(scope, id, rest).await?;
                }
            }
        }
        Ok(true)
    }

    fn claim(&self, lasts: Duration) -> Claim {
        let now = self.directory.now().as_microsecond();
        let lasts = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
        Claim { holder: self.holder, now, until: now.saturating_add(lasts) }
    }

    async fn claimed(&self, scope: Scope) -> Result<Option<(OperationId, String)>, Error> {
        let claim = self.claim(CLAIM);
        let write = self.directory.db.write(scope, move |mut tx| async move {
            let claimed = operations::claim(&mut tx, claim).await?;
            tx.done::<_, Error>(claimed)
        });
        write.await
    }

    async fn put_off(&self, scope: Scope, id: OperationId, rest: Duration) -> Result<(), Error> {
        let claim = self.claim(rest);
        let write = self.directory.db.write(scope, move |mut tx| async move {
            operations::put_off(&mut tx, id, claim).await?;
            tx.done::<_, Error>(())
        });
        write.await
    }

    async fn tidy(&self, scope: Scope) -> Result<(), Error> {
        let kept = self.directory.desk.retention.micros();
        let before = self.directory.now().as_microsecond().saturating_sub(kept);
        let write = self.directory.db.write(scope, move |mut tx| async move {
            operations::tidy(&mut tx, before, kept).await?;
            tx.done::<_, Error>(())
        });
        write.await
    }

    /// Gives all claims back, or all of one replica.
    async fn let_go(&self, holder: Option<Uuid>) -> Result<(), Error> {
        let now = self.directory.now().as_microsecond();
        let mut tx = self.directory.db.read_unscoped().await?;
        let due = operations::businesses(&mut tx, now, BUSINESSES).await?;
        drop(tx);
        for business in due {
            let write = self.directory.db.write(about(business), move |mut tx| async move {
                operations::let_go(&mut tx, holder).await?;
                tx.done::<_, Error>(())
            });
            write.await?;
        }
        Ok(())
    }

    /// Who began it, as far as they may go on: in their role of now, a service by its entry in the caller table of now.
    async fn session(&self, business: BusinessId, caller: &str) -> Result<Session, Error> {
        let caller = match caller.split_once(':') {
            Some(("member", id)) => {
                Caller::Member { business, member: id.parse().map_err(|_| NotFound)? }
            }
            Some(("service", name)) => {
                let services = self.directory.desk.services.as_ref();
                let service = services.and_then(|services| services.service(name));
                Caller::Service(service.filter(|it| it.may_call(RPC)).ok_or(NotFound)?)
            }
            _ => return Err(NotFound.into()),
        };
        Session::open(&self.directory, &caller, business).await
    }

    /// Deals with the next block, all of it or nothing.
    async fn block(&self, scope: Scope, id: OperationId, caller: &str) -> Result<Step, Error> {
        let directory = &self.directory;
        let now = directory.now();
        let session = match self.session(scope.business(), caller).await {
            Err(Error::NotFound(_)) => return self.stop(scope, id).await,
            session => session?,
        };
        let keys = directory.keys_of(&session).await?;
        let claim = self.claim(CLAIM);
        let write = directory.db.write(scope, move |mut tx| async move {
            let Some(block) = operations::next(&mut tx, id, claim.holder).await? else {
                return tx.done(Step::Lost);
            };
            let said = word::read(&keys, id, &block.word, block.sealed.as_deref())?;
            let mut too_late = Violations::new();
            refuse_past(&mut too_late, &said.assignments.inputs(), now);
            let untimely = too_late.finish(Some(())).err();
            let sayings = block.contacts.iter().map(|contact| {
                Ok(Saying {
                    contact: *contact,
                    place: said.place,
                    word: Word::Set(said.assignments),
                    evidence: said.evidence.clone(),
                    etag: String::new(),
                    untimely: untimely.clone(),
                })
            });
            let rows = say_each(&mut tx, &session, &keys, sayings.collect(), now).await?;
            let mut outcomes = Vec::with_capacity(rows.len());
            let mut changed = Vec::new();
            for row in rows {
                outcomes.push(match row {
                    Row::Recorded(written) => {
                        changed.push(written.receipt.id.into());
                        Became::Recorded(written.receipt.consent_seq)
                    }
                    // Nobody knows whether it may be: it is asked again, and nothing of the block is kept.
                    Row::Refused(Error::Refused(Refusal::PolicyUnavailable)) => {
                        return Err(Refusal::PolicyUnavailable.into());
                    }
                    Row::Refused(error) => {
                        Became::Refused(error.code().number(), error.reason().to_owned())
                    }
                    Row::RefusedBefore(code, reason) => Became::Refused(code, reason),
                });
            }
            operations::dealt_with(&mut tx, id, block.number, &outcomes, claim).await?;
            if block.last {
                operations::end(&mut tx, id, State::Succeeded, claim.now).await?;
            }
            let recorded = changed.len() as u64;
            count(recorded, outcomes.len() as u64 - recorded);
            tx.done::<_, Error>(if block.last {
                Step::Ended(changed)
            } else {
                Step::Dealt(changed)
            })
        });
        write.await
    }

    /// Who began it is no member any more, or a service that may not begin it any more.
    async fn stop(&self, scope: Scope, id: OperationId) -> Result<Step, Error> {
        let now = self.directory.now().as_microsecond();
        let write = self.directory.db.write(scope, move |mut tx| async move {
            operations::end(&mut tx, id, State::Stopped, now).await?;
            tx.done::<_, Error>(Step::Ended(Vec::new()))
        });
        write.await
    }
}

fn count(recorded: u64, refused: u64) {
    for (outcome, contacts) in [("recorded", recorded), ("refused", refused)] {
        CONTACTS.add(contacts, &[KeyValue::new("outcome", outcome)]);
    }
}

/// By the directory's own right, one business at a time (TRAPS 16); what is done there, by the right of who began it.
#[expect(clippy::disallowed_methods, reason = "an operation goes on when its caller is gone")]
fn about(business: BusinessId) -> Scope {
    Scope::assume(business)
}
