//! Keyed digests: equality without sight.
//!
//! A plain hash of a phone number is reversed by hashing all phone numbers; so the key is secret, one
//! for each business, and the digest differs by field (TRAPS 9).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::DataKey;
use crate::key::context;

/// The block of SHA-256: HMAC fills a shorter key up to it with zeros (RFC 2104).
const BLOCK_BYTES: usize = 64;

/// A business's key for HMAC-SHA256.
#[derive(Clone)]
pub struct BlindIndexKey(DataKey);

impl BlindIndexKey {
    /// The index key that goes with a business's data key. Digests are stored, and the text behind some of them is gone
    /// for good: an address that a deleted contact refused. So that data key must stay what it is for as long as
    /// the business does, and is another one than the key that seals; wrapping it anew changes nothing.
    pub fn of(business: &DataKey) -> Self {
        Self(business.derive("yinyom blind index"))
    }

    /// Where `canonical` stands in the index of `field`.
    pub fn index(&self, field: &str, canonical: &str) -> [u8; 32] {
        self.mac(b"index", field, &[canonical.as_bytes()])
    }

    /// A digest of `parts` for the purpose `label`: a request's fingerprint, an imported row's
    /// identity. Each part counts with its length.
    pub fn digest(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.mac(b"digest", label, parts)
    }

    fn mac(&self, use_: &[u8], label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut block = Zeroizing::new([0; BLOCK_BYTES]);
        block[..32].copy_from_slice(self.0.bytes());
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(&context(&[use_, label.as_bytes()]));
        mac.update(&Zeroizing::new(context(parts)));
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for BlindIndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindIndexKey([secret])")
    }
}
