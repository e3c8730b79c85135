//! Which kind of caller may use which RPC. That a member must be a reader of the ledger is enforced by
//! `commands::Reading`, which knows the role.

use yinyom_identity::{Access, Members};

const READ: Access = Access {
    rpc: "",
    members: Members::LedgerReaders,
    services: true,
    operators: false,
    urgent: false,
};

/// One entry for each RPC of the manager.
pub const ACCESS: &[Access] = &[
    Access {
        rpc: "/yinyom.manager.v1.LedgerService/RecordConsentChanges",
        members: Members::None,
        urgent: true,
        ..READ
    },
    Access {
        rpc: "/yinyom.manager.v1.AuditService/RecordAuditEvents",
        members: Members::None,
        urgent: true,
        ..READ
    },
    Access { rpc: "/yinyom.manager.v1.AuditService/ListReveals", ..READ },
    Access { rpc: "/yinyom.manager.v1.AuditService/ListSettingsChanges", ..READ },
    Access { rpc: "/yinyom.manager.v1.ExportService/ExportConsentChanges", ..READ },
    Access { rpc: "/yinyom.manager.v1.ExportService/ExportConsents", ..READ },
    Access { rpc: "/yinyom.manager.v1.LedgerService/GetContactHistory", ..READ },
    Access { rpc: "/yinyom.manager.v1.LedgerService/ListConsents", ..READ },
    Access { rpc: "/yinyom.manager.v1.LedgerService/ListConsentChanges", ..READ },
    Access { rpc: "/yinyom.manager.v1.ProofService/GetCheckpoint", ..READ },
    Access { rpc: "/yinyom.manager.v1.ProofService/GetInclusionProof", ..READ },
    Access { rpc: "/yinyom.manager.v1.ProofService/GetConsistencyProof", ..READ },
    Access { rpc: "/yinyom.manager.v1.ProofService/ListLedgerKeys", ..READ },
    Access { rpc: "/yinyom.manager.v1.ProofService/ExportLedger", ..READ },
    Access { rpc: "/yinyom.manager.v1.ReceiptService/GetConsentReceipt", ..READ },
    Access { rpc: "/yinyom.manager.v1.ReportService/GetConsentSummary", ..READ },
    Access { rpc: "/yinyom.manager.v1.ReportService/GetConsentTrend", ..READ },
    Access { rpc: "/yinyom.manager.v1.ReportService/GetConsentBreakdown", ..READ },
    Access { rpc: "/yinyom.manager.v1.WatchService/WatchConsentChanges", ..READ },
    Access { rpc: "/yinyom.manager.v1.RetentionService/GetRetention", ..READ },
    Access {
        rpc: "/yinyom.manager.v1.RetentionService/UpdateRetention",
        members: Members::OwnerOrAdmin,
        services: false,
        ..READ
    },
    Access { rpc: "/yinyom.manager.v1.RetentionService/SetLegalHold", services: false, ..READ },
    Access { rpc: "/yinyom.manager.v1.RetentionService/ReleaseLegalHold", services: false, ..READ },
    Access { rpc: "/yinyom.manager.v1.RetentionService/ListLegalHolds", ..READ },
    Access { rpc: "/yinyom.manager.v1.RetentionService/RecordRefusedRequest", ..READ },
    Access { rpc: "/yinyom.manager.v1.RetentionService/ListRefusedRequests", ..READ },
    Access { rpc: "/yinyom.manager.v1.RetentionService/ListErasures", ..READ },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_says_who_may_call_it() {
        let services = [
            "AuditService",
            "ExportService",
            "LedgerService",
            "ProofService",
            "ReceiptService",
            "ReportService",
            "RetentionService",
            "WatchService",
        ]
        .map(|service| format!("yinyom.manager.v1.{service}"));
        let services = services.each_ref().map(String::as_str);
        let gaps = yinyom_rpc::access_gaps(yinyom_proto::DESCRIPTORS, &services, ACCESS);
        assert_eq!(gaps, Vec::<String>::new());
    }

    #[test]
    fn no_operator_sees_a_ledger_and_no_member_writes_one() {
        assert!(ACCESS.iter().all(|entry| !entry.operators));
        for record in ["/RecordConsentChanges", "/RecordAuditEvents"] {
            let record = ACCESS.iter().find(|entry| entry.rpc.ends_with(record));
            assert_eq!(record.map(|entry| entry.members), Some(Members::None));
        }
    }
}
