//! Operations, as those see them who may: owner, admins, and who began one. To everybody else there is none.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use yinyom_consent::Actor;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{OperationId, let_go};

use super::bulk::{OperationFault, OperationRetention};
use super::{Directory, Error, Session};
use crate::domain::Refusal;
use crate::domain::bulk::{Operation, Sees, State};
use crate::domain::order::{Cursor, CursorKey, Page};
use crate::store::operations::{self, Outcome, Place, Wanted};

/// How often it is looked at whether another replica has ended what somebody waits for.
const LOOK: Duration = Duration::from_millis(250);

impl Directory {
    /// How long an operation that has ended is kept.
    pub fn operations_are_kept(&self) -> OperationRetention {
        self.desk.retention
    }

    /// One operation.
    pub async fn operation(
        &self,
        session: &Session,
        caller: &Caller,
        id: OperationId,
    ) -> Result<Operation, Error> {
        let mut tx = self.db.read(session.scope).await?;
        let found = operations::find(&mut tx, id).await?;
        drop(tx);
        // What is seen depends on a role that may be gone by now (TRAPS 6).
        let sees = self.sees(session, caller).await?;
        match found {
            Some(begun) if sees == Sees::All || begun.caller == session.caller_key => {
                Ok(begun.operation)
            }
            // Whether there is one or not.
            _ if sees == Sees::Unsure => Err(Refusal::PolicyUnavailable.into()),
            _ => Err(NotFound.into()),
        }
    }

    /// The newest operations before that one: all for owner and admins, their own for everybody else.
    pub async fn operations(
        &self,
        session: &Session,
        caller: &Caller,
        done: Option<bool>,
        before: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<Operation>, Error> {
        let sees = match sees(&session.actor) {
            Sees::Unsure => return Err(Refusal::PolicyUnavailable.into()),
            sees => sees,
        };
        let own = (sees == Sees::Own).then_some(&session.caller_key[..]);
        let before = before.map(|cursor| match cursor.key {
            CursorKey::Time(time) => (time, cursor.id),
            CursorKey::Text(_) => (i64::MIN, cursor.id),
        });
        let fetch = i64::try_from(rows).unwrap_or(i64::MAX - 1) + 1;
        let mut tx = self.db.read(session.scope).await?;
        let found = operations::page(&mut tx, Wanted { caller: own, done }, before, fetch).await?;
        drop(tx);
        if self.sees(session, caller).await? != sees {
            return Err(Refusal::PolicyUnavailable.into());
        }
        Ok(Page::cut(found, rows, |operation| Cursor {
            key: CursorKey::Time(operation.created_at.as_microsecond()),
            id: operation.id.uuid(),
        }))
    }

    /// Ends an operation, after the block that it is at. One that has ended stays as it is.
    pub async fn cancel_operation(
        &self,
        session: &Session,
        caller: &Caller,
        id: OperationId,
    ) -> Result<(), Error> {
        self.operation(session, caller, id).await?;
        let now = self.now().as_microsecond();
        let ended = self.db.write(session.scope, move |mut tx| async move {
            operations::end(&mut tx, id, State::Cancelled, now).await?;
            tx.done::<_, Error>(())
        });
        ended.await?;
        self.desk.tell_of_end();
        Ok(())
    }

    /// Forgets an operation that has ended.
    pub async fn delete_operation(
        &self,
        session: &Session,
        caller: &Caller,
        id: OperationId,
    ) -> Result<(), Error> {
        if !self.operation(session, caller, id).await?.state.is_done() {
            return Err(OperationFault::NotDone.into());
        }
        let deleted = self.db.write(session.scope, move |mut tx| async move {
            let deleted = operations::delete(&mut tx, id).await?;
            tx.done::<_, Error>(deleted)
        });
        // Two may have deleted it at once.
        if deleted.await? { Ok(()) } else { Err(NotFound.into()) }
    }

    /// The operation as it is when it has ended, or at `until`.
    pub async fn wait_for_operation(
        &self,
        session: &Session,
        caller: &Caller,
        id: OperationId,
        until: Instant,
    ) -> Result<Operation, Error> {
        let mut ended = self.desk.ended.subscribe();
        loop {
            let operation = self.operation(session, caller, id).await?;
            if operation.state.is_done() || Instant::now() >= until {
                return Ok(operation);
            }
            let_go();
            let next = until.min(Instant::now() + LOOK);
            let _ = tokio::time::timeout_at(next, ended.changed()).await;
        }
    }

    /// What became of the contacts after that place.
    pub async fn bulk_results(
        &self,
        session: &Session,
        caller: &Caller,
        id: OperationId,
        only_refused: bool,
        after: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<Outcome>, Error> {
        self.operation(session, caller, id).await?;
        let after = after.map(|cursor| Place {
            block: if let CursorKey::Time(block) = cursor.key { block } else { i64::MAX },
            contact: usize::try_from(cursor.id.as_u128()).unwrap_or(usize::MAX),
        });
        let mut tx = self.db.snapshot(session.scope).await?;
        let found = operations::results(&mut tx, id, only_refused, after, rows + 1).await?;
        drop(tx);
        // It may have been deleted meanwhile, or the role that showed it.
        self.operation(session, caller, id).await?;
        Ok(Page::cut(found, rows, |outcome| Cursor {
            key: CursorKey::Time(outcome.place.block),
            id: Uuid::from_u128(outcome.place.contact as u128),
        }))
    }

    async fn sees(&self, session: &Session, caller: &Caller) -> Result<Sees, Error> {
        Ok(sees(&session.look_closely(self, caller).await?.actor))
    }
}

const fn sees(actor: &Actor) -> Sees {
    match actor {
        Actor::Member { role, .. } => Sees::of_member(*role),
        Actor::Service { .. } => Sees::Own,
    }
}
