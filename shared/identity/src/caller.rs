//! An authenticated caller, and the one door from it to a business's data.

use std::sync::Arc;

use yinyom_kernel::{BusinessId, Code, Fault, MemberId, Scope, Text};

use crate::{ServiceEntry, ServiceScope};

/// Who calls. Holds pseudonyms and names of services, nothing personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A colleague in one business. The token says so; whether the membership still stands and what
    /// role it has is for settings to say.
    Member { business: BusinessId, member: MemberId },
    /// Another backend service, with what the caller table gives it.
    Service(Arc<ServiceEntry>),
    /// The vendor of the CRM.
    Operator { name: String },
}

impl Caller {
    /// Stable for ever, unique over all kinds: idempotency records are kept by it.
    pub fn key(&self) -> String {
        match self {
            Self::Member { member, .. } => format!("member:{member}"),
            Self::Service(service) => format!("service:{}", service.name),
            Self::Operator { name } => format!("operator:{name}"),
        }
    }

    /// Opens `business`: a member its own, a service those that the caller table lists, an operator
    /// any (the access tables keep operators away from everything but settings).
    ///
    /// Whoever may not open it hears what it would hear of a business that does not exist.
    #[expect(clippy::disallowed_methods, reason = "this is where a caller's right becomes a scope")]
    pub fn scope(&self, business: BusinessId) -> Result<Scope, NotFound> {
        let opens = match self {
            Self::Member { business: own, .. } => *own == business,
            Self::Service(service) => service.businesses.holds(business),
            Self::Operator { .. } => true,
        };
        if opens { Ok(Scope::assume(business)) } else { Err(NotFound) }
    }

    /// Whether no business is closed to this caller. What a call across all businesses (policy
    /// leases, ingestion) must ask, since it names none.
    pub fn opens_every_business(&self) -> bool {
        match self {
            Self::Member { .. } => false,
            Self::Service(service) => service.businesses.is_all(),
            Self::Operator { .. } => true,
        }
    }

    /// The member, if it is one.
    pub fn member(&self) -> Option<MemberId> {
        match self {
            Self::Member { member, .. } => Some(*member),
            Self::Service(_) | Self::Operator { .. } => None,
        }
    }

    /// Whether a service was given `scope`. Members and operators have no scopes.
    pub fn has_scope(&self, scope: ServiceScope) -> bool {
        matches!(self, Self::Service(service) if service.scopes.contains(&scope))
    }
}

/// There is no such thing, or the caller may not know of it. Every service answers absent, foreign
/// and hidden with this one, so that the three are the same byte for byte (TRAPS 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not found")]
pub struct NotFound;

impl Fault for NotFound {
    fn code(&self) -> Code {
        Code::NotFound
    }

    fn reason(&self) -> &'static str {
        "NOT_FOUND"
    }

    fn text(&self) -> Text {
        Text::new("There is no such resource, or you may not see it.", "ไม่พบข้อมูลนี้ หรือคุณไม่มีสิทธิ์เข้าถึง")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;
    use crate::Businesses;

    fn service(businesses: Businesses) -> Caller {
        Caller::Service(Arc::new(ServiceEntry {
            name: "reports".to_owned(),
            businesses,
            rpcs: vec!["*".to_owned()],
            scopes: HashSet::new(),
            spiffe_ids: None,
        }))
    }

    #[test]
    fn a_member_opens_no_business_but_its_own() {
        let own = BusinessId::generate();
        let caller = Caller::Member { business: own, member: MemberId::generate() };
        assert_eq!(caller.scope(own).unwrap().business(), own);
        assert_eq!(caller.scope(BusinessId::generate()), Err(NotFound));
        assert!(!caller.opens_every_business());
    }

    #[test]
    fn a_service_opens_listed_businesses_only() {
        let listed = BusinessId::generate();
        let caller = service(Businesses::Only(HashSet::from([listed])));
        assert!(caller.scope(listed).is_ok());
        assert_eq!(caller.scope(BusinessId::generate()), Err(NotFound));
        assert!(!caller.opens_every_business());
        assert!(service(Businesses::All).opens_every_business());
    }

    #[test]
    fn a_service_has_no_scope_that_it_was_not_given() {
        assert!(!service(Businesses::All).has_scope(ServiceScope::AddressesRead));
        let operator = Caller::Operator { name: "vendor".to_owned() };
        assert!(!operator.has_scope(ServiceScope::AddressesRead));
    }

    #[test]
    fn a_service_and_an_operator_of_one_name_have_different_keys() {
        let operator = Caller::Operator { name: "reports".to_owned() };
        assert_ne!(service(Businesses::All).key(), operator.key());
    }
}
