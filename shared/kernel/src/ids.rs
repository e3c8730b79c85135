//! Identifiers: `UUIDv7` behind one type for each thing, so that a lead's id cannot be asked for a
//! contact. They are pseudonyms: nothing about a person can be read from one.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::{Code, Fault, Text};

/// The text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct InvalidId;

impl Fault for InvalidId {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "INVALID_ID"
    }

    fn text(&self) -> Text {
        Text::new("must be a UUID in lower case with hyphens.", "ต้องเป็น UUID ตัวพิมพ์เล็กที่มีขีดคั่น")
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A new one, ordered by creation time to the millisecond.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// As the stores keep it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Takes the one canonical spelling only: two spellings of one name would be two names.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let uuid = Uuid::try_parse(text).map_err(|_| InvalidId)?;
                let mut canonical = [0; uuid::fmt::Hyphenated::LENGTH];
                if uuid.as_hyphenated().encode_lower(&mut canonical) == text {
                    Ok(Self(uuid))
                } else {
                    Err(InvalidId)
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.0.as_hyphenated(), f)
            }
        }
    };
}

id! {
    /// A tenant.
    BusinessId
}
id! {
    /// A colleague in one business; `sub` of a member's token.
    MemberId
}
id! {
    /// A customer's person (ผู้ติดต่อ).
    ContactId
}
id! {
    /// That two contacts became one.
    MergeId
}
id! {
    /// A lead.
    LeadId
}
id! {
    /// A registered customer (ทะเบียนลูกค้า).
    AccountId
}
id! {
    /// One phone number or e-mail address of a contact.
    PointId
}
id! {
    /// Something that goes on by itself (AIP-151).
    OperationId
}
id! {
    /// A client's own id of a request (AIP-155).
    RequestId
}
