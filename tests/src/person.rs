//! Somebody with a token, and the services as they call them.

use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use yinyom_proto::directory::v1::account_service_client::AccountServiceClient;
use yinyom_proto::directory::v1::bulk_consent_service_client::BulkConsentServiceClient;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::import_service_client::ImportServiceClient;
use yinyom_proto::directory::v1::lead_service_client::LeadServiceClient;
use yinyom_proto::directory::v1::merge_service_client::MergeServiceClient;
use yinyom_proto::directory::v1::outbox_service_client::OutboxServiceClient;
use yinyom_proto::directory::v1::reach_service_client::ReachServiceClient;
use yinyom_proto::longrunning as lro;
use yinyom_proto::longrunning::operations_client::OperationsClient;
use yinyom_proto::manager::v1::audit_service_client::AuditServiceClient;
use yinyom_proto::manager::v1::ledger_service_client::LedgerServiceClient;
use yinyom_proto::manager::v1::proof_service_client::ProofServiceClient;
use yinyom_proto::manager::v1::report_service_client::ReportServiceClient;
use yinyom_proto::manager::v1::retention_service_client::RetentionServiceClient;
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;
use yinyom_proto::settings::v1::consent_settings_service_client::ConsentSettingsServiceClient;
use yinyom_testkit::tokens::Bearer;

use crate::House;

type Wire = InterceptedService<Channel, Bearer>;

/// Somebody with a token: a member, a service or an operator.
#[derive(Clone)]
pub struct Person {
    /// `businesses/{business}/members/{member}`; empty for a service or an operator.
    pub name: String,
    pub bearer: Bearer,
    pub businesses: BusinessServiceClient<Wire>,
    pub settings: ConsentSettingsServiceClient<Wire>,
    pub contacts: ContactServiceClient<Wire>,
    pub leads: LeadServiceClient<Wire>,
    pub accounts: AccountServiceClient<Wire>,
    pub consents: ConsentServiceClient<Wire>,
    pub bulk: BulkConsentServiceClient<Wire>,
    pub operations: OperationsClient<Wire>,
    pub reach: ReachServiceClient<Wire>,
    pub imports: ImportServiceClient<Wire>,
    pub merges: MergeServiceClient<Wire>,
    pub outbox: OutboxServiceClient<Wire>,
    pub audit: AuditServiceClient<Wire>,
    pub ledger: LedgerServiceClient<Wire>,
    pub proofs: ProofServiceClient<Wire>,
    pub reports: ReportServiceClient<Wire>,
    pub retention: RetentionServiceClient<Wire>,
}

impl Person {
    /// Somebody who calls the services of `house` with `bearer`.
    pub fn new(house: &House, name: String, bearer: &Bearer) -> Self {
        Self::calling([&house.settings, &house.directory, &house.manager], name, bearer)
    }

    /// The same somebody, who calls these replicas of settings, directory and manager.
    #[must_use]
    pub fn at(&self, house: &House, [settings, directory, manager]: [usize; 3]) -> Self {
        let settings = &house.of_settings[settings].channel;
        let directory = &house.directories[directory].channel;
        let manager = &house.managers[manager].channel;
        Self::calling([settings, directory, manager], self.name.clone(), &self.bearer)
    }

    /// The operation as it is when it has ended, or after two minutes.
    pub async fn waits_for(&self, name: &str) -> lro::Operation {
        let mut operations = self.operations.clone();
        for _ in 0..12 {
            let wait = lro::WaitOperationRequest { name: name.to_owned(), timeout: None };
            let operation = operations.wait_operation(wait).await.expect("an operation");
            if operation.get_ref().done {
                return operation.into_inner();
            }
        }
        let get = lro::GetOperationRequest { name: name.to_owned() };
        operations.get_operation(get).await.expect("an operation").into_inner()
    }

    fn calling(services: [&Channel; 3], name: String, bearer: &Bearer) -> Self {
        let to = |service: &Channel| InterceptedService::new(service.clone(), bearer.clone());
        let [settings, directory, manager] = services;
        let (to_settings, to_directory) = (|| to(settings), || to(directory));
        let to_manager = || to(manager);
        Self {
            name,
            bearer: bearer.clone(),
            businesses: BusinessServiceClient::new(to_settings()),
            settings: ConsentSettingsServiceClient::new(to_settings()),
            contacts: ContactServiceClient::new(to_directory()),
            leads: LeadServiceClient::new(to_directory()),
            accounts: AccountServiceClient::new(to_directory()),
            consents: ConsentServiceClient::new(to_directory()),
            bulk: BulkConsentServiceClient::new(to_directory()),
            operations: OperationsClient::new(to_directory()),
            reach: ReachServiceClient::new(to_directory()),
            imports: ImportServiceClient::new(to_directory()),
            merges: MergeServiceClient::new(to_directory()),
            outbox: OutboxServiceClient::new(to_directory()),
            audit: AuditServiceClient::new(to_manager()),
            ledger: LedgerServiceClient::new(to_manager()),
            proofs: ProofServiceClient::new(to_manager()),
            reports: ReportServiceClient::new(to_manager()),
            retention: RetentionServiceClient::new(to_manager()),
        }
    }
}
