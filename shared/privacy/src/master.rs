//! Master keys: they come from outside the database, and wrap the data keys that lie in it.
//!
//! A service holds the active one and, while keys are rotated, others. Each is a key of this process or one that a key
//! management service keeps: a [`Kms`].

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::key::KEY_BYTES;
use crate::kms::Answer;
use crate::{DataKey, Kms, KmsError, OpenError, TokenSealer, WrapError};

const ID_BYTES: usize = 8;
/// What a key management service has for an answer. A caller of ours waits for it.
const PATIENCE: Duration = Duration::from_secs(3);
/// No form of a key is longer; a wrong path should not load a disk image.
const MAX_FILE_BYTES: u64 = 1024;

/// Which master key wrapped a data key. Derived from the key, so nobody has to number keys, and
/// tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_BYTES]);

impl KeyId {
    /// How many bytes at the start of what is wrapped say by which key.
    pub const BYTES: usize = ID_BYTES;

    /// The id of a key that a key management service knows by that name.
    pub fn named(name: &str) -> Self {
        Self::of(&Sha256::digest(name.as_bytes()))
    }

    /// The id that those bytes begin with: of the key that wrapped them, if it is a wrapped key.
    pub fn of(blob: &[u8]) -> Self {
        let mut id = [0; ID_BYTES];
        id.iter_mut().zip(blob).for_each(|(to, from)| *to = *from);
        Self(id)
    }

    /// As it is stored.
    pub const fn bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }
}

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
        Self { id: KeyId::of(key.derive("yinyom master key id").bytes()), key }
    }
}

/// The answers are there at once, and it is always reached.
impl Kms for MasterKey {
    fn id(&self) -> KeyId {
        self.id
    }

    fn wrap<'a>(&'a self, key: &'a DataKey, aad: &'a [u8]) -> Answer<'a, Vec<u8>> {
        Box::pin(std::future::ready(Ok(self.key.wrap(key, aad))))
    }

    fn unwrap<'a>(&'a self, blob: &'a [u8], aad: &'a [u8]) -> Answer<'a, DataKey> {
        Box::pin(std::future::ready(self.key.unwrap(blob, aad).map_err(WrapError::Sealed)))
    }

    fn derive<'a>(&'a self, label: &'a str) -> Answer<'a, DataKey> {
        Box::pin(std::future::ready(Ok(self.key.derive(label))))
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
    active: Arc<dyn Kms>,
    others: Vec<Arc<dyn Kms>>,
}

impl MasterKeys {
    /// `active` wraps from now on; `others`, that were active or will be, unwrap.
    pub fn new(active: MasterKey, others: Vec<MasterKey>) -> Self {
        let others = others.into_iter().map(|key| Arc::new(key) as Arc<dyn Kms>);
        Self::of(Arc::new(active), others.collect())
    }

    /// The same, wherever the keys are kept. A service that is asked over a network is put into an
    /// [`Envelope`](crate::Envelope) first.
    pub fn of(active: Arc<dyn Kms>, others: Vec<Arc<dyn Kms>>) -> Self {
        Self { active, others }
    }

    /// Which key wraps.
    pub fn active(&self) -> KeyId {
        self.active.id()
    }

    /// Which keys unwrap; the active one is the first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.all().map(|key| key.id())
    }

    /// A data key, wrapped for the database: `[key id 8][what the key makes of it]`. `aad` says whose key it is.
    pub async fn wrap(&self, key: &DataKey, aad: &[u8]) -> Result<Vec<u8>, WrapError> {
        let wrapped = in_time(self.active.wrap(key, aad)).await?;
        Ok([&self.active.id().0[..], &wrapped].concat())
    }

    /// What [`wrap`](Self::wrap) wrapped, under the active key or another one.
    pub async fn unwrap(&self, blob: &[u8], aad: &[u8]) -> Result<DataKey, WrapError> {
        let (id, sealed) = blob.split_first_chunk::<ID_BYTES>().ok_or(OpenError::Damaged)?;
        let id = KeyId(*id);
        let key = self.all().find(|key| key.id() == id).ok_or(OpenError::UnknownKey(id))?;
        in_time(key.unwrap(sealed, aad)).await
    }

    /// Whether `blob` is wrapped under the active key; the others wait to be wrapped again.
    pub fn is_current(&self, blob: &[u8]) -> bool {
        blob.starts_with(&self.active.id().0)
    }

    /// Seals page tokens for the purpose that `label` names. It opens what any of these keys sealed, so that a token
    /// is good at each replica while they come to another active key one after the other. Nothing that is
    /// stored may hang on it: that is what data keys are for.
    pub async fn sealer(&self, label: &str) -> Result<TokenSealer, WrapError> {
        let mut sealer = TokenSealer::new(&in_time(self.active.derive(label)).await?);
        for key in &self.others {
            match in_time(key.derive(label)).await {
                Ok(key) => sealer = sealer.opening(&key),
                // Pages that were begun under it are begun anew.
                Err(WrapError::Kms(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sealer)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Kms>> {
        std::iter::once(&self.active).chain(&self.others)
    }
}

async fn in_time<T>(answer: Answer<'_, T>) -> Result<T, WrapError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(WrapError::Kms(KmsError::Silent)),
    }
}
