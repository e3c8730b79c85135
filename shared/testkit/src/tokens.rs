//! An issuer that the servers of a test trust, and the tokens of whoever calls them.

#![expect(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot have its tokens must fail, loudly"
)]

use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};
use yinyom_identity::{
    Authenticator, CallerTable, Subject, TokenIssuer, TokenSource, TokenVerifier,
};
use yinyom_kernel::{BusinessId, MemberId, SharedClock};
use zeroize::Zeroizing;

/// `iss` and `aud` of these tokens.
pub const ISSUER: &str = "yinyom-test";
pub const AUDIENCE: &str = "yinyom";

/// How long they live, by the clock that [`Tokens::new`] was given. Longer than any test's clock is
/// moved.
const TTL: Duration = Duration::from_hours(24 * 366);

/// An issuer with a key of its own.
pub struct Tokens {
    issuer: Arc<TokenIssuer>,
    pem: Zeroizing<String>,
    clock: SharedClock,
}

impl Tokens {
    /// Tokens are issued and checked by `clock`: give it the clock of the servers.
    pub fn new(clock: SharedClock) -> Self {
        let issuer = TokenIssuer::generate_pem()
            .and_then(|pem| Ok((TokenIssuer::from_pem(&pem, ISSUER, Arc::clone(&clock))?, pem)));
        let (issuer, pem) = issuer.unwrap_or_else(|error| panic!("an issuer: {error}"));
        Self { issuer: Arc::new(issuer), pem, clock }
    }

    /// What a server of a test knows its callers by. `callers` as in [`CallerTable::parse`].
    pub fn authenticator(&self, callers: &str) -> Arc<Authenticator> {
        let callers =
            CallerTable::parse(callers).unwrap_or_else(|error| panic!("a caller table: {error}"));
        let verifier = self
            .issuer
            .jwks()
            .and_then(|jwks| TokenVerifier::new(&jwks, ISSUER, AUDIENCE, Arc::clone(&self.clock)))
            .unwrap_or_else(|error| panic!("a verifier: {error}"));
        Arc::new(Authenticator::new(verifier, callers))
    }

    /// What a member of `business` calls with.
    pub fn member(&self, business: BusinessId, member: MemberId) -> Bearer {
        self.bearer(&Subject::Member { business, member })
    }

    /// What a service or an operator of the caller table calls with.
    pub fn named(&self, name: &str) -> Bearer {
        self.bearer(&Subject::named(name))
    }

    /// The private key, for who makes tokens that an issuer would not.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The set that tokens are checked with.
    pub fn jwks(&self) -> String {
        self.issuer.jwks().unwrap_or_else(|error| panic!("a key set: {error}"))
    }

    /// What a service under test makes its own calls with.
    pub fn source(&self, name: &str) -> TokenSource {
        TokenSource::issuer(Arc::clone(&self.issuer), name, AUDIENCE)
    }

    fn bearer(&self, subject: &Subject) -> Bearer {
        let token = self
            .issuer
            .issue(subject, AUDIENCE, TTL)
            .unwrap_or_else(|error| panic!("a token: {error}"));
        format!("Bearer {token}")
            .parse()
            .map_or_else(|error| panic!("a header of the token: {error}"), Bearer)
    }
}

/// Puts a token into each call: `ContactServiceClient::with_interceptor(channel, bearer)`.
#[derive(Debug, Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// A call with this token.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.0.clone());
        request
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}
