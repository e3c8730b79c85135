//! Which kind of caller may use which method. A method without a line here is refused.

use yinyom_identity::{Access, Members};

const fn access(rpc: &'static str, members: Members, services: bool, operators: bool) -> Access {
    Access { rpc, members, services, operators, urgent: false }
}

const NO: bool = false;
const YES: bool = true;

/// The access table. The roles in it are declared here and enforced by `domain`.
#[rustfmt::skip]
pub const ACCESS: &[Access] = &[
    //     method                                                            members               services operators
    access("/yinyom.directory.v1.ContactService/CreateContact",              Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ContactService/GetContact",                 Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ContactService/BatchGetContacts",           Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ContactService/ListContacts",               Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ContactService/SearchContacts",             Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ContactService/UpdateContact",              Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ContactService/DeleteContact",              Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/CreateLead",                    Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/GetLead",                       Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/BatchGetLeads",                 Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/ListLeads",                     Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/SearchLeads",                   Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/UpdateLead",                    Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/DeleteLead",                    Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/ListLeadContacts",              Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/AddLeadContacts",               Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/RemoveLeadContacts",            Members::Any,          YES, NO),
    access("/yinyom.directory.v1.LeadService/ConvertLead",                   Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/CreateAccount",              Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/GetAccount",                 Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/BatchGetAccounts",           Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/ListAccounts",               Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/SearchAccounts",             Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/UpdateAccount",              Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/DeleteAccount",              Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/ListAccountContacts",        Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/AddAccountContacts",         Members::Any,          YES, NO),
    access("/yinyom.directory.v1.AccountService/RemoveAccountContacts",      Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ConsentService/GetContactConsents",         Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ConsentService/SetContactConsents",         Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ConsentService/WithdrawConsent",            Members::Any,          YES, NO).urgently(),
    access("/yinyom.directory.v1.ConsentService/BatchSetContactConsents",    Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ConsentService/BatchCheckConsent",          Members::Any,          YES, NO),
    access("/yinyom.directory.v1.BulkConsentService/BulkSetContactConsents", Members::Any,          YES, NO),
    access("/yinyom.directory.v1.BulkConsentService/ListBulkSetResults",     Members::Any,          YES, NO),
    access("/yinyom.directory.v1.ReachService/StreamReachable",              Members::Any,          YES, NO),
    access("/google.longrunning.Operations/ListOperations",                  Members::Any,          YES, NO),
    access("/google.longrunning.Operations/GetOperation",                    Members::Any,          YES, NO),
    access("/google.longrunning.Operations/DeleteOperation",                 Members::Any,          YES, NO),
    access("/google.longrunning.Operations/CancelOperation",                 Members::Any,          YES, NO),
    access("/google.longrunning.Operations/WaitOperation",                   Members::Any,          YES, NO),
    access("/yinyom.directory.v1.MergeService/MergeContacts",                Members::Any,          YES, NO),
    access("/yinyom.directory.v1.MergeService/UndoMerge",                    Members::Any,          YES, NO),
    access("/yinyom.directory.v1.MergeService/ListMerges",                   Members::Any,          YES, NO),
    access("/yinyom.directory.v1.SharedAddressService/ListSharedAddresses",  Members::Any,          YES, NO),
    access("/yinyom.directory.v1.SharedAddressService/GetSharedAddressSummary", Members::Any,       YES, NO),
    access("/yinyom.directory.v1.SharedAddressService/PreviewSharedAddressPolicy", Members::Any,    YES, NO),
    access("/yinyom.directory.v1.PreviewService/PreviewVisibility",          Members::OwnerOrAdmin, NO,  NO),
    access("/yinyom.directory.v1.ImportService/ImportContacts",              Members::Listed,       YES, NO),
    access("/yinyom.directory.v1.SubjectService/EraseSubject",               Members::LedgerReaders, YES, NO),
    access("/yinyom.directory.v1.OutboxService/GetOutboxStatus",             Members::OwnerOrAdmin, YES, YES),
    access("/yinyom.directory.v1.OutboxService/RetryQuarantinedStreams",     Members::OwnerOrAdmin, YES, YES),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_method_that_reflection_shows_and_no_other() {
        let services = [
            "google.longrunning.Operations",
            "yinyom.directory.v1.AccountService",
            "yinyom.directory.v1.BulkConsentService",
            "yinyom.directory.v1.ConsentService",
            "yinyom.directory.v1.ContactService",
            "yinyom.directory.v1.ImportService",
            "yinyom.directory.v1.LeadService",
            "yinyom.directory.v1.MergeService",
            "yinyom.directory.v1.OutboxService",
            "yinyom.directory.v1.PreviewService",
            "yinyom.directory.v1.ReachService",
            "yinyom.directory.v1.SharedAddressService",
            "yinyom.directory.v1.SubjectService",
        ];
        let gaps = yinyom_rpc::access_gaps(yinyom_proto::DESCRIPTORS, &services, ACCESS);
        assert_eq!(gaps, Vec::<String>::new());
    }
}
