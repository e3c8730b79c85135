//! What became of a row: as it is told, and as the request record keeps it.

use std::convert::Infallible;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use uuid::Uuid;
use yinyom_consent::ByChannel;
use yinyom_kernel::{ContactId, InvalidInput, Violations};

use super::Line;
use crate::commands::request::uuid_bytes;
use crate::domain::evidence::{is_future, refuse_future};
use crate::domain::import::{Kept, Word};
use crate::domain::points::{field_of, too_many};

/// What became of a row that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Became {
    /// A new contact.
    #[n(0)]
    Created,
    /// The contact, its links or its consent changed.
    #[n(1)]
    Updated,
    /// Everything was so already.
    #[n(2)]
    Unchanged,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowResult {
    Taken {
        became: Became,
        contact: ContactId,
        kept: ByChannel<Option<Kept>>,
    },
    /// Nothing of it was stored, but that a contact refuses.
    Rejected {
        wrong: InvalidInput,
        refuser: Option<ContactId>,
    },
}

/// What the request record keeps of a row. What is wrong with the row itself is not kept: whoever repeats the
/// request sends it again, and it is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Receipt {
    #[n(0)]
    Taken(#[n(0)] Taken),
    #[n(1)]
    Rejected(#[n(0)] Rejection),
}

/// A row that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Taken {
    #[n(0)]
    pub became: Became,
    #[n(1)]
    #[cbor(with = "uuid_bytes")]
    pub contact: Uuid,
    #[n(2)]
    pub phone_kept: Option<KeptWord>,
    #[n(3)]
    pub email_kept: Option<KeptWord>,
}

/// Why a word was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum KeptWord {
    #[n(0)]
    Denied,
    #[n(1)]
    Granted,
    #[n(2)]
    RefusedBefore,
}

/// What is wrong with a row that does not lie in the row alone, but in when it came and what it met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(array)]
pub struct Rejection {
    /// `consent_time` was in the future.
    #[n(0)]
    pub in_future: bool,
    /// The contact would have had too many phones.
    #[n(1)]
    pub too_many_phones: bool,
    /// The contact would have had too many e-mails.
    #[n(2)]
    pub too_many_emails: bool,
    /// Whose refusal was recorded all the same.
    #[n(3)]
    pub refuser: Option<minicbor::bytes::ByteArray<16>>,
}

impl Receipt {
    /// The receipt of a row that was taken.
    pub fn taken(became: Became, contact: ContactId, words: ByChannel<Word>) -> Self {
        let kept = words.map(|_, word| match word {
            Word::Kept(Kept::Denied) => Some(KeptWord::Denied),
            Word::Kept(Kept::Granted) => Some(KeptWord::Granted),
            Word::Kept(Kept::RefusedBefore) => Some(KeptWord::RefusedBefore),
            Word::Taken | Word::Nothing => None,
        });
        let (phone_kept, email_kept) = (kept.phone, kept.email);
        Self::Taken(Taken { became, contact: contact.uuid(), phone_kept, email_kept })
    }

    /// What is told; `wrong` is what lies in the row alone.
    pub fn result(self, wrong: Option<InvalidInput>) -> RowResult {
        match self {
            Self::Taken(Taken { became, contact, phone_kept, email_kept }) => {
                let kept = ByChannel { phone: phone_kept, email: email_kept };
                let kept = kept.map(|_, kept| kept.map(Kept::from));
                RowResult::Taken { became, contact: contact.into(), kept }
            }
            Self::Rejected(rejection) => {
                let refuser = rejection.refuser.map(|id| Uuid::from_bytes(*id).into());
                RowResult::Rejected { wrong: rejection.with(wrong), refuser }
            }
        }
    }

    /// What is told to who sends the same row again.
    pub fn again(self, line: Line) -> RowResult {
        self.result(line.person.err())
    }
}

impl From<KeptWord> for Kept {
    fn from(kept: KeptWord) -> Self {
        match kept {
            KeptWord::Denied => Self::Denied,
            KeptWord::Granted => Self::Granted,
            KeptWord::RefusedBefore => Self::RefusedBefore,
        }
    }
}

impl Rejection {
    /// What is wrong with the time that a row claims.
    pub fn of_time(said_at: Option<Timestamp>, now: Timestamp) -> Self {
        let in_future = said_at.is_some_and(|at| is_future(at, now));
        Self { in_future, ..Self::default() }
    }

    /// What is wrong with as many addresses as that.
    pub const fn of_number(too_many: ByChannel<bool>) -> Self {
        let (too_many_phones, too_many_emails) = (too_many.phone, too_many.email);
        Self { in_future: false, too_many_phones, too_many_emails, refuser: None }
    }

    /// The same of a row whose refusal was recorded.
    pub fn of_refuser(self, contact: ContactId) -> Self {
        Self { refuser: Some(contact.uuid().into_bytes().into()), ..self }
    }

    /// Everything that is wrong, with what lies in the row alone.
    pub(super) fn with(self, wrong: Option<InvalidInput>) -> InvalidInput {
        let mut all = Violations::new();
        if let Some(wrong) = wrong {
            all.merge::<Infallible>(Err(wrong));
        }
        if self.in_future {
            refuse_future(&mut all, "consent_time");
        }
        let full = ByChannel { phone: self.too_many_phones, email: self.too_many_emails };
        for (channel, _) in full.iter().filter(|(_, full)| **full) {
            too_many(&mut all, field_of(channel));
        }
        let Err(wrong) = all.finish::<Infallible>(None);
        wrong
    }
}
