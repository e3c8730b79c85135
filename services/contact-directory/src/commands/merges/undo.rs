//! A merge is undone: both contacts are what they were, less what was said of them together since.

use std::collections::HashSet;

use jiff::Timestamp;
use yinyom_consent::SurfaceParent;
use yinyom_db::Tx;
use yinyom_identity::NotFound;
use yinyom_kernel::{ContactId, MergeId, PointId, from_micros};
use yinyom_outbox::enqueue;

use super::before::Before;
use crate::commands::contacts::{change_of, keep_fingerprint, locked, receipt, settle};
use crate::commands::request::{Receipt, Request, begin, finish};
use crate::commands::seen::Shows;
use crate::commands::{Change, Directory, Error, Session, record};
use crate::domain::Contact;
use crate::domain::merge::{Undo, undo};
use crate::domain::points::Point;
use crate::store::links::Links;
use crate::store::merges::Merge;
use crate::store::{BusinessKeys, aliases, contacts, import, links, merges};

/// Two contacts again.
#[derive(Debug, Clone)]
pub struct Undone {
    pub survivor: Receipt,
    pub restored: Receipt,
    /// As many of the two as are there now.
    contacts: Vec<Contact>,
}

impl Undone {
    /// The contact of a receipt, if it is there now.
    pub fn contact(&self, of: &Receipt) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.id.uuid() == of.id)
    }
}

impl Shows for Undone {
    fn contacts(&self) -> &[Contact] {
        &self.contacts
    }
}

impl Directory {
    /// Undoes a merge.
    pub async fn undo_merge(
        &self,
        session: &Session,
        merge: MergeId,
        etag: String,
        request: Option<Request>,
    ) -> Result<Undone, Error> {
        let keys = self.keys_of(session).await?;
        let (now, owned) = (self.now(), session.clone());
        let turn = self.imports.of(session.business()).lock().await;
        let ((survivor, restored), is_new) = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before: Option<(Receipt, Receipt)> =
                    begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                if let Some(receipts) = before {
                    return tx.done((receipts, false));
                }
                let (survivor, restored) =
                    release(&mut tx, &owned, &keys, (merge, &etag), now).await?;
                let receipts = (receipt(&survivor), receipt(&restored));
                finish(&mut tx, &owned, request.as_ref(), &receipts).await?;
                tx.done::<_, Error>((receipts, true))
            })
            .await?;
        drop(turn);
        let ids: [ContactId; 2] = [survivor.id.into(), restored.id.into()];
        if is_new {
            self.publish(session.business(), ids);
        }
        let keys = self.keys_of(session).await?;
        let mut tx = self.db.snapshot(session.scope).await?;
        let contacts = contacts::load(&mut tx, &keys, &ids).await?;
        Ok(Undone { survivor, restored, contacts })
    }
}

