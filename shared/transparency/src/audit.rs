//! Verifies an exported ledger, record by record, with what its company kept: checkpoints and public keys.

use std::fmt;

use uuid::Uuid;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::frontier::Frontier;
use crate::hash::{Hash, leaf_hash};
use crate::key::PublicKeys;
use crate::record::Record;
use crate::signature::{Erased, SignatureError, Signed};

/// What a record's content says that it is: business, contact, number. `None` if it says nothing that can be read.
pub type NameOf = fn(&[u8]) -> Option<(Uuid, Uuid, i64)>;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Records from the index to this one, which is in it, are not there.
    MissingTo(u64),
    /// Below or at an index that was there already.
    OutOfPlace,
    /// No record at all.
    Unreadable,
    /// Its content is gone, and the ledger has not said that it destroyed it.
    ContentGone,
    /// The content is there, and the ledger has said that it destroyed it.
    NotErased,
    /// The leaf hash is not that of the content.
    Hash,
    /// Not what was signed for this business at this index.
    Signature(SignatureError),
    /// Content and row do not speak of one change of one contact of this business.
    Name,
    /// Every record from the index to this one is rightly signed, but they are not those of the checkpoint: the ledger was
    /// rolled back, and went on from there.
    OtherHistoryTo(u64),
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    pub business: Uuid,
    pub index: u64,
    /// Contact and number of the change, as the record has them; `None` if there is no record.
    pub change: Option<(Uuid, i64)>,
    pub what: What,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.index;
        match self.what {
            What::MissingTo(last) if last == index => return write!(f, "record {index}: missing"),
            What::MissingTo(last) => return write!(f, "records {index} to {last}: missing"),
            What::OtherHistoryTo(last) => {
                return write!(
                    f,
                    "records {index} to {last}: not the history of the checkpoint, though each is signed: rolled back, \
                     and written on"
                );
            }
            _ => write!(f, "record {index}")?,
        }
        if let Some((contact, seq)) = self.change {
            write!(f, " (businesses/{}/contacts/{contact}/changes/{seq})", self.business)?;
        }
        match self.what {
            What::OutOfPlace => f.write_str(": out of place"),
            What::Unreadable => f.write_str(": cannot be read"),
            What::ContentGone => f.write_str(": its content is gone, and was not erased"),
            What::NotErased => f.write_str(": has content, and is said to be erased"),
            What::Hash => f.write_str(": its content is not what was hashed"),
            What::Signature(SignatureError::Wrong) => {
                f.write_str(": not what was signed for this place")
            }
            What::Signature(error) => write!(f, ": {error}"),
            What::Name => f.write_str(": its content is of another change"),
            What::MissingTo(_) | What::OtherHistoryTo(_) => Ok(()),
        }
    }
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Records that were looked at.
    pub records: u64,
    /// Of these, records that are known by their signed hash alone.
    pub erased: u64,
    /// Up to here the ledger is that of a checkpoint.
    pub proven: u64,
    /// How much is wrong.
    pub findings: u64,
}

/// Verifies the ledger of one business. Takes memory for the checkpoints and for one hash a level of the tree.
pub struct Audit {
    business: Uuid,
    keys: PublicKeys,
    name_of: NameOf,
    /// By size, the largest first.
    ahead: Vec<(u64, Hash)>,
    largest: u64,
    tree: Frontier,
    expected: u64,
    /// Whether `tree` still is that of the records: not after a gap.
    whole: bool,
    outcome: Outcome,
    found: Vec<Finding>,
}

