//! Gives businesses another key to seal with, and seals what is there anew: points, contacts' own keys, and the
//! copies of those that wait in the outbox.
//!
//! First each business is given its key; after [`SETTLED_EVERYWHERE_AFTER`], every replica seals under it. Then
//! everything is sealed anew, a batch in a unit of work, while the services run; at the end the earlier keys are
//! deleted. Where it stands is told by the rows (`seal_key`): it can be killed at any moment and begun again,
//! or run twice at once. Until the end both keys open; look-ups, imports and refusals hang on the
//! index key, which stays, so they notice nothing.
//!
//! The same walk mends rows that were stored in another way before: without a blind index, or sealed before sealing
//! said under which key.
//!
//! # What it does
//! Whoever has an earlier key of the business, but not the new one, can read nothing of what is in the database then.
//! It takes back nothing that they have read before, or have in a copy of the database of before. The index key is not
//! renewed, since the hash of an address that a deleted contact refused could not be made again: it opens
//! nothing, but whoever has it and the database can still try out whether an address is there. Contacts' own
//! keys stay what they are, sealed anew: the ledger's evidence is under them, for ever, and they end with the contact's
//! erasure.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use uuid::Uuid;
use yinyom_consent::Channel;
use yinyom_db::{Constraint, Db, DbError, Violated};
use yinyom_kernel::{ContactId, OperationId, PointId, Scope};
use yinyom_proto::manager::v1 as pb;

use crate::store::contacts::narrow;
use crate::store::keys::{self, seal_key};
use crate::store::operations;
use crate::store::renewal::{self, FreshPoint, Payload};
use crate::store::{BusinessKeys, KeyRing, StoreError};

pub use crate::store::keys::SETTLED_EVERYWHERE_AFTER;

/// Until what somebody else has locked is looked at again.
const AGAIN: Duration = Duration::from_millis(200);

/// Events that are looked at in a unit of work.
const PAYLOADS: i64 = 100;

/// How far it is with a business.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Contacts that were looked at.
    pub contacts: u64,
    /// Points, contacts' keys and events that were sealed anew.
    pub sealed: u64,
    /// The earlier keys are gone.
    pub finished: bool,
}

/// Renews the keys of businesses.
#[derive(Clone)]
pub struct Renewal {
    db: Db,
    ring: KeyRing,
    /// Contacts in a unit of work.
    batch: i64,
}

impl Renewal {
    /// In batches of `batch` contacts.
    pub const fn new(db: Db, ring: KeyRing, batch: i64) -> Self {
        Self { db, ring, batch }
    }

    /// Gives the business another key, if its only one was made before `before`. When the newest was made, if there are
    /// earlier ones: [`Renewal::run`] has something to do from [`SETTLED_EVERYWHERE_AFTER`] then.
    pub async fn begin(
        &self,
        scope: Scope,
        before: i64,
        now: i64,
    ) -> Result<Option<i64>, StoreError> {
        let mut stored = keys::rows(&mut self.db.read(scope).await?).await?;
        let sealing: Vec<_> = stored.iter().filter(|key| key.seals()).collect();
        if let [only] = sealing.as_slice()
            && only.created_at < before
        {
            self.ring.add(&self.db, scope, now).await?;
            stored = keys::rows(&mut self.db.read(scope).await?).await?;
        }
        let several = stored.iter().filter(|key| key.seals()).count() > 1;
        Ok(keys::newest(&stored).filter(|_| several).map(|key| key.created_at))
    }

