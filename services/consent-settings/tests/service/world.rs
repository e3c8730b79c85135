//! A running service, and people who call it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use consent_settings::{App, Parts};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;
use yinyom_identity::{
    Authenticator, Businesses, CallerTable, ServiceEntry, Subject, TokenIssuer, TokenSource,
    TokenVerifier,
};
use yinyom_kernel::{BusinessId, ManualClock, MemberId, SharedClock};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_proto::settings::v1 as pb;
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;
use yinyom_proto::settings::v1::consent_settings_service_client::ConsentSettingsServiceClient;
use yinyom_proto::settings::v1::policy_service_client::PolicyServiceClient;
use yinyom_proto::types::v1::Role;
use yinyom_rpc::{ClientConfig, Connection, ServerConfig, connect};
use yinyom_testkit::TestDb;

const AUDIENCE: &str = "yinyom";

/// The service on a database of its own, under a clock that moves when it is told to.
pub struct World {
    pub clock: Arc<ManualClock>,
    pub db: TestDb,
    issuer: Arc<TokenIssuer>,
    masters: MasterKeys,
    address: SocketAddr,
    _stop: DropGuard,
}

impl World {
    pub async fn start(db: TestDb) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::constant(1_800_000_000, 0)));
        let shared: SharedClock = clock.clone();
        let issuer = Arc::new(TokenIssuer::generate("tests", shared).unwrap());
        let masters = MasterKeys::new(MasterKey::generate(), Vec::new());
        let stop = CancellationToken::new();
        let address = serve(&db, &clock, &issuer, &masters, &stop).await;
        Self { clock, db, issuer, masters, address, _stop: stop.drop_guard() }
    }

    /// Another replica on the same database.
    pub async fn replica(&self) -> Replica {
        let stop = CancellationToken::new();
        let address = serve(&self.db, &self.clock, &self.issuer, &self.masters, &stop).await;
        Replica { address, issuer: Arc::clone(&self.issuer), _stop: stop.drop_guard() }
    }

    pub fn operator(&self) -> Client {
        self.client(Subject::named("vendor"))
    }

    pub fn service(&self) -> Client {
        self.client(Subject::named("directory"))
    }

    /// A service that may name no business but one that nobody has.
    pub fn narrow_service(&self) -> Client {
        self.client(Subject::named("narrow"))
    }

    pub fn member(&self, member: &pb::Member) -> Client {
        let (business, id) = ids(&member.name);
        self.client(Subject::Member { business, member: id })
    }

    pub fn client(&self, subject: Subject) -> Client {
        client(self.address, &self.issuer, subject)
    }

    pub fn connection(&self, name: &str) -> Connection {
        connection(self.address, &self.issuer, Subject::named(name))
    }

    /// A business with this plan and its owner.
    pub async fn business(&self, plan: pb::Plan) -> (pb::Business, pb::Member) {
        let request = pb::CreateBusinessRequest {
            business: Some(pb::Business {
                display_name: "Baan Suan".to_owned(),
                plan: plan.into(),
                ..Default::default()
            }),
            owner_display_name: "Somsri".to_owned(),
            ..Default::default()
        };
        let made = self.operator().businesses.create_business(request).await.unwrap().into_inner();
        (made.business.unwrap(), made.owner.unwrap())
    }

    /// Whoever `owner` adds with this role.
    pub async fn colleague(&self, owner: &pb::Member, role: Role) -> pb::Member {
        let request = new_member(owner, role);
        let made = self.member(owner).businesses.create_member(request).await;
        made.unwrap().into_inner().member.unwrap()
    }

    /// Switches enforcement on.
    pub async fn enforce(&self, owner: &pb::Member) {
        let request =
            settings_update(owner, "enforcement_enabled", |s| s.enforcement_enabled = true);
        self.member(owner).settings.update_consent_settings(request).await.unwrap();
    }
}

pub struct Replica {
    address: SocketAddr,
    issuer: Arc<TokenIssuer>,
    _stop: DropGuard,
}

impl Replica {
    pub fn service(&self) -> Client {
        client(self.address, &self.issuer, Subject::named("directory"))
    }
}

/// Somebody who calls. Clones share a connection.
#[derive(Clone)]
pub struct Client {
    pub businesses: BusinessServiceClient<Connection>,
    pub settings: ConsentSettingsServiceClient<Connection>,
    pub policy: PolicyServiceClient<Connection>,
}

impl Client {
    /// Renews the lease of `holder`; the answer.
    pub async fn renew(&mut self, holder: Uuid, applied: i64) -> pb::RenewPolicyLeaseResponse {
        let request = pb::RenewPolicyLeaseRequest {
            holder: holder.to_string(),
            applied_revision: applied,
            max_wait: None,
        };
        self.policy.renew_policy_lease(request).await.unwrap().into_inner()
    }

    /// Renews until there is nothing that `holder` has not applied; the revision that it has.
    pub async fn catch_up(&mut self, holder: Uuid, mut applied: i64) -> i64 {
        loop {
            let answer = self.renew(holder, applied).await;
            if !answer.drop_all && answer.changed_businesses.is_empty() {
                return answer.revision;
            }
            applied = answer.revision;
        }
    }
}

