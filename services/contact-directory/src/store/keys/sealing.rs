//! What a business's keys do: seal, open, index. What is sealed says under which key.

use std::collections::BTreeMap;

use uuid::Uuid;
use yinyom_consent::Channel;
use yinyom_kernel::{BusinessId, ContactId, OperationId, PointId};
use yinyom_privacy::{Address, BlindIndexKey, DataKey, Email, Phone, context};

use super::{BusinessKeys, FIRST, StoreError};
use crate::domain::points::channel_of;

/// The first byte of what is sealed under a later key than the first, which has its number after it. What the first
/// sealed begins with the version that `DataKey` writes, 1.
const NUMBERED: u8 = 2;

/// The number of the key that sealed `blob`, and what it made.
fn sealed_by(blob: &[u8]) -> (i32, &[u8]) {
    let number = blob.strip_prefix(&[NUMBERED]).and_then(<[u8]>::split_first_chunk);
    number.map_or((FIRST, blob), |(number, sealed)| (i32::from_be_bytes(*number), sealed))
}

/// The number of the key that sealed `blob`.
pub fn seal_key(blob: &[u8]) -> i32 {
    sealed_by(blob).0
}

impl BusinessKeys {
    /// Keys that are stored nowhere, for a business that has none and so has nothing that others could open or find.
    pub fn passing(business: BusinessId) -> Self {
        let key = DataKey::generate();
        let index = BlindIndexKey::of(&DataKey::generate());
        Self {
            business,
            sealing: BTreeMap::from([(FIRST, key.clone())]),
            current: (FIRST, key),
            index,
            passing: true,
        }
    }

    /// Whether they are stored nowhere.
    pub const fn is_passing(&self) -> bool {
        self.passing
    }

    /// Seals an address for its place: moved to another contact, point or channel it cannot be opened.
    pub fn seal_address(&self, contact: ContactId, point: PointId, address: &Address) -> Vec<u8> {
        let place = self.point_context(contact, point, channel_of(address));
        self.numbered(self.current.1.seal_text(&place, address.canonical()))
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
        let (key, sealed) = self.opening(sealed)?;
        let text = key.open_text(&place, sealed)?;
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
        self.numbered(self.current.1.wrap(key, &self.subject_context(contact)))
    }

    /// Unwraps a contact's own key.
    pub fn unwrap_subject(
        &self,
        contact: ContactId,
        wrapped: &[u8],
    ) -> Result<DataKey, StoreError> {
        let (key, wrapped) = self.opening(wrapped)?;
        Ok(key.unwrap(wrapped, &self.subject_context(contact))?)
    }

    /// Seals what an operation says that may identify somebody.
    pub fn seal_word(&self, operation: OperationId, plain: &[u8]) -> Vec<u8> {
        self.numbered(self.current.1.seal(&self.word_context(operation), plain))
    }

    /// Opens what [`Self::seal_word`] sealed.
    pub fn open_word(&self, operation: OperationId, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (key, sealed) = self.opening(sealed)?;
        Ok(key.open(&self.word_context(operation), sealed)?.to_vec())
    }

    /// The number of the key that seals.
    pub const fn current(&self) -> i32 {
        self.current.0
    }

    pub(super) fn seal_under(&mut self, number: Option<i32>) -> Result<(), StoreError> {
        let number = number.ok_or(StoreError::MissingKey)?;
        let key = self.sealing.get(&number).ok_or(StoreError::MissingKey)?;
        self.current = (number, key.clone());
        Ok(())
    }

    fn numbered(&self, sealed: Vec<u8>) -> Vec<u8> {
        match self.current.0 {
            FIRST => sealed,
            number => [&[NUMBERED][..], &number.to_be_bytes(), &sealed].concat(),
        }
    }

    /// Fails for a key that was made since the store was asked.
    fn opening<'a>(&self, blob: &'a [u8]) -> Result<(&DataKey, &'a [u8]), StoreError> {
        let (number, sealed) = sealed_by(blob);
        let key = self.sealing.get(&number).ok_or(StoreError::UnknownSealKey)?;
        Ok((key, sealed))
    }

    fn point_context(&self, contact: ContactId, point: PointId, channel: Channel) -> Vec<u8> {
        let ids: [Uuid; 3] = [self.business.uuid(), contact.uuid(), point.uuid()];
        let [business, contact, point] = ids.each_ref().map(|id| &id.as_bytes()[..]);
        context(&[b"contact point", business, contact, point, &channel.code().to_be_bytes()])
    }

    fn word_context(&self, operation: OperationId) -> Vec<u8> {
        context(&[b"operation", self.business.uuid().as_bytes(), operation.uuid().as_bytes()])
    }

    fn subject_context(&self, contact: ContactId) -> Vec<u8> {
        context(&[b"subject key", self.business.uuid().as_bytes(), contact.uuid().as_bytes()])
    }
}