    /// Seals anew until nothing is left under an earlier key, and deletes those; or, for tests and whoever wants a bit at a
    /// time, until `batches` batches had something to do.
    pub async fn run(
        &self,
        scope: Scope,
        batches: Option<u64>,
        mut told: impl FnMut(Progress),
    ) -> Result<Progress, StoreError> {
        let stored = keys::rows(&mut self.db.read(scope).await?).await?;
        if stored.is_empty() {
            return Ok(Progress { finished: true, ..Progress::default() });
        }
        let keys = Arc::new(self.ring.newest(&stored, scope).await?);
        let (mut progress, mut busy) = (Progress::default(), 0);
        loop {
            let mut after = Uuid::nil();
            loop {
                let mut tx = self.db.read(scope).await?;
                let contacts = renewal::contacts(&mut tx, after, self.batch).await?;
                drop(tx);
                let Some(last) = contacts.last() else { break };
                after = *last;
                progress.contacts += contacts.len() as u64;
                if batches.is_some_and(|most| busy >= most) {
                    return Ok(progress);
                }
                let sealed = self.batch(scope, &keys, contacts).await?;
                progress.sealed += sealed;
                busy += u64::from(sealed > 0);
                told(progress);
            }
            let sealed = self.merged(scope, &keys).await? + self.operations(scope, &keys).await?;
            progress.sealed += sealed;
            let key = keys.current();
            if self.any_left(scope, key).await? {
                if sealed > 0 {
                    continue;
                }
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            progress.sealed += self.events(scope, &keys).await?;
            if self.finish(scope, key).await? {
                progress.finished = true;
                told(progress);
                return Ok(progress);
            }
        }
    }

    async fn any_left(&self, scope: Scope, key: i32) -> Result<bool, DbError> {
        renewal::any_left(&mut self.db.read(scope).await?, key).await
    }

    /// The keys of merged contacts, which can come back.
    async fn merged(&self, scope: Scope, keys: &Arc<BusinessKeys>) -> Result<u64, StoreError> {
        let (keys, most) = (Arc::clone(keys), self.batch);
        self.db
            .write(scope, move |mut tx| async move {
                let key = keys.current();
                let mut subjects = renewal::merged(&mut tx, key, most).await?;
                for of in &mut subjects {
                    of.subject_key = again(&keys, of.contact_id.into(), &of.subject_key)?;
                }
                if !subjects.is_empty() {
                    renewal::put_merged(&mut tx, &subjects, key).await?;
                }
                tx.done(subjects.len() as u64)
            })
            .await
    }

    /// What operations say that go on.
    async fn operations(&self, scope: Scope, keys: &Arc<BusinessKeys>) -> Result<u64, StoreError> {
        let (keys, most) = (Arc::clone(keys), self.batch);
        self.db
            .write(scope, move |mut tx| async move {
                let key = keys.current();
                let mut stale = operations::sealed_before(&mut tx, key, most).await?;
                for (id, sealed) in &mut stale {
                    let id = OperationId::from(*id);
                    *sealed = keys.seal_word(id, &keys.open_word(id, sealed)?);
                }
                if !stale.is_empty() {
                    operations::put_sealed(&mut tx, &stale, key).await?;
                }
                tx.done(stale.len() as u64)
            })
            .await
    }

    async fn batch(
        &self,
        scope: Scope,
        keys: &Arc<BusinessKeys>,
        contacts: Vec<Uuid>,
    ) -> Result<u64, StoreError> {
        let keys = Arc::clone(keys);
        self.db
            .write(scope, move |mut tx| async move {
                let key = keys.current();
                let mut subjects = renewal::subjects(&mut tx, &contacts, key).await?;
                for of in &mut subjects {
                    of.subject_key = again(&keys, of.contact_id.into(), &of.subject_key)?;
                }
                if !subjects.is_empty() {
                    renewal::put_subjects(&mut tx, &subjects, key).await?;
                }
                let mut points = Vec::new();
                for of in renewal::points(&mut tx, &contacts, key).await? {
                    let (contact, point) =
                        (ContactId::from(of.contact_id), PointId::from(of.point_id));
                    let channel = Channel::from_code(narrow(of.channel))?;
                    let address = keys.open_address(contact, point, channel, &of.sealed)?;
                    points.push(FreshPoint {
                        contact_id: of.contact_id,
                        point_id: of.point_id,
                        sealed: keys.seal_address(contact, point, &address),
                        blind_index: keys.blind_index(&address),
                    });
                }
                if !points.is_empty() {
                    renewal::put_points(&mut tx, &points, key).await?;
                }
                tx.done((subjects.len() + points.len()) as u64)
            })
            .await
    }

    /// The contacts' keys in events that wait to be sent, quarantined ones too. One event in a unit of work: the relay
    /// deletes many in one, and neither may wait for the other.
    async fn events(&self, scope: Scope, keys: &Arc<BusinessKeys>) -> Result<u64, StoreError> {
        let (mut after, mut sealed) = ((Uuid::nil(), 0), 0);
        loop {
            let mut tx = self.db.read(scope).await?;
            let waiting = renewal::payloads(&mut tx, after, PAYLOADS).await?;
            drop(tx);
            let Some(last) = waiting.last() else { return Ok(sealed) };
            after = (last.stream_id, last.seq);
            for mut of in waiting {
                let stale = of.payload.clone();
                if !renew_event(keys, &mut of)? {
                    continue;
                }
                let put = self.db.write::<_, StoreError, _, _>(scope, move |mut tx| async move {
                    let put = renewal::put_payload(&mut tx, &of, &stale).await?;
                    tx.done(put)
                });
                sealed += put.await?;
            }
        }
    }

    /// Deletes the earlier keys, unless anything is left under one. Contacts come before events: what a unit of work
    /// enqueues carries the key of a contact that it has locked or made itself, so once no contact is left, no event is
    /// added.
    async fn finish(&self, scope: Scope, key: i32) -> Result<bool, StoreError> {
        let finished = self.db.write::<_, DbError, _, _>(scope, move |mut tx| async move {
            if renewal::any_left(&mut tx, key).await? {
                return tx.done(false);
            }
            renewal::drop_earlier(&mut tx, key).await?;
            tx.done(true)
        });
        match finished.await {
            // Somebody stored a row meanwhile who did not know the new key.
            Err(DbError::Constraint(Violated { kind: Constraint::ForeignKey, .. })) => Ok(false),
            finished => Ok(finished?),
        }
    }
}

fn again(keys: &BusinessKeys, contact: ContactId, wrapped: &[u8]) -> Result<Vec<u8>, StoreError> {
    Ok(keys.wrap_subject(contact, &keys.unwrap_subject(contact, wrapped)?))
}

/// Whether there was anything to renew. What cannot be read is left for the relay to complain of.
fn renew_event(keys: &BusinessKeys, of: &mut Payload) -> Result<bool, StoreError> {
    let Ok(mut change) = pb::ConsentChange::decode(&of.payload[..]) else { return Ok(false) };
    if change.subject_key.is_empty() || seal_key(&change.subject_key) == keys.current() {
        return Ok(false);
    }
    change.subject_key = again(keys, of.stream_id.into(), &change.subject_key)?;
    of.payload = change.encode_to_vec();
    Ok(true)
}
