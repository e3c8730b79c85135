//! What a contact is called, and what it is sorted and searched by.

use unicode_normalization::UnicodeNormalization;
use yinyom_kernel::{Fault, InvalidInput, Text, Violations, one_line};
use yinyom_privacy::Personal;

/// Most characters of a first name, a last name or an external id.
const MAX_CHARS: usize = 200;

/// A first name, a last name, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactName {
    first: Option<Personal>,
    last: Option<Personal>,
}

impl ContactName {
    /// Reads `first_name` and `last_name`: trimmed, one line each, at least one of them.
    pub fn read(first: &str, last: &str) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let (first, last) =
            (read(&mut wrong, "first_name", first), read(&mut wrong, "last_name", last));
        if wrong.is_empty() && first.is_none() && last.is_none() {
            wrong.push(
                "first_name",
                "REQUIRED",
                Text::new("or last_name is required.", "หรือ last_name ต้องระบุอย่างน้อยหนึ่งอย่าง"),
            );
        }
        wrong.finish(Some(Self { first, last }))
    }

    /// Reads one part alone, `first_name` or `last_name`, where the other one is not said.
    pub fn read_part(field: &str, text: &str) -> Result<Option<Personal>, InvalidInput> {
        let mut wrong = Violations::new();
        let part = read(&mut wrong, field, text);
        wrong.finish(Some(part))
    }

    /// What [`read`](Self::read) once gave and a store kept.
    pub const fn restore(first: Option<Personal>, last: Option<Personal>) -> Self {
        Self { first, last }
    }

    /// The first name.
    pub const fn first(&self) -> Option<&Personal> {
        self.first.as_ref()
    }

    /// The last name.
    pub const fn last(&self) -> Option<&Personal> {
        self.last.as_ref()
    }

    /// "first last".
    pub fn display(&self) -> Personal {
        let parts: Vec<_> =
            (self.first.iter().chain(&self.last)).map(|part| part.expose().as_str()).collect();
        Personal::new(parts.join(" "))
    }

    /// What contacts are sorted by, and searched by from the start.
    pub fn sort_key(&self) -> Personal {
        Personal::new(search_key(self.display().expose()))
    }

    /// What a search from the start of the last name compares with.
    pub fn last_key(&self) -> Option<Personal> {
        self.last.as_ref().map(|last| Personal::new(search_key(last.expose())))
    }
}

/// The business's own key of a contact. It may be a number that identifies a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(Personal);

impl ExternalId {
    /// Reads `external_id`; an empty one is none.
    pub fn read(text: &str) -> Result<Option<Self>, InvalidInput> {
        let mut wrong = Violations::new();
        let read = read(&mut wrong, "external_id", text).map(Self);
        wrong.finish(Some(read))
    }

    /// What [`read`](Self::read) once gave and a store kept.
    pub const fn restore(text: Personal) -> Self {
        Self(text)
    }

    /// The key.
    pub const fn text(&self) -> &Personal {
        &self.0
    }
}

fn read(wrong: &mut Violations, field: &str, text: &str) -> Option<Personal> {
    match one_line(field, text, MAX_CHARS) {
        Ok(text) => text.map(Personal::new),
        Err(invalid) => {
            for violation in invalid.violations() {
                wrong.push(field, violation.reason, violation.text.clone());
            }
            None
        }
    }
}

/// The form in which names are compared: composed (NFC), without case, with single spaces.
///
/// Letter by letter, so that the key of a name's start is the start of the name's key.
pub fn search_key(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Upper case first: ß and ss, ς and σ then meet.
    text.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn key(first: &str, last: &str) -> String {
        ContactName::read(first, last).unwrap().sort_key().into_inner()
    }

    fn wrong(first: &str, last: &str) -> Vec<(String, &'static str)> {
        let invalid = ContactName::read(first, last).unwrap_err();
        invalid.violations().iter().map(|v| (v.field.clone(), v.reason)).collect()
    }

    #[test]
    fn a_contact_has_a_first_or_a_last_name() {
        assert_eq!(wrong(" ", "\t"), [("first_name".to_owned(), "REQUIRED")]);
        let display = |first, last| ContactName::read(first, last).unwrap().display().into_inner();
        assert_eq!(display(" สมชาย ", ""), "สมชาย");
        assert_eq!(display("", "ใจดี"), "ใจดี");
        assert_eq!(display("สมชาย", "ใจดี"), "สมชาย ใจดี");
    }

    #[test]
    fn every_wrong_name_is_named_at_once() {
        let long = "ก".repeat(201);
        assert_eq!(
            wrong("a\u{0}b", &long),
            [("first_name".to_owned(), "CONTROL_CHARACTER"), ("last_name".to_owned(), "TOO_LONG")]
        );
        assert!(ContactName::read(&"ก".repeat(200), "").is_ok());
    }

    #[test]
    fn names_compare_without_case_composition_and_extra_spaces() {
        assert_eq!(key("JOSE\u{301}", "de  la   CRUZ"), key("José", "De La Cruz"));
        assert_eq!(key("Straße", ""), key("STRASSE", ""));
        assert!(key("กมล", "").as_str() < key("สมชาย", "").as_str());
        let name = ContactName::read("A", "De La Cruz").unwrap();
        assert_eq!(name.last_key().unwrap().expose(), "de la cruz");
    }

    #[test]
    fn an_external_id_is_checked_and_an_empty_one_is_none() {
        assert_eq!(ExternalId::read("  ").unwrap(), None);
        assert_eq!(ExternalId::read(" C-1 ").unwrap().unwrap().text().expose(), "C-1");
        assert!(ExternalId::read(&"x".repeat(201)).is_err());
        assert!(ExternalId::read("a\nb").is_err());
    }

    #[test]
    fn a_name_never_prints() {
        let name = ContactName::read("สมชาย", "ใจดี").unwrap();
        assert!(!format!("{name:?} {}", name.display()).contains("สมชาย"));
        assert!(!format!("{:?}", ExternalId::read("C-1").unwrap()).contains("C-1"));
    }

    proptest! {
        #[test]
        fn the_key_of_a_names_start_starts_the_names_key(name in "[a-zA-Zก-ฮßİς]{1,12}", cut in 0_usize..12) {
            let start: String = name.chars().take(cut).collect();
            prop_assert!(search_key(&name).starts_with(&search_key(&start)));
        }

        #[test]
        fn a_key_is_its_own_key(name in "\\PC{0,20}") {
            let once = search_key(&name);
            prop_assert_eq!(search_key(&once), once);
        }
    }
}
