//! A world: one business with all kinds of members, a manager that serves, and a directory that sends changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consent_manager::commands::Manager;
use consent_manager::{App, Notary, Parts};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel as Wire, Endpoint};
use uuid::Uuid;
use yinyom_consent::{ByChannel, Role};
use yinyom_kernel::{BusinessId, ManualClock, MemberId, Name};
use yinyom_policy::{
    Policies, PoliciesConfig, Policy, PolicyMember, PolicySource, Renewal, Rules, SourceError,
};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::audit_service_client::AuditServiceClient;
use yinyom_proto::manager::v1::export_service_client::ExportServiceClient;
use yinyom_proto::manager::v1::ledger_service_client::LedgerServiceClient;
use yinyom_proto::manager::v1::proof_service_client::ProofServiceClient;
use yinyom_proto::manager::v1::receipt_service_client::ReceiptServiceClient;
use yinyom_proto::manager::v1::report_service_client::ReportServiceClient;
use yinyom_proto::manager::v1::retention_service_client::RetentionServiceClient;
use yinyom_proto::manager::v1::watch_service_client::WatchServiceClient;
use yinyom_rpc::ServerConfig;
use yinyom_testkit::TestDb;
use yinyom_testkit::tokens::{Bearer, Tokens};
use yinyom_transparency::LedgerKey;

pub use crate::support::directory::*;

mod directory;
pub mod erasures;
pub mod history;

pub type Audit = AuditServiceClient<InterceptedService<Wire, Bearer>>;
pub type Exports = ExportServiceClient<InterceptedService<Wire, Bearer>>;
pub type Receipts = ReceiptServiceClient<InterceptedService<Wire, Bearer>>;
pub type Ledger = LedgerServiceClient<InterceptedService<Wire, Bearer>>;
pub type Proofs = ProofServiceClient<InterceptedService<Wire, Bearer>>;
pub type Reports = ReportServiceClient<InterceptedService<Wire, Bearer>>;
pub type Retention = RetentionServiceClient<InterceptedService<Wire, Bearer>>;
pub type Watches = WatchServiceClient<InterceptedService<Wire, Bearer>>;

/// The world's first instant: midnight in Bangkok, 1 March 2026.
pub const START: &str = "2026-02-28T17:00:00Z";
/// How long a lease holds once it is renewed.
pub const LEASE: Duration = Duration::from_hours(24 * 365);

const CALLERS: &str = r#"{
  "services": [
    { "name": "contact-directory", "businesses": "*", "rpcs": [
        "/yinyom.manager.v1.LedgerService/*", "/yinyom.manager.v1.AuditService/RecordAuditEvents"] },
    { "name": "warehouse", "businesses": "*", "rpcs": ["*"] },
    { "name": "nothing", "businesses": [], "rpcs": ["*"] },
    { "name": "trends", "businesses": "*", "rpcs": ["/yinyom.manager.v1.ReportService/GetConsentTrend"] }
  ],
  "operators": ["vendor"]
}"#;

/// Settings, as a test scripts them.
pub struct Script {
    known: Mutex<HashMap<BusinessId, Policy>>,
    away: Mutex<bool>,
    revision: Mutex<i64>,
}

impl Script {
    /// Settings no longer answer.
    pub fn go_away(&self) {
        *self.away.lock().unwrap() = true;
    }

    /// The rules of a business from now on; a holder hears of it at its next renewal.
    pub fn change(&self, business: BusinessId, edit: impl FnOnce(&mut Policy)) {
        let mut revision = self.revision.lock().unwrap();
        *revision += 1;
        let mut known = self.known.lock().unwrap();
        let policy = known.get_mut(&business).unwrap();
        edit(policy);
        policy.revision = *revision;
    }
}

