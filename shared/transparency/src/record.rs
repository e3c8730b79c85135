//! A record as it is exported: one line of JSON, byte strings in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// What the database has of a record: claims, until [`crate::Audit`] has seen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// From 0 without a gap.
    pub index: u64,
    #[serde(with = "id")]
    pub contact: Uuid,
    /// Number of the change in the contact's stream.
    pub seq: i64,
    /// Microseconds since 1970, UTC.
    pub ingested_at: i64,
    #[serde(with = "bytes")]
    pub leaf_hash: Vec<u8>,
    /// The canonical bytes. Empty if they cannot be had: destroyed, or unreadable.
    #[serde(with = "bytes", default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<u8>,
    /// SHA-256 of the sealed evidence. Empty if there is none.
    #[serde(with = "bytes", default, skip_serializing_if = "Vec::is_empty")]
    pub evidence_hash: Vec<u8>,
    #[serde(with = "bytes")]
    pub signature: Vec<u8>,
    /// Says that the ledger itself has destroyed the content. Empty if it has not.
    #[serde(with = "bytes", default, skip_serializing_if = "Vec::is_empty")]
    pub erasure: Vec<u8>,
}

/// A line is no record.
#[derive(Debug, thiserror::Error)]
#[error("this is no record of a ledger")]
pub struct UnreadableRecord(#[source] serde_json::Error);

impl Record {
    /// As a line, with its end.
    pub fn to_line(&self) -> Result<String, UnreadableRecord> {
        serde_json::to_string(self).map(|line| line + "\n").map_err(UnreadableRecord)
    }

    /// From a line.
    pub fn from_line(line: &[u8]) -> Result<Self, UnreadableRecord> {
        serde_json::from_slice(line).map_err(UnreadableRecord)
    }
}

mod id {
    use super::{Deserialize, Deserializer, Serializer, Uuid};

    pub(super) fn serialize<S: Serializer>(id: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        Uuid::try_parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

mod bytes {
    use super::{Deserialize, Deserializer, Engine, STANDARD, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}
