//! Proofs from stored nodes: first which, then from their hashes.

use std::collections::BTreeSet;

use crate::hash::{EMPTY_ROOT, Hash, node_hash};

/// Each so many levels are stored.
pub const STORED_LEVELS: u32 = 4;

/// A complete subtree of 2^`level` leaves, from leaf `index` · 2^`level` on. Level 0 is a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    pub level: u32,
    pub index: u64,
}

/// There is no such leaf, or no such earlier tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree is smaller than that")]
pub struct OutOfRange;

/// A stored node is not there: damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("node {} of level {} is not stored", .0.index, .0.level)]
pub struct MissingNode(pub Node);

/// Hashes that are wanted, each of a stretch of leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(Vec<Stretch>);

/// Leaves `start` to `end`, which is not in it. `start` is a multiple of every power of two that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    start: u64,
    end: u64,
}

impl Plan {
    /// The root of the first `size` leaves: one hash.
    pub fn root(size: u64) -> Self {
        Self(vec![Stretch { start: 0, end: size }])
    }

    /// PATH of RFC 6962, 2.1.1: that leaf `index` is in the tree of `size` leaves.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, OutOfRange> {
        if index >= size {
            return Err(OutOfRange);
        }
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(Stretch { start: middle, end });
                end = middle;
            } else {
                path.push(Stretch { start, end: middle });
                start = middle;
            }
        }
        path.reverse();
        Ok(Self(path))
    }

    /// PROOF of RFC 6962, 2.1.2: that the tree of `size` leaves begins with the one of `earlier` leaves. A tree without
    /// leaves is the beginning of each, and the proof is empty.
    pub fn consistency(earlier: u64, size: u64) -> Result<Self, OutOfRange> {
        if earlier > size {
            return Err(OutOfRange);
        }
        if earlier == 0 {
            return Ok(Self(Vec::new()));
        }
        let (mut start, mut end, mut whole) = (0, size, true);
        let mut path = Vec::new();
        while earlier != end {
            let middle = start + split(end - start);
            if earlier <= middle {
                path.push(Stretch { start: middle, end });
                end = middle;
            } else {
                path.push(Stretch { start, end: middle });
                start = middle;
                whole = false;
            }
        }
        if !whole {
            path.push(Stretch { start, end });
        }
        path.reverse();
        Ok(Self(path))
    }

    /// The stored nodes that it takes, each once. Those of level 0 are leaves.
    pub fn nodes(&self) -> BTreeSet<Node> {
        self.0.iter().flat_map(|stretch| stretch.subtrees()).flat_map(Node::stored).collect()
    }

    /// The hashes, from those of the stored nodes.
    pub fn hashes(&self, stored: impl Fn(Node) -> Option<Hash>) -> Result<Vec<Hash>, MissingNode> {
        self.0.iter().map(|stretch| stretch.hash(&stored)).collect()
    }
}

/// The largest power of two below `leaves`, which are two or more.
const fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

impl Stretch {
    /// The complete subtrees that it is made of, left to right.
    fn subtrees(self) -> impl Iterator<Item = Node> {
        let mut start = self.start;
        std::iter::from_fn(move || {
            let level = self.end.checked_sub(start)?.checked_ilog2()?;
            let node = Node { level, index: start >> level };
            start += 1 << level;
            Some(node)
        })
    }

    fn hash(self, stored: &impl Fn(Node) -> Option<Hash>) -> Result<Hash, MissingNode> {
        let subtrees: Vec<_> = self.subtrees().collect();
        let mut right: Option<Hash> = None;
        for node in subtrees.into_iter().rev() {
            let left = node.hash(stored)?;
            right = Some(right.map_or(left, |right| node_hash(&left, &right)));
        }
        Ok(right.unwrap_or(EMPTY_ROOT))
    }
}

impl Node {
    /// The stored nodes that it is made of: itself, or those below it.
    fn stored(self) -> impl Iterator<Item = Self> {
        let down = self.level % STORED_LEVELS;
        let first = self.index << down;
        (first..first + (1 << down)).map(move |index| Self { level: self.level - down, index })
    }

    fn hash(self, stored: &impl Fn(Self) -> Option<Hash>) -> Result<Hash, MissingNode> {
        let found = self.stored().map(|node| stored(node).ok_or(MissingNode(node)));
        let mut row = found.collect::<Result<Vec<_>, _>>()?;
        while row.len() > 1 {
            row = row.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
        }
        row.first().copied().ok_or(MissingNode(self))
    }
}
