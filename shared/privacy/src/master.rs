//! Master keys: they come from outside the database, and wrap the data keys that lie in it.
//!
//! A service holds the active one and, while keys are rotated, older ones. A key management service
//! would take the place of [`MasterKeys`].

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::key::KEY_BYTES;
use crate::{DataKey, OpenError};

const ID_BYTES: usize = 8;
/// No form of a key is longer; a wrong path should not load a disk image.
const MAX_FILE_BYTES: u64 = 1024;

/// Which master key wrapped a data key. Derived from the key, so nobody has to number keys, and
/// tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// No master key could be had. Never holds the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the master key file {path} cannot be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the master key file {path} cannot be written")]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("a master key is 32 bytes: raw in a file, or as 64 hex digits, or as base64")]
    NotAKey,
    #[error("the master key is one byte repeated; make a random one")]
    Weak,
}

/// A key of 32 bytes from outside the database.
#[derive(Clone)]
pub struct MasterKey {
    id: KeyId,
    key: DataKey,
}

impl MasterKey {
    /// A new key.
    pub fn generate() -> Self {
        Self::of(DataKey::generate())
    }

    /// A key written as 64 hex digits or as base64 (either alphabet, padded or not), as an
    /// environment variable holds it.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let base64 = text.trim_end_matches('=');
        let decoded = hex::decode(text)
            .ok()
            .or_else(|| STANDARD_NO_PAD.decode(base64).ok())
            .or_else(|| URL_SAFE_NO_PAD.decode(base64).ok())
            .ok_or(KeyError::NotAKey)?;
        Self::from_bytes(&Zeroizing::new(decoded))
    }

    /// The key in a file: 32 raw bytes, or text as for [`from_text`](Self::from_text).
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > MAX_FILE_BYTES {
            return Err(KeyError::NotAKey);
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(unreadable)?);
        // Thirty-two hex digits are half a key as text, not a whole one as bytes.
        if bytes.len() == KEY_BYTES && !bytes.iter().all(u8::is_ascii_hexdigit) {
            return Self::from_bytes(&bytes);
        }
        Self::from_text(std::str::from_utf8(&bytes).map_err(|_| KeyError::NotAKey)?)
    }

    /// Writes the key to a new file that only its owner reads, as hex. An existing file is left as
    /// it is and reported: to overwrite a master key is to lose everything that it wrapped.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        self.create(path).map_err(|source| KeyError::Unwritable { path: path.to_owned(), source })
    }

    fn create(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(self.key.bytes()))));
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a key would stop the next start, and no data hangs on it yet.
            let _ = fs::remove_file(path);
            return written;
        }
        // Without this the file's name may be lost with the power, and the data with it.
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Which key this is.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; KEY_BYTES] = bytes.try_into().map_err(|_| KeyError::NotAKey)?;
        if bytes.iter().all(|byte| byte == &bytes[0]) {
            return Err(KeyError::Weak);
        }
        Ok(Self::of(DataKey::filled(|key| key.copy_from_slice(bytes))))
    }

    fn of(key: DataKey) -> Self {
        let mut id = [0; ID_BYTES];
        for (to, from) in id.iter_mut().zip(key.derive("yinyom master key id").bytes()) {
            *to = *from;
        }
        Self { id: KeyId(id), key }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// The master keys of a service: one wraps, all unwrap.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    active: MasterKey,
    older: Vec<MasterKey>,
}

impl MasterKeys {
    /// `active` wraps from now on; `older` still unwrap.
    pub const fn new(active: MasterKey, older: Vec<MasterKey>) -> Self {
        Self { active, older }
    }

    /// A data key, wrapped for the database: `[key id 8][sealed key]`. `aad` says whose key it is.
    pub fn wrap(&self, key: &DataKey, aad: &[u8]) -> Vec<u8> {
        [&self.active.id.0[..], &self.active.key.wrap(key, aad)].concat()
    }

    /// What [`wrap`](Self::wrap) wrapped, under the active key or an older one.
    pub fn unwrap(&self, blob: &[u8], aad: &[u8]) -> Result<DataKey, OpenError> {
        let (id, sealed) = blob.split_first_chunk::<ID_BYTES>().ok_or(OpenError::Damaged)?;
        let id = KeyId(*id);
        std::iter::once(&self.active)
            .chain(&self.older)
            .find(|master| master.id == id)
            .ok_or(OpenError::UnknownKey(id))?
            .key
            .unwrap(sealed, aad)
    }

    /// Whether `blob` is wrapped under the active key; the others wait to be wrapped again.
    pub fn is_current(&self, blob: &[u8]) -> bool {
        blob.starts_with(&self.active.id.0)
    }

    /// A key for one purpose of the whole service, such as page tokens. It changes when the active
    /// key does, so nothing that is stored may hang on it: that is what data keys are for.
    pub fn derive(&self, label: &str) -> DataKey {
        self.active.key.derive(label)
    }
}
