//! What makes a ledger prove itself, as in certificate transparency. Pure: no database, no transport, no clock.
//!
//! - [`leaf_hash`], [`node_hash`]: the hashes of RFC 6962.
//! - [`Frontier`]: the right edge of a tree; appends a leaf in O(log n) and says which nodes are complete.
//! - [`Plan`]: which stored nodes a root, an inclusion proof or a consistency proof is made of, and the proof from them.
//!   Who stores them asks its database in between, in as few statements as it likes.
//! - [`verify_inclusion`], [`verify_consistency`]: by the algorithms of RFC 9162, which share nothing with [`Plan`].
//! - [`Note`], [`Checkpoint`]: signed notes and tree heads of C2SP (`signed-note`, `tlog-checkpoint`).
//! - [`LedgerKey`], [`PublicKeys`]: Ed25519 keys in PEM, the active one and those before it.
//! - [`Signed`], [`Erased`], [`EvidenceErased`]: what is signed of each record.
//! - [`Jws`]: a signature that standard tools verify, over a receipt for instance.
//! - [`Record`]: a record as it is exported, one line of JSON.
//! - [`Audit`]: verifies an export record by record, in constant memory.
//!
//! # Which nodes are stored
//! Leaves are in the ledger anyway. Of the nodes above them each fourth level is stored ([`STORED_LEVELS`]), a node when
//! it is complete: one row for 15 leaves, where every node would be one for each leaf. Those in between are hashed again,
//! at most 15 hashes from at most 16 rows. Tiles of 256 hashes, as in `tlog-tiles`, would be one row for 255 leaves, but
//! a proof would read some 750 leaves of a ledger that is not made of tiles; here it reads some 110 rows by their keys,
//! of ten million.
//!
//! # Why own code
//! The crates that know RFC 6962 keep the whole tree in memory or bring a storage of their own, and those for signed
//! notes bring a second Ed25519 and a second SHA-2.

mod audit;
mod checkpoint;
mod frontier;
mod hash;
mod jws;
mod key;
mod note;
mod plan;
mod record;
mod signature;
mod verify;

pub use audit::{Audit, Finding, Outcome, What};
pub use checkpoint::{Checkpoint, CheckpointError, InvalidName, LogName};
pub use frontier::{Frontier, InvalidFrontier};
pub use hash::{EMPTY_ROOT, Hash, leaf_hash, node_hash};
pub use jws::{Jws, JwsError};
pub use key::{KeyError, KeyId, LedgerKey, PublicKey, PublicKeys};
pub use note::{Note, NoteError};
pub use plan::{MissingNode, Node, OutOfRange, Plan, STORED_LEVELS};
pub use record::{Record, UnreadableRecord};
pub use signature::{Erased, EvidenceErased, SignatureError, Signed};
pub use verify::{InvalidProof, verify_consistency, verify_inclusion};
