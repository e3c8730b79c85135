//! Every statement of the store, on both databases.

mod check;
mod hashes;
mod keys;
mod links;
mod pages;
mod people;
mod plans;
mod prefixes;
mod rotation;
mod scope;
mod search;

use std::sync::Arc;

use contact_directory::domain::contact::{ContactName, ExternalId};
use contact_directory::domain::lead::{Account, Lead};
use contact_directory::domain::points::Point;
use contact_directory::domain::{Consent, Contact};
use contact_directory::store::{BusinessKeys, KeyRing, accounts, contacts, leads};
use yinyom_consent::{ByChannel, ConsentState};
use yinyom_db::Tx;
use yinyom_identity::Caller;
use yinyom_kernel::{
    AccountId, BusinessId, ContactId, LeadId, MemberId, PointId, Scope, from_micros,
};
use yinyom_privacy::{Address, Email, MasterKey, MasterKeys, Phone};
use yinyom_testkit::TestDb;

/// A unit of work in a business of a [`Store`]; what it came to.
macro_rules! unit {
    ($store:expr, $tx:ident => $body:expr) => {
        unit!($store, $store.here, $tx => $body)
    };
    ($store:expr, $scope:expr, $tx:ident => $body:expr) => {
        $store
            .db
            .write::<_, contact_directory::store::StoreError, _, _>($scope, move |mut $tx| async move {
                let value = $body;
                $tx.done(value)
            })
            .await
            .unwrap()
    };
}
use unit;

/// A database with the keys of two businesses.
struct Store {
    db: TestDb,
    ring: KeyRing,
    here: Scope,
    there: Scope,
}

impl Store {
    fn over(db: TestDb) -> Self {
        let masters = MasterKeys::new(MasterKey::generate(), Vec::new());
        Self { db, ring: KeyRing::new(Arc::new(masters)), here: some_scope(), there: some_scope() }
    }

    async fn keys(&self) -> Arc<BusinessKeys> {
        self.keys_of(self.here).await
    }

    async fn keys_of(&self, scope: Scope) -> Arc<BusinessKeys> {
        self.ring.of(&self.db, scope, 0).await.unwrap()
    }

    async fn read(&self) -> Tx {
        self.db.read(self.here).await.unwrap()
    }

    /// Stores contacts here.
    async fn put(&self, new: &[&Contact]) {
        self.put_in(self.here, new).await;
    }

    async fn put_in(&self, scope: Scope, new: &[&Contact]) {
        let keys = self.keys_of(scope).await;
        let new: Vec<Contact> = new.iter().copied().cloned().collect();
        unit!(self, scope, tx => {
            contacts::insert(&mut tx, &keys, &new.iter().collect::<Vec<_>>()).await?;
        });
    }

    async fn put_lead(&self, new: &Lead) {
        let new = new.clone();
        unit!(self, tx => leads::insert(&mut tx, &[&new]).await?);
    }

    async fn put_account(&self, new: &Account) {
        let new = new.clone();
        unit!(self, tx => accounts::insert(&mut tx, &[&new]).await?);
    }

    /// The contact as it is stored here.
    async fn stored(&self, id: ContactId) -> Option<Contact> {
        let keys = self.keys().await;
        contacts::find(&mut self.read().await, &keys, id).await.unwrap()
    }

    /// Runs a statement of the test's own about the business.
    async fn meddle(&self, sql: &'static str, id: uuid::Uuid, other: uuid::Uuid) -> u64 {
        unit!(self, tx => tx.scoped(sql).bind(id).bind(other).execute().await?)
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.read().await.scoped(sql).scalar().await.unwrap()
    }
}

fn some_scope() -> Scope {
    let business = BusinessId::generate();
    Caller::Member { business, member: MemberId::generate() }.scope(business).unwrap()
}

fn contact(first: &str, last: &str) -> Contact {
    let at = from_micros(1_000_000);
    Contact {
        id: ContactId::generate(),
        external_id: None,
        name: ContactName::read(first, last).unwrap(),
        points: Vec::new(),
        consents: ByChannel::from_fn(|_| Consent::not_asked(at)),
        consent_seq: 1,
        revision: 1,
        merges: 0,
        subject_key: b"a sealed key".to_vec(),
        created_at: at,
        updated_at: at,
    }
}

/// What a test says of a contact.
trait That: Sized {
    fn at(self, address: &str) -> Self;
    fn number(self, external_id: &str) -> Self;
    /// What its phone says, and its e-mail.
    fn says(self, phone: Consent, email: Consent) -> Self;
    fn phone(self, phone: Consent) -> Self;
}

impl That for Contact {
    fn at(mut self, text: &str) -> Self {
        self.points.push(Point { id: PointId::generate(), address: address(text) });
        self.points.sort_unstable_by_key(|point| point.id);
        self
    }

    fn number(self, external_id: &str) -> Self {
        Self { external_id: ExternalId::read(external_id).unwrap(), ..self }
    }

    fn says(self, phone: Consent, email: Consent) -> Self {
        Self { consents: ByChannel { phone, email }, ..self }
    }

    fn phone(self, phone: Consent) -> Self {
        let email = self.consents.email;
        self.says(phone, email)
    }
}

fn address(text: &str) -> Address {
    match Email::parse(text) {
        Ok(email) => Address::Email(email),
        Err(_) => Address::Phone(Phone::parse(text).unwrap()),
    }
}

fn said(state: ConsentState) -> Consent {
    Consent { state, ..Consent::not_asked(from_micros(1_000_000)) }
}

/// A grant that runs out at that microsecond.
fn until(micros: i64) -> Consent {
    Consent { expires_at: Some(from_micros(micros)), ..said(ConsentState::Granted) }
}

fn lead(title: &str, primary: &Contact) -> Lead {
    let at = from_micros(1_000_000);
    Lead {
        id: LeadId::generate(),
        title: title.to_owned(),
        source: String::new(),
        primary_contact: primary.id,
        account: None,
        revision: 1,
        created_at: at,
        updated_at: at,
    }
}

fn account(display_name: &str) -> Account {
    let (id, at) = (AccountId::generate(), from_micros(1_000_000));
    let display_name = display_name.to_owned();
    Account { id, display_name, revision: 1, created_at: at, updated_at: at }
}