/// Makes two contacts of one.
async fn release(
    tx: &mut Tx,
    session: &Session,
    keys: &BusinessKeys,
    (id, etag): (MergeId, &str),
    now: Timestamp,
) -> Result<(Contact, Contact), Error> {
    import::take_turn(tx).await?;
    let merge = merges::find(tx, id).await?.ok_or(NotFound)?;
    let before = match &merge.sealed {
        Some(sealed) if now < merge.undo_until => {
            Some((Before::open(keys, session.business(), merge.absorbed, sealed)?, sealed.clone()))
        }
        _ => None,
    };
    if let Some((before, _)) = &before {
        links::lock(tx, &before.links).await?;
    }
    let mut survivor = locked(tx, keys, merge.survivor).await?;
    // What was said of it until it was locked counts.
    let merge = merges::find(tx, id).await?.ok_or(NotFound)?;
    survivor.etag().check(etag)?;
    let (before, sealed) = before.ok_or(Error::MergeExpired)?;
    if merges::latest_of(tx, survivor.id).await? != Some(id) {
        return Err(Error::MergeNotLatest);
    }
    let change = change_of(session, keys, now);
    let mut events = settle(&change, &mut survivor)?;
    let undo_of = Undo {
        survivor: before.survivor,
        absorbed: before.absorbed,
        merged: survivor.consents,
        has_address: survivor.has_address(),
        since: merge.since,
    };
    let undone = undo(session.view(), &undo_of, now)?;
    let consent_seq = merges::come_back(tx, merge.absorbed).await?.ok_or(NotFound)?;
    let mut restored = Contact {
        id: merge.absorbed,
        external_id: before.external_id.clone(),
        name: before.name.clone(),
        points: Vec::new(),
        consents: before.absorbed,
        consent_seq,
        revision: before.revision + 1,
        merges: merges::count_of(tx, merge.absorbed).await?,
        subject_key: sealed.subject_key,
        created_at: from_micros(before.created_at),
        updated_at: now,
    };
    part_points(tx, &mut survivor, &mut restored, &before).await?;
    if survivor.external_id == before.external_id && before.external_id_taken {
        survivor.external_id = None;
    } else if survivor.external_id == before.external_id {
        // It was given that one since.
        restored.external_id = None;
    }
    let with = |contact: &Contact| Some(SurfaceParent::Contact(contact.id));
    let of_survivor = Change { parent: with(&restored), ..change.clone() };
    events.push(record(&of_survivor, &mut survivor, undone.survivor)?);
    let of_restored = Change { parent: with(&survivor), ..change.clone() };
    events.push(record(&of_restored, &mut restored, undone.absorbed)?);
    survivor.merges = (survivor.merges - 1).max(0);
    survivor.revision += 1;
    survivor.updated_at = now;
    contacts::update(tx, &[&survivor]).await?;
    contacts::insert(tx, keys, &[&restored]).await?;
    part(tx, (&survivor, &restored), &before, &merge, now).await?;
    keep_fingerprint(tx, keys, &survivor).await?;
    keep_fingerprint(tx, keys, &restored).await?;
    merges::remove(tx, id).await?;
    enqueue(tx, &events).await?;
    Ok((survivor, restored))
}

/// Gives back the points that came with the absorbed contact and are still there as they were.
async fn part_points(
    tx: &mut Tx,
    survivor: &mut Contact,
    restored: &mut Contact,
    before: &Before,
) -> Result<(), Error> {
    let mut leave: HashSet<PointId> = HashSet::new();
    for (point, beside) in &before.points {
        let is_there = |id: PointId| {
            survivor.points.iter().any(|now| now.id == id && now.address == point.address)
        };
        if is_there(beside.unwrap_or(point.id)) {
            restored.points.push(Point { id: point.id, address: point.address.clone() });
            if beside.is_none() {
                leave.insert(point.id);
            }
        }
    }
    let left: Vec<_> = leave.iter().copied().collect();
    contacts::remove_points(tx, survivor.id, &left).await?;
    survivor.points.retain(|point| !leave.contains(&point.id));
    Ok(())
}

/// Gives back what the restored contact was known by and linked to.
async fn part(
    tx: &mut Tx,
    (survivor, restored): (&Contact, &Contact),
    before: &Before,
    merge: &Merge,
    now: Timestamp,
) -> Result<(), Error> {
    aliases::move_fingerprints(tx, (survivor.id, restored.id), &before.fingerprints).await?;
    aliases::remove(tx, survivor.id, &before.new_aliases).await?;
    aliases::add(tx, restored.id, &before.aliases).await?;
    // Of what it was merged with before, the same was said since.
    merges::pass_on(tx, restored.id, &merge.since).await?;
    let still = before.links.within(&links::of(tx, survivor.id).await?);
    links::add(tx, restored.id, &still).await?;
    let leads = links::led_by(tx, survivor.id).await?;
    let back: Vec<_> = before.led.iter().filter(|lead| leads.contains(lead)).copied().collect();
    links::lead(tx, restored.id, &back, now.as_microsecond()).await?;
    // Of a lead that it was made the primary contact of since it stays one.
    let led = Links { leads: links::led_by(tx, survivor.id).await?, accounts: Vec::new() };
    let leaves = still.without(&before.shared).without(&led);
    Ok(links::remove(tx, survivor.id, &leaves).await?)
}
