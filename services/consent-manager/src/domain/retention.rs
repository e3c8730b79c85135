//! How long what is kept, what holds it up, and which requests of persons were refused.

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::Actor;
use yinyom_kernel::{ContactId, InvalidInput, MemberId, RequestId, Text, Violations, free_text};
use yinyom_privacy::holds_address;

/// Most characters of a reason in words.
const MAX_TEXT: usize = 500;

/// How long the content of changes is kept after the erasure of their contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPeriod {
    days: i32,
}

impl RetentionPeriod {
    /// Ten years: as long as a claim can be made, as a rule (Civil and Commercial Code, s.193/30).
    pub const DEFAULT: Self = Self { days: 3_650 };
    /// A year: the shortest period in which a breach may be claimed after it became known (s.448).
    pub const SHORTEST: i32 = 365;
    pub const LONGEST: i32 = 36_500;

    /// So many days.
    pub fn read(field: &str, days: i32) -> Result<Self, InvalidInput> {
        if (Self::SHORTEST..=Self::LONGEST).contains(&days) {
            return Ok(Self { days });
        }
        let (least, most) = (Self::SHORTEST, Self::LONGEST);
        let text = Text::new(
            format!("must be from {least} to {most} days."),
            format!("ต้องอยู่ระหว่าง {least} ถึง {most} วัน"),
        );
        Err(InvalidInput::one(field, "OUT_OF_RANGE", text))
    }

    /// As it is stored.
    pub const fn days(self) -> i32 {
        self.days
    }

    /// From storage; what does not fit is the longest.
    pub fn restore(days: i32) -> Self {
        let fits = (Self::SHORTEST..=Self::LONGEST).contains(&days);
        Self { days: if fits { days } else { Self::LONGEST } }
    }

    /// In microseconds.
    pub fn micros(self) -> i64 {
        i64::from(self.days) * 24 * 60 * 60 * 1_000_000
    }
}

/// The period of a business, and who set it; nobody set the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub period: RetentionPeriod,
    pub set: Option<(Timestamp, MemberId)>,
}

/// A legal hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its place in the business's list.
    pub number: i64,
    pub id: Uuid,
    /// `None` is the whole business.
    pub contact: Option<ContactId>,
    pub reason: String,
    pub set_at: Timestamp,
    pub actor: MemberId,
    pub released: Option<(Timestamp, MemberId)>,
}

/// A legal hold that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    pub contact: Option<ContactId>,
    pub reason: String,
    pub request: RequestId,
}

/// A contact of which the ledger was told that it is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub contact: ContactId,
    /// Of the change that says so.
    pub seq: i64,
    pub at: Timestamp,
}

/// An erased contact, and what has been destroyed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    pub contact: ContactId,
    /// Of the change that says so.
    pub seq: i64,
    pub at: Timestamp,
    pub evidence_destroyed_at: Option<Timestamp>,
    pub content_destroyed_at: Option<Timestamp>,
    pub held: bool,
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($word:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($word = $code),+
        }

        impl $name {
            /// Its number, in stores and messages, for ever.
            pub const fn code(self) -> i32 {
                self as i32
            }

            /// The other way round.
            pub const fn from_code(code: i32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$word),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// What a person asked for (PDPA s.30 to s.36).
    RequestKind {
        Access = 1,
        Portability = 2,
        Objection = 3,
        Erasure = 4,
        Restriction = 5,
        Rectification = 6,
    }
}

codes! {
    /// Why it was refused.
    RefusalReason {
        LegalObligation = 1,
        LegalClaim = 2,
        RightsOfOthers = 3,
        IdentityNotShown = 4,
        Unfounded = 5,
        NotHeld = 6,
        Other = 7,
    }
}

/// A refused request, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefused {
    pub kind: RequestKind,
    pub contact: ContactId,
    pub reason: RefusalReason,
    pub text: Option<String>,
    pub request: RequestId,
}

/// A refused request, as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRequest {
    /// Its place in the business's list.
    pub number: i64,
    pub id: Uuid,
    pub kind: RequestKind,
    pub contact: ContactId,
    pub reason: RefusalReason,
    pub text: Option<String>,
    pub recorded_at: Timestamp,
    pub actor: Actor,
}

/// Reads a reason in words. It is kept in the clear and for long, so it holds no address.
pub fn read_words(field: &str, text: &str) -> Result<Option<String>, InvalidInput> {
    let words = free_text(field, text, MAX_TEXT)?;
    let mut wrong = Violations::new();
    if words.as_deref().is_some_and(holds_address) {
        wrong.push(
            field,
            "HOLDS_ADDRESS",
            Text::new(
                "must not hold a phone number or an e-mail address.",
                "ต้องไม่มีเบอร์โทรศัพท์หรืออีเมล",
            ),
        );
    }
    wrong.finish(Some(words))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use yinyom_kernel::Fault;

    use super::*;

    #[test]
    fn a_period_has_a_floor_and_a_ceiling() {
        for days in [365, 3_650, 36_500] {
            assert_eq!(RetentionPeriod::read("days", days).unwrap().days(), days);
        }
        for days in [i32::MIN, -1, 0, 364, 36_501, i32::MAX] {
            let wrong = RetentionPeriod::read("days", days).unwrap_err();
            assert_eq!(wrong.violations()[0].reason, "OUT_OF_RANGE", "{days}");
        }
    }

    #[test]
    fn a_period_that_cannot_be_read_destroys_nothing_early() {
        assert_eq!(RetentionPeriod::restore(0).days(), RetentionPeriod::LONGEST);
        assert_eq!(RetentionPeriod::restore(400).days(), 400);
    }

    #[test]
    fn words_hold_no_address() {
        assert_eq!(
            read_words("reason", "คดีหมายเลขดำที่ พ 123/2569").unwrap().unwrap(),
            "คดีหมายเลขดำที่ พ 123/2569"
        );
        for text in ["โทร 081-234-5678", "write to one@example.com"] {
            assert_eq!(
                read_words("reason", text).unwrap_err().violations()[0].reason,
                "HOLDS_ADDRESS"
            );
        }
        assert_eq!(read_words("reason", "  ").unwrap(), None);
    }

    #[test]
    fn codes_are_for_ever() {
        for code in 1..=6 {
            assert_eq!(RequestKind::from_code(code).map(RequestKind::code), Some(code));
        }
        for code in 1..=7 {
            assert_eq!(RefusalReason::from_code(code).map(RefusalReason::code), Some(code));
        }
        assert_eq!((RequestKind::from_code(0), RefusalReason::from_code(0)), (None, None));
    }
}
