//! What proves that nobody touched the ledger: checkpoints, proofs, and the records themselves.

use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, InvalidInput, Text};
use yinyom_transparency::{Frontier, Hash, MissingNode, Node, Plan, Record};

use super::{Manager, Reading, Refused};
use crate::domain::Recorded;
use crate::notary::Notary;
use crate::store::{StoreError, heads, ledger, tree};

/// How many records are signed, or sent, at a time.
pub(super) const STEP: i64 = 500;
/// A signature takes some 20 microseconds: others get their turn after so many.
const TURN: usize = 50;

/// The signed head of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// A signed note.
    pub checkpoint: String,
    pub size: u64,
    pub root: Hash,
}

/// The hashes of a proof, and the size of the tree that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub hashes: Vec<Hash>,
    pub size: u64,
}

/// Reads and signs the head of the ledger.
pub async fn checkpoint(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
) -> Result<SignedHead, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let mut tx = manager.db.read(reading.scope()).await?;
    let tree = heads::tree(&mut tx).await?;
    drop(tx);
    let checkpoint = manager.notary.checkpoint(business, &tree);
    reading.close(SignedHead { checkpoint, size: tree.size(), root: tree.root() }).await
}

/// Proves that the record at `index` is in the tree of `size` records, or of all if that is `None`. The leaf hash and the
/// proof.
pub async fn inclusion(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    index: u64,
    size: Option<u64>,
) -> Result<(Hash, Proof), Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let mut tx = manager.db.read(reading.scope()).await?;
    let tree = heads::tree(&mut tx).await?;
    let size = size_in(&tree, size)?;
    let plan = Plan::inclusion(index, size).map_err(|_| beyond("ledger_index"))?;
    let leaf = Node { level: 0, index };
    let mut nodes = plan.nodes();
    nodes.insert(leaf);
    let found = tree::hashes(&mut tx, &nodes).await?;
    drop(tx);
    let stored = |node| found.get(&node).copied();
    let hashes = plan.hashes(stored).map_err(damaged)?;
    let leaf = stored(leaf).ok_or(MissingNode(leaf)).map_err(damaged)?;
    reading.close((leaf, Proof { hashes, size })).await
}

/// Proves that the tree of `size` records, or of all if that is `None`, begins with the one of `earlier`.
pub async fn consistency(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    earlier: u64,
    size: Option<u64>,
) -> Result<Proof, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let mut tx = manager.db.read(reading.scope()).await?;
    let tree = heads::tree(&mut tx).await?;
    let size = size_in(&tree, size)?;
    let plan = Plan::consistency(earlier, size).map_err(|_| beyond("earlier_size"))?;
    let found = tree::hashes(&mut tx, &plan.nodes()).await?;
    drop(tx);
    let hashes = plan.hashes(|node| found.get(&node).copied()).map_err(damaged)?;
    reading.close(Proof { hashes, size }).await
}

/// The keys that sign and signed the ledger of a business: whoever may read it gets what this makes of them.
pub async fn ledger_keys<T>(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    render: impl FnOnce(&Notary) -> T,
) -> Result<T, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    reading.close(render(&manager.notary)).await
}

/// Records on their way out, by index. Whoever may no longer read the ledger gets no more of them.
pub struct Export {
    manager: Manager,
    caller: Caller,
    business: BusinessId,
    next: i64,
    /// Past the last.
    end: i64,
}

impl Export {
    /// From `start` up to and without `end`, or to the last record that there is now. The ledger's own count is not
    /// believed: a record that was put in beyond it is exported, too.
    pub async fn open(
        manager: &Manager,
        caller: &Caller,
        business: BusinessId,
        start: i64,
        end: Option<i64>,
    ) -> Result<Self, Refused> {
        let reading = Reading::open(manager, caller, business).await?;
        let mut tx = manager.db.read(reading.scope()).await?;
        let last = ledger::last_index(&mut tx).await?;
        drop(tx);
        let there = last.map_or(0, |last| last.saturating_add(1));
        let end = end.unwrap_or(there);
        if end > there {
            return Err(beyond("end_index").into());
        }
        if start > end {
            return Err(beyond("start_index").into());
        }
        let (manager, caller) = (manager.clone(), caller.clone());
        reading.close(Self { manager, caller, business, next: start, end }).await
    }

    /// Where it ends, whole.
    pub const fn end(&self) -> i64 {
        self.end
    }

    /// The next records; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, Refused> {
        if self.next >= self.end {
            return Ok(None);
        }
        let reading = Reading::open(&self.manager, &self.caller, self.business).await?;
        let mut tx = self.manager.db.read(reading.scope()).await?;
        let records =
            ledger::records(&mut tx, &self.manager.notary, self.next, self.end, STEP).await?;
        drop(tx);
        let Some(last) = records.last() else { return reading.close(None).await };
        self.next = i64::try_from(last.index).unwrap_or(i64::MAX).saturating_add(1);
        reading.close(Some(records)).await
    }
}

/// Signs records.
pub(super) async fn signatures(notary: &Notary, records: &[Recorded]) -> Vec<Vec<u8>> {
    let mut signatures = Vec::with_capacity(records.len());
    for turn in records.chunks(TURN) {
        signatures.extend(turn.iter().map(|record| notary.sign(record)));
        tokio::task::yield_now().await;
    }
    signatures
}

fn size_in(tree: &Frontier, asked: Option<u64>) -> Result<u64, InvalidInput> {
    match asked {
        None => Ok(tree.size()),
        Some(size) if size <= tree.size() => Ok(size),
        Some(_) => Err(beyond("tree_size")),
    }
}

fn beyond(field: &'static str) -> InvalidInput {
    let text = Text::new("is beyond what the ledger has.", "เกินจำนวนรายการที่มีอยู่");
    InvalidInput::one(field, "BEYOND_LEDGER", text)
}

fn damaged(_: MissingNode) -> StoreError {
    StoreError::Unreadable("a node of the tree is gone")
}
