//! The canonical bytes of a change: what the ledger hashes, signs and proves, for ever (TRAPS 20).
//!
//! Deterministic CBOR (RFC 8949, 4.2.1): one array of definite length, shortest integers, fields by position,
//! `null` for what is absent, ids as 16 bytes, times as microseconds since 1970 in UTC.
//!
//! Version 1:
//! ```text
//! [1, business, contact, seq, recorded_at, cause, surface, parent, actor, channels, method, notice_version,
//!  claimed_at, evidence_commitment]
//! parent   = null | [1, lead] | [2, account]
//! actor    = [1, member, role | null] | [2, service name]
//! channels = [[channel, from | null, to | null, expires_at | null], …], by channel
//! ```
//! Version 2 is that of a merge or its undo, which names the other contact: `[2, …]`, with the same fields and
//! ```text
//! parent   = [3, contact]
//! ```
//! and of nothing else: what version 1 can say is said in version 1.
//!
//! A change of this layout is a new version beside the old one, never an edit.

use std::convert::Infallible;

use jiff::Timestamp;
use minicbor::encode::Error;
use minicbor::{Decoder, Encode, Encoder};
use uuid::Uuid;

use crate::{Actor, ChannelChange, ConsentChange, SurfaceParent};

const VERSION: u8 = 1;
/// Of a change that names another contact.
const OF_TWO: u8 = 2;

type Written = Result<(), Error<Infallible>>;
type Out<'a> = Encoder<&'a mut Vec<u8>>;

impl ConsentChange {
    /// The canonical bytes, in the earliest version that can say it all.
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(192);
        let written = self.write(&mut Encoder::new(&mut bytes));
        debug_assert!(written.is_ok(), "writing to a vector cannot fail");
        bytes
    }

    /// Business, contact and number of the change that has these canonical bytes, as far as they say so.
    pub fn name_of(canonical: &[u8]) -> Option<(Uuid, Uuid, i64)> {
        let mut bytes = Decoder::new(canonical);
        let known =
            bytes.array().ok()? == Some(14) && [VERSION, OF_TWO].contains(&bytes.u8().ok()?);
        let business = Uuid::from_slice(bytes.bytes().ok()?).ok()?;
        let contact = Uuid::from_slice(bytes.bytes().ok()?).ok()?;
        let seq = bytes.i64().ok()?;
        known.then_some((business, contact, seq))
    }

    fn write(&self, out: &mut Out<'_>) -> Written {
        let of_two = matches!(self.surface_parent, Some(SurfaceParent::Contact(_)));
        out.array(14)?.u8(if of_two { OF_TWO } else { VERSION })?;
        out.bytes(self.business.uuid().as_bytes())?.bytes(self.contact.uuid().as_bytes())?;
        out.i64(self.seq)?.i64(self.recorded_at.as_microsecond())?;
        out.i16(self.cause.code())?.i16(self.surface.code())?;
        parent(out, self.surface_parent)?;
        actor(out, &self.actor)?;
        channels(out, &self.channels)?;
        optional(out, self.method.map(crate::EvidenceMethod::code))?;
        optional(out, self.notice_version.as_deref())?;
        optional(out, self.claimed_at.map(Timestamp::as_microsecond))?;
        match &self.evidence_commitment {
            Some(commitment) => out.bytes(commitment)?,
            None => out.null()?,
        };
        Ok(())
    }
}

fn parent(out: &mut Out<'_>, parent: Option<SurfaceParent>) -> Written {
    match parent {
        None => out.null()?,
        Some(SurfaceParent::Lead(lead)) => out.array(2)?.u8(1)?.bytes(lead.uuid().as_bytes())?,
        Some(SurfaceParent::Account(account)) => {
            out.array(2)?.u8(2)?.bytes(account.uuid().as_bytes())?
        }
        Some(SurfaceParent::Contact(contact)) => {
            out.array(2)?.u8(3)?.bytes(contact.uuid().as_bytes())?
        }
    };
    Ok(())
}

fn actor(out: &mut Out<'_>, actor: &Actor) -> Written {
    match actor {
        Actor::Member { member, role } => {
            out.array(3)?.u8(1)?.bytes(member.uuid().as_bytes())?;
            optional(out, role.map(crate::Role::code))
        }
        Actor::Service { name } => {
            out.array(2)?.u8(2)?.str(name)?;
            Ok(())
        }
    }
}

fn channels(out: &mut Out<'_>, channels: &[ChannelChange]) -> Written {
    let mut sorted = channels.to_vec();
    sorted.sort_unstable_by_key(|change| change.channel);
    out.array(sorted.len() as u64)?;
    for change in sorted {
        out.array(4)?.i16(change.channel.code())?;
        optional(out, change.from.map(crate::ConsentState::code))?;
        optional(out, change.to.map(crate::ConsentState::code))?;
        optional(out, change.expires_at.map(Timestamp::as_microsecond))?;
    }
    Ok(())
}

