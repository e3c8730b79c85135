//! Two contacts become one, and come apart again (PRODUCT.md, "Carry-through"). What that does to a consent is
//! [`domain::merge`](crate::domain::merge)'s; here is what it does to everything else.
//!
//! The absorbed contact's row goes, as if it were deleted; what an undo needs of it is kept sealed ([`before`]) for a while,
//! and what it was known by for as long as the survivor is there. Locks are taken in the order turn, leads, accounts, contacts by
//! id.

mod before;
mod undo;

use std::convert::identity;
use std::time::Duration;

use jiff::Timestamp;
use minicbor::bytes::ByteArray;
use uuid::Uuid;
use yinyom_consent::{ByChannel, Cause, Channel, SurfaceParent};
use yinyom_db::{Db, DbError, Tx};
use yinyom_identity::NotFound;
use yinyom_kernel::{BusinessId, ContactId, MergeId, PointId, Scope};
use yinyom_outbox::enqueue;

use super::contacts::{change_of, keep_fingerprint, receipt, settle};
use super::request::{Receipt, Request, Written, begin, finish};
use super::seen::Shows;
use super::{Change, Directory, Error, Session, record};
use crate::domain::contact::{ContactName, ExternalId};
use crate::domain::merge::{Side, merge};
use crate::domain::order::{Cursor, CursorKey, Page};
use crate::domain::points::{MAX_POINTS, Point, channel_of};
use crate::domain::{Contact, Outcome};
use crate::store::aliases::{self, Alias};
use crate::store::merges::{self, Merge};
use crate::store::{BusinessKeys, contacts, erase, import, links};
use before::Before;

pub use undo::Undone;

/// How many contacts can be merged into one, with those that had been merged into them: an erasure and a history have all of
/// them at once.
const MOST_MERGES: usize = 100;

/// Businesses that are looked at in one go.
const BUSINESSES: i64 = 500;

/// How long merges can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct MergeRetention {
    /// Days in which a merge of two contacts can be undone; what that needs is kept as long, and no longer
    #[arg(
        id = "merge_undo_days",
        long = "merge-undo-days",
        env = "YINYOM_MERGE_UNDO_DAYS",
        default_value = "30",
        value_name = "DAYS",
        value_parser = clap::value_parser!(u16).range(0..=3650)
    )]
    pub days: u16,
}

impl Default for MergeRetention {
    fn default() -> Self {
        Self { days: 30 }
    }
}

impl MergeRetention {
    fn from(self, now: Timestamp) -> Timestamp {
        now.saturating_add(Duration::from_hours(24 * u64::from(self.days)))
            .unwrap_or(Timestamp::MAX)
    }
}

/// Who shall become one.
#[derive(Debug, Clone)]
pub struct Pair {
    pub survivor: ContactId,
    pub absorbed: ContactId,
    pub survivor_etag: String,
    pub absorbed_etag: String,
}

/// A merge, and what the absorbed contact was called, for as long as that is kept.
#[derive(Debug, Clone)]
pub struct Told {
    pub merge: Merge,
    pub was: Option<(ContactName, Option<ExternalId>)>,
}

/// Two contacts are one.
#[derive(Debug, Clone)]
pub struct Merged {
    pub contact: Written<Contact>,
    pub id: MergeId,
    /// `None` if it was undone since.
    pub merge: Option<Told>,
}

impl Shows for Merged {
    fn contacts(&self) -> &[Contact] {
        self.contact.contacts()
    }
}

impl Directory {
    /// Makes two contacts one.
    pub async fn merge_contacts(
        &self,
        session: &Session,
        pair: Pair,
        request: Option<Request>,
    ) -> Result<Merged, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned, retention) = (self.now(), session.clone(), self.merges);
        let absorbed = pair.absorbed;
        let turn = self.imports.of(session.business()).lock().await;
        let (receipt, id, contact) = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before: Option<(Receipt, ByteArray<16>)> =
                    begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some((receipt, id)) = before {
                    return tx.done((receipt, Uuid::from_bytes(*id).into(), None));
                }
                let until = retention.from(now);
                let (contact, merge) = absorb(&mut tx, &owned, &keys, &pair, (now, until)).await?;
                let receipt = receipt(&contact);
                let outcome = (receipt, ByteArray::from(merge.uuid().into_bytes()));
                finish(&mut tx, &owned, request.as_ref(), &outcome).await?;
                tx.done::<_, Error>((receipt, merge, Some(contact)))
            })
            .await?;
        drop(turn);
        if contact.is_some() {
            self.publish(session.business(), [absorbed]);
        }
        let contact = self.settled(session, Written { receipt, now: contact }, identity).await?;
        let keys = self.keys_of(session).await?;
        let found = merges::find(&mut self.db.read(session.scope).await?, id).await?;
        let merge = found.map(|merge| told(&keys, session, merge)).transpose()?;
        Ok(Merged { contact, id, merge })
    }

    /// A page of merges, the latest first.
    pub async fn find_merges(
        &self,
        session: &Session,
        of: Option<ContactId>,
        after: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<Told>, Error> {
        let keys = self.keys_of(session).await?;
        let mut tx = self.db.read(session.scope).await?;
        let after = after.and_then(|cursor| match cursor.key {
            CursorKey::Time(time) => Some((time, cursor.id)),
            CursorKey::Text(_) => None,
        });
        let found = merges::page(&mut tx, of, after, super::leads::fetch(rows)).await?;
        let page = Page::cut(found, rows, |merge| Cursor {
            key: CursorKey::Time(merge.at.as_microsecond()),
            id: merge.id.uuid(),
        });
        let told = page.items.into_iter().map(|merge| told(&keys, session, merge));
        Ok(Page { items: told.collect::<Result<_, _>>()?, next: page.next })
    }
}

