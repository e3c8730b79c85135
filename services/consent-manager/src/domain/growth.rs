//! What a batch adds to the tree over the ledger's records.

use yinyom_transparency::{Frontier, Hash, Node};

/// A tree after a batch, and the nodes that became complete with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    pub tree: Frontier,
    pub nodes: Vec<(Node, Hash)>,
}

impl Growth {
    /// Of `tree` by `leaves`. Costs a hash or two a leaf, whatever the size of the tree.
    pub fn of(mut tree: Frontier, leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut nodes = Vec::new();
        for leaf in leaves {
            tree.append(leaf, |node, hash| nodes.push((node, hash)));
        }
        Self { tree, nodes }
    }
}
