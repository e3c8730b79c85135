//! The right edge of a tree: all that appending needs to know.

use crate::hash::{EMPTY_ROOT, Hash, node_hash};
use crate::plan::{Node, STORED_LEVELS};

/// The roots of the largest complete subtrees of a tree, left to right: one for each bit of its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

/// Size and hashes do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are not the hashes of a tree of this size")]
pub struct InvalidFrontier;

impl Frontier {
    /// The frontier of a tree of `size` leaves, from [`Frontier::to_bytes`].
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, InvalidFrontier> {
        let (roots, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || roots.len() != size.count_ones() as usize {
            return Err(InvalidFrontier);
        }
        Ok(Self { size, roots: roots.to_vec() })
    }

    /// Its hashes, one after the other: 32 bytes for each bit of the size, 768 for ten million leaves.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots.concat()
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. `complete` gets each node that is complete with it and is to be stored.
    pub fn append(&mut self, leaf: Hash, mut complete: impl FnMut(Node, Hash)) {
        let (mut hash, mut level, mut size) = (leaf, 0, self.size);
        while size & 1 == 1 {
            // As many roots as bits: there is one.
            let Some(left) = self.roots.pop() else { break };
            hash = node_hash(&left, &hash);
            level += 1;
            size >>= 1;
            if level % STORED_LEVELS == 0 {
                complete(Node { level, index: size }, hash);
            }
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return EMPTY_ROOT };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }
}
