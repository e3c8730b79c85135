//! Everything that keeps a customer's phone numbers and e-mail addresses from leaking.
//!
//! - [`Personal`] holds what identifies a person; it prints as `[personal]`, and every place that
//!   looks inside can be found by searching for `expose`.
//! - [`Phone`] and [`Email`] read what people type into one canonical spelling; [`holds_address`]
//!   finds an address that somebody hid in a note; [`PHONE_MASK`] and [`EMAIL_MASK`] are what is
//!   shown instead of an address.
//! - [`MasterKeys`], which this process holds or a [`Kms`] keeps, wrap the [`DataKey`] of a business or contact, a
//!   [`DataKey`] seals values, a [`BlindIndexKey`] makes sealed values searchable by equality, a [`TokenSealer`]
//!   seals page tokens.
//!
//! Who may see what is not decided here: that is the directory's `decide`. Nothing here knows a
//! database, a transport or consent.

mod address;
mod characters;
mod digest;
mod email;
mod finder;
mod key;
mod kms;
mod mask;
mod master;
mod personal;
mod phone;
mod token;

pub use address::{Address, AddressError};
pub use digest::BlindIndexKey;
pub use email::Email;
pub use finder::holds_address;
pub use key::{DataKey, OpenError, context};
pub use kms::{Answer, Envelope, Kms, KmsError, WrapError};
pub use mask::{EMAIL_MASK, PHONE_MASK, holds_mask};
pub use master::{KeyError, KeyId, MasterKey, MasterKeys};
pub use personal::Personal;
pub use phone::Phone;
pub use token::{InvalidPageToken, TokenSealer};
