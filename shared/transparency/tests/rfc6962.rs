//! Trees and proofs: the published vectors, and every tree of some hundred leaves.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;
use yinyom_transparency::{
    EMPTY_ROOT, Frontier, Hash, Node, Plan, STORED_LEVELS, leaf_hash, node_hash,
    verify_consistency, verify_inclusion,
};

/// Leaves and roots of the reference tests of certificate transparency.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/// Index from 0, size, path.
const PATHS: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];
/// Earlier size, size, proof.
const PROOFS: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn hash(hex: &str) -> Hash {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn hashes(hex: &[&str]) -> Vec<Hash> {
    hex.iter().copied().map(hash).collect()
}

/// A tree as a database keeps it: leaves, and the nodes that are stored.
#[derive(Default)]
struct Tree {
    frontier: Frontier,
    stored: HashMap<Node, Hash>,
}

impl Tree {
    fn of(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut tree = Self::default();
        for leaf in leaves {
            let index = tree.frontier.size();
            tree.stored.insert(Node { level: 0, index }, leaf);
            let stored = &mut tree.stored;
            tree.frontier.append(leaf, |node, hash| {
                assert_eq!(stored.insert(node, hash), None, "a node is complete once");
            });
        }
        tree
    }

    fn published() -> Self {
        Self::of(LEAVES.map(|leaf| leaf_hash(&hex::decode(leaf).unwrap())))
    }

    fn numbered(size: u64) -> Self {
        Self::of((0..size).map(|n| leaf_hash(&n.to_be_bytes())))
    }

    fn proof(&self, plan: &Plan) -> Vec<Hash> {
        let nodes = plan.nodes();
        assert!(nodes.iter().all(|node| node.level.is_multiple_of(STORED_LEVELS)));
        plan.hashes(|node| {
            assert!(nodes.contains(&node), "only what was asked for");
            self.stored.get(&node).copied()
        })
        .unwrap()
    }

    fn root(&self, size: u64) -> Hash {
        self.proof(&Plan::root(size))[0]
    }
}

/// MTH of RFC 6962, 2.1, word for word.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root_by_definition(left), &root_by_definition(right))
        }
    }
}

#[test]
fn the_published_roots() {
    let tree = Tree::published();
    assert_eq!(tree.root(0), EMPTY_ROOT);
    assert_eq!(Frontier::default().root(), EMPTY_ROOT);
    for (size, root) in (1..).zip(ROOTS) {
        assert_eq!(tree.root(size), hash(root));
        let leaves = (0..size).map(|index| tree.stored[&Node { level: 0, index }]);
        assert_eq!(Tree::of(leaves).frontier.root(), hash(root));
    }
}

#[test]
fn the_published_inclusion_proofs() {
    let tree = Tree::published();
    for (index, size, path) in PATHS {
        let proof = tree.proof(&Plan::inclusion(index, size).unwrap());
        assert_eq!(proof, hashes(path));
        let leaf = tree.stored[&Node { level: 0, index }];
        verify_inclusion(&leaf, index, size, &hashes(path), &tree.root(size)).unwrap();
    }
}

#[test]
fn the_published_consistency_proofs() {
    let tree = Tree::published();
    for (earlier, size, path) in PROOFS {
        let proof = tree.proof(&Plan::consistency(earlier, size).unwrap());
        assert_eq!(proof, hashes(path));
        verify_consistency(earlier, size, &tree.root(earlier), &tree.root(size), &proof).unwrap();
    }
}

#[test]
fn each_leaf_of_each_tree_is_proven_and_nowhere_else() {
    const MOST: u64 = 70;
    let tree = Tree::numbered(MOST);
    for size in 1..=MOST {
        let root = tree.root(size);
        for index in 0..size {
            let leaf = tree.stored[&Node { level: 0, index }];
            let proof = tree.proof(&Plan::inclusion(index, size).unwrap());
            verify_inclusion(&leaf, index, size, &proof, &root).unwrap();
            let wrong = |leaf: &Hash, index, size, proof: &[Hash], root: &Hash| {
                verify_inclusion(leaf, index, size, proof, root).unwrap_err();
            };
            wrong(&root, index, size, &[proof.clone(), vec![leaf]].concat(), &root);
            wrong(&[0; 32], index, size, &proof, &root);
            wrong(&leaf, index, size, &proof, &[0; 32]);
            wrong(&leaf, size, size, &proof, &root);
            if index > 0 {
                wrong(&leaf, index - 1, size, &proof, &root);
            }
            if index + 1 < size {
                wrong(&leaf, index + 1, size, &proof, &root);
            }
            for at in 0..proof.len() {
                let mut other = proof.clone();
                other[at][31] ^= 1;
                wrong(&leaf, index, size, &other, &root);
                other.remove(at);
                wrong(&leaf, index, size, &other, &root);
            }
        }
        assert!(Plan::inclusion(size, size).is_err());
    }
    assert!(Plan::inclusion(0, 0).is_err());
}