impl Audit {
    /// With a checkpoint, and more of the same ledger if there are: they tell where a history that was rolled back and
    /// written on parts from theirs.
    pub fn new(
        first: &Checkpoint,
        more: &[Checkpoint],
        keys: PublicKeys,
        name_of: NameOf,
    ) -> Result<Self, CheckpointError> {
        let business = first.business()?;
        let mut ahead = vec![(first.size, first.root)];
        for other in more {
            if other.business()? != business {
                return Err(CheckpointError::NoBusiness);
            }
            ahead.push((other.size, other.root));
        }
        ahead.sort_unstable_by(|one, other| other.cmp(one));
        let largest = ahead.first().map_or(0, |(size, _)| *size);
        let mut audit = Self {
            business,
            keys,
            name_of,
            ahead,
            largest,
            tree: Frontier::default(),
            expected: 0,
            whole: true,
            outcome: Outcome::default(),
            found: Vec::new(),
        };
        audit.compare();
        Ok(audit)
    }

    /// Whose ledger it is.
    pub const fn business(&self) -> Uuid {
        self.business
    }

    /// The next record of the export; `None` is one that cannot be read. What is wrong with it.
    pub fn record(&mut self, record: Option<&Record>) -> Vec<Finding> {
        self.outcome.records += 1;
        match record {
            None => {
                self.whole = false;
                self.find(self.expected, None, What::Unreadable);
                self.expected = self.expected.saturating_add(1);
            }
            Some(record) => self.look_at(record),
        }
        self.take()
    }

    /// That there are no more records. What is wrong with that, and the whole of what was seen.
    pub fn finish(mut self) -> (Vec<Finding>, Outcome) {
        if self.expected < self.largest {
            self.find(self.expected, None, What::MissingTo(self.largest - 1));
        }
        (self.take(), self.outcome)
    }

    fn look_at(&mut self, record: &Record) {
        let change = Some((record.contact, record.seq));
        if record.index < self.expected {
            self.whole = false;
            self.find(record.index, change, What::OutOfPlace);
            return;
        }
        if record.index > self.expected {
            self.whole = false;
            self.find(self.expected, None, What::MissingTo(record.index - 1));
        }
        self.expected = record.index.saturating_add(1);
        match self.judge(record) {
            Ok(leaf) if self.whole => {
                self.tree.append(leaf, |_, _| {});
                self.compare();
            }
            Ok(_) => {}
            Err(what) => {
                self.whole = false;
                self.find(record.index, change, what);
            }
        }
    }

    /// Its leaf hash, if it is what the ledger took at its index.
    fn judge(&mut self, record: &Record) -> Result<Hash, What> {
        let leaf: Hash = record.leaf_hash.as_slice().try_into().map_err(|_| What::Hash)?;
        let evidence = match record.evidence_hash.as_slice() {
            [] => None,
            hash => Some(hash.try_into().map_err(|_| What::Unreadable)?),
        };
        let (business, index) = (self.business, record.index);
        let signed = Signed { business, index, leaf, ingested_at: record.ingested_at, evidence };
        if record.content.is_empty() {
            if record.erasure.is_empty() {
                return Err(What::ContentGone);
            }
            Erased { business, index, leaf }
                .verify(&record.erasure, &self.keys)
                .map_err(What::Signature)?;
            self.outcome.erased += 1;
        } else {
            if !record.erasure.is_empty() {
                return Err(What::NotErased);
            }
            if leaf_hash(&record.content) != leaf {
                return Err(What::Hash);
            }
            if (self.name_of)(&record.content) != Some((business, record.contact, record.seq)) {
                return Err(What::Name);
            }
        }
        signed.verify(&record.signature, &self.keys).map_err(What::Signature)?;
        Ok(leaf)
    }

    /// With the checkpoints of the size that is reached.
    fn compare(&mut self) {
        while let Some((size, root)) = self.ahead.last().copied() {
            if size != self.tree.size() {
                return;
            }
            self.ahead.pop();
            if self.tree.root() == root {
                self.outcome.proven = size;
            } else {
                // All that come after differ for the same reason.
                self.ahead.clear();
                let last = size.saturating_sub(1);
                self.find(self.outcome.proven.min(last), None, What::OtherHistoryTo(last));
            }
        }
    }

    fn find(&mut self, index: u64, change: Option<(Uuid, i64)>, what: What) {
        self.outcome.findings += 1;
        self.found.push(Finding { business: self.business, index, change, what });
    }

    fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.found)
    }
}
