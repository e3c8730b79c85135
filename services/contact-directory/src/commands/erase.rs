//! Erasing a person (PDPA s.33; TRAPS 10), and doing so again in a database that came back from a backup.
//!
//! Contacts that are merged are one person, and are erased together, whichever of them is asked for. A mask, an etag, a plan or a
//! lead refuses none. What is destroyed here needs no answer of the manager: a legal hold
//! keeps the evidence that the ledger has, because the ledger is what a court asks for; the directory keeps no history,
//! and what it has is there to call and to write to people, which no hold wants.

use jiff::Timestamp;
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use uuid::Uuid;
use yinyom_consent::{Cause, ChannelChange, ConsentChange, Surface, wire};
use yinyom_db::{DbError, Tx};
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{AccountId, BusinessId, ContactId, LeadId, Scope, from_micros};
use yinyom_outbox::{Event, enqueue};
use yinyom_policy::Membership;

use super::contacts::DIRECTORY;
use super::request::{Request, begin, finish, uuid_bytes};
use super::{Directory, Error, Session};
use crate::domain::{Refusal, erase, expiry, surface};
use crate::store::erase::{self as store, Erasable, Erased, Links};
use crate::store::merges;

/// That a person is erased, and what else that did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The contact, or the one that it had been merged into.
    pub contact: ContactId,
    pub at: Timestamp,
    pub deleted_leads: Vec<LeadId>,
    /// What the contact was linked to and that remains.
    pub leads: Vec<LeadId>,
    pub accounts: Vec<AccountId>,
}

/// What the request record keeps: ids and a time.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Receipt {
    #[n(0)]
    #[cbor(with = "uuid_bytes")]
    contact: Uuid,
    #[n(1)]
    at: i64,
    #[n(2)]
    deleted_leads: Vec<ByteArray<16>>,
    #[n(3)]
    leads: Vec<ByteArray<16>>,
    #[n(4)]
    accounts: Vec<ByteArray<16>>,
}

impl Directory {
    /// Erases a contact: one that is there, was deleted, or is erased already. For owner, admins, protection officers
    /// and services.
    pub async fn erase_subject(
        &self,
        caller: &Caller,
        (business, contact): (BusinessId, ContactId),
        request: Option<Request>,
    ) -> Result<Erasure, Error> {
        let session = self.eraser(caller, business).await?;
        let keys = match &request {
            Some(_) => Some(self.keys_of(&session).await?),
            None => None,
        };
        let (now, scope) = (self.now(), session.scope);
        let erasure = self
            .db
            .write(scope, move |mut tx| async move {
                if let Some(keys) = &keys {
                    let micros = now.as_microsecond();
                    let before: Option<Receipt> =
                        begin(&mut tx, keys, &session, request.as_ref(), micros).await?;
                    if let Some(receipt) = before {
                        return tx.done(receipt.erasure());
                    }
                }
                let (whole, erasable) = lock(&mut tx, contact).await?;
                let erasure = match erasable {
                    Some(erasable) => {
                        for before in merges::predecessors(&mut tx, whole).await? {
                            if let Some(erasable) = store::lock(&mut tx, before).await? {
                                destroy(&mut tx, &session, before, &erasable, now).await?;
                            }
                        }
                        destroy(&mut tx, &session, whole, &erasable, now).await?
                    }
                    // Whoever waited for another erasure of it finds that one.
                    None => {
                        let erased = store::erased(&mut tx, contact).await?.ok_or(NotFound)?;
                        Erasure::of(erased, Links::default())
                    }
                };
                let receipt = Receipt::of(&erasure);
                finish(&mut tx, &session, request.as_ref(), &receipt).await?;
                tx.done::<_, Error>(erasure)
            })
            .await?;
        // What else was erased is sent in its time.
        self.publish(business, [erasure.contact]);
        // What was deleted is overwritten in the file; the journal still has it until it is written back.
        if let Err(error) = self.db.write_back_journal().await {
            tracing::warn!(%error, "the journal still holds what was erased");
        }
        Ok(erasure)
    }

    /// Lets in those who read the ledger, and services.
    async fn eraser(&self, caller: &Caller, business: BusinessId) -> Result<Session, Error> {
        let session = Session::open(self, caller, business).await?;
        if let Some(member) = caller.member() {
            match self.policies.of(business).await.membership(member) {
                Membership::Member(member) if member.reads_ledger() => {}
                Membership::Member(_) => return Err(Error::ErasureNotAllowed),
                Membership::Presumed | Membership::Unknown => {
                    return Err(Refusal::PolicyUnavailable.into());
                }
                Membership::Stranger => return Err(NotFound.into()),
            }
        }
        Ok(session)
    }
}

/// The contact that is to be erased for this one, locked: itself, or the one that it was merged into.
async fn lock(tx: &mut Tx, contact: ContactId) -> Result<(ContactId, Option<Erasable>), Error> {
    let mut whole = merges::survivor_of(tx, contact).await?;
    loop {
        let erasable = store::lock(tx, whole).await?;
        // Whoever waited for a merge finds what became of it.
        let now = merges::survivor_of(tx, contact).await?;
        if now == whole {
            return Ok((whole, erasable));
        }
        whole = now;
    }
}

