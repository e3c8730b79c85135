//! A ledger as the manager writes it, of a business and of another one.

use std::sync::Arc;

use consent_manager::commands::{Manager, record};
use consent_manager::domain::{Outcome, Stream, Submission};
use consent_manager::store::heads;
use consent_manager::{Feeds, Notary};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::{
    Actor, CONTACTS, Cause, Channel, ChannelChange, ConsentChange, ConsentState, EvidenceMethod,
    Role, Surface, SurfaceParent,
};
use yinyom_identity::{Businesses, Caller, ServiceEntry};
use yinyom_kernel::{BusinessId, Scope, SystemClock};
use yinyom_policy::{Policies, PoliciesConfig, Policy, PolicySource, Renewal, SourceError};
use yinyom_privacy::{DataKey, MasterKey, MasterKeys};
use yinyom_testkit::TestDb;
use yinyom_transparency::{Checkpoint, LedgerKey, PublicKeys, Record};

use super::{KEPT, RECORDS, export};

/// What its company has.
pub struct Book {
    pub scope: Scope,
    pub other: Uuid,
    /// All records, as they were written.
    pub records: Vec<Record>,
    /// Of the first of them.
    pub checkpoint: Checkpoint,
    pub keys: PublicKeys,
    pub notary: Arc<Notary>,
}

impl Book {
    /// Writes it into an empty database.
    pub async fn write(db: &TestDb) -> Self {
        let key = LedgerKey::generate().unwrap();
        let keys = PublicKeys::one(*key.public());
        let clock = Arc::new(SystemClock);
        let manager = Manager {
            db: db.handle(),
            policies: Policies::new(Arc::new(Nobody), clock.clone(), PoliciesConfig::default()),
            masters: Arc::new(MasterKeys::new(MasterKey::generate(), Vec::new())),
            notary: Arc::new(Notary::new(key, None, "yinyom.test".parse().unwrap())),
            clock,
            feeds: Feeds::default(),
        };
        let (business, other) = (BusinessId::generate(), BusinessId::generate());
        take(&manager, other, 0..20).await;
        take(&manager, business, 0..KEPT).await;
        let caller = directory();
        let scope = caller.scope(business).unwrap();
        let mut tx = db.read(scope).await.unwrap();
        let tree = heads::tree(&mut tx).await.unwrap();
        drop(tx);
        let note = manager.notary.checkpoint(business, &tree);
        take(&manager, business, KEPT..RECORDS).await;
        let mut tx = db.read(scope).await.unwrap();
        let records = export(&mut tx, &manager.notary).await.unwrap();
        assert_eq!(records.len() as u64, RECORDS);
        let checkpoint = Checkpoint::open(&note, &keys).unwrap();
        assert_eq!(checkpoint.size, KEPT);
        let notary = manager.notary;
        Self { scope, other: other.uuid(), records, checkpoint, keys, notary }
    }
}

fn directory() -> Caller {
    Caller::Service(Arc::new(ServiceEntry {
        name: "contact-directory".to_owned(),
        businesses: Businesses::All,
        rpcs: vec!["*".to_owned()],
        scopes: std::iter::empty().collect(),
        spiffe_ids: None,
    }))
}

/// Each contact has three changes, of every kind.
async fn take(manager: &Manager, business: BusinessId, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let change = change(business, number);
        let sealed = change.evidence_commitment.is_some();
        let stream = Stream {
            name: CONTACTS.format(business, change.contact),
            contact: Some(change.contact),
            changes: Ok(vec![Submission {
                place: 0,
                leaf_hash: change.leaf_hash(),
                sealed_evidence: sealed.then(|| vec![3; 40]),
                subject_key: sealed.then(DataKey::generate),
                change,
            }]),
        };
        let results = record(manager, &directory(), business, vec![stream]).await.unwrap();
        assert_eq!(results[0].outcome, Outcome::Recorded);
    }
}

fn change(business: BusinessId, number: u64) -> ConsentChange {
    let id = Uuid::from_u128(u128::from(number) + 1);
    let at = |micros: u64| {
        Timestamp::from_microsecond(1_700_000_000_000_000 + i64::try_from(micros).unwrap()).unwrap()
    };
    let pick = |all: u64| usize::try_from(number % all).unwrap();
    let carried = |channel, to| ChannelChange {
        channel,
        from: Some(ConsentState::NotSet),
        to: Some(ConsentState::ALL[to]),
        expires_at: number.is_multiple_of(4).then(|| at(number << 40)),
    };
    ConsentChange {
        business,
        contact: Uuid::from_u128((business.uuid().as_u128() ^ u128::from(number / 3)) | 1 << 100)
            .into(),
        seq: i64::try_from(number % 3 + 1).unwrap(),
        recorded_at: at(number),
        cause: [Cause::Set, Cause::Imported, Cause::Withdrawn][pick(3)],
        surface: Surface::ALL[pick(6)],
        surface_parent: [
            None,
            Some(SurfaceParent::Lead(id.into())),
            Some(SurfaceParent::Account(id.into())),
        ][pick(3)],
        actor: if number.is_multiple_of(5) {
            Actor::Service { name: "campaigns".to_owned() }
        } else {
            Actor::Member { member: id.into(), role: Some(Role::ALL[pick(3)]) }
        },
        channels: match number % 4 {
            0 => vec![carried(Channel::Phone, pick(3))],
            1 => vec![carried(Channel::Email, pick(3))],
            _ => vec![carried(Channel::Phone, pick(3)), carried(Channel::Email, 1)],
        },
        method: Some(EvidenceMethod::ALL[pick(5)]),
        notice_version: number.is_multiple_of(2).then(|| format!("v{number}")),
        claimed_at: number.is_multiple_of(3).then(|| at(0)),
        evidence_commitment: number.is_multiple_of(3).then_some([9; 32]),
    }
}

/// Settings that nobody asks here.
struct Nobody;

impl PolicySource for Nobody {
    fn policy(&self, _: BusinessId) -> BoxFuture<'_, Result<Option<Policy>, SourceError>> {
        std::future::pending().boxed()
    }

    fn renew(
        &self,
        _: Uuid,
        _: i64,
        _: std::time::Duration,
    ) -> BoxFuture<'_, Result<Renewal, SourceError>> {
        std::future::pending().boxed()
    }
}