impl PolicySource for Script {
    fn policy(&self, business: BusinessId) -> BoxFuture<'_, Result<Option<Policy>, SourceError>> {
        let away = *self.away.lock().unwrap();
        let policy = self.known.lock().unwrap().get(&business).cloned();
        async move { if away { Err(SourceError("away".to_owned())) } else { Ok(policy) } }.boxed()
    }

    /// Waits for news, as settings does.
    fn renew(
        &self,
        _: Uuid,
        applied: i64,
        max_wait: Duration,
    ) -> BoxFuture<'_, Result<Renewal, SourceError>> {
        async move {
            if *self.revision.lock().unwrap() <= applied {
                tokio::time::sleep(max_wait).await;
            }
            if *self.away.lock().unwrap() {
                return Err(SourceError("away".to_owned()));
            }
            let revision = self.revision.lock().unwrap();
            let known = self.known.lock().unwrap();
            let changed = known.values().filter(|policy| policy.revision > applied);
            Ok(Renewal {
                revision: *revision,
                changed: changed.map(|policy| policy.business).collect(),
                drop_all: false,
                duration: LEASE,
            })
        }
        .boxed()
    }
}

/// The members of a business.
#[derive(Clone, Copy)]
pub struct Members {
    pub owner: MemberId,
    pub admin: MemberId,
    pub officer: MemberId,
    pub listed: MemberId,
    pub user: MemberId,
}

pub struct World {
    pub business: BusinessId,
    pub members: Members,
    pub clock: Arc<ManualClock>,
    pub settings: Arc<Script>,
    pub policies: Policies,
    pub tokens: Tokens,
    pub notary: Arc<Notary>,
    pub db: TestDb,
    /// The use cases, without a network in between.
    pub manager: Manager,
    address: String,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    /// A business in Bangkok.
    pub async fn new(db: TestDb) -> Self {
        Self::in_zone(db, "Asia/Bangkok").await
    }

    pub async fn in_zone(db: TestDb, time_zone: &str) -> Self {
        let clock = Arc::new(ManualClock::at(START.parse().unwrap()));
        let business = BusinessId::generate();
        let [owner, admin, officer, listed, user] = [(); 5].map(|()| MemberId::generate());
        let members = Members { owner, admin, officer, listed, user };
        let policy = policy(business, time_zone, members);
        let settings = Arc::new(Script {
            known: Mutex::new(HashMap::from([(business, policy)])),
            away: Mutex::default(),
            revision: Mutex::new(1),
        });
        let source = Arc::clone(&settings) as Arc<dyn PolicySource>;
        let policies = Policies::new(source, clock.clone(), PoliciesConfig::default());
        policies.renew().await.unwrap();
        let tokens = Tokens::new(clock.clone());
        let notary = Arc::new(notary());
        let app = App::open(Parts {
            database: db.config().clone(),
            masters: MasterKeys::new(MasterKey::generate(), Vec::new()),
            notary: Arc::clone(&notary),
            sign_earlier: false,
            authenticator: tokens.authenticator(CALLERS),
            policies: policies.clone(),
            server: ServerConfig::default(),
            clock: clock.clone(),
        })
        .await
        .unwrap();
        let manager = app.manager().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(app.serve(listener, stop.clone()));
        Self {
            business,
            members,
            clock,
            settings,
            policies,
            tokens,
            notary,
            db,
            manager,
            address,
            stop,
        }
    }

    fn wire(&self) -> Wire {
        // So that a stream is at most a message or two ahead of who reads it.
        let endpoint = Endpoint::from_shared(self.address.clone()).unwrap();
        endpoint.initial_stream_window_size(64 * 1024).connect_lazy()
    }

    pub fn parent(&self) -> String {
        Name::format_business(self.business)
    }

    pub fn ledger_as(&self, bearer: Bearer) -> Ledger {
        LedgerServiceClient::with_interceptor(self.wire(), bearer)
            .max_decoding_message_size(16 * 1024 * 1024)
    }

    pub fn audit_as(&self, bearer: Bearer) -> Audit {
        AuditServiceClient::with_interceptor(self.wire(), bearer)
    }

    /// What proves the ledger, for a reader.
    pub fn proofs(&self) -> Proofs {
        self.proofs_as(self.tokens.member(self.business, self.members.officer))
    }

    pub fn proofs_as(&self, bearer: Bearer) -> Proofs {
        ProofServiceClient::with_interceptor(self.wire(), bearer)
    }

    pub fn exports_as(&self, bearer: Bearer) -> Exports {
        ExportServiceClient::with_interceptor(self.wire(), bearer)
    }

