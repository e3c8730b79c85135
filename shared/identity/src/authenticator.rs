//! From the `authorization` header to a caller.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Deserialize;

use crate::verifier::claimed_issuer;
use crate::{AuthError, Caller, CallerTable, Claims, ServiceEntry, SpiffeId, TokenVerifier, Why};

/// For whom an issuer's word is taken. Who makes the accounts of a business's people must not be able to make a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VouchesFor {
    #[default]
    Everybody,
    /// Members of businesses alone.
    Members,
    /// Services and operators alone.
    Services,
}

/// Knows whose tokens to take and which services and operators exist.
pub struct Authenticator {
    issuers: Vec<(Arc<TokenVerifier>, VouchesFor)>,
    callers: ArcSwap<CallerTable>,
}

impl Authenticator {
    /// Takes the tokens that `verifier` takes.
    pub fn new(verifier: TokenVerifier, callers: CallerTable) -> Self {
        Self::of([(Arc::new(verifier), VouchesFor::Everybody)], callers)
    }

    /// Takes the tokens of several issuers: each is checked by the one that it names, with no other's keys. Of two of one
    /// name the first counts.
    pub fn of(
        issuers: impl IntoIterator<Item = (Arc<TokenVerifier>, VouchesFor)>,
        callers: CallerTable,
    ) -> Self {
        let issuers = issuers.into_iter().collect();
        Self { issuers, callers: ArcSwap::from_pointee(callers) }
    }

    /// Takes another caller table from now on.
    pub fn replace_callers(&self, callers: CallerTable) {
        self.callers.store(Arc::new(callers));
    }

    /// The service of that name, with what it may do by now: for what it began, and is not calling for.
    pub fn service(&self, name: &str) -> Option<Arc<ServiceEntry>> {
        self.callers.load().service(name)
    }

    /// Who calls, by the values of a call's `authorization` header, and by the workload that has proved that it is at the
    /// other end of the connection. Two values are refused: which of them counts would depend on who reads them.
    pub fn authenticate<'a>(
        &self,
        authorization: impl IntoIterator<Item = &'a [u8]>,
        peer: Option<&SpiffeId>,
    ) -> Result<Caller, AuthError> {
        let mut values = authorization.into_iter();
        let value = values.next().ok_or(AuthError(Why::NoToken))?;
        if values.next().is_some() {
            return Err(AuthError(Why::Malformed));
        }
        let token = bearer(value)?;
        let (verifier, vouches_for) = self.issuer_of(token)?;
        let claims = verifier.verify(token)?;
        let vouched = match vouches_for {
            VouchesFor::Everybody => true,
            VouchesFor::Members => claims.business.is_some(),
            VouchesFor::Services => claims.business.is_none(),
        };
        if !vouched {
            return Err(AuthError(Why::NotVouchedFor));
        }
        self.caller(claims, peer)
    }

    /// Who checks the token. What it says of itself is not believed: the one that it names will look.
    fn issuer_of(&self, token: &str) -> Result<&(Arc<TokenVerifier>, VouchesFor), AuthError> {
        if let [only] = &*self.issuers {
            return Ok(only);
        }
        let claimed = claimed_issuer(token).ok_or(AuthError(Why::Malformed))?;
        let named = self.issuers.iter().find(|(verifier, _)| verifier.issuer() == claimed);
        named.ok_or(AuthError(Why::WrongIssuer))
    }

    fn caller(&self, claims: Claims, peer: Option<&SpiffeId>) -> Result<Caller, AuthError> {
        if let Some(business) = claims.business {
            let member = claims.subject.parse().map_err(|_| AuthError(Why::UnknownSubject))?;
            return Ok(Caller::Member { business, member });
        }
        let callers = self.callers.load();
        if let Some(service) = callers.service(&claims.subject) {
            if !service.may_come_from(peer) {
                return Err(AuthError(Why::WrongPeer));
            }
            return Ok(Caller::Service(service));
        }
        if let Some(operator) = callers.operator(&claims.subject) {
            if !operator.may_come_from(peer) {
                return Err(AuthError(Why::WrongPeer));
            }
            return Ok(Caller::Operator { name: claims.subject });
        }
        Err(AuthError(Why::UnknownSubject))
    }
}

/// The token of a header value. The scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Result<&str, AuthError> {
    let text = std::str::from_utf8(value).map_err(|_| AuthError(Why::Malformed))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(AuthError(Why::NotBearer)),
    }
}
