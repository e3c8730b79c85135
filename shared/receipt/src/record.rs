//! The record.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use yinyom_consent::{
    Actor, CONTACTS, Channel, ChannelChange, ConsentChange, ConsentState, MEMBERS, merged_into,
};
use yinyom_kernel::{BusinessId, ContactId, Language, Name, Text};
use yinyom_transparency::{Hash, Jws, LedgerKey};

use crate::{TYPE, words};

/// The shape, and its edition here.
const SCHEMA: &str = "ISO/IEC TS 27560:2023; yinyom/2";
/// The first edition: it says nothing of who was merged.
pub(crate) const FIRST: &str = "ISO/IEC TS 27560:2023; yinyom/1";
/// Thailand, whose Personal Data Protection Act is kept.
const JURISDICTION: &str = "TH";

/// A consent record, as JSON. Times are RFC 3339, hashes hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub schema_version: String,
    /// Of this receipt: another one of the same record has another one.
    pub receipt_id: String,
    /// Of the record that it is of: contact and channel.
    pub record_id: String,
    #[serde(with = "when")]
    pub issue_time: Timestamp,
    /// A pseudonym: the contact's name in the API.
    pub pii_principal_id: String,
    /// Of the sentences in it: `en`, `th`.
    pub language: String,
    /// IANA name; a page shows times in it.
    pub time_zone: String,
    pub pii_processing: Processing,
    pub party_identification: Vec<Controller>,
    /// Newest first.
    pub events: Vec<Event>,
    /// Older events that the ledger has and this does not.
    pub events_omitted: u64,
    /// Records of contacts that were merged into this one, in the order in which they came, and have not come out again. What
    /// was said of them before stands in receipts of their own, which name those that had been merged into them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged_records: Vec<String>,
    /// The record of the contact that this one was merged into: how it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into_record: Option<String>,
    pub ledger: Ledger,
}

/// What is consented to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processing {
    /// The notice that the state rests on, if the ledger has one.
    pub privacy_notice: Option<Notice>,
    pub purposes: Vec<Purpose>,
}

/// A privacy notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    pub version: String,
}

/// A purpose, and how its consent stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    pub purpose: String,
    pub purpose_type: String,
    pub lawful_basis: String,
    /// `PHONE`, `EMAIL`.
    pub channel: String,
    /// `NOT_SET`, `GRANTED`, `DENIED` at the time of issue; absent if the contact is gone.
    pub state: Option<String>,
    #[serde(with = "when_any")]
    pub expire_time: Option<Timestamp>,
    /// Categories of personal data.
    pub pii_information: Vec<String>,
    pub pii_controllers: Vec<String>,
    pub retention_period: String,
    pub withdrawal_method: String,
    pub jurisdictions: Vec<String>,
}

/// Who answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    pub party_id: String,
    pub party_role: String,
    pub party_name: String,
}

/// What happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    #[serde(with = "when")]
    pub event_time: Timestamp,
    /// Why: the words of the API's `ChangeCause`.
    pub event_type: String,
    /// The state after it; absent if the contact was gone.
    pub event_state: Option<String>,
    pub previous_state: Option<String>,
    /// Until when it holds.
    #[serde(with = "when_any")]
    pub expire_time: Option<Timestamp>,
    /// Who recorded it: a pseudonym.
    pub entity_id: String,
    pub entity_role: Option<String>,
    pub surface: String,
    /// How the customer told.
    pub collection_method: Option<String>,
    pub notice_version: Option<String>,
    /// When the customer said so, as was claimed.
    #[serde(with = "when_any")]
    pub claimed_time: Option<Timestamp>,
    pub ledger: InLedger,
}

/// Where the ledger has a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InLedger {
    pub index: u64,
    pub leaf_hash: String,
    /// The canonical bytes, in base64: their hash is the leaf hash.
    pub content: String,
    /// That it is in the tree of the checkpoint.
    pub inclusion_proof: Vec<String>,
}

/// The tree that the events are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// A signed note (C2SP tlog-checkpoint).
    pub checkpoint: String,
    pub tree_size: u64,
}

/// Identifies a receipt.
pub type ReceiptId = String;

/// What a receipt is made of.
pub struct Facts<'a> {
    pub id: ReceiptId,
    pub business: BusinessId,
    pub contact: ContactId,
    pub channel: Channel,
    pub language: Language,
    pub time_zone: String,
    pub at: Timestamp,
    /// The changes of the channel, newest first and one at least, each with its index and the proof that it is in the tree.
    pub changes: &'a [(ConsentChange, u64, Vec<Hash>)],
    pub omitted: u64,
    /// Who was merged into the contact, in their order.
    pub merged: &'a [ContactId],
    pub checkpoint: String,
    pub tree_size: u64,
}

