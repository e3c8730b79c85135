//! A certificate authority, and certificates of it.

#![expect(clippy::panic, reason = "a test that cannot have its certificates must fail, loudly")]

use std::fmt::Display;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// An authority that nobody else trusts.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certified {
    pub certificate: String,
    pub key: String,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// One with a key of its own.
    pub fn new() -> Self {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        let key = key();
        let pem = must(params.self_signed(&key)).pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate: what others trust it by.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// For a port of this machine and for calls, with these URIs in it: `spiffe://…`.
    pub fn certify(&self, uris: &[&str]) -> Certified {
        let mut params = params(&["localhost", "127.0.0.1"]);
        for uri in uris {
            params.subject_alt_names.push(SanType::URI(must((*uri).try_into())));
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = key();
        let certificate = must(params.signed_by(&key, &self.issuer)).pem();
        Certified { certificate, key: key.serialize_pem() }
    }
}

impl Certified {
    /// Writes `NAME.crt` and `NAME.key` into `directory`. Tells where.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) =
            (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
        must(std::fs::write(&certificate, &self.certificate));
        must(std::fs::write(&key, &self.key));
        (certificate, key)
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    must(CertificateParams::new(names))
}

fn key() -> KeyPair {
    must(KeyPair::generate())
}

fn must<T, E: Display>(made: Result<T, E>) -> T {
    made.unwrap_or_else(|error| panic!("a certificate: {error}"))
}
