//! How two contacts were before they became one: what an undo needs. It is personal data, kept under the absorbed contact's own
//! key, so that it ends with that.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use uuid::Uuid;
use yinyom_consent::{ByChannel, Channel, ConsentState};
use yinyom_kernel::{AccountId, BusinessId, ContactId, LeadId, PointId, from_micros};
use yinyom_privacy::{Address, DataKey, Email, Personal, Phone, context};

use crate::domain::contact::{ContactName, ExternalId};
use crate::domain::points::{Point, channel_of};
use crate::domain::{Consent, Contact};
use crate::store::aliases::Alias;
use crate::store::links::Links;
use crate::store::merges::Sealed;
use crate::store::{BusinessKeys, StoreError};

/// How they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    pub survivor: ByChannel<Consent>,
    pub absorbed: ByChannel<Consent>,
    pub name: ContactName,
    pub external_id: Option<ExternalId>,
    /// Whether the survivor had none and took that one.
    pub external_id_taken: bool,
    /// The absorbed contact's points, each with the survivor's of the same address, if there was one.
    pub points: Vec<(Point, Option<PointId>)>,
    pub revision: i64,
    pub created_at: i64,
    /// What the absorbed contact was linked to; of which leads it was the primary one; and what of that the survivor was
    /// linked to, too.
    pub links: Links,
    pub led: Vec<LeadId>,
    pub shared: Links,
    /// What the absorbed contact was found by.
    pub fingerprints: Vec<Vec<u8>>,
    pub aliases: Vec<Alias>,
    /// By what the survivor was not known before.
    pub new_aliases: Vec<Alias>,
}

type Id = ByteArray<16>;

