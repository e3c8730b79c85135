//! Where a service gets the token for its own calls.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use yinyom_kernel::{Code, Fault, SharedClock, Text};

use crate::{KeyError, Subject, TokenIssuer};

/// How long a token that we mint lives; it is replaced at half its life.
const MINTED_TTL: Duration = Duration::from_mins(10);

/// How often a token file is read: platforms rotate such files minutes before they expire.
const FILE_FRESH: Duration = Duration::from_secs(30);

/// There is no token to call another service with.
#[derive(Debug, thiserror::Error)]
pub enum TokenUnavailable {
    #[error("the token file cannot be read")]
    File(#[from] std::io::Error),
    #[error("the token cannot be signed")]
    Key(#[from] KeyError),
}

impl Fault for TokenUnavailable {
    fn code(&self) -> Code {
        Code::Unavailable
    }

    fn reason(&self) -> &'static str {
        "SERVICE_TOKEN_UNAVAILABLE"
    }

    fn text(&self) -> Text {
        Text::new(
            "The service cannot reach another one at the moment.",
            "ระบบไม่สามารถเชื่อมต่อบริการอื่นได้ในขณะนี้",
        )
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

/// The token for a service's own calls. Cheap to clone; clones share what they hold.
#[derive(Clone)]
pub struct TokenSource(Arc<Inner>);

struct Inner {
    origin: Origin,
    clock: SharedClock,
    held: Mutex<Option<Held>>,
}

enum Origin {
    Issuer { issuer: Arc<TokenIssuer>, subject: Subject, audience: String },
    File(PathBuf),
}

struct Held {
    token: Arc<str>,
    /// Since boot, so that a wall clock that is set back does not keep a dead token alive.
    fresh_until: Duration,
}

impl TokenSource {
    /// Mints tokens for the service `name` at `audience`, and new ones before they expire.
    pub fn issuer(
        issuer: Arc<TokenIssuer>,
        name: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        let clock = Arc::clone(issuer.clock());
        let origin =
            Origin::Issuer { issuer, subject: Subject::named(name), audience: audience.into() };
        Self::from_origin(origin, clock)
    }

    /// Reads the token from a file that somebody else keeps fresh.
    pub fn file(path: impl Into<PathBuf>, clock: SharedClock) -> Self {
        Self::from_origin(Origin::File(path.into()), clock)
    }

    fn from_origin(origin: Origin, clock: SharedClock) -> Self {
        Self(Arc::new(Inner { origin, clock, held: Mutex::new(None) }))
    }

    /// A token that is valid now. Reads a small file at most twice a minute, so it may be called
    /// from asynchronous code.
    pub fn token(&self) -> Result<Arc<str>, TokenUnavailable> {
        let now = self.0.clock.since_boot();
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_ref().filter(|held| now < held.fresh_until) {
            return Ok(Arc::clone(&held.token));
        }
        let (token, fresh_for) = match &self.0.origin {
            Origin::Issuer { issuer, subject, audience } => {
                (issuer.issue(subject, audience, MINTED_TTL)?, MINTED_TTL / 2)
            }
            Origin::File(path) => (std::fs::read_to_string(path)?, FILE_FRESH),
        };
        let token: Arc<str> = token.trim().into();
        *held = Some(Held { token: Arc::clone(&token), fresh_until: now + fresh_for });
        Ok(token)
    }
}
