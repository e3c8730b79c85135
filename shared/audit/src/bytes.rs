//! An act in bytes: in outboxes, and in the manager's store for ever. The same act always gives the same bytes, so
//! bytes that differ are acts that differ.
//!
//! A version byte, then CBOR. Version 1:
//! ```text
//! [at, actor, method, call_id, what]
//! actor = [1, member, role | null] | [2, service] | [3, operator]
//! what  = [1, privilege, [[contact, 1 phone + 2 e-mail], …]] | [2, [[field, member | null, old, new], …]]
//! ```
//! A change of this layout is a new version beside the old one, never an edit (TRAPS 20).

use jiff::Timestamp;
use minicbor::decode::Error as DecodeError;
use minicbor::{Decoder, Encoder};
use uuid::Uuid;
use yinyom_consent::{ByChannel, Role};

use crate::{
    Act, Actor, FieldChange, MAX_CONTACTS, MAX_FIELDS, Privilege, Reveal, RevealedContact,
    SettingsField, What,
};

const VERSION: u8 = 1;

type Out<'a> = Encoder<&'a mut Vec<u8>>;
type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// Bytes that this version did not write: damage, or a newer version has been here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an audit event cannot be read")]
pub struct UnreadableAct;

impl From<DecodeError> for UnreadableAct {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

impl Act {
    /// The bytes that are kept.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(VERSION);
        let written = self.write(&mut Encoder::new(&mut bytes));
        debug_assert!(written.is_ok(), "writing to a vector cannot fail");
        bytes
    }

    fn write(&self, out: &mut Out<'_>) -> Written {
        out.array(5)?.i64(self.at.as_microsecond())?;
        match &self.actor {
            Actor::Member { member, role } => {
                out.array(3)?.u8(1)?.bytes(member.uuid().as_bytes())?;
                match role {
                    Some(role) => out.i16(role.code())?,
                    None => out.null()?,
                };
            }
            Actor::Service { name } => {
                out.array(2)?.u8(2)?.str(name)?;
            }
            Actor::Operator { name } => {
                out.array(2)?.u8(3)?.str(name)?;
            }
        }
        out.str(&self.method)?.str(&self.call_id)?;
        match &self.what {
            What::Reveal(reveal) => {
                out.array(3)?.u8(1)?.i32(reveal.privilege.code())?;
                out.array(reveal.contacts.len() as u64)?;
                for RevealedContact { contact, channels } in &reveal.contacts {
                    out.array(2)?.bytes(contact.uuid().as_bytes())?;
                    out.u8(u8::from(channels.phone) + 2 * u8::from(channels.email))?;
                }
            }
            What::Settings(changes) => {
                out.array(2)?.u8(2)?.array(changes.len() as u64)?;
                for FieldChange { field, member, old, new } in changes {
                    out.array(4)?.i32(field.code())?;
                    match member {
                        Some(member) => out.bytes(member.uuid().as_bytes())?,
                        None => out.null()?,
                    };
                    out.str(old)?.str(new)?;
                }
            }
        }
        Ok(())
    }

    /// Reads what [`Act::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableAct> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(UnreadableAct) };
        let mut from = Decoder::new(rest);
        array(&mut from, 5)?;
        let at = Timestamp::from_microsecond(from.i64()?).map_err(|_| UnreadableAct)?;
        let actor = actor(&mut from)?;
        let (method, call_id) = (from.str()?.to_owned(), from.str()?.to_owned());
        let what = what(&mut from)?;
        if from.position() != rest.len() {
            return Err(UnreadableAct);
        }
        Ok(Self { at, actor, method, call_id, what })
    }
}

fn actor(from: &mut Decoder<'_>) -> Result<Actor, UnreadableAct> {
    let fields = from.array()?;
    Ok(match (from.u8()?, fields) {
        (1, Some(3)) => {
            let member = uuid(from)?.into();
            let role =
                optional(from, |from| Role::from_code(from.i16()?).map_err(|_| UnreadableAct))?;
            Actor::Member { member, role }
        }
        (2, Some(2)) => Actor::Service { name: from.str()?.to_owned() },
        (3, Some(2)) => Actor::Operator { name: from.str()?.to_owned() },
        _ => return Err(UnreadableAct),
    })
}

