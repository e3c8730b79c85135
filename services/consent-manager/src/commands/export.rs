//! The rows of an export, page by page, of the moment at which it began.

use uuid::Uuid;
use yinyom_consent::Channel;
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, ContactId};

use super::{Manager, Reading, Refused, entries};
use crate::domain::{Exported, Fixed, Fold, Recorded, WantedRows, Written};
use crate::store::{StoreError, exports, ledger, tree};

/// Changes that are read at a time.
const STEP: i64 = 500;

/// Rows on their way out. No page holds a connection while its rows are written: the next one is read by its key. Whoever
/// may no longer read the ledger gets no more of them.
pub struct TableExport {
    manager: Manager,
    caller: Caller,
    business: BusinessId,
    wanted: WantedRows,
    fixed: Fixed,
    place: Place,
    /// How many changes were read.
    read: i64,
    done: bool,
}

enum Place {
    /// Index of the next change.
    Changes(i64),
    Consents {
        /// The last change that was read.
        after: (Uuid, i64),
        /// The contact that it is of.
        fold: Option<Box<Fold>>,
        /// Written already.
        written: Option<(ContactId, Channel)>,
    },
}

impl TableExport {
    /// Of this moment.
    pub async fn open(
        manager: &Manager,
        caller: &Caller,
        business: BusinessId,
        wanted: WantedRows,
    ) -> Result<Self, Refused> {
        let reading = Reading::open(manager, caller, business).await?;
        let zone = reading.policy().ok_or(Refused::PolicyUnavailable)?.time_zone.clone();
        let at = manager.clock.now();
        let mut tx = manager.db.read(reading.scope()).await?;
        let last = ledger::last_index(&mut tx).await?;
        let end = last.map_or(0, |last| last.saturating_add(1));
        let last = tree::leaf(&mut tx, end - 1).await?;
        drop(tx);
        let fixed = Fixed { end, last, at, zone };
        let export = Self::of(manager, caller, business, wanted, fixed, None);
        reading.close(export).await
    }

    /// Of the moment that `fixed` is of, after the row `written`; `None` if the ledger is not the one of that moment.
    pub async fn resume(
        manager: &Manager,
        caller: &Caller,
        business: BusinessId,
        wanted: WantedRows,
        fixed: Fixed,
        written: Option<Written>,
    ) -> Result<Option<Self>, Refused> {
        let reading = Reading::open(manager, caller, business).await?;
        let mut tx = manager.db.read(reading.scope()).await?;
        let last = tree::leaf(&mut tx, fixed.end - 1).await?;
        drop(tx);
        let same = last == fixed.last;
        let export = Self::of(manager, caller, business, wanted, fixed, written);
        reading.close(same.then_some(export)).await
    }

    fn of(
        manager: &Manager,
        caller: &Caller,
        business: BusinessId,
        wanted: WantedRows,
        fixed: Fixed,
        written: Option<Written>,
    ) -> Self {
        let place = match (&wanted, written) {
            (WantedRows::Changes(_), Some(Written::Change(index))) => Place::Changes(index + 1),
            (WantedRows::Changes(_), _) => Place::Changes(0),
            (WantedRows::Consents(_), Some(Written::Consent(contact, channel))) => {
                let written = Some((contact, channel));
                Place::Consents { after: (contact.uuid(), 0), fold: None, written }
            }
            (WantedRows::Consents(_), _) => {
                Place::Consents { after: (Uuid::nil(), 0), fold: None, written: None }
            }
        };
        let (manager, caller) = (manager.clone(), caller.clone());
        Self { manager, caller, business, wanted, fixed, place, read: 0, done: false }
    }

    /// The same from its beginning.
    #[must_use]
    pub fn again(&self) -> Self {
        let (wanted, fixed) = (self.wanted.clone(), self.fixed.clone());
        Self::of(&self.manager, &self.caller, self.business, wanted, fixed, None)
    }

