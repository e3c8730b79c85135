//! The consent of one contact, with everything that ever happened to it, and to those that are merged into it.

use jiff::Timestamp;
use yinyom_consent::{Channel, merged_with};
use yinyom_db::Tx;
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, ContactId, PageSize};

use super::past::{is_past, stood};
use super::{Manager, Reading, Refused, entries};
use crate::domain::{ConsentRecord, Entry, Page};
use crate::store::{StoreError, consents, heads, past};

/// A contact's consents and a page of its changes, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Phone and e-mail; empty while the contact is not there.
    pub consents: Vec<ConsentRecord>,
    pub entries: Page<Entry>,
    /// The contacts that are merged into it, and into these.
    pub merged: Vec<ContactId>,
}

impl History {
    /// Where the next page begins, if there is one: before a change of the contact, told by its number; or, since several
    /// contacts have numbers of their own, by its index, turned so that it is no number.
    pub fn next(&self) -> Option<i64> {
        let last = &self.entries.last()?.recorded;
        Some(if self.merged.is_empty() { last.change.seq } else { !last.ledger_index })
    }
}

/// Reads the history of `contact`, as it is or as it stood at a past moment, from the change before `before` on, which is what
/// [`History::next`] gave. A contact that the ledger never heard of is `NOT_FOUND`.
pub async fn history(
    manager: &Manager,
    caller: &Caller,
    (business, contact): (BusinessId, ContactId),
    as_of: Option<Timestamp>,
    before: Option<i64>,
    size: PageSize,
) -> Result<History, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let now = manager.clock.now();
    as_of.map_or(Ok(()), |at| is_past(at, now))?;
    let mut tx = manager.db.snapshot(reading.scope()).await?;
    let last = heads::last_seq(&mut tx, contact).await?.ok_or(NotFound)?;
    let (last, consents) = match as_of {
        Some(at) => then(&mut tx, contact, at).await?,
        None => (last, current(&mut tx, contact, now).await?),
    };
    let streams = merged_into(&mut tx, (contact, last), as_of).await?;
    let found = match streams.as_slice() {
        [] => {
            let before = match before {
                Some(turned) if turned < 0 => {
                    Some(past::number_before(&mut tx, contact, !turned).await?)
                }
                before => before,
            };
            past::history(&mut tx, contact, last, before, size).await?
        }
        merged => {
            let before = match before {
                Some(number) if number >= 0 => past::index_of(&mut tx, contact, number).await?,
                turned => turned.map(|turned| !turned),
            };
            let mut found = past::before(&mut tx, (contact, last), before, size).await?;
            for stream in merged {
                found.extend(past::before(&mut tx, *stream, before, size).await?);
            }
            found.sort_unstable_by_key(|recorded| std::cmp::Reverse(recorded.ledger_index));
            found.truncate(usize::try_from(size.fetch()).unwrap_or(usize::MAX));
            found
        }
    };
    let entries = entries::open(&mut tx, &manager.masters, found, size).await?;
    drop(tx);
    let merged = streams.into_iter().map(|(contact, _)| contact).collect();
    reading.close(History { consents, entries, merged }).await
}

/// The contacts that are merged into this one, and into these, each with the last of its changes that count.
async fn merged_into(
    tx: &mut Tx,
    whole: (ContactId, i64),
    as_of: Option<Timestamp>,
) -> Result<Vec<(ContactId, i64)>, StoreError> {
    let mut streams = vec![whole];
    let mut looked_at = 0;
    while let Some((contact, last)) = streams.get(looked_at).copied() {
        looked_at += 1;
        let came = merged_with(&past::merges(tx, contact, last).await?);
        // A contact is in one other at a time: whoever is here already was told of twice.
        let came: Vec<_> =
            came.into_iter().filter(|it| streams.iter().all(|(known, _)| known != it)).collect();
        let lasts = match as_of {
            Some(at) if !came.is_empty() => Some(past::lasts(tx, &came, at).await?),
            _ => None,
        };
        for contact in came {
            let last = match &lasts {
                None => i64::MAX,
                Some(lasts) => lasts.get(&contact).map_or(0, |lasts| lasts.seq),
            };
            streams.push((contact, last));
        }
    }
    streams.remove(0);
    Ok(streams)
}

async fn current(
    tx: &mut Tx,
    contact: ContactId,
    now: Timestamp,
) -> Result<Vec<ConsentRecord>, StoreError> {
    let current = consents::of(tx, &[contact.uuid()]).await?.remove(&contact);
    Ok(current.map_or_else(Vec::new, |both| {
        [(Channel::Phone, both.phone), (Channel::Email, both.email)]
            .map(|(channel, consent)| ConsentRecord::at(now, contact, channel, consent))
            .to_vec()
    }))
}

/// The last change by then, 0 if there was none, and what stood.
async fn then(
    tx: &mut Tx,
    contact: ContactId,
    at: Timestamp,
) -> Result<(i64, Vec<ConsentRecord>), StoreError> {
    let last = past::lasts(tx, &[contact], at).await?.get(&contact).map_or(0, |lasts| lasts.seq);
    let mut stood = stood(tx, &[contact], at).await?;
    let made = stood.pop().map_or_else(Vec::new, |(_, made)| made);
    Ok((last, made.into_iter().map(|(record, _)| record).collect()))
}
