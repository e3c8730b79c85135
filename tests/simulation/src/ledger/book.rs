//! What was committed into the outbox, and whether the ledger agrees.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::{
    Actor, Cause, Channel, ChannelChange, ConsentChange, ConsentState, Role, Surface,
};
use yinyom_kernel::{BusinessId, ContactId, MemberId};

use crate::dice::Dice;

const BUSINESSES: usize = 2;
const CONTACTS: usize = 3;
const STATES: &[ConsentState] = ConsentState::ALL;

/// One contact of one business.
pub type Stream = (BusinessId, ContactId);

/// A row of the ledger, as far as it is compared.
#[derive(Debug, Clone)]
pub struct Entry {
    pub stream: Stream,
    pub index: i64,
    pub seq: i64,
    pub leaf_hash: Vec<u8>,
}

/// What was committed, of each contact in order.
#[derive(Debug, Clone)]
pub struct Book {
    streams: Arc<Vec<Stream>>,
    pages: Arc<Mutex<BTreeMap<Stream, Vec<ConsentChange>>>>,
}

impl Book {
    /// Contacts to which nothing has happened yet.
    pub fn new(dice: &Dice) -> Self {
        let id = || {
            let half = || u128::from(dice.number(0..=u64::MAX));
            Uuid::from_u128(half() << 64 | half())
        };
        let streams = (0..BUSINESSES).flat_map(|_| {
            let business = BusinessId::from(id());
            (0..CONTACTS).map(move |_| business).map(|business| (business, ContactId::from(id())))
        });
        Self { streams: Arc::new(streams.collect()), pages: Arc::default() }
    }

    /// All contacts.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    fn pages(&self) -> MutexGuard<'_, BTreeMap<Stream, Vec<ConsentChange>>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next changes of a contact, to be committed by the one unit of work that asks.
    pub fn next(
        &self,
        stream: Stream,
        changes: u64,
        at: Timestamp,
        dice: &Dice,
    ) -> Vec<ConsentChange> {
        let pages = self.pages();
        let mut last = pages.get(&stream).and_then(|page| page.last()).cloned();
        let next = (0..changes).map(|_| {
            let change = follow(stream, last.as_ref(), at, dice);
            last = Some(change.clone());
            change
        });
        next.collect()
    }

    /// These were committed.
    pub fn committed(&self, changes: Vec<ConsentChange>) {
        let mut pages = self.pages();
        for change in changes {
            pages.entry((change.business, change.contact)).or_default().push(change);
        }
    }

    /// Whether the ledger has everything. What it has must be the beginning of what was committed, contact by contact,
    /// with an index for each change and none left out.
    pub fn compare(&self, ledger: &[Entry]) -> Result<bool, String> {
        let pages = self.pages();
        let mut heads: BTreeMap<Stream, usize> = BTreeMap::new();
        let mut ends: BTreeMap<BusinessId, i64> = BTreeMap::new();
        for entry in ledger {
            let end = ends.entry(entry.stream.0).or_default();
            if entry.index != *end {
                return Err(format!("the ledger has index {} where {end} follows", entry.index));
            }
            *end += 1;
            let head = heads.entry(entry.stream).or_default();
            let committed = pages.get(&entry.stream).and_then(|page| page.get(*head));
            match committed {
                None => return Err(format!("the ledger has {} changes too many", entry.seq)),
                Some(change) if change.seq != entry.seq => {
                    return Err(format!(
                        "change {} stands in the ledger where {} follows",
                        entry.seq, change.seq
                    ));
                }
                Some(change) if change.leaf_hash()[..] != entry.leaf_hash[..] => {
                    return Err(format!("change {} is another one in the ledger", entry.seq));
                }
                Some(_) => *head += 1,
            }
        }
        let all: usize = pages.values().map(Vec::len).sum();
        Ok(all == ledger.len())
    }
}

/// The change after `last`.
fn follow(
    stream: Stream,
    last: Option<&ConsentChange>,
    at: Timestamp,
    dice: &Dice,
) -> ConsentChange {
    let (business, contact) = stream;
    let channels = Channel::ALL.iter().map(|channel| {
        let from = last
            .and_then(|last| last.channels.iter().find(|change| change.channel == *channel))
            .and_then(|change| change.to);
        ChannelChange { channel: *channel, from, to: Some(*dice.pick(STATES)), expires_at: None }
    });
    ConsentChange {
        business,
        contact,
        seq: last.map_or(1, |last| last.seq + 1),
        recorded_at: at,
        cause: if last.is_some() { Cause::Set } else { Cause::Created },
        surface: Surface::Contacts,
        surface_parent: None,
        actor: Actor::Member { member: MemberId::from(business.uuid()), role: Some(Role::Admin) },
        channels: channels.collect(),
        method: None,
        notice_version: None,
        claimed_at: None,
        evidence_commitment: None,
    }
}
