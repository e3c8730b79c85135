//! Ed25519 keys in PEM: the private one that signs, and the public ones that verify.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What comes before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Which key signed. Derived from the public key, so nobody has to number keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(crate) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key cannot be had. Never holds it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the ledger key file {path} cannot be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the ledger key file {path} cannot be written")]
    Unwritable { path: PathBuf, source: io::Error },
    #[error(
        "no ledger key: an Ed25519 private key, PKCS #8 in PEM (openssl genpkey -algorithm ed25519)"
    )]
    NotAPrivateKey,
    #[error("no public key of a ledger: Ed25519 keys in PEM (openssl pkey -pubout)")]
    NotAPublicKey,
    #[error("no ledger key can be made")]
    Generate,
}

/// The key that signs records and checkpoints. The database does not hold it.
pub struct LedgerKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl LedgerKey {
    /// A new key, as PKCS #8 in PEM.
    pub fn generate_pem() -> Result<Zeroizing<String>, KeyError> {
        let key = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())
            .map_err(|_| KeyError::Generate)?;
        let body = Zeroizing::new(STANDARD.encode(key.as_ref()));
        Ok(Zeroizing::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            *body
        )))
    }

    /// A new key.
    pub fn generate() -> Result<Self, KeyError> {
        Self::from_pem(&Self::generate_pem()?)
    }

    /// The key in `pem`: PKCS #8, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| KeyError::NotAPrivateKey)?;
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|_| KeyError::NotAPrivateKey)?;
        Self::of(pair)
    }

    /// The key of a seed of 32 bytes, for vectors.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::NotAPrivateKey)?;
        Self::of(pair)
    }

    /// The key in a file.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let read = fs::read_to_string(path);
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        Self::from_pem(&Zeroizing::new(read.map_err(unreadable)?))
    }

    /// A new key in a new file that only its owner reads. A file that is there is left as it is and reported.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let pem = Self::generate_pem()?;
        let written = (|| {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            let written = file.write_all(pem.as_bytes()).and_then(|()| file.sync_all());
            if written.is_err() {
                let _ = fs::remove_file(path);
            }
            written?;
            let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        })();
        written.map_err(|source| KeyError::Unwritable { path: path.to_owned(), source })?;
        Self::from_pem(&pem)
    }

    /// Its public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs. The caller says in `message` what for.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        // An Ed25519 signature has 64 bytes.
        for (to, from) in signature.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *to = *from;
        }
        signature
    }

    fn of(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let public = pair.public_key().as_ref().try_into();
        let public = PublicKey::of(public.map_err(|_| KeyError::NotAPrivateKey)?);
        Ok(Self { pair, public })
    }
}

impl fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LedgerKey({})", self.public.id)
    }
}

/// The public half of a ledger's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    bytes: [u8; 32],
}

impl PublicKey {
    /// The key with these bytes.
    pub fn of(bytes: [u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"yinyom ledger key v1\0").chain_update(bytes);
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(digest.finalize()) {
            *to = from;
        }
        Self { id: KeyId(id), bytes }
    }

    /// Which key it is.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Its 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// `SubjectPublicKeyInfo` in PEM, as `openssl pkey -pubout` writes it.
    pub fn to_pem(&self) -> String {
        let body = STANDARD.encode([&SPKI_PREFIX[..], &self.bytes].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.bytes).verify(message, signature).is_ok()
    }
}

/// Public keys of a ledger: the active one and those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeys(Vec<PublicKey>);

impl PublicKeys {
    /// One key.
    pub fn one(key: PublicKey) -> Self {
        Self(vec![key])
    }

    /// All keys in `pem`: one or more.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let keys = SubjectPublicKeyInfoDer::pem_slice_iter(pem.as_bytes())
            .map(|der| {
                let der = der.map_err(|_| KeyError::NotAPublicKey)?;
                let bytes = der.as_ref().strip_prefix(&SPKI_PREFIX);
                let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
                bytes.map(PublicKey::of).ok_or(KeyError::NotAPublicKey)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(KeyError::NotAPublicKey) } else { Ok(Self(keys)) }
    }

    /// All keys in a file.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let read = fs::read_to_string(path);
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        Self::from_pem(&read.map_err(unreadable)?)
    }

    /// Adds those of another.
    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Each of them, the active one first.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }

    /// The one of this id.
    pub fn find(&self, id: KeyId) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.id == id)
    }
}
