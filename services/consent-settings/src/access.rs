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
    //     method                                                              members               services operators
    access("/yinyom.settings.v1.BusinessService/CreateBusiness",               Members::None,         NO,  YES),
    access("/yinyom.settings.v1.BusinessService/GetBusiness",                  Members::Any,          YES, YES),
    access("/yinyom.settings.v1.BusinessService/ListBusinesses",               Members::None,         NO,  YES),
    access("/yinyom.settings.v1.BusinessService/UpdateBusiness",               Members::OwnerOrAdmin, NO,  YES),
    access("/yinyom.settings.v1.BusinessService/CreateMember",                 Members::OwnerOrAdmin, NO,  NO),
    access("/yinyom.settings.v1.BusinessService/GetMember",                    Members::Any,          NO,  NO),
    access("/yinyom.settings.v1.BusinessService/ListMembers",                  Members::Any,          NO,  NO),
    access("/yinyom.settings.v1.BusinessService/UpdateMember",                 Members::OwnerOrAdmin, NO,  NO),
    access("/yinyom.settings.v1.BusinessService/DeleteMember",                 Members::OwnerOrAdmin, NO,  NO),
    access("/yinyom.settings.v1.BusinessService/TransferOwnership",            Members::Owner,        NO,  NO),
    access("/yinyom.settings.v1.ConsentSettingsService/GetConsentSettings",    Members::Any,          YES, NO),
    access("/yinyom.settings.v1.ConsentSettingsService/UpdateConsentSettings", Members::OwnerOrAdmin, NO,  NO),
    access("/yinyom.settings.v1.ConsentSettingsService/ListViewers",           Members::Any,          NO,  NO),
    access("/yinyom.settings.v1.ConsentSettingsService/AddViewers",            Members::OwnerOrAdmin, NO,  NO),
    access("/yinyom.settings.v1.ConsentSettingsService/RemoveViewers",         Members::OwnerOrAdmin, NO,  NO),
    access("/yinyom.settings.v1.PolicyService/GetPolicy",                      Members::None,         YES, NO).urgently(),
    access("/yinyom.settings.v1.PolicyService/RenewPolicyLease",               Members::None,         YES, NO).urgently(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_method_that_reflection_shows_and_no_other() {
        let services = [
            "yinyom.settings.v1.BusinessService",
            "yinyom.settings.v1.ConsentSettingsService",
            "yinyom.settings.v1.PolicyService",
        ];
        let gaps = yinyom_rpc::access_gaps(yinyom_proto::DESCRIPTORS, &services, ACCESS);
        assert_eq!(gaps, Vec::<String>::new());
    }
}