fn optional(out: &mut Out<'_>, value: Option<impl Encode<()>>) -> Written {
    match value {
        Some(value) => out.encode(value)?,
        None => out.null()?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use crate::*;

    fn change() -> ConsentChange {
        ConsentChange {
            business: Uuid::from_u128(1).into(),
            contact: Uuid::from_u128(2).into(),
            seq: 3,
            recorded_at: Timestamp::UNIX_EPOCH,
            cause: Cause::Set,
            surface: Surface::Lead,
            surface_parent: Some(SurfaceParent::Lead(Uuid::from_u128(4).into())),
            actor: Actor::Member { member: Uuid::from_u128(5).into(), role: Some(Role::User) },
            channels: vec![
                ChannelChange {
                    channel: Channel::Email,
                    from: Some(ConsentState::NotSet),
                    to: Some(ConsentState::Granted),
                    expires_at: None,
                },
                ChannelChange {
                    channel: Channel::Phone,
                    from: None,
                    to: Some(ConsentState::Denied),
                    expires_at: None,
                },
            ],
            method: Some(EvidenceMethod::Call),
            notice_version: Some("3".to_owned()),
            claimed_at: None,
            evidence_commitment: None,
        }
    }

    /// These bytes are in ledgers already: if this test fails, the code is wrong, not the test.
    #[test]
    fn version_1_is_for_ever() {
        let expected = concat!(
            "8e01",
            "50",
            "00000000000000000000000000000001",
            "50",
            "00000000000000000000000000000002",
            "03",
            "00",
            "02",
            "01",
            "8201",
            "50",
            "00000000000000000000000000000004",
            "8301",
            "50",
            "00000000000000000000000000000005",
            "03",
            "82",
            "8401f603f6",
            "84020102f6",
            "02",
            "6133",
            "f6",
            "f6",
        );
        assert_eq!(hex::encode(change().canonical()), expected);
        assert_eq!(
            hex::encode(change().leaf_hash()),
            "8b915308915661e6e5ee4b746452d0f3599857f688ba0598523b57f4ace9ad13"
        );
    }

    fn merged() -> ConsentChange {
        ConsentChange {
            cause: Cause::Merged,
            surface: Surface::Contacts,
            surface_parent: Some(SurfaceParent::Contact(Uuid::from_u128(6).into())),
            ..change()
        }
    }

    /// These bytes are in ledgers already: if this test fails, the code is wrong, not the test.
    #[test]
    fn version_2_is_for_ever() {
        let expected = concat!(
            "8e02",
            "50",
            "00000000000000000000000000000001",
            "50",
            "00000000000000000000000000000002",
            "03",
            "00",
            "07",
            "04",
            "8203",
            "50",
            "00000000000000000000000000000006",
            "8301",
            "50",
            "00000000000000000000000000000005",
            "03",
            "82",
            "8401f603f6",
            "84020102f6",
            "02",
            "6133",
            "f6",
            "f6",
        );
        assert_eq!(hex::encode(merged().canonical()), expected);
    }

    #[test]
    fn there_is_one_version_for_each_change() {
        for mut change in [change(), merged()] {
            change.channels.sort_unstable_by_key(|carried| carried.channel);
            let mut bytes = change.canonical();
            assert_eq!(ConsentChange::from_canonical(&bytes), Some(change));
            bytes[1] = 3 - bytes[1];
            assert_eq!(ConsentChange::from_canonical(&bytes), None);
        }
    }

    #[test]
    fn canonical_bytes_tell_whose_change_they_are() {
        let mut bytes = change().canonical();
        let name = (Uuid::from_u128(1), Uuid::from_u128(2), 3);
        assert_eq!(ConsentChange::name_of(&bytes), Some(name));
        for cut in 0..37 {
            assert_eq!(ConsentChange::name_of(&bytes[..cut]), None);
        }
        bytes[1] = 2;
        assert_eq!(ConsentChange::name_of(&bytes), Some(name));
        bytes[1] = 3;
        assert_eq!(ConsentChange::name_of(&bytes), None, "a later version");
    }

    #[test]
    fn canonical_bytes_are_read_as_what_they_were_and_nothing_else_is() {
        let mut deleted = change();
        deleted.channels[0].to = None;
        deleted.actor = Actor::Service { name: "mailer".to_owned() };
        deleted.surface_parent = None;
        deleted.evidence_commitment = Some([7; 32]);
        for mut change in [change(), deleted, merged()] {
            let bytes = change.canonical();
            change.channels.sort_unstable_by_key(|carried| carried.channel);
            assert_eq!(ConsentChange::from_canonical(&bytes), Some(change));
            for cut in 0..bytes.len() {
                assert_eq!(ConsentChange::from_canonical(&bytes[..cut]), None, "{cut}");
            }
            assert_eq!(ConsentChange::from_canonical(&[&bytes[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn the_order_in_which_channels_were_given_does_not_matter() {
        let mut other = change();
        other.channels.reverse();
        assert_eq!(other.leaf_hash(), change().leaf_hash());
    }

    #[test]
    fn no_field_can_change_unseen() {
        let edits: [fn(&mut ConsentChange); 13] = [
            |c| c.business = Uuid::from_u128(9).into(),
            |c| c.contact = Uuid::from_u128(9).into(),
            |c| c.seq += 1,
            |c| c.recorded_at = Timestamp::MAX,
            |c| c.cause = Cause::Withdrawn,
            |c| c.surface = Surface::Contacts,
            |c| c.surface_parent = Some(SurfaceParent::Account(Uuid::from_u128(4).into())),
            |c| c.actor = Actor::Service { name: "x".to_owned() },
            |c| c.channels[0].to = Some(ConsentState::Denied),
            |c| c.method = None,
            |c| c.notice_version = None,
            |c| c.claimed_at = Some(Timestamp::UNIX_EPOCH),
            |c| c.evidence_commitment = Some([0; 32]),
        ];
        for (i, edit) in edits.into_iter().enumerate() {
            let mut edited = change();
            edit(&mut edited);
            assert_ne!(edited.leaf_hash(), change().leaf_hash(), "edit {i}");
        }
    }
}
