//! From a token to its claims, or to a refusal that says nothing of why.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use siphasher::sip128::SipHasher24;
use yinyom_kernel::{BusinessId, Code, Fault, SharedClock, Text};

use crate::KeyError;
use crate::keys::Keys;

/// How far two machines' clocks may lie apart.
pub const LEEWAY_SECONDS: i64 = 5;

/// No token of ours comes near; a longer one is not worth hashing.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How many verified tokens are remembered.
const REMEMBERED: u64 = 10_000;

/// What a token says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: a member's id, or the name of a service or an operator.
    pub subject: String,
    /// `biz`: a member's business. Services and operators have none.
    pub business: Option<BusinessId>,
}

/// Why there is no caller. For our log alone: a stranger learns nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    NoToken,
    NotBearer,
    Malformed,
    UnknownKey,
    WrongAlgorithm,
    BadSignature,
    WrongIssuer,
    WrongAudience,
    MissingClaim,
    Expired,
    NotYetValid,
    UnknownSubject,
    WrongPeer,
    /// The issuer's word is not taken for such a caller.
    NotVouchedFor,
}

impl Why {
    /// As it stands in the log.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::NotBearer => "not_bearer",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::BadSignature => "bad_signature",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::MissingClaim => "missing_claim",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownSubject => "unknown_subject",
            Self::WrongPeer => "wrong_peer",
            Self::NotVouchedFor => "not_vouched_for",
        }
    }
}

/// The call carries no valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no valid token ({})", .0.code())]
pub struct AuthError(pub Why);

impl Fault for AuthError {
    fn code(&self) -> Code {
        Code::Unauthenticated
    }

    fn reason(&self) -> &'static str {
        "UNAUTHENTICATED"
    }

    fn text(&self) -> Text {
        Text::new("The call carries no valid token.", "คำขอนี้ไม่มีโทเค็นที่ใช้ได้")
    }
}

/// Claims as they stand in the token, before the clock is asked.
#[derive(Deserialize)]
struct Signed {
    iss: String,
    sub: String,
    exp: i64,
    nbf: Option<i64>,
    biz: Option<String>,
}

struct Verified {
    claims: Claims,
    expires: i64,
    not_before: Option<i64>,
}

/// Checks tokens against a key set, an issuer and an audience.
pub struct TokenVerifier {
    keys: ArcSwap<Keys>,
    loaded: AtomicU64,
    issuer: String,
    audience: String,
    clock: SharedClock,
    /// By hash and key generation, so that a removed key ends its tokens at the reload. Signatures
    /// are remembered, times are checked anew, memberships never get here (TRAPS 17).
    seen: moka::sync::Cache<(u128, u64), Arc<Verified>>,
    /// Of the hash. Who does not know its key, and nobody does, cannot make a token that is taken for another.
    hasher: SipHasher24,
    unknown_key: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl TokenVerifier {
    /// Takes tokens of `issuer` for `audience` that are signed with a key of the set `jwks`.
    pub fn new(
        jwks: &str,
        issuer: impl Into<String>,
        audience: impl Into<String>,
        clock: SharedClock,
    ) -> Result<Self, KeyError> {
        let (issuer, audience) = (issuer.into(), audience.into());
        let keys = Keys::parse(jwks, 0, &issuer, &audience)?;
        let mut secret = [0; 16];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| KeyError::Generate)?;
        Ok(Self {
            keys: ArcSwap::from_pointee(keys),
            loaded: AtomicU64::new(0),
            issuer,
            audience,
            clock,
            seen: moka::sync::Cache::new(REMEMBERED),
            hasher: SipHasher24::new_with_key(&secret),
            unknown_key: OnceLock::new(),
        })
    }

    /// Whose tokens it takes.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Takes another key set from now on. A set that cannot be read leaves the old one in force.
    pub fn replace_keys(&self, jwks: &str) -> Result<(), KeyError> {
        let generation = self.loaded.fetch_add(1, Ordering::Relaxed) + 1;
        let keys = Keys::parse(jwks, generation, &self.issuer, &self.audience)?;
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    /// Calls `wanted` whenever a token names a key that is not in the set, so that whoever can looks for a newer set. The
    /// token is refused all the same. Anybody can send such tokens: `wanted` must be cheap, and keep a limit. Set once.
    pub fn on_unknown_key(&self, wanted: impl Fn() + Send + Sync + 'static) {
        let _ = self.unknown_key.set(Box::new(wanted));
    }

    /// The claims of a token that is valid now.
    pub fn verify(&self, token: &str) -> Result<Claims, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError(Why::Malformed));
        }
        let keys = self.keys.load();
        let id = (self.hasher.hash(token.as_bytes()).as_u128(), keys.generation);
        let verified = if let Some(seen) = self.seen.get(&id) {
            seen
        } else {
            let verified = Arc::new(self.check(&keys, token).map_err(|why| self.refuse(why))?);
            self.seen.insert(id, Arc::clone(&verified));
            verified
        };
        self.check_time(&verified).map_err(AuthError)?;
        Ok(verified.claims.clone())
    }

    fn refuse(&self, why: Why) -> AuthError {
        if why == Why::UnknownKey
            && let Some(wanted) = self.unknown_key.get()
        {
            wanted();
        }
        AuthError(why)
    }

    fn check(&self, keys: &Keys, token: &str) -> Result<Verified, Why> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| why(&error))?;
        // RFC 7515, 4.1.11: whoever does not understand a critical extension refuses the token.
        if header.crit.is_some() {
            return Err(Why::Malformed);
        }
        let kid = header.kid.as_deref().ok_or(Why::Malformed)?;
        let key = keys.get(kid).ok_or(Why::UnknownKey)?;
        let signed = jsonwebtoken::decode::<Signed>(token, &key.decoding, &key.validation)
            .map_err(|error| why(&error))?
            .claims;
        // The crate also takes a list of issuers.
        if signed.iss != self.issuer {
            return Err(Why::WrongIssuer);
        }
        if signed.sub.is_empty() {
            return Err(Why::MissingClaim);
        }
        let business = match signed.biz {
            Some(biz) => Some(biz.parse().map_err(|_| Why::Malformed)?),
            None => None,
        };
        Ok(Verified {
            claims: Claims { subject: signed.sub, business },
            expires: signed.exp,
            not_before: signed.nbf,
        })
    }

    fn check_time(&self, verified: &Verified) -> Result<(), Why> {
        let now = self.clock.now().as_second();
        if now >= verified.expires.saturating_add(LEEWAY_SECONDS) {
            return Err(Why::Expired);
        }
        if verified.not_before.is_some_and(|from| now < from.saturating_sub(LEEWAY_SECONDS)) {
            return Err(Why::NotYetValid);
        }
        Ok(())
    }
}

/// The issuer that a token names, which nobody has checked.
pub(crate) fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claimed>(&claims).ok().map(|claimed| claimed.iss)
}

fn why(error: &jsonwebtoken::errors::Error) -> Why {
    match error.kind() {
        ErrorKind::InvalidSignature => Why::BadSignature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => Why::WrongAlgorithm,
        ErrorKind::InvalidIssuer => Why::WrongIssuer,
        ErrorKind::InvalidAudience => Why::WrongAudience,
        ErrorKind::MissingRequiredClaim(_) => Why::MissingClaim,
        _ => Why::Malformed,
    }
}
