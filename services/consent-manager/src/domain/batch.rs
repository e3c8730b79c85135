//! What a batch of changes, once they are judged, makes of the ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause};
use yinyom_kernel::ContactId;
use yinyom_privacy::DataKey;

use super::{Consent, Recorded, Submission, Tally, advance};

/// What is to be written.
#[derive(Debug, Default)]
pub struct Batch {
    /// The changes, each with its index.
    pub entries: Vec<Recorded>,
    /// The last number of each stream.
    pub heads: Vec<(ContactId, i64)>,
    /// The current consents of the contacts that changed and are there.
    pub current: Vec<(ContactId, ByChannel<Consent>)>,
    /// The contacts that changed and are gone.
    pub gone: Vec<ContactId>,
    /// Contacts whose key is destroyed, before `keys` are kept.
    pub erased: Vec<ContactId>,
    /// Keys that came with the changes.
    pub keys: Vec<(ContactId, DataKey)>,
    /// What the batch adds to the counts.
    pub tally: Tally,
}

impl Batch {
    /// Appends `taken`, in the order in which they were sent, from `next_index` on. `before` are the current consents of
    /// their contacts, as far as these are there.
    pub fn append(
        next_index: i64,
        mut before: HashMap<ContactId, ByChannel<Consent>>,
        taken: Vec<Submission>,
        now: Timestamp,
    ) -> Self {
        let mut batch = Self::default();
        let mut after: BTreeMap<ContactId, (i64, Option<ByChannel<Consent>>)> = BTreeMap::new();
        let mut erased = BTreeSet::new();
        let mut keys = BTreeMap::new();
        for (ledger_index, submission) in (next_index..).zip(taken) {
            let Submission { change, leaf_hash, sealed_evidence, subject_key, .. } = submission;
            let contact = change.contact;
            let (last, current) =
                after.entry(contact).or_insert_with(|| (0, before.remove(&contact)));
            *last = change.seq;
            *current = advance(current.as_ref(), &change, &mut batch.tally);
            if change.cause == Cause::Erased {
                erased.insert(contact);
                keys.remove(&contact);
            } else if let Some(key) = subject_key {
                keys.entry(contact).or_insert(key);
            }
            batch.entries.push(Recorded {
                change,
                ledger_index,
                leaf_hash,
                ingested_at: now,
                sealed_evidence,
            });
        }
        for (contact, (last, current)) in after {
            batch.heads.push((contact, last));
            match current {
                Some(current) => batch.current.push((contact, current)),
                None => batch.gone.push(contact),
            }
        }
        batch.erased = erased.into_iter().collect();
        batch.keys = keys.into_iter().collect();
        batch
    }
}