async fn serve(
    db: &TestDb,
    clock: &Arc<ManualClock>,
    issuer: &Arc<TokenIssuer>,
    masters: &MasterKeys,
    stop: &CancellationToken,
) -> SocketAddr {
    let clock: SharedClock = Arc::<ManualClock>::clone(clock);
    let jwks = issuer.jwks().unwrap();
    let verifier = TokenVerifier::new(&jwks, "tests", AUDIENCE, clock.clone()).unwrap();
    let entry = |name: &str, businesses| ServiceEntry {
        name: name.to_owned(),
        businesses,
        rpcs: vec!["*".to_owned()],
        scopes: [].into(),
        spiffe_ids: None,
    };
    let narrow = Businesses::Only([BusinessId::generate()].into());
    let services = vec![entry("directory", Businesses::All), entry("narrow", narrow)];
    let callers = CallerTable::new(services, vec!["vendor".to_owned()]).unwrap();
    let parts = Parts {
        database: db.config().clone(),
        masters: masters.clone(),
        authenticator: Arc::new(Authenticator::new(verifier, callers)),
        // Nobody serves there: what was changed waits in the outbox.
        manager: connection(([127, 0, 0, 1], 9).into(), issuer, Subject::named("settings")),
        server: ServerConfig::default(),
        clock,
    };
    let app = App::open(parts).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(app.serve(listener, stop.clone()));
    address
}

fn connection(address: SocketAddr, issuer: &Arc<TokenIssuer>, subject: Subject) -> Connection {
    let config = ClientConfig::new(format!("http://{address}"));
    let tokens = match subject {
        Subject::Named(name) => TokenSource::issuer(Arc::clone(issuer), name, AUDIENCE),
        Subject::Member { .. } => {
            let token = issuer.issue(&subject, AUDIENCE, Duration::from_hours(1)).unwrap();
            fixed(&token)
        }
    };
    connect(&config, tokens).unwrap()
}

fn client(address: SocketAddr, issuer: &Arc<TokenIssuer>, subject: Subject) -> Client {
    let connection = connection(address, issuer, subject);
    Client {
        businesses: BusinessServiceClient::new(connection.clone()),
        settings: ConsentSettingsServiceClient::new(connection.clone()),
        policy: PolicyServiceClient::new(connection),
    }
}

/// A source that has read `token` from a file.
fn fixed(token: &str) -> TokenSource {
    let path = std::env::temp_dir().join(format!("yinyom-test-{}", Uuid::now_v7()));
    std::fs::write(&path, token).unwrap();
    // The clock stands still, so the token is read once.
    let source = TokenSource::file(&path, Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH)));
    source.token().unwrap();
    std::fs::remove_file(path).unwrap();
    source
}

/// The ids of a member's name.
pub fn ids(name: &str) -> (BusinessId, MemberId) {
    yinyom_consent::MEMBERS.parse(name).unwrap()
}

/// `businesses/{business}` of a member's name.
pub fn business_of(member: &pb::Member) -> String {
    yinyom_kernel::Name::format_business(ids(&member.name).0)
}

pub fn new_member(colleague: &pb::Member, role: Role) -> pb::CreateMemberRequest {
    pb::CreateMemberRequest {
        parent: business_of(colleague),
        member: Some(pb::Member {
            display_name: "Anan".to_owned(),
            role: role.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn mask(path: &str) -> prost_types::FieldMask {
    prost_types::FieldMask { paths: vec![path.to_owned()] }
}

/// A change of one field of `member`.
pub fn member_update(
    member: &pb::Member,
    path: &str,
    change: impl FnOnce(&mut pb::Member),
) -> pb::UpdateMemberRequest {
    let mut changed = pb::Member { name: member.name.clone(), ..Default::default() };
    change(&mut changed);
    pb::UpdateMemberRequest {
        member: Some(changed),
        update_mask: Some(mask(path)),
        request_id: String::new(),
    }
}

pub fn to_role(member: &pb::Member, role: Role) -> pb::UpdateMemberRequest {
    member_update(member, "role", |member| member.set_role(role))
}

/// A change of one field of the settings of `colleague`'s business.
pub fn settings_update(
    colleague: &pb::Member,
    path: &str,
    change: impl FnOnce(&mut pb::ConsentSettings),
) -> pb::UpdateConsentSettingsRequest {
    let name = settings_name(colleague);
    let mut changed = pb::ConsentSettings { name, ..Default::default() };
    change(&mut changed);
    pb::UpdateConsentSettingsRequest {
        consent_settings: Some(changed),
        update_mask: Some(mask(path)),
        request_id: String::new(),
    }
}

pub fn settings_name(colleague: &pb::Member) -> String {
    format!("{}/consentSettings", business_of(colleague))
}

pub fn add(viewers: &[&pb::Member]) -> pb::AddViewersRequest {
    pb::AddViewersRequest {
        parent: business_of(viewers[0]),
        members: viewers.iter().map(|viewer| viewer.name.clone()).collect(),
        request_id: String::new(),
    }
}

pub fn remove(viewers: &[&pb::Member]) -> pb::RemoveViewersRequest {
    let pb::AddViewersRequest { parent, members, request_id } = add(viewers);
    pb::RemoveViewersRequest { parent, members, request_id }
}

pub fn request_id() -> String {
    Uuid::now_v7().to_string()
}

/// Code and reason of a refusal.
#[track_caller]
pub fn refusal<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, Status>) -> (Code, String) {
    let status = answer.expect_err("should have been refused");
    (status.code(), yinyom_rpc::reason(&status).expect("a refusal has a reason"))
}

/// The wrong fields of a refusal, with their reasons.
#[track_caller]
pub fn wrong_fields<T: std::fmt::Debug>(
    answer: Result<tonic::Response<T>, Status>,
) -> Vec<(String, String)> {
    let status = answer.expect_err("should have been refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let fields = status.get_details_bad_request().expect("wrong fields").field_violations;
    fields.into_iter().map(|field| (field.field, field.reason)).collect()
}

/// What the tests compare refusals with.
pub fn because(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}
