//! Phone numbers: what people type, read into E.164.
//!
//! What a number may look like is decided here, strictly; which numbers exist is libphonenumber's
//! knowledge. Its own reading of free text is not used: it finds the `2` in "โทร 2 เดือนหน้า".

use std::sync::LazyLock;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};
use unicode_normalization::UnicodeNormalization;

use crate::address::clean;
use crate::characters::{ascii_digit, is_dash};
use crate::{AddressError, Personal};

/// The most characters that a phone number is typed in.
const MAX_CHARS: usize = 32;

/// A valid phone number, kept as E.164 (`+66812345678`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phone(Personal);

impl Phone {
    /// Reads a number as people in Thailand type it: digits of any script, grouped by spaces,
    /// hyphens, dots or brackets; `0…`, `66…`, or any country's after `+` or `00`.
    ///
    /// Refused: letters, extensions, two numbers in one text, more than 32 characters, and numbers
    /// that no operator of their country gives out.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = clean(text)?;
        if text.chars().count() > MAX_CHARS {
            return Err(AddressError::TooLong(MAX_CHARS));
        }
        let Dialled { international, digits } = Dialled::read(&text)?;
        e164(international, &digits).map(Self).ok_or(AddressError::InvalidPhone)
    }

    /// A number that [`parse`](Self::parse) once gave and a store kept. It is not checked again:
    /// numbering plans change, and a number that was taken must stay readable.
    pub const fn restore(canonical: Personal) -> Self {
        Self(canonical)
    }

    /// E.164, in its box.
    pub const fn canonical(&self) -> &Personal {
        &self.0
    }

    /// E.164.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Loads the numbering plans, some milliseconds, so that the first caller does not wait.
    pub fn warm_up() {
        LazyLock::force(&PHONE_NUMBER_UTIL);
        let _ = e164(false, "0812345678");
    }
}

/// What is left of a typed number without its punctuation.
struct Dialled {
    international: bool,
    digits: String,
}

impl Dialled {
    fn read(text: &str) -> Result<Self, AddressError> {
        let mut dialled = Self { international: false, digits: String::new() };
        let text: String = text.nfkc().collect();
        for (at, c) in text.char_indices() {
            if let Some(digit) = ascii_digit(c) {
                dialled.digits.push(digit);
            } else if c == '+' && dialled.digits.is_empty() && !dialled.international {
                dialled.international = true;
            } else if !(c.is_whitespace() || is_dash(c) || matches!(c, '.' | '(' | ')')) {
                let rest = text.get(at..).unwrap_or_default();
                return Err(if dialled.digits.len() >= 6 && is_extension(rest) {
                    AddressError::PhoneExtension
                } else {
                    AddressError::InvalidPhone
                });
            }
        }
        Ok(dialled)
    }
}

/// Whether `rest`, what follows a number, names an extension and not, say, a second number.
fn is_extension(rest: &str) -> bool {
    let rest = rest.to_lowercase();
    let rest = rest.trim_start_matches([',', ';', ' ']);
    ["ext", "x", "#", "ต่อ", "เบอร์ต่อ"].iter().any(|marker| rest.starts_with(marker))
        && rest.chars().any(|c| ascii_digit(c).is_some())
}

/// `digits` as E.164, if that is a valid number: of the world if `international` or after `00`,
/// else of Thailand.
///
/// `00` is read as the `+` that ITU-T E.164 means by it. libphonenumber would take the digit that
/// follows for a part of a Thai carrier's prefix (`001` to `009`), and so read `0066…` as `6…`.
pub(crate) fn e164(international: bool, digits: &str) -> Option<Personal> {
    // A country code has no leading zero, and no number is longer than 15 digits; two more leave
    // room for `00` and for a trunk zero, as in +66 (0) 81.
    if digits.len() > 17 {
        return None;
    }
    let (international, digits) = match digits.strip_prefix("00") {
        Some(rest) if !international => (true, rest),
        _ => (international, digits),
    };
    let dialled =
        Personal::new(if international { format!("+{digits}") } else { digits.to_owned() });
    let number = PHONE_NUMBER_UTIL.parse(dialled.expose(), Some(Region::TH)).ok()?;
    if number.extension.is_some() || !number.is_valid() {
        return None;
    }
    Some(Personal::new(number.format_as(PhoneNumberFormat::E164).into_owned()))
}
