//! E-mail addresses: what people type, read into one spelling.

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::address::clean;
use crate::{AddressError, Personal};

/// The most octets in an address that SMTP carries (RFC 5321, 4.5.3.1.3, with erratum 1690 to RFC
/// 3696).
const MAX_BYTES: usize = 254;

/// An e-mail address, in lower case and composed (NFC).
///
/// RFC 5321 lets the part before the `@` differ by case; no provider that people use does, and the
/// exports of a business differ in nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(Personal);

impl Email {
    /// Reads one address, Thai ones (RFC 6531) too.
    ///
    /// Refused: display names, quoted local parts, domains that are bare hosts or IP addresses, more
    /// than 254 bytes.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = clean(text)?;
        if text.len() > MAX_BYTES {
            return Err(AddressError::TooLong(MAX_BYTES));
        }
        let canonical = Personal::new(lower_case(&text));
        if canonical.expose().len() > MAX_BYTES {
            return Err(AddressError::TooLong(MAX_BYTES));
        }
        if is_address(canonical.expose()) {
            Ok(Self(canonical))
        } else {
            Err(AddressError::InvalidEmail)
        }
    }

    /// An address that [`parse`](Self::parse) once gave and a store kept. It is not checked again.
    pub const fn restore(canonical: Personal) -> Self {
        Self(canonical)
    }

    /// The canonical spelling, in its box.
    pub const fn canonical(&self) -> &Personal {
        &self.0
    }

    /// The canonical spelling.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Character by character: `str::to_lowercase` spells a Greek sigma by its place in the word, and one
/// address would become two.
fn lower_case(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            // The full-width forms that East Asian keyboards give.
            '\u{FF01}'..='\u{FF5E}' => {
                char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            other => other,
        })
        .flat_map(char::to_lowercase)
        .nfc()
        .collect()
}

fn is_address(text: &str) -> bool {
    let Some((_, domain)) = text.rsplit_once('@') else { return false };
    let options = Options::default()
        .without_display_text()
        .without_domain_literal()
        .with_minimum_sub_domains(2);
    // Anything may stand in quotes; nobody's address has them.
    !text.contains('"')
        && domain.split('.').all(is_label)
        && !domain.rsplit('.').next().is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit()))
        && latin(text)
            .is_some_and(|l| EmailAddress::parse_with_options(l.expose(), options).is_ok())
}

/// Whether `label` may stand between the dots of a domain.
fn is_label(label: &str) -> bool {
    label.starts_with(char::is_alphanumeric)
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || is_letter(c))
}

/// `text` of the same length in bytes with an `x` for each letter beyond ASCII, `None` if it holds
/// anything else from there. The crate judges ASCII well, but refuses Thai vowel signs.
fn latin(text: &str) -> Option<Personal> {
    let mut latin = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => latin.push(c),
            c if is_letter(c) => latin.extend(std::iter::repeat_n('x', c.len_utf8())),
            _ => return None,
        }
    }
    Some(Personal::new(latin))
}

/// A letter, digit or vowel sign beyond ASCII.
fn is_letter(c: char) -> bool {
    !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c))
}