fn told(keys: &BusinessKeys, session: &Session, merge: Merge) -> Result<Told, Error> {
    let before = (merge.sealed.as_ref())
        .map(|sealed| Before::open(keys, session.business(), merge.absorbed, sealed))
        .transpose()?;
    Ok(Told { merge, was: before.map(|before| (before.name, before.external_id)) })
}

/// Makes one contact of two.
async fn absorb(
    tx: &mut Tx,
    session: &Session,
    keys: &BusinessKeys,
    pair: &Pair,
    (now, undo_until): (Timestamp, Timestamp),
) -> Result<(Contact, MergeId), Error> {
    import::take_turn(tx).await?;
    let theirs = links::of(tx, pair.absorbed).await?;
    links::lock(tx, &theirs).await?;
    let (mut survivor, mut absorbed) = both(tx, keys, pair).await?;
    survivor.etag().check(&pair.survivor_etag)?;
    absorbed.etag().check(&pair.absorbed_etag)?;
    let change = change_of(session, keys, now);
    let mut events = settle(&change, &mut survivor)?;
    events.extend(settle(&change, &mut absorbed)?);
    let merged = merge(session.view(), &Side::of(&survivor), &Side::of(&absorbed), now)?;
    let many = merges::predecessors(tx, survivor.id).await?.len()
        + merges::predecessors(tx, absorbed.id).await?.len();
    if many >= MOST_MERGES {
        return Err(Error::TooManyMerges);
    }
    let (points, moved) = together(&survivor, &absorbed)?;
    let before = Before {
        survivor: survivor.consents,
        absorbed: absorbed.consents,
        external_id_taken: survivor.external_id.is_none() && absorbed.external_id.is_some(),
        points,
        ..known(tx, keys, &survivor, &absorbed).await?
    };
    let sealed = before.seal(keys, session.business(), &absorbed)?;

    let id = MergeId::generate();
    let with = |contact: &Contact| Some(SurfaceParent::Contact(contact.id));
    let of_survivor = Change { parent: with(&absorbed), ..change.clone() };
    events.push(record(&of_survivor, &mut survivor, merged.survivor)?);
    let gone =
        Outcome { cause: Cause::Merged, consents: absorbed.consents, changes: merged.absorbed };
    let of_absorbed = Change { parent: with(&survivor), ..change.clone() };
    events.push(record(&of_absorbed, &mut absorbed, gone)?);

    pass_on(tx, &before, (&survivor, &absorbed), now).await?;
    contacts::delete(tx, absorbed.id).await?;
    erase::depart(tx, absorbed.id, absorbed.consent_seq, now.as_microsecond()).await?;
    if before.external_id_taken {
        survivor.external_id.clone_from(&absorbed.external_id);
    }
    survivor.merges += 1;
    survivor.revision += 1;
    survivor.updated_at = now;
    contacts::update(tx, &[&survivor]).await?;
    let rows: Vec<_> = moved.iter().map(|point| (survivor.id, point)).collect();
    contacts::insert_points(tx, keys, &rows).await?;
    survivor.points.extend(moved);
    survivor.points.sort_unstable_by_key(|point| point.id);
    keep_fingerprint(tx, keys, &survivor).await?;
    let merge = Merge {
        id,
        survivor: survivor.id,
        absorbed: absorbed.id,
        at: now,
        undo_until,
        survivor_seq: survivor.consent_seq,
        since: ByChannel::default(),
        sealed: Some(sealed),
    };
    merges::insert(tx, &merge).await?;
    enqueue(tx, &events).await?;
    Ok((survivor, id))
}