#[test]
fn each_tree_begins_with_each_earlier_one_and_with_no_other() {
    const MOST: u64 = 70;
    let tree = Tree::numbered(MOST);
    let roots: Vec<Hash> = (0..=MOST).map(|size| tree.root(size)).collect();
    for size in 0..=MOST {
        for earlier in 0..=size {
            let proof = tree.proof(&Plan::consistency(earlier, size).unwrap());
            let [old, new] = [earlier, size].map(|n| roots[usize::try_from(n).unwrap()]);
            verify_consistency(earlier, size, &old, &new, &proof).unwrap();
            let wrong = |earlier, size, old: &Hash, new: &Hash, proof: &[Hash]| {
                verify_consistency(earlier, size, old, new, proof).unwrap_err();
            };
            wrong(earlier, size, &[0; 32], &new, &proof);
            if earlier > 0 {
                wrong(earlier, size, &old, &[0; 32], &proof);
            }
            wrong(earlier, size, &old, &new, &[proof.clone(), vec![new]].concat());
            if earlier > 0 && earlier < size {
                wrong(earlier - 1, size, &old, &new, &proof);
                wrong(size, earlier, &new, &old, &proof);
            }
            for at in 0..proof.len() {
                let mut other = proof.clone();
                other[at][0] ^= 1;
                wrong(earlier, size, &old, &new, &other);
                other.remove(at);
                wrong(earlier, size, &old, &new, &other);
            }
        }
        assert!(Plan::consistency(size + 1, size).is_err());
    }
}

#[test]
fn a_missing_node_is_said_and_not_made_up() {
    let tree = Tree::numbered(100);
    let plan = Plan::inclusion(77, 100).unwrap();
    for gone in plan.nodes() {
        let found = plan.hashes(|node| tree.stored.get(&node).copied().filter(|_| node != gone));
        assert_eq!(found.unwrap_err().0, gone);
    }
}

#[test]
fn one_row_is_stored_for_fifteen_leaves_and_a_proof_among_ten_million_reads_less_than_180() {
    let tree = Tree::numbered(1 << 12);
    let nodes = tree.stored.keys().filter(|node| node.level > 0).count();
    assert_eq!(nodes, (1 << 12) / 16 + (1 << 12) / 256 + 1);
    for index in (0..10_000_000).step_by(99_991) {
        assert!(Plan::inclusion(index, 10_000_000).unwrap().nodes().len() < 180);
        assert!(Plan::consistency(index, 10_000_000).unwrap().nodes().len() < 180);
    }
}

proptest! {
    #[test]
    fn a_tree_that_is_put_down_and_taken_up_again_is_the_same(sizes in prop::collection::vec(0_u64..40, 1..6)) {
        let mut leaves = Vec::new();
        let mut frontier = Frontier::default();
        for more in sizes {
            for _ in 0..more {
                let leaf = leaf_hash(&leaves.len().to_be_bytes());
                leaves.push(leaf);
                frontier.append(leaf, |_, _| {});
            }
            frontier = Frontier::from_bytes(frontier.size(), &frontier.to_bytes()).unwrap();
            prop_assert_eq!(frontier.root(), root_by_definition(&leaves));
        }
        let bytes = frontier.to_bytes();
        prop_assert!(Frontier::from_bytes(frontier.size() + 1, &bytes).is_err() || (frontier.size() + 1).count_ones() == frontier.size().count_ones());
        prop_assert!(Frontier::from_bytes(frontier.size(), &[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn what_is_no_proof_proves_nothing(
        index in 0_u64..1 << 40, size in 0_u64..1 << 40,
        proof in prop::collection::vec(any::<[u8; 32]>(), 0..64), leaf: Hash, root: Hash,
    ) {
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &root).is_err());
        prop_assert!(verify_consistency(index, size, &leaf, &root, &proof).is_err() || (index == size && leaf == root));
    }

    #[test]
    fn proofs_of_large_trees_take_what_is_there_and_no_more(size in 1_u64..1 << 34, part in 0.0_f64..1.0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "any index will do")]
        let index = ((size as f64 * part) as u64).min(size - 1);
        for plan in [Plan::inclusion(index, size).unwrap(), Plan::consistency(index, size).unwrap(), Plan::root(size)] {
            for Node { level, index } in plan.nodes() {
                prop_assert!((index + 1) << level <= size, "a node that is complete");
            }
        }
    }
}
