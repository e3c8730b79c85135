//! From the text of PEM files to what a handshake needs.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::provider;

/// Why certificates, keys or authorities cannot be used. Said at start or at a reload, never to a peer.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate file holds no certificate in PEM")]
    NoCertificate,
    #[error("the key file holds no private key in PEM")]
    NoKey,
    #[error("the key is not the certificate's")]
    KeyMismatch,
    #[error("the key is of a kind that cannot be used")]
    Key(#[source] rustls::Error),
    #[error("the authority file holds no certificate in PEM")]
    NoAuthority,
    #[error("an authority's certificate cannot be used")]
    Authority(#[source] rustls::Error),
    #[error("the system's authorities cannot be read")]
    NoSystemAuthorities,
    #[error("certificates of clients cannot be checked")]
    ClientVerifier(#[from] rustls::server::VerifierBuilderError),
    #[error("the configuration of TLS is not one")]
    Configuration(#[from] rustls::Error),
}

/// A certificate with its chain, and its private key.
#[derive(Debug, Clone)]
pub struct Identity(pub(crate) Arc<CertifiedKey>);

impl Identity {
    /// Of the text of two PEM files: the certificate, followed by what leads to its authority, and the key.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| TlsError::NoCertificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        let key = provider().key_provider.load_private_key(key).map_err(TlsError::Key)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(Self(Arc::new(certified))),
            Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::KeyMismatch),
            // The certificate itself cannot be read.
            Err(_) => Err(TlsError::NoCertificate),
        }
    }
}

/// Whose signature on a certificate is believed.
#[derive(Debug, Clone)]
pub struct Trust(pub(crate) Arc<RootCertStore>);

impl Trust {
    /// The authorities of a PEM file, and no others.
    pub fn from_pem(authorities: &[u8]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(authorities) {
            let authority = authority.map_err(|_| TlsError::NoAuthority)?;
            roots.add(authority).map_err(TlsError::Authority)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoAuthority);
        }
        Ok(Self(Arc::new(roots)))
    }

    /// The authorities that the system trusts: for addresses in the world, such as an identity provider's.
    pub fn of_system() -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        // Some of a system's are always of a kind that nobody can read any more.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoSystemAuthorities);
        }
        Ok(Self(Arc::new(roots)))
    }
}
