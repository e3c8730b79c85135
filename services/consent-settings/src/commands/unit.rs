//! The frame of every change of a business.

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_audit::{Act, FieldChange, What, append};
use yinyom_db::Tx;
use yinyom_db::idempotency::{self, Attempt, Key};
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::BusinessId;

use super::record::Record;
use super::{Asker, CommandError, Commands, actor};
use crate::domain::{Actor, Business, Effect};
use crate::store::{businesses, policy};

/// Wakes whoever waits for news of the rules.
pub(super) const POLICY: &str = "policy";

/// A unit of work that holds the lock of its business.
pub(super) struct Unit {
    pub(super) tx: Tx,
    pub(super) business: Business,
    /// As of now: roles are read under the lock, so that a demotion that was committed a moment ago
    /// counts (TRAPS 7).
    pub(super) actor: Actor,
    pub(super) now: Timestamp,
}

/// What a unit did.
pub(super) struct Did<T> {
    unit: Unit,
    value: T,
    made: Vec<Uuid>,
    effect: Effect,
    changes: Vec<FieldChange>,
}

impl Unit {
    /// Ends the work well. `changes` is what the audit record tells of it: nothing, if nothing changed.
    pub(super) fn did<T>(self, value: T, effect: Effect, changes: Vec<FieldChange>) -> Did<T> {
        Did { unit: self, value, made: Vec::new(), effect, changes }
    }
}

impl<T> Did<T> {
    /// Remembers an id that the server chose, for a repeated request.
    pub(super) fn made(mut self, id: Uuid) -> Self {
        self.made.push(id);
        self
    }
}

/// How a change came about.
pub(super) enum Outcome<T> {
    /// By this call.
    Fresh(T),
    /// By the same request before. What it changed may have changed again: render it anew.
    Repeated(Record),
}

impl Asker {
    fn key(&self, business: Option<BusinessId>) -> Option<(Key, [u8; 32])> {
        let once = self.once?;
        let key = Key {
            business,
            caller: self.caller.key(),
            rpc: self.rpc.to_owned(),
            request_id: once.id,
        };
        Some((key, once.fingerprint))
    }

    /// The record of the same request before, if there is one.
    pub(super) async fn begin(
        &self,
        tx: &mut Tx,
        business: Option<BusinessId>,
        now: Timestamp,
    ) -> Result<Option<Record>, CommandError> {
        let Some((key, fingerprint)) = self.key(business) else { return Ok(None) };
        match idempotency::begin(tx, &key, fingerprint, now.as_microsecond()).await? {
            Attempt::New => Ok(None),
            Attempt::Replay(outcome) => Ok(Some(Record::decode(&outcome)?)),
        }
    }

    /// Puts what `actor` changed on its way to the audit record, as one event.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        changes: Vec<FieldChange>,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        if changes.is_empty() {
            return Ok(());
        }
        let actor = match (actor, &self.caller) {
            (Actor::Member(member), _) => {
                yinyom_audit::Actor::Member { member: member.id, role: Some(member.role) }
            }
            (_, Caller::Service(service)) => {
                yinyom_audit::Actor::Service { name: service.name.clone() }
            }
            (_, Caller::Operator { name }) => yinyom_audit::Actor::Operator { name: name.clone() },
            (_, Caller::Member { member, .. }) => {
                yinyom_audit::Actor::Member { member: *member, role: None }
            }
        };
        let act = Act {
            at: now,
            actor,
            method: self.rpc.to_owned(),
            call_id: self.call_id.clone(),
            what: What::Settings(changes),
        };
        Ok(append(tx, &[act]).await?)
    }

    /// Keeps the record of this request.
    pub(super) async fn finish(
        &self,
        tx: &mut Tx,
        business: Option<BusinessId>,
        record: &Record,
    ) -> Result<(), CommandError> {
        if let Some((key, _)) = self.key(business) {
            idempotency::finish(tx, &key, &record.encode()).await?;
        }
        Ok(())
    }
}

impl Commands {
    /// Runs `work` on `business` under its lock and returns when what it did holds everywhere. A
    /// repeated request is not carried out again, and waits as the first one did: whoever is told
    /// that a right is gone may rely on it, also after the first answer was lost on its way.
    pub(super) async fn change<T, F, Fut>(
        &self,
        asker: Asker,
        business: BusinessId,
        work: F,
    ) -> Result<Outcome<T>, CommandError>
    where
        T: Send + 'static,
        F: FnOnce(Unit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Did<T>, CommandError>> + Send + 'static,
    {
        let scope = asker.caller.scope(business)?;
        let now = self.clock.now();
        let (outcome, settles_at) = self
            .db
            .write::<_, CommandError, _, _>(scope, move |mut tx| async move {
                let locked = businesses::lock(&mut tx).await?.ok_or(NotFound)?;
                let actor = actor(&mut tx, &asker.caller).await?.ok_or(NotFound)?;
                if let Some(record) = asker.begin(&mut tx, Some(business), now).await? {
                    let settles_at = record.settles_at;
                    return tx.done((Outcome::Repeated(record), settles_at));
                }
                let Did { mut unit, value, made, effect, changes } =
                    work(Unit { tx, business: locked, actor, now }).await?;
                asker.tell(&mut unit.tx, &unit.actor, changes, now).await?;
                let settles_at = settle(&mut unit.tx, effect).await?;
                let record = Record { made, settles_at };
                asker.finish(&mut unit.tx, Some(business), &record).await?;
                unit.tx.done((Outcome::Fresh(value), settles_at))
            })
            .await?;
        self.publish(business);
        if let Some(revision) = settles_at {
            self.leases.settled(revision).await;
        }
        Ok(outcome)
    }
}

/// Gives a change of the rules its revision; the revision that the call waits for, if any.
pub(super) async fn settle(tx: &mut Tx, effect: Effect) -> Result<Option<i64>, CommandError> {
    let revision = if effect.changes_policy() {
        tx.announce(POLICY);
        policy::advance(tx).await?
    } else if effect == Effect::Stands {
        policy::last_change(tx).await?
    } else {
        return Ok(None);
    };
    Ok((effect != Effect::Gives).then_some(revision))
}
