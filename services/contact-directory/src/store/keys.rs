//! The keys of a business: one that seals contact points and subject keys, one that indexes addresses.
//!
//! They rest wrapped by the master key and are kept unwrapped in memory while they are in use. A key is
//! kept only once it is committed: what a rolled-back transaction sealed could never be opened.

use std::sync::Arc;

use uuid::Uuid;
use yinyom_db::{Db, DbError, Tx};
use yinyom_kernel::{BusinessId, ContactId, PointId, Scope};
use yinyom_privacy::{Address, BlindIndexKey, DataKey, Email, MasterKeys, Phone, context};

use super::StoreError;
use crate::domain::points::channel_of;
use yinyom_consent::Channel;

/// How many businesses' keys are kept in memory.
const CAPACITY: u64 = 10_000;

/// What a wrapped key is for; the number in the table.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Seal = 1,
    Index = 2,
}

/// The keys of every business. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing {
    masters: Arc<MasterKeys>,
    held: moka::sync::Cache<BusinessId, Arc<BusinessKeys>>,
}

/// The unwrapped keys of one business.
#[derive(Debug)]
pub struct BusinessKeys {
    business: BusinessId,
    seal: DataKey,
    index: BlindIndexKey,
}

impl KeyRing {
    /// Keys under `masters`; nothing is unwrapped yet.
    pub fn new(masters: Arc<MasterKeys>) -> Self {
        Self { masters, held: moka::sync::Cache::new(CAPACITY) }
    }

    /// The keys of a business, made at its first use.
    pub async fn of(
        &self,
        db: &Db,
        scope: Scope,
        now: i64,
    ) -> Result<Arc<BusinessKeys>, StoreError> {
        let business = scope.business();
        if let Some(keys) = self.held.get(&business) {
            return Ok(keys);
        }
        let stored = rows(&mut db.read(scope).await?).await?;
        let stored = if stored.len() == 2 { stored } else { self.make(db, scope, now).await? };
        let keys = Arc::new(BusinessKeys {
            business,
            seal: self.unwrap(business, Purpose::Seal, &stored)?,
            index: BlindIndexKey::of(&self.unwrap(business, Purpose::Index, &stored)?),
        });
        self.held.insert(business, Arc::clone(&keys));
        Ok(keys)
    }

    /// Stores new keys, unless somebody else was faster; answers with what is stored now.
    async fn make(
        &self,
        db: &Db,
        scope: Scope,
        now: i64,
    ) -> Result<Vec<(i32, Vec<u8>)>, StoreError> {
        let business = scope.business();
        let fresh = [Purpose::Seal, Purpose::Index].map(|purpose| {
            let aad = key_context(business, purpose);
            (purpose as i32, self.masters.wrap(&DataKey::generate(), &aad))
        });
        db.write(scope, move |mut tx| async move {
            for (purpose, wrapped) in fresh {
                tx.scoped(
                    "INSERT INTO business_keys (business_id, purpose, wrapped, created_at)
                     VALUES ($1, $2, $3, $4) ON CONFLICT (business_id, purpose) DO NOTHING",
                )
                .bind(purpose)
                .bind(wrapped)
                .bind(now)
                .execute()
                .await?;
            }
            let stored = rows(&mut tx).await?;
            tx.done(stored)
        })
        .await
    }

    fn unwrap(
        &self,
        business: BusinessId,
        purpose: Purpose,
        stored: &[(i32, Vec<u8>)],
    ) -> Result<DataKey, StoreError> {
        let wrapped = stored.iter().find(|(of, _)| *of == purpose as i32);
        let (_, wrapped) = wrapped.ok_or(StoreError::MissingKey)?;
        Ok(self.masters.unwrap(wrapped, &key_context(business, purpose))?)
    }
}

async fn rows(tx: &mut Tx) -> Result<Vec<(i32, Vec<u8>)>, DbError> {
    tx.scoped("SELECT purpose, wrapped FROM business_keys WHERE business_id = $1").fetch_all().await
}

fn key_context(business: BusinessId, purpose: Purpose) -> Vec<u8> {
    context(&[b"business key", business.uuid().as_bytes(), &(purpose as i32).to_be_bytes()])
}

impl BusinessKeys {
    /// Seals an address for its place: moved to another contact, point or channel it cannot be opened.
    pub fn seal_address(&self, contact: ContactId, point: PointId, address: &Address) -> Vec<u8> {
        let place = self.point_context(contact, point, channel_of(address));
        self.seal.seal_text(&place, address.canonical())
    }

    /// Opens what [`Self::seal_address`] sealed.
    pub fn open_address(
        &self,
        contact: ContactId,
        point: PointId,
        channel: Channel,
        sealed: &[u8],
    ) -> Result<Address, StoreError> {
        let place = self.point_context(contact, point, channel);
        let text = self.seal.open_text(&place, sealed)?;
        Ok(match channel {
            Channel::Phone => Address::Phone(Phone::restore(text)),
            Channel::Email => Address::Email(Email::restore(text)),
        })
    }

    /// The keyed hash that an address is found by (TRAPS 9).
    pub fn blind_index(&self, address: &Address) -> [u8; 32] {
        address.index(&self.index)
    }

    /// A keyed hash of several values together.
    pub fn digest(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.index.digest(label, parts)
    }

    /// The key that addresses and identities are hashed under.
    pub const fn index(&self) -> &BlindIndexKey {
        &self.index
    }

    /// Wraps a contact's own key.
    pub fn wrap_subject(&self, contact: ContactId, key: &DataKey) -> Vec<u8> {
        self.seal.wrap(key, &self.subject_context(contact))
    }

    /// Unwraps a contact's own key.
    pub fn unwrap_subject(
        &self,
        contact: ContactId,
        wrapped: &[u8],
    ) -> Result<DataKey, StoreError> {
        Ok(self.seal.unwrap(wrapped, &self.subject_context(contact))?)
    }

    fn point_context(&self, contact: ContactId, point: PointId, channel: Channel) -> Vec<u8> {
        let ids: [Uuid; 3] = [self.business.uuid(), contact.uuid(), point.uuid()];
        let [business, contact, point] = ids.each_ref().map(|id| &id.as_bytes()[..]);
        context(&[b"contact point", business, contact, point, &channel.code().to_be_bytes()])
    }

    fn subject_context(&self, contact: ContactId) -> Vec<u8> {
        context(&[b"subject key", self.business.uuid().as_bytes(), contact.uuid().as_bytes()])
    }
}
