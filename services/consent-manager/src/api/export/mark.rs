//! How far a file has got: what a resume token holds.

use minicbor::bytes::ByteArray;
use uuid::Uuid;
use yinyom_consent::Channel;
use yinyom_kernel::from_micros;
use yinyom_transparency::Hash;

use super::super::pages::Cursor;
use crate::domain::{Fixed, Written};

const VERSION: u8 = 1;

/// After some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) fixed: Fixed,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    /// The last row in these bytes. Of a format that is by row.
    pub(super) written: Option<Written>,
    /// SHA-256 of these bytes. Of the other formats, which are made again from the beginning: they must come out the same.
    pub(super) hash: Option<Hash>,
}

type Bytes<const N: usize> = ByteArray<N>;
type Row = (Option<i64>, Option<(Bytes<16>, i16)>);
type Fields = (u8, i64, Option<Bytes<32>>, i64, String, u64, u64, Row, Option<Bytes<32>>);

impl Cursor for Mark {
    fn write(&self) -> Vec<u8> {
        let row = match self.written {
            None => (None, None),
            Some(Written::Change(index)) => (Some(index), None),
            Some(Written::Consent(contact, channel)) => {
                (None, Some((ByteArray::from(contact.uuid().into_bytes()), channel.code())))
            }
        };
        let Fixed { end, last, at, zone } = self.fixed.clone();
        let (last, hash) = (last.map(ByteArray::from), self.hash.map(ByteArray::from));
        let at = at.as_microsecond();
        let fields: Fields = (VERSION, end, last, at, zone, self.bytes, self.rows, row, hash);
        // Writing to a vector cannot fail.
        minicbor::to_vec(fields).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, end, last, at, zone, bytes, rows, row, hash): Fields =
            minicbor::decode(bytes).ok()?;
        let written = match row {
            (None, None) => None,
            (Some(index), _) => Some(Written::Change(index)),
            (None, Some((contact, channel))) => Some(Written::Consent(
                Uuid::from_bytes(contact.into()).into(),
                Channel::from_code(channel).ok()?,
            )),
        };
        let fixed = Fixed { end, last: last.map(Into::into), at: from_micros(at), zone };
        let mark = Self { fixed, bytes, rows, written, hash: hash.map(Into::into) };
        (version == VERSION).then_some(mark)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use yinyom_kernel::ContactId;

    use super::*;

    #[test]
    fn a_mark_survives_its_token() {
        let zone = "Asia/Bangkok".to_owned();
        let fixed = Fixed { end: 7, last: Some([3; 32]), at: Timestamp::UNIX_EPOCH, zone };
        let none = Mark { fixed, bytes: 0, rows: 0, written: None, hash: None };
        let consent = Written::Consent(ContactId::generate(), Channel::Email);
        for mark in [
            none.clone(),
            Mark { written: Some(Written::Change(5)), rows: 9, ..none.clone() },
            Mark { written: Some(consent), bytes: 1 << 40, ..none.clone() },
            Mark { hash: Some([9; 32]), ..none.clone() },
        ] {
            assert_eq!(Mark::read(&mark.write()), Some(mark));
        }
        assert_eq!(Mark::read(b"x"), None);
    }
}
