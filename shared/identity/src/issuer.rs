//! Makes tokens: for a service's own calls, for the demo on a laptop, for tests. The tokens of a
//! real deployment's members come from the CRM's identity provider.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use yinyom_kernel::{BusinessId, MemberId, SharedClock};
use zeroize::Zeroizing;

use crate::KeyError;

/// Whom a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A member of a business.
    Member { business: BusinessId, member: MemberId },
    /// A service or an operator, by its name in the caller table.
    Named(String),
}

impl Subject {
    /// A service or an operator.
    pub fn named(name: impl Into<String>) -> Self {
        Self::Named(name.into())
    }
}

#[derive(Serialize)]
struct Issued<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    biz: Option<String>,
}

/// Signs tokens with an Ed25519 key.
pub struct TokenIssuer {
    key: EncodingKey,
    public: Jwk,
    header: Header,
    name: String,
    clock: SharedClock,
}

impl TokenIssuer {
    /// With a new key.
    pub fn generate(name: impl Into<String>, clock: SharedClock) -> Result<Self, KeyError> {
        Self::from_pem(&Self::generate_pem()?, name, clock)
    }

    /// A new private key, PKCS #8 in PEM.
    pub fn generate_pem() -> Result<Zeroizing<String>, KeyError> {
        let key = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())
            .map_err(|_| KeyError::Generate)?;
        let body = Zeroizing::new(STANDARD.encode(key.as_ref()));
        Ok(Zeroizing::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            *body
        )))
    }

    /// With the key in `pem` (PKCS #8, as `openssl genpkey -algorithm ed25519` writes it). `name`
    /// becomes `iss`.
    pub fn from_pem(
        pem: &str,
        name: impl Into<String>,
        clock: SharedClock,
    ) -> Result<Self, KeyError> {
        let given = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(|_| KeyError::NotEd25519)?;
        // Version 2 of PKCS #8 holds the public key too; what follows reads version 1.
        let pair =
            Ed25519KeyPair::from_pkcs8(given.as_bytes()).map_err(|_| KeyError::NotEd25519)?;
        let der = pair.to_pkcs8v1().map_err(|_| KeyError::NotEd25519)?;
        let key = EncodingKey::from_ed_der(der.as_ref());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid);
        Ok(Self { key, public, header, name: name.into(), clock })
    }

    /// With the key in the file `path`, which is made (mode 0600) if there is none.
    pub fn load_or_create(
        path: &Path,
        name: impl Into<String>,
        clock: SharedClock,
    ) -> Result<Self, KeyError> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                let pem = Self::generate_pem()?;
                file.write_all(pem.as_bytes())?;
                file.sync_all()?;
                Self::from_pem(&pem, name, clock)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let pem = Zeroizing::new(std::fs::read_to_string(path)?);
                Self::from_pem(&pem, name, clock)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// `iss` of its tokens.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// A token for `subject` at `audience` that is valid from now for `ttl`, in whole seconds.
    pub fn issue(
        &self,
        subject: &Subject,
        audience: &str,
        ttl: Duration,
    ) -> Result<String, KeyError> {
        let now = self.clock.now().as_second();
        let (sub, biz) = match subject {
            Subject::Member { business, member } => {
                (member.to_string(), Some(business.to_string()))
            }
            Subject::Named(name) => (name.clone(), None),
        };
        let claims = Issued {
            iss: &self.name,
            aud: audience,
            sub,
            iat: now,
            nbf: now,
            exp: now.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)),
            biz,
        };
        Ok(jsonwebtoken::encode(&self.header, &claims, &self.key)?)
    }

    /// The JWK set that its tokens are checked with.
    pub fn jwks(&self) -> Result<String, KeyError> {
        Ok(serde_json::to_string(&JwkSet { keys: vec![self.public.clone()] })?)
    }
}
