//! From the `authorization` header to a caller.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{AuthError, Caller, CallerTable, Claims, ServiceEntry, SpiffeId, TokenVerifier, Why};

/// Knows whose tokens to take and which services and operators exist.
pub struct Authenticator {
    verifier: TokenVerifier,
    callers: ArcSwap<CallerTable>,
}

impl Authenticator {
    /// Takes the tokens that `verifier` takes.
    pub fn new(verifier: TokenVerifier, callers: CallerTable) -> Self {
        Self { verifier, callers: ArcSwap::from_pointee(callers) }
    }

    /// The verifier, to give it other keys.
    pub fn verifier(&self) -> &TokenVerifier {
        &self.verifier
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
        self.caller(self.verifier.verify(bearer(value)?)?, peer)
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