/// Both contacts, locked.
async fn both(tx: &mut Tx, keys: &BusinessKeys, pair: &Pair) -> Result<(Contact, Contact), Error> {
    let found = contacts::lock(tx, keys, &[pair.survivor, pair.absorbed]).await?;
    let (mut survivor, mut absorbed) = (None, None);
    for contact in found {
        if contact.id == pair.survivor {
            survivor = Some(contact);
        } else {
            absorbed = Some(contact);
        }
    }
    Ok(survivor.zip(absorbed).ok_or(NotFound)?)
}

/// The absorbed contact's points, each with the survivor's of the same address.
type Beside = Vec<(Point, Option<PointId>)>;

/// Those, and the ones that the survivor does not have.
fn together(survivor: &Contact, absorbed: &Contact) -> Result<(Beside, Vec<Point>), Error> {
    let beside = |of: &Point| {
        survivor.points.iter().find(|point| point.address == of.address).map(|point| point.id)
    };
    let points: Beside =
        absorbed.points.iter().map(|point| (point.clone(), beside(point))).collect();
    let moved: Vec<_> = (points.iter())
        .filter(|(_, beside)| beside.is_none())
        .map(|(point, _)| point.clone())
        .collect();
    for channel in Channel::ALL {
        let of = |points: &[Point]| {
            points.iter().filter(|point| channel_of(&point.address) == *channel).count()
        };
        if of(&moved) > 0 && of(&survivor.points) + of(&moved) > MAX_POINTS {
            return Err(Error::TooManyPoints);
        }
    }
    Ok((points, moved))
}

/// What both are known by and linked to.
async fn known(
    tx: &mut Tx,
    keys: &BusinessKeys,
    survivor: &Contact,
    absorbed: &Contact,
) -> Result<Before, Error> {
    let theirs = links::of(tx, absorbed.id).await?;
    let shared = theirs.within(&links::of(tx, survivor.id).await?);
    let aliases = aliases::of(tx, absorbed.id).await?;
    let had = aliases::of(tx, survivor.id).await?;
    let own = [Alias::of_name(keys, &absorbed.name)].into_iter();
    let own = own.chain(absorbed.external_id.as_ref().map(|id| Alias::of_external_id(keys, id)));
    let mut new_aliases: Vec<_> =
        (aliases.iter().cloned().chain(own)).filter(|alias| !had.contains(alias)).collect();
    new_aliases.sort_unstable();
    new_aliases.dedup();
    Ok(Before {
        survivor: survivor.consents,
        absorbed: absorbed.consents,
        name: absorbed.name.clone(),
        external_id: absorbed.external_id.clone(),
        external_id_taken: false,
        points: Vec::new(),
        revision: absorbed.revision,
        created_at: absorbed.created_at.as_microsecond(),
        links: theirs,
        led: links::led_by(tx, absorbed.id).await?,
        shared,
        fingerprints: aliases::fingerprints(tx, absorbed.id).await?,
        aliases,
        new_aliases,
    })
}

/// Gives the survivor what the absorbed contact is known by and linked to, before it goes.
async fn pass_on(
    tx: &mut Tx,
    before: &Before,
    (survivor, absorbed): (&Contact, &Contact),
    now: Timestamp,
) -> Result<(), Error> {
    let names = (absorbed.id, survivor.id);
    aliases::move_fingerprints(tx, names, &before.fingerprints).await?;
    aliases::add(tx, survivor.id, &before.new_aliases).await?;
    links::add(tx, survivor.id, &before.links).await?;
    Ok(links::lead(tx, survivor.id, &before.led, now.as_microsecond()).await?)
}

/// Forgets what can be undone no more, in every business, one at a time (TRAPS 16); of how many merges. What fails is tried
/// again the next time.
pub async fn forget_ended(db: &Db, now: i64) -> Result<u64, DbError> {
    let due = merges::due(&mut db.read_unscoped().await?, now, BUSINESSES).await?;
    let mut forgotten = 0;
    for business in due {
        let unit = db.write::<_, DbError, _, _>(about(business), move |mut tx| async move {
            let forgotten = merges::forget_ended(&mut tx, now).await?;
            tx.done(forgotten)
        });
        match unit.await {
            Ok(merges) => forgotten += merges,
            Err(error) => tracing::warn!(%business, %error, "records of merges are not forgotten"),
        }
    }
    Ok(forgotten)
}

/// By the directory's own right, one business at a time.
#[expect(clippy::disallowed_methods, reason = "nobody asks for a record to be forgotten")]
fn about(business: BusinessId) -> Scope {
    Scope::assume(business)
}
