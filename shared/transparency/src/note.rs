//! Signed notes, as C2SP's `signed-note` says: a text, an empty line, signature lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::key::{LedgerKey, PublicKey};

/// Ed25519, in key hashes and in verifier keys.
const ED25519: u8 = 0x01;
/// Nobody's note is longer.
const MAX_BYTES: usize = 64 * 1024;
const MAX_SIGNATURES: usize = 100;

/// A note cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("this is no signed note")]
    Malformed,
    #[error("none of these keys has signed the note")]
    NotSigned,
    #[error("a signature of the note is wrong")]
    WrongSignature,
}

/// A text with signatures, none of them verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    name: String,
    key_hash: [u8; 4],
    signature: Vec<u8>,
}

impl Note {
    /// Takes a note apart.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let odd = |c: char| c != '\n' && c.is_ascii_control();
        if note.len() > MAX_BYTES || note.contains(odd) {
            return Err(NoteError::Malformed);
        }
        let at = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
        let (text, lines) = note.split_at(at + 1);
        let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.ok_or(NoteError::Malformed)?;
        let signatures =
            lines.split('\n').map(|line| Line::parse(line).ok_or(NoteError::Malformed));
        let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Signs `text`, whose last line is ended, as `name`.
    pub fn sign(text: &str, name: &str, key: &LedgerKey) -> String {
        let hash = key_hash(name, key.public());
        let line = STANDARD.encode([&hash[..], &key.sign(text.as_bytes())].concat());
        format!("{text}\n\u{2014} {name} {line}\n")
    }

    /// What is signed, if `name` has signed it with one of `keys`. Other signatures are left alone.
    pub fn open<'k>(
        &self,
        name: &str,
        keys: impl IntoIterator<Item = &'k PublicKey>,
    ) -> Result<&str, NoteError> {
        let mut signed = false;
        for key in keys {
            let hash = key_hash(name, key);
            for line in self.signatures.iter().filter(|l| l.name == name && l.key_hash == hash) {
                if !key.verifies(self.text.as_bytes(), &line.signature) {
                    return Err(NoteError::WrongSignature);
                }
                signed = true;
            }
        }
        if signed { Ok(&self.text) } else { Err(NoteError::NotSigned) }
    }

    /// The text, which nobody may have signed.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (key_hash, signature) = bytes.split_first_chunk::<4>()?;
        if !is_name(name) || signature.is_empty() {
            return None;
        }
        let name = name.to_owned();
        Some(Self { name, key_hash: *key_hash, signature: signature.to_vec() })
    }
}

/// Whether `name` can be a key's.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// The first four bytes of the hash of name and key.
fn key_hash(name: &str, key: &PublicKey) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key.bytes())
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// `name+hash+key`, as other tools of C2SP take a public key.
pub(crate) fn verifier_key(name: &str, key: &PublicKey) -> String {
    let hash = u32::from_be_bytes(key_hash(name, key));
    let encoded = STANDARD.encode([&[ED25519][..], key.bytes()].concat());
    format!("{name}+{hash:08x}+{encoded}")
}
