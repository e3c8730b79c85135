//! What is kept of a request that took effect: ids that it made up, and the revision of the rules
//! that it must not return before. Never anything rendered (TRAPS 4).

use uuid::Uuid;

use crate::domain::Revision;
use crate::store::StoreError;

const VERSION: u8 = 1;

/// The outcome of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Ids that the server chose; the request holds all others.
    pub(super) made: Vec<Uuid>,
    /// The call returns once every holder of a lease has applied this.
    pub(super) settles_at: Option<Revision>,
}

impl Record {
    /// As it is stored: version, revision (0 is none), ids.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.settles_at.unwrap_or_default().to_be_bytes());
        self.made.iter().for_each(|id| bytes.extend_from_slice(id.as_bytes()));
        bytes
    }

    /// Reads what [`Record::encode`] wrote.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let unknown = StoreError::Unknown("outcome");
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(unknown) };
        let Some((revision, ids)) = rest.split_first_chunk() else { return Err(unknown) };
        let revision = Revision::from_be_bytes(*revision);
        let (ids, []) = ids.as_chunks() else { return Err(unknown) };
        Ok(Self {
            made: ids.iter().map(|id| Uuid::from_bytes(*id)).collect(),
            settles_at: (revision != 0).then_some(revision),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for record in [
            Record::default(),
            Record { made: vec![Uuid::now_v7(), Uuid::now_v7()], settles_at: Some(7) },
        ] {
            assert_eq!(Record::decode(&record.encode()).unwrap(), record);
        }
    }

    #[test]
    fn a_record_of_another_version_or_cut_short_is_not_guessed_at() {
        let mut bytes = Record { made: vec![Uuid::now_v7()], settles_at: None }.encode();
        for end in [0, 1, 8, 24] {
            assert!(Record::decode(&bytes[..end]).is_err(), "{end} bytes");
        }
        bytes[0] = 2;
        assert!(Record::decode(&bytes).is_err());
    }
}
