//! What becomes of a contact's changes in a batch (TRAPS 2, 3).

use std::collections::BTreeMap;

use yinyom_consent::ConsentChange;
use yinyom_kernel::{ContactId, InvalidInput};
use yinyom_privacy::DataKey;

/// A change as it arrives.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Its place in the request: the ledger keeps that order.
    pub place: usize,
    pub change: ConsentChange,
    pub leaf_hash: [u8; 32],
    /// Reference and note under the contact's key.
    pub sealed_evidence: Option<Vec<u8>>,
    /// The contact's key; there is one wherever there is evidence.
    pub subject_key: Option<DataKey>,
}

/// The changes of one contact in a batch.
#[derive(Debug)]
pub struct Stream {
    /// The contact's name as it was sent.
    pub name: String,
    /// `None` if that is no name of a contact of this business.
    pub contact: Option<ContactId>,
    /// In the order in which they were sent, or why one of them cannot be read.
    pub changes: Result<Vec<Submission>, InvalidInput>,
}

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The ledger has everything, now or already.
    Recorded,
    /// A change is missing before one that was sent.
    Gap,
    /// A change differs from the one of the same number that the ledger has.
    Conflict,
    /// A change cannot be read.
    Invalid,
}

/// What became of a stream, as its sender hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamResult {
    /// The contact's name as it was sent.
    pub name: String,
    pub outcome: Outcome,
    /// The last change that the ledger has.
    pub last_seq: i64,
}

/// What is to be done with a readable stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub outcome: Outcome,
    /// The last change that the ledger has afterwards.
    pub last_seq: i64,
    /// Which of the changes are taken, in their order.
    pub taken: Vec<usize>,
    /// The number that two different changes claim.
    pub conflict: Option<i64>,
}

/// Judges the changes of a contact: `sent` are their numbers and leaf hashes, `last` is the last number that the ledger
/// has, `known` are the leaf hashes that it has for those numbers in `sent` that are not above it.
///
/// A number that the ledger must have and has no hash for is a conflict, too: a hole in the ledger is an alarm.
pub fn judge(last: i64, known: &BTreeMap<i64, [u8; 32]>, sent: &[(i64, [u8; 32])]) -> Verdict {
    let mut head = last;
    let mut taken: Vec<usize> = Vec::new();
    let mut gap = false;
    for (i, (seq, leaf)) in sent.iter().enumerate() {
        if *seq <= head {
            let have = if *seq <= last {
                known.get(seq)
            } else {
                // Taken from this batch: they follow each other from `last` + 1 on.
                let place = usize::try_from(*seq - last - 1).unwrap_or(usize::MAX);
                taken.get(place).map(|i| &sent[*i].1)
            };
            if have != Some(leaf) {
                let conflict = Some(*seq);
                let outcome = Outcome::Conflict;
                return Verdict { outcome, last_seq: last, taken: Vec::new(), conflict };
            }
        } else if *seq - 1 == head && !gap {
            taken.push(i);
            head = *seq;
        } else {
            gap = true;
        }
    }
    let outcome = if gap { Outcome::Gap } else { Outcome::Recorded };
    Verdict { outcome, last_seq: head, taken, conflict: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 32] = [1; 32];
    const B: [u8; 32] = [2; 32];

    fn known(seqs: &[i64]) -> BTreeMap<i64, [u8; 32]> {
        seqs.iter().map(|seq| (*seq, A)).collect()
    }

    fn verdict(last: i64, sent: &[(i64, [u8; 32])]) -> (Outcome, i64, Vec<usize>) {
        let known = known(&(1..=last).collect::<Vec<_>>());
        let verdict = judge(last, &known, sent);
        assert_eq!(verdict.conflict.is_some(), verdict.outcome == Outcome::Conflict);
        (verdict.outcome, verdict.last_seq, verdict.taken)
    }

    #[test]
    fn the_next_numbers_are_taken() {
        assert_eq!(verdict(0, &[(1, A), (2, B)]), (Outcome::Recorded, 2, vec![0, 1]));
        assert_eq!(verdict(2, &[(3, B)]), (Outcome::Recorded, 3, vec![0]));
    }

    #[test]
    fn what_is_there_already_is_not_taken_twice() {
        assert_eq!(verdict(2, &[(1, A), (2, A)]), (Outcome::Recorded, 2, vec![]));
        assert_eq!(
            verdict(1, &[(1, A), (2, B), (2, B), (3, A)]),
            (Outcome::Recorded, 3, vec![1, 3])
        );
    }

    #[test]
    fn what_comes_before_a_gap_is_taken_and_nothing_after_it() {
        assert_eq!(verdict(1, &[(2, A), (4, A), (3, A)]), (Outcome::Gap, 2, vec![0]));
        assert_eq!(verdict(0, &[(2, A)]), (Outcome::Gap, 0, vec![]));
        assert_eq!(verdict(3, &[(i64::MAX, A)]), (Outcome::Gap, 3, vec![]));
    }

    #[test]
    fn nothing_of_a_stream_with_two_histories_is_taken() {
        assert_eq!(verdict(1, &[(1, B), (2, A)]), (Outcome::Conflict, 1, vec![]));
        assert_eq!(verdict(1, &[(2, A), (1, B)]), (Outcome::Conflict, 1, vec![]));
        // Two changes of one number in one batch.
        assert_eq!(verdict(0, &[(1, A), (1, B)]), (Outcome::Conflict, 0, vec![]));
        // A gap does not hide the alarm.
        assert_eq!(verdict(1, &[(3, A), (1, B)]), (Outcome::Conflict, 1, vec![]));
    }

    #[test]
    fn a_hole_in_the_ledger_is_an_alarm() {
        assert_eq!(judge(2, &known(&[1]), &[(2, A)]).outcome, Outcome::Conflict);
    }
}
