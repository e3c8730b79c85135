//! Compact JSON Web Signatures (RFC 7515) by a ledger's key (`EdDSA`, RFC 8037), for what others verify with standard tools.
//!
//! What is signed begins with a header in base64, so that it is none of a record's or a checkpoint's messages: those begin
//! with their name and hold characters that base64 does not have.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::key::{LedgerKey, PublicKey, PublicKeys};

const ALGORITHM: &str = "EdDSA";

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// A signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    #[error("it is no compact JWS: header, payload and signature in base64, with dots between")]
    Unreadable,
    #[error("its header is not that of a ledger's EdDSA signature over {0}")]
    Header(&'static str),
    #[error("it is signed by key {0:?}, which is not among the public keys")]
    UnknownKey(String),
    #[error("its signature is not of this header and payload")]
    Wrong,
}

/// What a signature is over, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jws {
    pub payload: Vec<u8>,
    pub key: PublicKey,
}

impl Jws {
    /// Signs `payload`, which is a `typ`.
    pub fn sign(key: &LedgerKey, typ: &str, payload: &[u8]) -> String {
        let header = Header {
            alg: ALGORITHM.to_owned(),
            typ: typ.to_owned(),
            kid: key.public().id().to_string(),
        };
        // Three strings can always be written.
        let header = serde_json::to_vec(&header).unwrap_or_default();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", encode(&header), encode(payload));
        let signature = encode(&key.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// Opens what one of `keys` has signed as a `typ`.
    pub fn open(text: &str, typ: &'static str, keys: &PublicKeys) -> Result<Self, JwsError> {
        let (message, signature) = text.rsplit_once('.').ok_or(JwsError::Unreadable)?;
        let (header, payload) = message.split_once('.').ok_or(JwsError::Unreadable)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Unreadable);
        let (header, payload) = (decode(header)?, decode(payload)?);
        let signature = decode(signature)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| JwsError::Header(typ))?;
        if header.alg != ALGORITHM || header.typ != typ {
            return Err(JwsError::Header(typ));
        }
        let key = keys.iter().find(|key| key.id().to_string() == header.kid);
        let key = *key.ok_or(JwsError::UnknownKey(header.kid))?;
        if key.verifies(message.as_bytes(), &signature) {
            Ok(Self { payload, key })
        } else {
            Err(JwsError::Wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// RFC 8037, A.4: the key, and what it signs.
    #[test]
    fn the_key_of_the_standard_signs_as_the_standard_says() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = LedgerKey::from_seed(&seed.try_into().unwrap()).unwrap();
        let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        assert_eq!(
            URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    fn what_was_not_signed_is_not_opened_and_it_says_why() {
        let (key, other) = (LedgerKey::generate().unwrap(), LedgerKey::generate().unwrap());
        let keys = PublicKeys::one(*key.public());
        let text = Jws::sign(&key, "a", b"{}");
        assert_eq!(Jws::open(&text, "a", &keys).unwrap().payload, b"{}");
        assert_eq!(Jws::open(&text, "b", &keys), Err(JwsError::Header("b")));
        let foreign = Jws::sign(&other, "a", b"{}");
        let unknown = JwsError::UnknownKey(other.public().id().to_string());
        assert_eq!(Jws::open(&foreign, "a", &keys), Err(unknown));
        let parts: Vec<&str> = text.split('.').collect();
        let edited = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode("{ }"), parts[2]);
        assert_eq!(Jws::open(&edited, "a", &keys), Err(JwsError::Wrong));
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"a","kid":""}"#);
        let none = format!("{none}.{}.", parts[1]);
        assert_eq!(Jws::open(&none, "a", &keys), Err(JwsError::Header("a")));
        for text in ["", ".", "..", "a.b", "a.b.c.d", "é.é.é"] {
            assert!(Jws::open(text, "a", &keys).is_err(), "{text}");
        }
    }
}
