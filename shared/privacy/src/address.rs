//! An address of a contact point, and why a text is none.

use unicode_normalization::UnicodeNormalization;
use yinyom_kernel::{Code, Fault, Text};

use crate::characters::is_invisible;
use crate::{BlindIndexKey, EMAIL_MASK, Email, PHONE_MASK, Personal, Phone, holds_mask};

/// A phone number or an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    Phone(Phone),
    Email(Email),
}

impl Address {
    /// The one spelling that is stored, compared and indexed.
    pub const fn canonical(&self) -> &Personal {
        match self {
            Self::Phone(phone) => phone.canonical(),
            Self::Email(email) => email.canonical(),
        }
    }

    /// What is shown to those who may not see it; tells nothing of it but its kind.
    pub const fn mask(&self) -> &'static str {
        match self {
            Self::Phone(_) => PHONE_MASK,
            Self::Email(_) => EMAIL_MASK,
        }
    }

    /// Where it stands in the business's blind index.
    pub fn index(&self, key: &BlindIndexKey) -> [u8; 32] {
        let field = match self {
            Self::Phone(_) => "phone",
            Self::Email(_) => "email",
        };
        key.index(field, self.canonical().expose())
    }
}

impl From<Phone> for Address {
    fn from(phone: Phone) -> Self {
        Self::Phone(phone)
    }
}

impl From<Email> for Address {
    fn from(email: Email) -> Self {
        Self::Email(email)
    }
}

/// Why a text is not an address. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("empty")]
    Empty,
    #[error("longer than {0} characters")]
    TooLong(usize),
    #[error("holds a control character")]
    ControlCharacter,
    #[error("holds a mask")]
    MaskedValue,
    #[error("not a phone number")]
    InvalidPhone,
    #[error("a phone number with an extension")]
    PhoneExtension,
    #[error("not an e-mail address")]
    InvalidEmail,
}

impl Fault for AddressError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::TooLong(_) => "TOO_LONG",
            Self::ControlCharacter => "CONTROL_CHARACTER",
            Self::MaskedValue => "MASKED_VALUE",
            Self::InvalidPhone => "INVALID_PHONE",
            Self::PhoneExtension => "PHONE_EXTENSION",
            Self::InvalidEmail => "INVALID_EMAIL",
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::Empty => Text::new("must not be empty.", "ต้องไม่เว้นว่าง"),
            Self::TooLong(max) => Text::new(
                format!("must have {max} characters at most."),
                format!("ต้องยาวไม่เกิน {max} ตัวอักษร"),
            ),
            Self::ControlCharacter => {
                Text::new("must not hold control characters.", "ต้องไม่มีอักขระควบคุม")
            }
            Self::MaskedValue => Text::new(
                "is a mask, not the value that it hides; masks are never written back.",
                "เป็นค่าที่ถูกปิดบังไว้ ไม่ใช่ข้อมูลจริง จึงบันทึกกลับไม่ได้",
            ),
            Self::InvalidPhone => Text::new(
                "must be a phone number, Thai or with + and its country code.",
                "ต้องเป็นเบอร์โทรศัพท์ไทย หรือเบอร์ที่ขึ้นต้นด้วย + และรหัสประเทศ",
            ),
            Self::PhoneExtension => Text::new(
                "must be a phone number without an extension.",
                "ต้องเป็นเบอร์โทรศัพท์ที่ไม่มีเบอร์ต่อภายใน",
            ),
            Self::InvalidEmail => Text::new(
                "must be an e-mail address such as name@example.com.",
                "ต้องเป็นอีเมล เช่น name@example.com",
            ),
        }
    }
}

/// What both kinds of address ask of a text first: its visible part, composed (NFC), trimmed.
pub(crate) fn clean(text: &str) -> Result<String, AddressError> {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).nfc().collect();
    let visible = visible.trim();
    if visible.is_empty() {
        Err(AddressError::Empty)
    } else if visible.chars().any(char::is_control) {
        Err(AddressError::ControlCharacter)
    } else if holds_mask(visible) {
        Err(AddressError::MaskedValue)
    } else {
        Ok(visible.to_owned())
    }
}
