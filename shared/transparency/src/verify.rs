//! Whether a proof proves what it says: RFC 9162, 2.1.3.2 and 2.1.4.2.

use crate::hash::{EMPTY_ROOT, Hash, node_hash};

/// The proof does not prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not prove it")]
pub struct InvalidProof;

/// That `leaf` is at `index` in the tree of `size` leaves with this root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), InvalidProof> {
    if index >= size {
        return Err(InvalidProof);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return Err(InvalidProof);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(step, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(InvalidProof) }
}

/// That the tree of `size` leaves with root `root` begins with the one of `earlier` leaves with root `earlier_root`.
pub fn verify_consistency(
    earlier: u64,
    size: u64,
    earlier_root: &Hash,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), InvalidProof> {
    if earlier == 0 || earlier == size {
        let same = earlier == size && earlier_root == root;
        let begins = earlier == 0 && *earlier_root == EMPTY_ROOT && (size > 0 || same);
        return if proof.is_empty() && (same || begins) { Ok(()) } else { Err(InvalidProof) };
    }
    if earlier > size {
        return Err(InvalidProof);
    }
    // A tree that is complete is a node of the later one; its hash is known.
    let mut steps = proof.iter();
    let first =
        if earlier.is_power_of_two() { earlier_root } else { steps.next().ok_or(InvalidProof)? };
    let (mut at, mut last) = (earlier - 1, size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut old, mut new) = (*first, *first);
    for step in steps {
        if last == 0 {
            return Err(InvalidProof);
        }
        if at & 1 == 1 || at == last {
            old = node_hash(step, &old);
            new = node_hash(step, &new);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && old == *earlier_root && new == *root { Ok(()) } else { Err(InvalidProof) }
}
