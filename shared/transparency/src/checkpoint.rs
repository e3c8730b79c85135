//! Checkpoints: signed tree heads, as C2SP's `tlog-checkpoint` says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::hash::Hash;
use crate::key::{LedgerKey, PublicKey, PublicKeys};
use crate::note::{self, Note, NoteError};

const BUSINESSES: &str = "/businesses/";

/// The first part of the origin of each ledger of a deployment, such as `consent.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogName(String);

/// No name of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a ledger's name has 1 to 200 characters, without white space or +, such as consent.example.com"
)]
pub struct InvalidName;

impl std::str::FromStr for LogName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let right = name.len() <= 200 && note::is_name(name) && !name.contains(BUSINESSES);
        if right { Ok(Self(name.to_owned())) } else { Err(InvalidName) }
    }
}

impl std::fmt::Display for LogName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl LogName {
    /// The origin of a business's ledger: no other log has it. Also the name that its key signs as.
    pub fn origin(&self, business: Uuid) -> String {
        format!("{}{BUSINESSES}{business}", self.0)
    }

    /// The public key as other tools of C2SP take it, for the ledger of one business.
    pub fn verifier_key(&self, business: Uuid, key: &PublicKey) -> String {
        note::verifier_key(&self.origin(business), key)
    }
}

/// A checkpoint cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("this is no checkpoint: origin, size and root hash, each on a line")]
    Malformed,
    #[error("the checkpoint is not of the ledger of a business")]
    NoBusiness,
}

/// The head of a business's ledger: its first `size` records have this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// As a signed note.
    pub fn sign(&self, key: &LedgerKey) -> String {
        let root = STANDARD.encode(self.root);
        let text = format!("{}\n{}\n{root}\n", self.origin, self.size);
        Note::sign(&text, &self.origin, key)
    }

    /// The checkpoint in a note, if one of `keys` has signed it as its origin.
    pub fn open(note: &str, keys: &PublicKeys) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        let origin = note.unverified_text().lines().next().unwrap_or_default();
        Self::parse(note.open(origin, keys.iter())?)
    }

    /// Whose ledger it is of.
    pub fn business(&self) -> Result<Uuid, CheckpointError> {
        let id = self.origin.rsplit_once(BUSINESSES).and_then(|(_, id)| {
            Uuid::try_parse(id).ok().filter(|business| business.to_string() == id)
        });
        id.ok_or(CheckpointError::NoBusiness)
    }

    /// Lines after the third are extensions, which are left alone.
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let malformed = || CheckpointError::Malformed;
        let mut lines = text.strip_suffix('\n').ok_or_else(malformed)?.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or_else(malformed);
        let (origin, size, root) = (line()?.to_owned(), line()?, line()?);
        let number: u64 = size.parse().map_err(|_| malformed())?;
        if number.to_string() != size || lines.any(str::is_empty) {
            return Err(malformed());
        }
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        Ok(Self { origin, size: number, root: root.ok_or_else(malformed)? })
    }
}