fn what(from: &mut Decoder<'_>) -> Result<What, UnreadableAct> {
    let fields = from.array()?;
    Ok(match (from.u8()?, fields) {
        (1, Some(3)) => {
            let privilege = Privilege::from_code(from.i32()?).ok_or(UnreadableAct)?;
            let contacts = list(from, MAX_CONTACTS, |from| {
                array(from, 2)?;
                let (contact, bits) = (uuid(from)?.into(), from.u8()?);
                let channels = ByChannel { phone: bits & 1 != 0, email: bits & 2 != 0 };
                Ok(RevealedContact { contact, channels })
            })?;
            What::Reveal(Reveal { privilege, contacts })
        }
        (2, Some(2)) => What::Settings(list(from, MAX_FIELDS, |from| {
            array(from, 4)?;
            let field = SettingsField::from_code(from.i32()?).ok_or(UnreadableAct)?;
            let member = optional(from, |from| Ok(uuid(from)?.into()))?;
            let (old, new) = (from.str()?.to_owned(), from.str()?.to_owned());
            Ok(FieldChange { field, member, old, new })
        })?),
        _ => return Err(UnreadableAct),
    })
}

fn array(from: &mut Decoder<'_>, length: u64) -> Result<(), UnreadableAct> {
    if from.array()? == Some(length) { Ok(()) } else { Err(UnreadableAct) }
}

fn list<T>(
    from: &mut Decoder<'_>,
    most: usize,
    mut item: impl FnMut(&mut Decoder<'_>) -> Result<T, UnreadableAct>,
) -> Result<Vec<T>, UnreadableAct> {
    let length = from.array()?.and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= most).ok_or(UnreadableAct)?;
    (0..length).map(|_| item(from)).collect()
}

fn optional<T>(
    from: &mut Decoder<'_>,
    read: impl FnOnce(&mut Decoder<'_>) -> Result<T, UnreadableAct>,
) -> Result<Option<T>, UnreadableAct> {
    if from.datatype()? == minicbor::data::Type::Null {
        from.null()?;
        return Ok(None);
    }
    read(from).map(Some)
}

fn uuid(from: &mut Decoder<'_>) -> Result<Uuid, UnreadableAct> {
    Uuid::from_slice(from.bytes()?).map_err(|_| UnreadableAct)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn acts() -> Vec<Act> {
        let act = |actor, what| Act {
            at: Timestamp::UNIX_EPOCH,
            actor,
            method: "/yinyom.directory.v1.ContactService/GetContact".to_owned(),
            call_id: "0192f0c1-7b1e-7c3a-9d52-3f6f6b0a7e11".to_owned(),
            what,
        };
        let seen = |n, phone, email| RevealedContact {
            contact: id(n).into(),
            channels: ByChannel { phone, email },
        };
        let reveal = Reveal {
            privilege: Privilege::Listed,
            contacts: vec![seen(1, true, false), seen(2, true, true), seen(3, false, true)],
        };
        let change = |field, member: Option<u128>, old: &str, new: &str| FieldChange {
            field,
            member: member.map(|n| id(n).into()),
            old: old.to_owned(),
            new: new.to_owned(),
        };
        let member = |role| Actor::Member { member: id(9).into(), role };
        vec![
            act(member(Some(Role::User)), What::Reveal(reveal.clone())),
            act(member(None), What::Reveal(reveal.clone())),
            act(Actor::Service { name: "mailer".to_owned() }, What::Reveal(reveal)),
            act(
                Actor::Operator { name: "vendor".to_owned() },
                What::Settings(vec![
                    change(SettingsField::Plan, None, "FREE", "GOLD"),
                    change(SettingsField::Role, Some(4), "", "ADMIN"),
                ]),
            ),
        ]
    }

    #[test]
    fn an_act_is_read_as_it_was_written() {
        for act in acts() {
            assert_eq!(Act::decode(&act.encode()), Ok(act));
        }
    }

    #[test]
    fn what_was_cut_short_lengthened_or_is_of_another_version_is_not_guessed_at() {
        for act in acts() {
            let bytes = act.encode();
            for end in 0..bytes.len() {
                assert_eq!(Act::decode(&bytes[..end]), Err(UnreadableAct), "{end} bytes");
            }
            let mut longer = bytes.clone();
            longer.push(0);
            assert_eq!(Act::decode(&longer), Err(UnreadableAct));
            let mut newer = bytes;
            newer[0] = 2;
            assert_eq!(Act::decode(&newer), Err(UnreadableAct));
        }
    }

    /// These bytes are kept for ever: what was written once must be read for ever.
    #[test]
    fn the_layout_is_for_ever() {
        let bytes = acts()[3].encode();
        let text = bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        assert_eq!(
            text,
            "018500820366 76656e646f72 782e2f79696e796f6d2e6469726563746f72792e76312e436f6e7461637453657276\
             6963652f476574436f6e74616374 7824 30313932663063312d376231652d376333612d396435322d336636663662\
             3061376531318202 82 8402f664465245456 4474f4c44 840850000000000000000000000000000000046065 41444d494e"
                .replace(' ', "")
        );
    }
}
