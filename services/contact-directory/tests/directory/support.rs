//! A business with colleagues, and a directory that serves it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contact_directory::commands::{Directory, Relays, Session};
use contact_directory::domain::Contact;
use contact_directory::store::{KeyRing, contacts};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use prost::Message;
use uuid::Uuid;
use yinyom_consent::{ConsentChange, Role, wire};
use yinyom_db::{Db, Record};
use yinyom_identity::{Businesses, Caller, ServiceEntry, ServiceScope};
use yinyom_kernel::{BusinessId, ContactId, ManualClock, MemberId, Scope};
use yinyom_outbox::{Event, Relay, RelayConfig, Sink, SinkError, StreamOutcome};
use yinyom_policy::{
    Policies, PoliciesConfig, Policy, PolicyMember, PolicySource, Renewal, Rules, SourceError,
};
use yinyom_privacy::{MasterKey, MasterKeys, TokenSealer};
use yinyom_proto::manager::v1 as manager;

/// Long, so that a test can let time pass; [`House::lapse`] lets it run out.
const LEASE: Duration = Duration::from_hours(24);

/// The second of the tests' clock at its start.
pub const START: i64 = 1_800_000_000;

/// One business, its colleagues, and a directory.
pub struct House {
    pub db: Db,
    pub clock: Arc<ManualClock>,
    pub settings: Arc<Settings>,
    pub policies: Policies,
    pub keys: KeyRing,
    pub directory: Directory,
    pub masters: Arc<MasterKeys>,
    pub business: BusinessId,
    pub owner: Caller,
    pub admin: Caller,
    /// A user on the viewer list.
    pub listed: Caller,
    /// A user who is not.
    pub user: Caller,
}

impl House {
    /// A business with enforcement on, a live lease, and nobody in its directory.
    pub async fn on(db: Db) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(START).unwrap()));
        let settings = Arc::new(Settings::default());
        let policies = Policies::new(settings.clone(), clock.clone(), PoliciesConfig::default());
        let masters = MasterKeys::new(MasterKey::generate(), Vec::new());
        let sealer = masters.sealer("page tokens").await.unwrap();
        let masters = Arc::new(masters);
        let keys = KeyRing::new(Arc::clone(&masters));
        let relay = Relay::new(db.clone(), Nobody, clock.clone(), RelayConfig::default());
        let directory = Directory::new(
            db.clone(),
            clock.clone(),
            policies.clone(),
            keys.clone(),
            Relays { ledger: relay.handle(), audit: relay.handle() },
            sealer,
        );
        let business = BusinessId::generate();
        let member = || Caller::Member { business, member: MemberId::generate() };
        let (owner, admin, listed, user) = (member(), member(), member(), member());
        let of = |caller: &Caller, role, listed| {
            let member = PolicyMember { role, listed, protection_officer: false };
            (caller.member().unwrap(), member)
        };
        let policy = Policy {
            business,
            revision: 1,
            time_zone: "Asia/Bangkok".to_owned(),
            rules: Rules { enforcement: true, ..Rules::INITIAL },
            members: HashMap::from([
                of(&owner, Role::Owner, false),
                of(&admin, Role::Admin, false),
                of(&listed, Role::User, true),
                of(&user, Role::User, false),
            ]),
        };
        settings.say(policy);
        policies.renew().await.unwrap();
        Self {
            db,
            clock,
            settings,
            policies,
            keys,
            directory,
            masters,
            business,
            owner,
            admin,
            listed,
            user,
        }
    }

    /// The same business as another replica serves it, on the same database.
    pub fn replica(&self, db: Db) -> Directory {
        let relay = Relay::new(db.clone(), Nobody, self.clock.clone(), RelayConfig::default());
        let sealer = TokenSealer::new(&yinyom_privacy::DataKey::generate());
        let (clock, policies) = (self.clock.clone(), self.policies.clone());
        let relays = Relays { ledger: relay.handle(), audit: relay.handle() };
        let keys = KeyRing::new(Arc::clone(&self.masters));
        Directory::new(db, clock, policies, keys, relays, sealer)
    }

    /// Lets the owner of another business in, which the same directory serves.
    pub async fn neighbour(&self) -> Session {
        let business = BusinessId::generate();
        let owner = Caller::Member { business, member: MemberId::generate() };
        let member = PolicyMember { role: Role::Owner, listed: false, protection_officer: false };
        self.settings.say(Policy {
            business,
            revision: 1,
            time_zone: "Asia/Bangkok".to_owned(),
            rules: Rules::INITIAL,
            members: HashMap::from([(owner.member().unwrap(), member)]),
        });
        self.policies.renew().await.unwrap();
        Session::open(&self.directory, &owner, business).await.unwrap()
    }

    /// A service that may open every business.
    pub fn service(scopes: &[ServiceScope]) -> Caller {
        Caller::Service(Arc::new(ServiceEntry {
            name: "crm".to_owned(),
            businesses: Businesses::All,
            rpcs: vec!["*".to_owned()],
            scopes: scopes.iter().copied().collect(),
            spiffe_ids: None,
        }))
    }

    /// Lets `caller` in.
    pub async fn session(&self, caller: &Caller) -> Session {
        Session::open(&self.directory, caller, self.business).await.unwrap()
    }

    /// Settings changes the rules, and the directory has heard of it.
    pub async fn rule(&self, change: impl FnOnce(&mut Policy)) {
        self.settings.change(self.business, change);
        self.policies.renew().await.unwrap();
    }

    /// Takes a colleague out of the business.
    pub async fn remove(&self, caller: &Caller) {
        let member = caller.member().unwrap();
        self.rule(|policy| policy.members.retain(|other, _| *other != member)).await;
    }

    /// Time passes, with a live lease.
    pub async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.policies.renew().await.unwrap();
    }

    /// Settings falls silent, and the lease runs out.
    pub fn lapse(&self) {
        self.settings.silent.store(true, Ordering::SeqCst);
        self.clock.advance(LEASE);
    }

    /// Settings is heard of again, some time later.
    pub async fn speak(&self, later: Duration) {
        self.settings.silent.store(false, Ordering::SeqCst);
        self.pass(later).await;
    }

    /// The right to look into the store.
    pub fn scope(&self) -> Scope {
        self.owner.scope(self.business).unwrap()
    }

    /// All rows of a statement about the business.
    pub async fn rows<R: Record>(&self, sql: &'static str) -> Vec<R> {
        self.db.read(self.scope()).await.unwrap().scoped(sql).fetch_all().await.unwrap()
    }

    /// How many rows the business has in a table.
    pub async fn count(&self, sql: &'static str) -> i64 {
        self.db.read(self.scope()).await.unwrap().scoped(sql).scalar().await.unwrap()
    }

    /// Every contact, by id.
    pub async fn contacts(&self) -> Vec<Contact> {
        let ids: Vec<(Uuid,)> =
            self.rows("SELECT contact_id FROM contacts WHERE business_id = $1").await;
        let ids: Vec<_> = ids.into_iter().map(|(id,)| ContactId::from(id)).collect();
        let keys = self.keys.of(&self.db, self.scope(), 0).await.unwrap();
        let mut tx = self.db.snapshot(self.scope()).await.unwrap();
        contacts::load(&mut tx, &keys, &ids).await.unwrap()
    }

    /// Everything on its way to the ledger, by contact and number. Fails unless each contact's numbers are without a
    /// gap and each change starts where the one before it ended.
    pub async fn ledger(&self) -> Vec<ConsentChange> {
        let payloads: Vec<(Vec<u8>,)> = self
            .rows("SELECT payload FROM outbox_payloads WHERE business_id = $1 ORDER BY stream_id, seq")
            .await;
        let changes: Vec<_> = payloads
            .iter()
            .map(|(bytes,)| manager::ConsentChange::decode(&bytes[..]).unwrap())
            .map(|sent| wire::change_from_wire(self.business, &sent).unwrap())
            .collect();
        let mut chains = HashMap::new();
        for change in &changes {
            let (seq, states) = chains.entry(change.contact).or_insert((0, HashMap::new()));
            *seq += 1;
            assert_eq!(change.seq, *seq, "no gap");
            for of in &change.channels {
                assert_eq!(states.insert(of.channel, of.to).flatten(), of.from, "no break");
            }
        }
        changes
    }
}

