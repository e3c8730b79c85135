//! Who may call the services of a `yinyom`: the services themselves, an operator, and two services
//! for trying things out, one with and one without the sight of addresses.

use yinyom_identity::{Businesses, CallerTable, CallerTableError, ServiceEntry, ServiceScope};

/// The own name of settings.
pub const SETTINGS: &str = "consent-settings";

/// The directory's own name.
pub const DIRECTORY: &str = "contact-directory";

/// The manager's own name.
pub const MANAGER: &str = "consent-manager";

/// The vendor of the CRM.
pub const OPERATOR: &str = "crm-vendor";

/// Sees addresses.
pub const CAMPAIGNS: &str = "campaigns";

/// Sees masks.
pub const HELPDESK: &str = "helpdesk";

/// The caller table.
pub fn table() -> Result<CallerTable, CallerTableError> {
    const POLICY: &str = "/yinyom.settings.v1.PolicyService/*";
    const RECORD: &str = "/yinyom.manager.v1.LedgerService/RecordConsentChanges";
    const AUDIT: &str = "/yinyom.manager.v1.AuditService/RecordAuditEvents";
    const ERASURES: &str = "/yinyom.manager.v1.RetentionService/ListErasures";
    const CONTACTS: [&str; 5] = [
        "/yinyom.directory.v1.ContactService/*",
        "/yinyom.directory.v1.LeadService/*",
        "/yinyom.directory.v1.AccountService/*",
        "/yinyom.directory.v1.ConsentService/*",
        "/yinyom.directory.v1.ImportService/*",
    ];
    let services = vec![
        entry(SETTINGS, &[AUDIT], &[]),
        entry(DIRECTORY, &[POLICY, RECORD, AUDIT, ERASURES], &[]),
        entry(MANAGER, &[POLICY], &[]),
        entry(CAMPAIGNS, &CONTACTS, &[ServiceScope::AddressesRead]),
        entry(HELPDESK, &CONTACTS, &[]),
    ];
    CallerTable::new(services, vec![OPERATOR.to_owned()])
}

fn entry(name: &str, rpcs: &[&str], scopes: &[ServiceScope]) -> ServiceEntry {
    ServiceEntry {
        name: name.to_owned(),
        businesses: Businesses::All,
        rpcs: rpcs.iter().map(|rpc| (*rpc).to_owned()).collect(),
        scopes: scopes.iter().copied().collect(),
        spiffe_ids: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_used() {
        assert!(table().is_ok());
    }

    #[test]
    fn a_service_may_do_what_it_is_there_for_and_nothing_else() {
        let directory = entry(DIRECTORY, &["/yinyom.settings.v1.PolicyService/*"], &[]);
        assert!(directory.may_call("/yinyom.settings.v1.PolicyService/RenewPolicyLease"));
        assert!(!directory.may_call("/yinyom.settings.v1.BusinessService/GetBusiness"));
        assert!(directory.scopes.is_empty());
    }
}
