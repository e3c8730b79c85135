//! The public keys that tokens are checked with: a JWK set (RFC 7517).

use std::collections::HashMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

/// Why a key or a set of keys was refused. Said at start or at a reload, never to a client.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key set is not a JWK set")]
    Unreadable(#[from] serde_json::Error),
    #[error("the key set holds a symmetric key: it must hold public keys only")]
    Symmetric,
    #[error("the key set holds a key without a kid")]
    Nameless,
    #[error("the key set holds the kid {0:?} twice")]
    Twice(String),
    #[error("the key set holds no key that tokens can be checked with")]
    Empty,
    #[error("a key is not what its type says")]
    Malformed(#[from] jsonwebtoken::errors::Error),
    #[error("not an Ed25519 private key in PKCS #8")]
    NotEd25519,
    #[error("the machine cannot make a key")]
    Generate,
    #[error("the key file cannot be read or written")]
    File(#[from] std::io::Error),
}

/// A usable key, with the one algorithm that it serves.
pub(crate) struct Key {
    pub(crate) decoding: DecodingKey,
    pub(crate) validation: Validation,
}

/// A key set, by `kid`.
pub(crate) struct Keys {
    /// Which of the sets that this process has loaded; verified tokens are remembered by it.
    pub(crate) generation: u64,
    by_id: HashMap<String, Key>,
}

impl Keys {
    /// Reads a set. Keys that are not for signatures, or of a type that we do not check, are left
    /// out: an identity provider may publish them beside the others.
    pub(crate) fn parse(
        jwks: &str,
        generation: u64,
        issuer: &str,
        audience: &str,
    ) -> Result<Self, KeyError> {
        let set: JwkSet = serde_json::from_str(jwks)?;
        let mut by_id = HashMap::new();
        for jwk in &set.keys {
            if matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) {
                return Err(KeyError::Symmetric);
            }
            let Some(algorithm) = algorithm(jwk) else {
                tracing::warn!(kid = jwk.common.key_id, "a key is left out: not one for tokens");
                continue;
            };
            let kid = jwk.common.key_id.clone().ok_or(KeyError::Nameless)?;
            let key = Key {
                decoding: DecodingKey::from_jwk(jwk)?,
                validation: validation(algorithm, issuer, audience),
            };
            if by_id.insert(kid.clone(), key).is_some() {
                return Err(KeyError::Twice(kid));
            }
        }
        if by_id.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Self { generation, by_id })
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&Key> {
        self.by_id.get(kid)
    }
}

/// The algorithm of a key, by its type. The token has no say in it (TRAPS 13).
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let declared = match jwk.common.key_algorithm {
        Some(declared) => Some(Algorithm::try_from(declared).ok()?),
        None => None,
    };
    let own = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    declared.is_none_or(|declared| declared == own).then_some(own)
}

/// Signature, issuer and audience. Times are checked by the verifier, against the injected clock.
fn validation(algorithm: Algorithm, issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.validate_exp = false;
    validation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(keys: &str) -> Result<Keys, KeyError> {
        Keys::parse(&format!(r#"{{"keys": [{keys}]}}"#), 0, "issuer", "audience")
    }

    const ED: &str = r#"{"kty": "OKP", "crv": "Ed25519", "kid": "a",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn a_set_with_a_shared_secret_is_refused() {
        let secret = r#"{"kty": "oct", "kid": "s", "k": "c2VjcmV0"}"#;
        assert!(matches!(parse(&format!("{ED}, {secret}")), Err(KeyError::Symmetric)));
    }

    #[test]
    fn a_set_without_a_usable_key_is_refused() {
        assert!(matches!(parse(""), Err(KeyError::Empty)));
        let encryption = ED.replace(r#""kid""#, r#""use": "enc", "kid""#);
        assert!(matches!(parse(&encryption), Err(KeyError::Empty)));
    }

    #[test]
    fn keys_are_told_apart_by_kid() {
        assert!(matches!(parse(&format!("{ED}, {ED}")), Err(KeyError::Twice(_))));
        assert!(matches!(parse(&ED.replace("kid", "name")), Err(KeyError::Nameless)));
    }

    #[test]
    fn a_key_that_declares_another_algorithm_is_left_out() {
        let lying = ED.replace(r#""kid""#, r#""alg": "HS256", "kid""#);
        assert!(matches!(parse(&lying), Err(KeyError::Empty)));
    }
}