/// Erases one contact of a person.
async fn destroy(
    tx: &mut Tx,
    session: &Session,
    contact: ContactId,
    erasable: &Erasable,
    now: Timestamp,
) -> Result<Erasure, Error> {
    let (events, erased) = events(session, contact, erasable, now);
    let links = store::destroy(tx, erased).await?;
    enqueue(tx, &events).await?;
    Ok(Erasure::of(erased, links))
}

/// The changes that tell the ledger, and the last of them: an expiry that nobody recorded, and the erasure.
fn events(
    session: &Session,
    contact: ContactId,
    erasable: &Erasable,
    now: Timestamp,
) -> (Vec<Event>, Erased) {
    let mut seq = erasable.consent_seq;
    let mut events = Vec::with_capacity(2);
    let mut consents = erasable.consents;
    let said = |seq, cause, channels| {
        let (actor, surface) = match cause {
            // Nobody said this: it happened by itself.
            Cause::Expired => (DIRECTORY.clone(), Surface::Api),
            _ => (session.actor.clone(), surface_of(session)),
        };
        told(&ConsentChange {
            actor,
            surface,
            ..bare(session.scope, contact, seq, cause, channels, now)
        })
    };
    if let Some(outcome) = consents.as_ref().and_then(|consents| expiry::settle(consents, now)) {
        seq += 1;
        events.push(said(seq, outcome.cause, outcome.changes));
        consents = Some(outcome.consents);
    }
    let erasure = erase::erase(consents.as_ref(), now);
    seq += 1;
    events.push(said(seq, erasure.cause, erasure.changes));
    (events, Erased { contact, seq, at: now })
}

fn surface_of(session: &Session) -> Surface {
    match session.kind {
        surface::By::Member => Surface::Contacts,
        surface::By::Service => Surface::Api,
    }
}

/// A change that rests on nothing, by the directory itself.
pub(crate) fn bare(
    scope: Scope,
    contact: ContactId,
    seq: i64,
    cause: Cause,
    channels: Vec<ChannelChange>,
    at: Timestamp,
) -> ConsentChange {
    ConsentChange {
        business: scope.business(),
        contact,
        seq,
        recorded_at: at,
        cause,
        surface: Surface::Api,
        surface_parent: None,
        actor: DIRECTORY.clone(),
        channels,
        method: None,
        notice_version: None,
        claimed_at: None,
        evidence_commitment: None,
    }
}

fn told(change: &ConsentChange) -> Event {
    use prost::Message;
    Event {
        stream: change.contact.uuid(),
        seq: change.seq,
        payload: wire::change_to_wire(change).encode_to_vec().into(),
        created_at: change.recorded_at,
        trace_parent: yinyom_telemetry::trace_parent(),
    }
}

impl Erasure {
    fn of(erased: Erased, links: Links) -> Self {
        let Links { deleted_leads, leads, accounts, .. } = links;
        Self { contact: erased.contact, at: erased.at, deleted_leads, leads, accounts }
    }
}

impl Receipt {
    fn of(erasure: &Erasure) -> Self {
        let leads = |of: &[LeadId]| of.iter().map(|id| id.uuid().into_bytes().into()).collect();
        Self {
            contact: erasure.contact.uuid(),
            at: erasure.at.as_microsecond(),
            deleted_leads: leads(&erasure.deleted_leads),
            leads: leads(&erasure.leads),
            accounts: erasure.accounts.iter().map(|id| id.uuid().into_bytes().into()).collect(),
        }
    }

    fn erasure(self) -> Erasure {
        fn ids<T: From<Uuid>>(of: Vec<ByteArray<16>>) -> Vec<T> {
            of.into_iter().map(|id| Uuid::from_bytes(*id).into()).collect()
        }
        Erasure {
            contact: self.contact.into(),
            at: from_micros(self.at),
            deleted_leads: ids(self.deleted_leads),
            leads: ids(self.leads),
            accounts: ids(self.accounts),
        }
    }
}

/// What a database that came back from a backup has forgotten.
#[derive(Clone)]
pub struct Replay {
    db: yinyom_db::Db,
}

impl Replay {
    /// In that database.
    pub const fn new(db: yinyom_db::Db) -> Self {
        Self { db }
    }

    /// Erases a contact that the ledger says was erased, unless this database knows; whether it did. The ledger has the
    /// change already: what waits here of the contact is dropped.
    pub async fn erase(&self, scope: Scope, erased: Erased) -> Result<bool, Error> {
        let done = self.db.write(scope, move |mut tx| async move {
            store::lock(&mut tx, erased.contact).await?;
            if store::erased(&mut tx, erased.contact).await?.is_some() {
                return tx.done(false);
            }
            store::drop_events(&mut tx, erased.contact).await?;
            store::destroy(&mut tx, erased).await?;
            tx.done::<_, Error>(true)
        });
        done.await
    }

    /// Erased contacts of all businesses, after that one.
    pub async fn known(
        &self,
        after: (Uuid, Uuid),
        most: i64,
    ) -> Result<Vec<(Uuid, Erased)>, DbError> {
        store::all(&mut self.db.read_unscoped().await?, after, most).await
    }
}

/// The change that tells a ledger, which came back from a backup, of an erasure.
pub(crate) fn told_again(scope: Scope, erased: Erased, seq: i64) -> ConsentChange {
    let channels = erase::erase(None, erased.at).changes;
    bare(scope, erased.contact, seq, Cause::Erased, channels, erased.at)
}
