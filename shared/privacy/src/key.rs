//! The keys that seal what is stored: AES-256-GCM-SIV (RFC 8452), which stays safe should two of its
//! random nonces ever be equal.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use hkdf::Hkdf;
use rand::RngCore;
use sha2::Sha256;
use yinyom_kernel::{Code, Fault, Text};
use zeroize::Zeroizing;

use crate::Personal;

pub(crate) const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// The first byte of everything sealed. Another scheme will be another number.
const VERSION: u8 = 1;

/// A key of 256 random bits: of a business, of a contact, or derived for one purpose.
///
/// Destroying the wrapped copy of a contact's key erases what it sealed (TRAPS 10).
#[derive(Clone)]
pub struct DataKey(Arc<Secret>);

struct Secret {
    /// In a place of their own, so that no copy stays behind where they came from.
    bytes: Box<Zeroizing<[u8; KEY_BYTES]>>,
    /// Made when it is first needed: most keys of contacts only pass through.
    cipher: OnceLock<LessSafeKey>,
}

impl DataKey {
    /// A new key.
    pub fn generate() -> Self {
        Self::filled(|bytes| rand::rng().fill_bytes(bytes))
    }

    pub(crate) fn filled(fill: impl FnOnce(&mut [u8; KEY_BYTES])) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; KEY_BYTES]));
        fill(&mut bytes);
        Self(Arc::new(Secret { bytes, cipher: OnceLock::new() }))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0.bytes
    }

    /// The key for one purpose (HKDF-SHA256, RFC 5869): `label` names it, for ever.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "32 bytes; HKDF gives up to 8160, whatever the input"
    )]
    #[must_use]
    pub fn derive(&self, label: &str) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, self.bytes());
        Self::filled(|bytes| {
            hkdf.expand(label.as_bytes(), bytes).expect("32 bytes can be expanded");
        })
    }

    /// `plaintext`, sealed: `[version 1][nonce 12][ciphertext and tag 16]`. It opens only with the
    /// same `aad`, which says where it belongs (see [`context`]); two seals of one text differ.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "fails only beyond 64 GiB, and a message has 4 MiB"
    )]
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let mut blob = Vec::with_capacity(1 + NONCE_BYTES + plaintext.len() + TAG_BYTES);
        blob.push(VERSION);
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let text = &mut blob[1 + NONCE_BYTES..];
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(nonce, Aad::from(aad), text)
            .expect("the plaintext is shorter than 64 GiB");
        blob.extend_from_slice(tag.as_ref());
        blob
    }

    /// What [`seal`](Self::seal) sealed under this key and `aad`.
    pub fn open(&self, aad: &[u8], blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (version, rest) = blob.split_first().ok_or(OpenError::Damaged)?;
        if *version != VERSION {
            return Err(OpenError::UnknownVersion(*version));
        }
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Damaged)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut text = Zeroizing::new(sealed.to_vec());
        let opened = self.cipher().open_in_place(nonce, Aad::from(aad), &mut text);
        let length = opened.map_err(|_| OpenError::Damaged)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// Seals a text that identifies a person.
    pub fn seal_text(&self, aad: &[u8], text: &Personal) -> Vec<u8> {
        self.seal(aad, text.expose().as_bytes())
    }

    /// What [`seal_text`](Self::seal_text) sealed.
    pub fn open_text(&self, aad: &[u8], blob: &[u8]) -> Result<Personal, OpenError> {
        let mut bytes = self.open(aad, blob)?;
        String::from_utf8(std::mem::take(&mut bytes)).map(Personal::new).map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            OpenError::Damaged
        })
    }

    /// Another key, sealed under this one.
    pub fn wrap(&self, key: &Self, aad: &[u8]) -> Vec<u8> {
        self.seal(aad, key.bytes())
    }

    /// What [`wrap`](Self::wrap) wrapped.
    pub fn unwrap(&self, blob: &[u8], aad: &[u8]) -> Result<Self, OpenError> {
        let bytes = self.open(aad, blob)?;
        if bytes.len() != KEY_BYTES {
            return Err(OpenError::Damaged);
        }
        Ok(Self::filled(|key| key.copy_from_slice(&bytes)))
    }

    /// The key itself, for the one who must open what this sealed: a contact's key goes to the ledger
    /// with the evidence, over a connection that is encrypted, and is wrapped again where it arrives.
    pub fn expose(&self) -> &[u8; 32] {
        self.bytes()
    }

    /// The key that [`DataKey::expose`] gave. `None` if that is not 32 bytes.
    pub fn restore(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; KEY_BYTES] = bytes.try_into().ok()?;
        Some(Self::filled(|key| key.copy_from_slice(bytes)))
    }

    /// Nonces are random, which this scheme forgives; so `LessSafeKey`, which leaves them to us, will do.
    #[expect(clippy::expect_used, reason = "32 bytes are what the cipher takes")]
    fn cipher(&self) -> &LessSafeKey {
        self.0.cipher.get_or_init(|| {
            let key = UnboundKey::new(&AES_256_GCM_SIV, self.bytes());
            LessSafeKey::new(key.expect("a key of 256 bits"))
        })
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([secret])")
    }
}

/// The parts of a context, such as a table, a business and a row, as one byte string for use as
/// `aad`. Each part carries its length, so that no two lists of parts give the same bytes.
pub fn context(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// Something sealed cannot be opened. It is ours, so the caller did nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Changed, cut short, sealed under another key, or belonging to another row.
    #[error("a sealed value is damaged or belongs elsewhere")]
    Damaged,
    /// Written by a newer program.
    #[error("a sealed value has the unknown version {0}")]
    UnknownVersion(u8),
    /// Wrapped under a master key that this process was not given.
    #[error("a data key is wrapped under master key {0}, which is not loaded")]
    UnknownKey(crate::KeyId),
}

impl Fault for OpenError {
    fn code(&self) -> Code {
        Code::Internal
    }

    fn reason(&self) -> &'static str {
        "INTERNAL"
    }

    fn text(&self) -> Text {
        Text::new("Something went wrong on our side.", "เกิดข้อผิดพลาดภายในระบบ")
    }
}