    pub fn receipts_as(&self, bearer: Bearer) -> Receipts {
        ReceiptServiceClient::with_interceptor(self.wire(), bearer)
    }

    pub fn reports_as(&self, bearer: Bearer) -> Reports {
        ReportServiceClient::with_interceptor(self.wire(), bearer)
    }

    /// Retention, holds and refused requests, for a member.
    pub fn retention(&self, member: MemberId) -> Retention {
        self.retention_as(self.tokens.member(self.business, member))
    }

    pub fn retention_as(&self, bearer: Bearer) -> Retention {
        RetentionServiceClient::with_interceptor(self.wire(), bearer)
    }

    /// News of the ledger, for a reader.
    pub fn watches(&self) -> Watches {
        let officer = self.tokens.member(self.business, self.members.officer);
        WatchServiceClient::with_interceptor(self.wire(), officer)
    }

    /// The manager begins to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The ledger as a member sees it.
    pub fn ledger(&self, member: MemberId) -> Ledger {
        self.ledger_as(self.tokens.member(self.business, member))
    }

    pub fn reports(&self) -> Reports {
        self.reports_as(self.tokens.member(self.business, self.members.owner))
    }

    /// The directory, as the manager's caller.
    pub fn relay(&self) -> Ledger {
        self.ledger_as(self.tokens.named("contact-directory"))
    }

    pub fn now(&self) -> Timestamp {
        yinyom_kernel::Clock::now(&*self.clock)
    }

    /// Sends changes; each stream's outcome and last number, in the order of the streams.
    pub async fn send(&self, changes: Vec<pb::ConsentChange>) -> Vec<(pb::RecordOutcome, i64)> {
        let request =
            pb::RecordConsentChangesRequest { parent: self.parent(), changes, ..<_>::default() };
        let answer = self.relay().record_consent_changes(request).await.unwrap().into_inner();
        answer.results.into_iter().map(|result| (result.outcome(), result.last_seq)).collect()
    }

    /// Sends changes that must all be taken.
    pub async fn take(&self, changes: Vec<pb::ConsentChange>) {
        let results = self.send(changes).await;
        assert!(results.iter().all(|(outcome, _)| *outcome == pb::RecordOutcome::Recorded));
    }

    pub async fn history(&self, contact: &Contact) -> pb::GetContactHistoryResponse {
        let request = pb::GetContactHistoryRequest {
            contact: contact.name(),
            ..pb::GetContactHistoryRequest::default()
        };
        let mut ledger = self.ledger(self.members.officer);
        ledger.get_contact_history(request).await.unwrap().into_inner()
    }

    /// (not set, granted, denied) of each channel.
    pub async fn summary(&self) -> ByChannel<(i64, i64, i64)> {
        let request = pb::GetConsentSummaryRequest { parent: self.parent(), as_of_time: None };
        let answer = self.reports().get_consent_summary(request).await.unwrap().into_inner();
        let counts = |i: usize| {
            let channel: &pb::ChannelSummary = &answer.channels[i];
            (channel.not_set, channel.granted, channel.denied)
        };
        ByChannel { phone: counts(0), email: counts(1) }
    }
}

fn policy(business: BusinessId, time_zone: &str, members: Members) -> Policy {
    let member =
        |role, listed, protection_officer| PolicyMember { role, listed, protection_officer };
    Policy {
        business,
        revision: 1,
        time_zone: time_zone.to_owned(),
        rules: Rules::INITIAL,
        members: HashMap::from([
            (members.owner, member(Role::Owner, false, false)),
            (members.admin, member(Role::Admin, false, false)),
            (members.officer, member(Role::User, false, true)),
            (members.listed, member(Role::User, true, false)),
            (members.user, member(Role::User, false, false)),
        ]),
    }
}

/// Signs ledgers, with a key of its own.
pub fn notary() -> Notary {
    Notary::new(LedgerKey::generate().unwrap(), None, "yinyom.test".parse().unwrap())
}

/// Code and reason of a refusal.
pub fn refusal(status: &Status) -> (tonic::Code, String) {
    (status.code(), yinyom_rpc::reason(status).unwrap_or_default())
}
