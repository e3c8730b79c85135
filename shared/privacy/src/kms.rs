//! Where master keys are kept: in this process, or by a key management service that is asked over a network.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::OnceCell;
use yinyom_kernel::{Code, Fault, Text};

use crate::{DataKey, KeyId, OpenError};

/// How many key-encryption keys an [`Envelope`] keeps unwrapped: one for each start of each replica whose keys are
/// still in the database.
const CAPACITY: u64 = 10_000;

/// An answer that may have to come over a network.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, WrapError>> + Send + 'a>>;

/// Keeps a master key and works with it: a [`MasterKey`](crate::MasterKey), or a client of AWS KMS, Vault's transit
/// engine and the like, which never give the key away.
///
/// What it wraps is stored, for as long as nobody wraps it anew. Who cannot reach the service, is throttled by
/// it or is not let in answers [`WrapError::Kms`], and loses nothing: the caller is told to try again. It
/// need not watch the time: [`MasterKeys`](crate::MasterKeys) gives up after some seconds.
pub trait Kms: fmt::Debug + Send + Sync + 'static {
    /// Which key this is: [`KeyId::named`] by the name that the service knows it by. It must not change while
    /// anything is wrapped under it; versions of the key that the service tells apart by itself are one key here.
    fn id(&self) -> KeyId;

    /// `key`, wrapped. It unwraps with the same `aad` alone.
    fn wrap<'a>(&'a self, key: &'a DataKey, aad: &'a [u8]) -> Answer<'a, Vec<u8>>;

    /// What `wrap` wrapped.
    fn unwrap<'a>(&'a self, blob: &'a [u8], aad: &'a [u8]) -> Answer<'a, DataKey>;

    /// A secret for one purpose, the same whenever and by whomever it is asked for: a MAC of `label`. Asked for once, at
    /// the start.
    fn derive<'a>(&'a self, label: &'a str) -> Answer<'a, DataKey>;
}

/// The key management service did not do what it was asked; it may do so later.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    #[error("the key management service cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the key management service gives no answer")]
    Silent,
    #[error("the key management service refuses: {0}")]
    Refused(&'static str),
}

/// A key cannot be wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// Nothing is lost: it can be tried again.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// What is stored is damaged, or its master key is not loaded.
    #[error(transparent)]
    Sealed(#[from] OpenError),
}

impl Fault for WrapError {
    fn code(&self) -> Code {
        match self {
            Self::Kms(_) => Code::Unavailable,
            Self::Sealed(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Kms(_) => "KEYS_UNAVAILABLE",
            Self::Sealed(error) => error.reason(),
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::Kms(_) => Text::new(
                "The keys cannot be reached at the moment. Please try again shortly.",
                "ระบบจัดการกุญแจไม่พร้อมใช้งานชั่วคราว กรุณาลองใหม่ในอีกสักครู่",
            ),
            Self::Sealed(error) => error.text(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Kms(_)).then_some(Duration::from_secs(1))
    }
}

/// A [`Kms`] that is asked over a network, so that it is asked seldom: it wraps one key-encryption key for each start of
/// a process, which wraps all others here and travels with each: `[length 2][key-encryption key, wrapped][sealed]`.
/// A page of a thousand contacts asks it for the few keys that are not known yet.
#[derive(Debug)]
pub struct Envelope<K> {
    kms: K,
    own: OnceCell<(Vec<u8>, DataKey)>,
    known: moka::sync::Cache<Vec<u8>, DataKey>,
}

impl<K: Kms> Envelope<K> {
    /// In front of `kms`.
    pub fn new(kms: K) -> Self {
        Self { kms, own: OnceCell::new(), known: moka::sync::Cache::new(CAPACITY) }
    }

    async fn own(&self) -> Result<&(Vec<u8>, DataKey), WrapError> {
        let make = || async {
            let key = DataKey::generate();
            let wrapped = self.kms.wrap(&key, PLACE).await?;
            self.known.insert(wrapped.clone(), key.clone());
            Ok::<_, WrapError>((wrapped, key))
        };
        self.own.get_or_try_init(make).await
    }

    async fn opened(&self, wrapped: &[u8]) -> Result<DataKey, WrapError> {
        if let Some(key) = self.known.get(wrapped) {
            return Ok(key);
        }
        let key = self.kms.unwrap(wrapped, PLACE).await?;
        self.known.insert(wrapped.to_vec(), key.clone());
        Ok(key)
    }
}

const PLACE: &[u8] = b"yinyom key-encryption key";

impl<K: Kms> Kms for Envelope<K> {
    fn id(&self) -> KeyId {
        self.kms.id()
    }

    fn wrap<'a>(&'a self, key: &'a DataKey, aad: &'a [u8]) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            let (wrapped, own) = self.own().await?;
            let length = u16::try_from(wrapped.len())
                .map_err(|_| KmsError::Refused("what it wrapped is longer than 64 KiB"))?;
            Ok([&length.to_be_bytes()[..], wrapped, &own.wrap(key, aad)].concat())
        })
    }

    fn unwrap<'a>(&'a self, blob: &'a [u8], aad: &'a [u8]) -> Answer<'a, DataKey> {
        Box::pin(async move {
            let (length, rest) = blob.split_first_chunk::<2>().ok_or(OpenError::Damaged)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (wrapped, sealed) = rest.split_at_checked(length).ok_or(OpenError::Damaged)?;
            Ok(self.opened(wrapped).await?.unwrap(sealed, aad)?)
        })
    }

    fn derive<'a>(&'a self, label: &'a str) -> Answer<'a, DataKey> {
        self.kms.derive(label)
    }
}
