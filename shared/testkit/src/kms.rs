//! Somebody else's key management service, as far as a client notices: it may be away.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use yinyom_privacy::{Answer, DataKey, KeyId, Kms, KmsError, MasterKey, WrapError};

/// A key that is kept elsewhere. Clones are connections to the same.
#[derive(Debug, Clone)]
pub struct FarKms(Arc<Far>);

#[derive(Debug)]
struct Far {
    id: KeyId,
    key: MasterKey,
    away: AtomicBool,
    calls: AtomicUsize,
}

impl FarKms {
    /// A new key of that name.
    pub fn new(name: &str) -> Self {
        let (away, calls) = (AtomicBool::default(), AtomicUsize::default());
        Self(Arc::new(Far { id: KeyId::named(name), key: MasterKey::generate(), away, calls }))
    }

    /// It cannot be reached, or can be again.
    pub fn away(&self, away: bool) {
        self.0.away.store(away, Ordering::SeqCst);
    }

    /// How often it was asked and answered.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    fn reach(&self) -> Result<&MasterKey, WrapError> {
        if self.0.away.load(Ordering::SeqCst) {
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            return Err(KmsError::Unreachable(Box::new(refused)).into());
        }
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        Ok(&self.0.key)
    }
}

impl Kms for FarKms {
    fn id(&self) -> KeyId {
        self.0.id
    }

    fn wrap<'a>(&'a self, key: &'a DataKey, aad: &'a [u8]) -> Answer<'a, Vec<u8>> {
        Box::pin(async move { self.reach()?.wrap(key, aad).await })
    }

    fn unwrap<'a>(&'a self, blob: &'a [u8], aad: &'a [u8]) -> Answer<'a, DataKey> {
        Box::pin(async move { self.reach()?.unwrap(blob, aad).await })
    }

    fn derive<'a>(&'a self, label: &'a str) -> Answer<'a, DataKey> {
        Box::pin(async move { self.reach()?.derive(label).await })
    }
}