    /// The moment that it is of.
    pub const fn fixed(&self) -> &Fixed {
        &self.fixed
    }

    /// Which rows it is of.
    pub const fn wanted(&self) -> &WantedRows {
        &self.wanted
    }

    /// How many changes of the ledger were read.
    pub const fn read(&self) -> i64 {
        self.read
    }

    /// Fails if the caller may no longer read the ledger.
    pub async fn confirm(&self) -> Result<(), Refused> {
        Reading::open(&self.manager, &self.caller, self.business).await?.close(()).await
    }

    /// The next rows, with what identifies; `None` after the last. May be none for a while, where few are wanted.
    pub async fn next(&mut self) -> Result<Option<Vec<Exported>>, Refused> {
        if self.done {
            return Ok(None);
        }
        let (manager, caller) = (self.manager.clone(), self.caller.clone());
        let reading = Reading::open(&manager, &caller, self.business).await?;
        let mut tx = manager.db.read(reading.scope()).await?;
        let (recorded, channels): (Vec<_>, Vec<_>) = self.step(&mut tx).await?.into_iter().unzip();
        let entries = entries::open_all(&mut tx, &manager.masters, recorded).await?;
        drop(tx);
        let rows = entries.into_iter().zip(channels);
        let rows = rows.map(|(entry, channels)| Exported { entry, channels }).collect();
        reading.close(Some(rows)).await
    }

    /// How many rows come next, without what identifies; `None` after the last.
    pub async fn count(&mut self) -> Result<Option<usize>, Refused> {
        if self.done {
            return Ok(None);
        }
        let (manager, caller) = (self.manager.clone(), self.caller.clone());
        let reading = Reading::open(&manager, &caller, self.business).await?;
        let mut tx = manager.db.read(reading.scope()).await?;
        let found = self.step(&mut tx).await?;
        drop(tx);
        let rows = found.iter().map(|(_, channels)| channels.len().max(1)).sum();
        reading.close(Some(rows)).await
    }

    async fn step(&mut self, tx: &mut yinyom_db::Tx) -> Result<Vec<Row>, StoreError> {
        let end = self.fixed.end;
        match (&self.wanted, &mut self.place) {
            (WantedRows::Changes(filter), Place::Changes(next)) => {
                let found = ledger::stretch(tx, *next, end, STEP).await?;
                self.read += count(&found);
                match found.last() {
                    Some(last) => *next = last.ledger_index + 1,
                    None => self.done = true,
                }
                let wanted = found.into_iter().filter_map(|recorded| {
                    let channels = filter.rows_of(&recorded)?;
                    Some((recorded, channels))
                });
                Ok(wanted.collect())
            }
            (WantedRows::Consents(filter), Place::Consents { after, fold, written }) => {
                let found = exports::by_contact(tx, *after, end, STEP).await?;
                self.read += count(&found);
                self.done = found.is_empty();
                let mut made = Vec::new();
                for recorded in found {
                    let change = &recorded.change;
                    *after = (change.contact.uuid(), change.seq);
                    if fold.as_ref().is_some_and(|fold| fold.contact() != change.contact) {
                        made.extend(fold.take());
                    }
                    fold.get_or_insert_with(|| Box::new(Fold::begin(change.contact)))
                        .take(&recorded);
                }
                if self.done {
                    made.extend(fold.take());
                }
                let consents = made.into_iter().flat_map(|fold| fold.finish(self.fixed.at));
                let wanted = consents.filter(|(record, made)| {
                    written.is_none_or(|written| (record.contact, record.channel) > written)
                        && filter.admits(record, made)
                });
                Ok(wanted.map(|(record, made)| (made, vec![record.as_change()])).collect())
            }
            _ => Ok(Vec::new()),
        }
    }
}

type Row = (Recorded, Vec<yinyom_consent::ChannelChange>);

fn count(found: &[Recorded]) -> i64 {
    i64::try_from(found.len()).unwrap_or(i64::MAX)
}
