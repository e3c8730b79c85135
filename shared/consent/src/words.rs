//! The words, each with the number that stores and ledgers keep for ever.

/// A number that stands for none of the words. From a store it means damage or a newer version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{code} is no {word}")]
pub struct UnknownCode {
    word: &'static str,
    code: i16,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant = $code),+ }

        impl $name {
            /// Every one of them, by code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number that stores and ledgers keep; the protobuf enum has the same.
            pub const fn code(self) -> i16 {
                self as i16
            }

            /// The word that `code` stands for.
            pub const fn from_code(code: i16) -> Result<Self, UnknownCode> {
                match code {
                    $($code => Ok(Self::$variant),)+
                    _ => Err(UnknownCode { word: stringify!($name), code }),
                }
            }
        }
    };
}

words! {
    /// How a customer can be reached.
    Channel {
        /// Phone numbers (เบอร์โทรศัพท์).
        Phone = 1,
        /// E-mail addresses (อีเมล).
        Email = 2,
    }
}

words! {
    /// What a customer said about a channel.
    ConsentState {
        /// Not asked yet (ยังไม่ได้ระบุ).
        NotSet = 1,
        /// Yes (ยินยอม).
        Granted = 2,
        /// No (ไม่ยินยอม).
        Denied = 3,
    }
}

words! {
    /// Where in the CRM a change was made (the seed's four places, an import, a service).
    Surface {
        /// The page of a lead.
        Lead = 1,
        /// The contacts of a lead.
        LeadContacts = 2,
        /// The contacts of an account.
        AccountContacts = 3,
        /// The contacts menu.
        Contacts = 4,
        /// An import.
        Import = 5,
        /// A service.
        Api = 6,
    }
}

words! {
    /// Why a change was recorded.
    Cause {
        /// The contact was created.
        Created = 1,
        /// Somebody set the state.
        Set = 2,
        /// The customer said no.
        Withdrawn = 3,
        /// An address was added or changed in a granted channel.
        ContactPointChanged = 4,
        /// An import said so.
        Imported = 5,
        /// An address came back that a deleted contact had refused.
        RefusedAddress = 6,
        /// Two contacts became one.
        Merged = 7,
        /// A merge was undone.
        MergeUndone = 8,
        /// A grant ran out.
        Expired = 9,
        /// The contact was deleted.
        Deleted = 10,
        /// What identified the person was destroyed.
        Erased = 11,
    }
}

words! {
    /// How the customer told us.
    EvidenceMethod {
        /// A form.
        Form = 1,
        /// A call.
        Call = 2,
        /// An e-mail.
        Email = 3,
        /// A chat.
        Chat = 4,
        /// A paper.
        Paper = 5,
    }
}

words! {
    /// What a member may do in a business.
    Role {
        /// เจ้าของธุรกิจ; exactly one.
        Owner = 1,
        /// ผู้ดูแล.
        Admin = 2,
        /// ผู้ใช้.
        User = 3,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codes_are_for_ever() {
        let codes = |all: &[Cause]| all.iter().map(|c| c.code()).collect::<Vec<_>>();
        assert_eq!(codes(Cause::ALL), (1..=11).collect::<Vec<_>>());
        assert_eq!(ConsentState::from_code(3).unwrap(), ConsentState::Denied);
        assert!(ConsentState::from_code(0).is_err(), "zero is «the caller forgot», never a state");
        assert!(Surface::from_code(7).is_err());
    }
}
