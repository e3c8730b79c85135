//! Resource names (AIP-122): `businesses/{business}/contacts/{contact}`.

use std::str::FromStr;

use crate::{BusinessId, Code, Fault, InvalidId, Text};

/// A name that does not have the shape of its collection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a name of the form {pattern}")]
pub struct NameError {
    pattern: String,
}

impl Fault for NameError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "INVALID_NAME"
    }

    fn text(&self) -> Text {
        Text::new(
            format!("must be a name of the form {}.", self.pattern),
            format!("ต้องเป็นชื่อในรูปแบบ {}", self.pattern),
        )
    }
}

/// Reads and writes the names of one collection in a business.
///
/// ```
/// use yinyom_kernel::{BusinessId, ContactId, Name};
///
/// const CONTACTS: Name = Name::of("contacts");
/// let (business, contact) = (BusinessId::generate(), ContactId::generate());
/// let name = CONTACTS.format(business, contact);
/// assert_eq!(CONTACTS.parse::<ContactId>(&name), Ok((business, contact)));
/// assert!(CONTACTS.parse::<ContactId>("businesses/x/contacts/y").is_err());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Name {
    collection: &'static str,
}

impl Name {
    /// The names of `collection`.
    pub const fn of(collection: &'static str) -> Self {
        Self { collection }
    }

    /// `businesses/{business}/{collection}/{id}`.
    pub fn format(self, business: BusinessId, id: impl std::fmt::Display) -> String {
        format!("businesses/{business}/{}/{id}", self.collection)
    }

    /// The two ids of a name.
    pub fn parse<T: FromStr<Err = InvalidId>>(
        self,
        name: &str,
    ) -> Result<(BusinessId, T), NameError> {
        self.split(name).ok_or_else(|| NameError {
            pattern: format!("businesses/{{uuid}}/{}/{{uuid}}", self.collection),
        })
    }

    fn split<T: FromStr<Err = InvalidId>>(self, name: &str) -> Option<(BusinessId, T)> {
        let (business, rest) = name.strip_prefix("businesses/")?.split_once('/')?;
        let id = rest.strip_prefix(self.collection)?.strip_prefix('/')?;
        Some((business.parse().ok()?, id.parse().ok()?))
    }

    /// `businesses/{business}`.
    pub fn format_business(business: BusinessId) -> String {
        format!("businesses/{business}")
    }

    /// The id of `businesses/{business}`.
    pub fn parse_business(name: &str) -> Result<BusinessId, NameError> {
        name.strip_prefix("businesses/")
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| NameError { pattern: "businesses/{uuid}".to_owned() })
    }

    /// `businesses/{business}/{collection}`, for a singleton such as a business's settings.
    pub fn format_singleton(self, business: BusinessId) -> String {
        format!("businesses/{business}/{}", self.collection)
    }

    /// The business of a singleton's name.
    pub fn parse_singleton(self, name: &str) -> Result<BusinessId, NameError> {
        name.strip_prefix("businesses/")
            .and_then(|rest| rest.split_once('/'))
            .filter(|(_, collection)| *collection == self.collection)
            .and_then(|(business, _)| business.parse().ok())
            .ok_or_else(|| NameError {
                pattern: format!("businesses/{{uuid}}/{}", self.collection),
            })
    }
}
