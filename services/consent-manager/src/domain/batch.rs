//! What a batch of changes, once they are judged, makes of the ledger.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, ConsentChange};
use yinyom_kernel::ContactId;
use yinyom_privacy::DataKey;

use super::consent::{moments, retrace};
use super::{Consent, Recorded, Submission, Tally, Told, advance};

/// The end of a contact's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnd {
    pub contact: ContactId,
    /// The last number.
    pub seq: i64,
    /// When that change was recorded.
    pub at: Timestamp,
}

/// What is to be written.
#[derive(Debug, Default)]
pub struct Batch {
    /// The changes, each with its index.
    pub entries: Vec<Recorded>,
    /// Where the streams end that begin here.
    pub begun: Vec<StreamEnd>,
    /// The new end of each other stream.
    pub moved: Vec<StreamEnd>,
    /// The current consents of the contacts that were not there and are.
    pub appeared: Vec<(ContactId, ByChannel<Consent>)>,
    /// The same of those that were there, changed, and still are.
    pub current: Vec<(ContactId, ByChannel<Consent>)>,
    /// The contacts that changed and are gone.
    pub gone: Vec<ContactId>,
    /// Contacts that are erased.
    pub erased: Vec<Told>,
    /// Keys that came with the changes, of contacts too that are then erased.
    pub keys: Vec<(ContactId, DataKey)>,
    /// What the batch adds to the counts.
    pub tally: Tally,
}

/// What the ledger had of a contact.
#[derive(Debug, Default)]
pub struct Known {
    /// Its current consents, if it is there.
    pub current: Option<ByChannel<Consent>>,
    pub counting: Counting,
}

/// How a contact's changes are counted by time.
#[derive(Debug, Default)]
pub enum Counting {
    /// As they come.
    #[default]
    Onward,
    /// One of them was recorded before an earlier one, so these, all that there were, are counted anew.
    Anew(Vec<ConsentChange>),
    /// Later, with all others of the contact: its business is being recounted.
    Later,
}

impl Batch {
    /// Appends `taken`, in the order in which they were sent, from `next_index` on, to what is `known` of their contacts.
    pub fn append(
        next_index: i64,
        mut known: HashMap<ContactId, Known>,
        taken: Vec<Submission>,
        now: Timestamp,
    ) -> Self {
        let mut batch = Self::default();
        let mut places: BTreeMap<ContactId, Vec<usize>> = BTreeMap::new();
        let mut erased = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for (ledger_index, submission) in (next_index..).zip(taken) {
            let Submission { change, leaf_hash, sealed_evidence, subject_key, .. } = submission;
            let contact = change.contact;
            places.entry(contact).or_default().push(batch.entries.len());
            if change.cause == Cause::Erased {
                let told = Told { contact, seq: change.seq, at: change.recorded_at };
                erased.entry(contact).or_insert(told);
            } else if let Some(key) = subject_key
                && !erased.contains_key(&contact)
            {
                keys.entry(contact).or_insert(key);
            }
            batch.entries.push(Recorded {
                change,
                ledger_index,
                leaf_hash,
                ingested_at: now,
                sealed_evidence,
                evidence_erasure: None,
            });
        }
        for (contact, places) in places {
            let known = known.remove(&contact).unwrap_or_default();
            let entries = places.iter().filter_map(|place| batch.entries.get(*place));
            let changes: Vec<_> = entries.map(|entry| &entry.change).collect();
            let Some(last) = changes.last() else { continue };
            let begins = changes.first().is_some_and(|first| first.seq == 1);
            let ends = if begins { &mut batch.begun } else { &mut batch.moved };
            ends.push(StreamEnd { contact, seq: last.seq, at: last.recorded_at });
            let was_there = known.current.is_some();
            match go_on(known, &changes, &mut batch.tally) {
                Some(current) if was_there => batch.current.push((contact, current)),
                Some(current) => batch.appeared.push((contact, current)),
                None => batch.gone.push(contact),
            }
        }
        batch.erased = erased.into_values().collect();
        batch.keys = keys.into_iter().collect();
        batch
    }
}

/// What `changes` make of a contact.
fn go_on(
    known: Known,
    changes: &[&ConsentChange],
    tally: &mut Tally,
) -> Option<ByChannel<Consent>> {
    let Known { mut current, counting } = known;
    let mut added = Tally::default();
    let into = if matches!(counting, Counting::Onward) { &mut *tally } else { &mut added };
    let moments = moments(changes.iter().map(|change| change.recorded_at));
    for (change, at) in changes.iter().zip(moments) {
        current = advance(current.as_ref(), change, at, into);
    }
    tally.take_states(&added);
    match counting {
        Counting::Onward | Counting::Later => {}
        Counting::Anew(mut all) => {
            let (mut before, mut after) = (Tally::default(), Tally::default());
            retrace(&all, &mut before);
            all.extend(changes.iter().copied().cloned());
            retrace(&all, &mut after);
            tally.take_rollups(before, -1);
            tally.take_rollups(after, 1);
        }
    }
    current
}