impl Receipt {
    /// Puts it together.
    pub fn new(facts: &Facts<'_>) -> Self {
        let Facts { business, contact, channel, language, .. } = *facts;
        let controller = Name::format_business(business);
        let record = |contact| record(business, contact, channel);
        let (record_id, into) = (record(contact), facts.changes.first());
        let into = into.and_then(|(newest, ..)| merged_into(newest));
        let contact = CONTACTS.format(business, contact);
        let events: Vec<Event> = facts
            .changes
            .iter()
            .map(|(change, index, proof)| event(change, channel, *index, proof))
            .collect();
        let newest = facts.changes.first().and_then(|(change, ..)| carried(change, channel));
        let ran_out = newest.and_then(|it| it.expires_at).filter(|end| *end <= facts.at);
        let state = match newest.and_then(|it| it.to) {
            Some(ConsentState::Granted) if ran_out.is_some() => Some(ConsentState::NotSet),
            state => state,
        };
        let notice = events.iter().find_map(|event| event.notice_version.clone());
        Self {
            schema_version: SCHEMA.to_owned(),
            receipt_id: facts.id.clone(),
            record_id,
            issue_time: facts.at,
            pii_principal_id: contact,
            language: language.tag().to_owned(),
            time_zone: facts.time_zone.clone(),
            pii_processing: Processing {
                privacy_notice: notice.map(|version| Notice { version }),
                purposes: vec![Purpose {
                    purpose: purpose(channel).get(language).to_owned(),
                    purpose_type: "MARKETING".to_owned(),
                    lawful_basis: "CONSENT".to_owned(),
                    channel: words::channel(channel).code.to_owned(),
                    state: state.map(|state| words::state(state).code.to_owned()),
                    expire_time: newest
                        .and_then(|it| it.expires_at)
                        .filter(|_| state == Some(ConsentState::Granted)),
                    pii_information: vec![data(channel).to_owned()],
                    pii_controllers: vec![controller.clone()],
                    retention_period: retention().get(language).to_owned(),
                    withdrawal_method: withdrawal().get(language).to_owned(),
                    jurisdictions: vec![JURISDICTION.to_owned()],
                }],
            },
            party_identification: vec![Controller {
                party_id: controller.clone(),
                party_role: "PII_CONTROLLER".to_owned(),
                party_name: controller,
            }],
            events,
            events_omitted: facts.omitted,
            merged_records: facts.merged.iter().copied().map(record).collect(),
            merged_into_record: into.map(record),
            ledger: Ledger { checkpoint: facts.checkpoint.clone(), tree_size: facts.tree_size },
        }
    }

    /// As JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// As a compact JWS, whose payload is the JSON.
    pub fn sign(&self, key: &LedgerKey) -> serde_json::Result<String> {
        Ok(Jws::sign(key, TYPE, self.json()?.as_bytes()))
    }
}

/// The consent of a contact in a channel.
pub(crate) fn record(business: BusinessId, contact: ContactId, channel: Channel) -> String {
    format!("{}/consents/{}", CONTACTS.format(business, contact), words::channel(channel).code)
}

/// What a change says of a channel, as a receipt says it.
pub(crate) fn event(change: &ConsentChange, channel: Channel, index: u64, proof: &[Hash]) -> Event {
    let carried = carried(change, channel);
    let state = |state: Option<ConsentState>| state.map(|it| words::state(it).code.to_owned());
    let (entity_id, role) = match &change.actor {
        Actor::Member { member, role } => (MEMBERS.format(change.business, *member), *role),
        Actor::Service { name } => (format!("services/{name}"), None),
    };
    Event {
        event_time: change.recorded_at,
        event_type: words::cause(change.cause).code.to_owned(),
        event_state: state(carried.and_then(|it| it.to)),
        previous_state: state(carried.and_then(|it| it.from)),
        expire_time: carried.and_then(|it| it.expires_at),
        entity_id,
        entity_role: role.map(|role| words::role(role).code.to_owned()),
        surface: words::surface(change.surface).code.to_owned(),
        collection_method: change.method.map(|method| words::method(method).code.to_owned()),
        notice_version: change.notice_version.clone(),
        claimed_time: change.claimed_at,
        ledger: InLedger {
            index,
            leaf_hash: hex::encode(change.leaf_hash()),
            content: STANDARD.encode(change.canonical()),
            inclusion_proof: proof.iter().map(hex::encode).collect(),
        },
    }
}

fn carried(change: &ConsentChange, channel: Channel) -> Option<&ChannelChange> {
    change.channels.iter().find(|carried| carried.channel == channel)
}

fn data(channel: Channel) -> &'static str {
    match channel {
        Channel::Phone => "PHONE_NUMBER",
        Channel::Email => "EMAIL_ADDRESS",
    }
}

fn purpose(channel: Channel) -> Text {
    match channel {
        Channel::Phone => Text::new("Marketing by phone", "การตลาดทางโทรศัพท์"),
        Channel::Email => Text::new("Marketing by e-mail", "การตลาดทางอีเมล"),
    }
}

fn retention() -> Text {
    Text::new(
        "This record is kept as long as the business must be able to prove it. What identifies you is destroyed when your data are erased.",
        "บันทึกนี้เก็บไว้ตราบเท่าที่ธุรกิจต้องใช้เป็นหลักฐาน ข้อมูลที่ระบุตัวคุณจะถูกทำลายเมื่อมีการลบข้อมูลของคุณ",
    )
}

fn withdrawal() -> Text {
    Text::new(
        "Tell the business, in any way, at any time and at no cost. It is recorded at once, as easily as consent.",
        "แจ้งธุรกิจด้วยวิธีใดก็ได้ เมื่อใดก็ได้ โดยไม่มีค่าใช้จ่าย ระบบจะบันทึกทันที ง่ายเช่นเดียวกับการให้ความยินยอม",
    )
}

/// RFC 3339, UTC.
mod when {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod when_any {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::ref_option, reason = "as serde gives it")]
    pub(super) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => to.collect_str(at),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
