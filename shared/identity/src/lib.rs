//! Who calls: from the `authorization` header to a [`Caller`], and what kind of caller may use which
//! RPC.
//!
//! A member's token names a business (`biz`), a service's or an operator's does not. Tokens carry no
//! role: roles, viewer lists and flags belong to settings and are looked up by the commands that
//! need them. Nothing here knows gRPC; `yinyom-rpc` calls [`Authenticator`] before each handler.

mod access;
mod authenticator;
mod caller;
mod callers;
mod issuer;
mod keys;
mod source;
mod spiffe;
mod verifier;

pub use access::{Access, AccessDenied, Members};
pub use authenticator::{Authenticator, VouchesFor};
pub use caller::{Caller, NotFound};
pub use callers::{
    Businesses, CallerTable, CallerTableError, OperatorEntry, ServiceEntry, ServiceScope,
};
pub use issuer::{Subject, TokenIssuer};
pub use keys::KeyError;
pub use source::{TokenSource, TokenUnavailable};
pub use spiffe::{NotSpiffe, SpiffeId};
pub use verifier::{AuthError, Claims, LEEWAY_SECONDS, TokenVerifier, Why};
