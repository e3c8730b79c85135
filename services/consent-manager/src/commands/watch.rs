//! News of a ledger as it comes, for who may read it.

use std::time::Duration;

use yinyom_consent::{Channel, ConsentState};
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, InvalidInput, PageSize, Text};
use yinyom_transparency::Hash;

use super::{Manager, Reading, Refused, entries};
use crate::domain::{Entry, Recorded};
use crate::feed::Feed;
use crate::store::{heads, ledger, tree};

/// The most changes of a message.
const MOST: i32 = 500;

/// How long there may be no news before the caller is told that there is none, and looked at again.
const SILENCE: Duration = Duration::from_secs(15);

/// Between two changes of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the change after it.
    pub next: i64,
    /// Leaf hash of the change before it, if there is one: the ledger of another day has another one there.
    pub before: Option<Hash>,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first change that there ever was.
    First,
    /// With what comes from now on.
    Now,
    At(Place),
}

/// Which changes are watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    pub channel: Option<Channel>,
    /// In `channel` if that is set.
    pub state: Option<ConsentState>,
}

impl Wanted {
    fn is(self, recorded: &Recorded) -> bool {
        recorded.change.channels.iter().any(|carried| {
            self.channel.is_none_or(|channel| carried.channel == channel)
                && self.state.is_none_or(|state| carried.to == Some(state))
        })
    }
}

/// A ledger that is watched. Whoever may no longer read it hears nothing more.
pub struct Watch {
    manager: Manager,
    caller: Caller,
    business: BusinessId,
    wanted: Wanted,
    place: Place,
    feed: Feed,
    begun: bool,
}

impl Watch {
    /// Watches the ledger of `business` from `start` on, one of `most` watches.
    pub async fn open(
        manager: &Manager,
        caller: &Caller,
        business: BusinessId,
        start: Start,
        wanted: Wanted,
        most: usize,
    ) -> Result<Self, Refused> {
        let reading = Reading::open(manager, caller, business).await?;
        let feed = manager.feeds.watch(&manager.db, reading.scope(), most)?;
        let mut tx = manager.db.read(reading.scope()).await?;
        let next = match start {
            Start::First => 0,
            Start::Now => heads::read(&mut tx).await?.map_or(0, |head| head.next_index),
            Start::At(place) => place.next,
        };
        let before = tree::leaf(&mut tx, next.saturating_sub(1)).await?;
        drop(tx);
        let place = Place { next, before };
        if let Start::At(asked) = start
            && asked != place
        {
            return Err(another_history().into());
        }
        let (manager, caller) = (manager.clone(), caller.clone());
        let watch = Self { manager, caller, business, wanted, place, feed, begun: false };
        reading.close(watch).await
    }

    /// Where the next message begins.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// The next changes; none in the first message, and when there was no news for a while. Can be cancelled.
    pub async fn next(&mut self) -> Result<Vec<Entry>, Refused> {
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(Vec::new());
        }
        let silence = tokio::time::sleep(SILENCE);
        tokio::pin!(silence);
        loop {
            tokio::select! {
                () = self.feed.beyond(self.place.next) => {}
                () = &mut silence => {
                    let reading = Reading::open(&self.manager, &self.caller, self.business).await?;
                    return reading.close(Vec::new()).await;
                }
            }
            let entries = self.read_on().await?;
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
    }

    async fn read_on(&mut self) -> Result<Vec<Entry>, Refused> {
        let reading = Reading::open(&self.manager, &self.caller, self.business).await?;
        let mut tx = self.manager.db.read(reading.scope()).await?;
        let size = PageSize::read(MOST)?;
        // Before the changes, so that none that comes meanwhile is passed over.
        let end = heads::read(&mut tx).await?.map_or(0, |head| head.next_index);
        let found = ledger::stretch(&mut tx, self.place.next, end, size.fetch()).await?;
        if found.is_empty() {
            // Nothing is left of what is there: its content was destroyed.
            let next = end.max(self.place.next);
            self.place = Place { next, before: tree::leaf(&mut tx, next.saturating_sub(1)).await? };
        }
        let page = entries::open(&mut tx, &self.manager.masters, found, size).await?;
        drop(tx);
        let entries = reading.close(page.items).await?;
        if let Some(last) = entries.last() {
            let last = &last.recorded;
            self.place = Place { next: last.ledger_index + 1, before: Some(last.leaf_hash) };
        }
        Ok(entries.into_iter().filter(|entry| self.wanted.is(&entry.recorded)).collect())
    }
}

fn another_history() -> InvalidInput {
    let text = Text::new(
        "is of another history: the ledger does not have what it speaks of. It may have been restored from a backup.",
        "เป็นของประวัติอื่น: บันทึกนี้ไม่มีรายการที่อ้างถึง อาจมีการกู้คืนข้อมูลจากสำเนาสำรอง",
    );
    InvalidInput::one("cursor", "ANOTHER_HISTORY", text)
}