/// Settings, as a script.
#[derive(Default)]
pub struct Settings {
    policies: Mutex<HashMap<BusinessId, Policy>>,
    changed: Mutex<Vec<BusinessId>>,
    revision: AtomicI64,
    silent: AtomicBool,
}

impl Settings {
    fn say(&self, mut policy: Policy) {
        policy.revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        self.changed.lock().unwrap().push(policy.business);
        self.policies.lock().unwrap().insert(policy.business, policy);
    }

    fn change(&self, business: BusinessId, change: impl FnOnce(&mut Policy)) {
        let mut policy = self.policies.lock().unwrap()[&business].clone();
        change(&mut policy);
        self.say(policy);
    }

    fn answer<T>(&self, value: T) -> Result<T, SourceError> {
        if self.silent.load(Ordering::SeqCst) {
            Err(SourceError("silent".to_owned()))
        } else {
            Ok(value)
        }
    }
}

impl PolicySource for Settings {
    fn policy(&self, business: BusinessId) -> BoxFuture<'_, Result<Option<Policy>, SourceError>> {
        let policy = self.policies.lock().unwrap().get(&business).cloned();
        async move { self.answer(policy) }.boxed()
    }

    fn renew(&self, _: Uuid, _: i64, _: Duration) -> BoxFuture<'_, Result<Renewal, SourceError>> {
        async move {
            let changed = std::mem::take(&mut *self.changed.lock().unwrap());
            let revision = self.revision.load(Ordering::SeqCst);
            self.answer(Renewal { revision, changed, drop_all: false, duration: LEASE })
        }
        .boxed()
    }
}

/// A ledger that is never reached: the relays of these tests do not run.
struct Nobody;

impl Sink for Nobody {
    async fn deliver(&self, _: BusinessId, _: Vec<Event>) -> Result<Vec<StreamOutcome>, SinkError> {
        Err(SinkError::Unavailable)
    }
}