#[derive(Encode, Decode)]
#[cbor(array)]
struct Record {
    #[n(0)]
    survivor: [Said; 2],
    #[n(1)]
    absorbed: [Said; 2],
    #[n(2)]
    first_name: Option<String>,
    #[n(3)]
    last_name: Option<String>,
    #[n(4)]
    external_id: Option<String>,
    #[n(5)]
    external_id_taken: bool,
    #[n(6)]
    points: Vec<At>,
    #[n(7)]
    revision: i64,
    #[n(8)]
    created_at: i64,
    #[n(9)]
    leads: Vec<Id>,
    #[n(10)]
    accounts: Vec<Id>,
    #[n(11)]
    led: Vec<Id>,
    #[n(12)]
    shared_leads: Vec<Id>,
    #[n(13)]
    shared_accounts: Vec<Id>,
    #[n(14)]
    fingerprints: Vec<ByteVec>,
    #[n(15)]
    aliases: Vec<ByteVec>,
    #[n(16)]
    new_aliases: Vec<ByteVec>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Said {
    #[n(0)]
    state: i16,
    #[n(1)]
    expires_at: Option<i64>,
    #[n(2)]
    updated_at: i64,
    #[n(3)]
    refused_before: bool,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct At {
    #[n(0)]
    id: Id,
    #[n(1)]
    channel: i16,
    #[n(2)]
    address: String,
    #[n(3)]
    beside: Option<Id>,
}

impl Before {
    /// Seals it under the absorbed contact's own key, which goes along.
    pub fn seal(
        &self,
        keys: &BusinessKeys,
        business: BusinessId,
        absorbed: &Contact,
    ) -> Result<Sealed, StoreError> {
        let key = own_key(keys, absorbed.id, &absorbed.subject_key)?;
        let bytes = minicbor::to_vec(self.record()).map_err(|_| StoreError::Unreadable)?;
        let record = key.seal(&place(business, absorbed.id), &bytes);
        Ok(Sealed { record, subject_key: absorbed.subject_key.clone() })
    }

    /// Opens what [`Self::seal`] sealed.
    pub fn open(
        keys: &BusinessKeys,
        business: BusinessId,
        absorbed: ContactId,
        sealed: &Sealed,
    ) -> Result<Self, StoreError> {
        let key = own_key(keys, absorbed, &sealed.subject_key)?;
        let bytes = key.open(&place(business, absorbed), &sealed.record)?;
        let record: Record = minicbor::decode(&bytes).map_err(|_| StoreError::Unreadable)?;
        record.read()
    }

    fn record(&self) -> Record {
        let text = |part: Option<&Personal>| part.map(|part| part.expose().clone());
        let bytes = |of: &[Alias]| of.iter().map(|alias| alias.to_bytes().into()).collect();
        Record {
            survivor: said(&self.survivor),
            absorbed: said(&self.absorbed),
            first_name: text(self.name.first()),
            last_name: text(self.name.last()),
            external_id: text(self.external_id.as_ref().map(ExternalId::text)),
            external_id_taken: self.external_id_taken,
            points: (self.points.iter())
                .map(|(point, beside)| At {
                    id: id(point.id.uuid()),
                    channel: channel_of(&point.address).code(),
                    address: point.address.canonical().expose().clone(),
                    beside: beside.map(|beside| id(beside.uuid())),
                })
                .collect(),
            revision: self.revision,
            created_at: self.created_at,
            leads: self.links.leads.iter().map(|lead| id(lead.uuid())).collect(),
            accounts: self.links.accounts.iter().map(|account| id(account.uuid())).collect(),
            led: self.led.iter().map(|lead| id(lead.uuid())).collect(),
            shared_leads: self.shared.leads.iter().map(|lead| id(lead.uuid())).collect(),
            shared_accounts: self.shared.accounts.iter().map(|of| id(of.uuid())).collect(),
            fingerprints: self.fingerprints.iter().map(|of| of.clone().into()).collect(),
            aliases: bytes(&self.aliases),
            new_aliases: bytes(&self.new_aliases),
        }
    }
}

impl Record {
    fn read(self) -> Result<Before, StoreError> {
        let text = |part: Option<String>| part.map(Personal::new);
        let aliases = |of: Vec<ByteVec>| of.iter().filter_map(|it| Alias::from_bytes(it)).collect();
        Ok(Before {
            survivor: was(self.survivor)?,
            absorbed: was(self.absorbed)?,
            name: ContactName::restore(text(self.first_name), text(self.last_name)),
            external_id: text(self.external_id).map(ExternalId::restore),
            external_id_taken: self.external_id_taken,
            points: self.points.into_iter().map(At::read).collect::<Result<_, _>>()?,
            revision: self.revision,
            created_at: self.created_at,
            links: links(self.leads, self.accounts),
            led: ids::<LeadId>(self.led),
            shared: links(self.shared_leads, self.shared_accounts),
            fingerprints: self.fingerprints.into_iter().map(Vec::from).collect(),
            aliases: aliases(self.aliases),
            new_aliases: aliases(self.new_aliases),
        })
    }
}

impl At {
    fn read(self) -> Result<(Point, Option<PointId>), StoreError> {
        let text = Personal::new(self.address);
        let address = match Channel::from_code(self.channel)? {
            Channel::Phone => Address::Phone(Phone::restore(text)),
            Channel::Email => Address::Email(Email::restore(text)),
        };
        let point = Point { id: Uuid::from_bytes(*self.id).into(), address };
        Ok((point, self.beside.map(|id| Uuid::from_bytes(*id).into())))
    }
}

fn own_key(keys: &BusinessKeys, of: ContactId, sealed: &[u8]) -> Result<DataKey, StoreError> {
    Ok(keys.unwrap_subject(of, sealed)?.derive("yinyom merge record"))
}

fn place(business: BusinessId, absorbed: ContactId) -> Vec<u8> {
    context(&[b"merge", business.uuid().as_bytes(), absorbed.uuid().as_bytes()])
}

fn said(consents: &ByChannel<Consent>) -> [Said; 2] {
    [&consents.phone, &consents.email].map(|consent| Said {
        state: consent.state.code(),
        expires_at: consent.expires_at.map(jiff::Timestamp::as_microsecond),
        updated_at: consent.updated_at.as_microsecond(),
        refused_before: consent.refused_before,
    })
}

fn was([phone, email]: [Said; 2]) -> Result<ByChannel<Consent>, StoreError> {
    let read = |said: Said| {
        Ok::<_, StoreError>(Consent {
            state: ConsentState::from_code(said.state)?,
            expires_at: said.expires_at.map(from_micros),
            updated_at: from_micros(said.updated_at),
            refused_before: said.refused_before,
        })
    };
    Ok(ByChannel { phone: read(phone)?, email: read(email)? })
}

fn id(uuid: Uuid) -> Id {
    uuid.into_bytes().into()
}

fn ids<T: From<Uuid>>(of: Vec<Id>) -> Vec<T> {
    of.into_iter().map(|id| Uuid::from_bytes(*id).into()).collect()
}

fn links(leads: Vec<Id>, accounts: Vec<Id>) -> Links {
    Links { leads: ids::<LeadId>(leads), accounts: ids::<AccountId>(accounts) }
}
