//! Text for people, in the two languages that Yinyom speaks, and text from people, checked.

use crate::{InvalidInput, Violations};

/// A language that answers come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    Thai,
}

impl Language {
    /// The better of the two for an `accept-language` header (RFC 9110, 12.5.4).
    pub fn negotiate(header: Option<&str>) -> Self {
        let weight = |language: &str| {
            header
                .unwrap_or_default()
                .split(',')
                .filter_map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    let tag = parts.next()?;
                    let q = parts
                        .find_map(|p| p.strip_prefix("q=")?.parse::<f32>().ok())
                        .unwrap_or(1.0);
                    let primary = tag.split('-').next()?;
                    primary.eq_ignore_ascii_case(language).then_some(q)
                })
                .fold(0.0_f32, f32::max)
        };
        if weight("th") > weight("en") { Self::Thai } else { Self::English }
    }

    /// Its BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Thai => "th",
        }
    }
}

/// A sentence in both languages. Never holds personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    en: String,
    th: String,
}

impl Text {
    /// The same sentence twice.
    pub fn new(en: impl Into<String>, th: impl Into<String>) -> Self {
        Self { en: en.into(), th: th.into() }
    }

    /// In English.
    pub fn en(&self) -> &str {
        &self.en
    }

    /// In Thai.
    pub fn th(&self) -> &str {
        &self.th
    }

    /// In `language`.
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::English => &self.en,
            Language::Thai => &self.th,
        }
    }
}

/// One line that a person wrote: trimmed, without control characters, `max` characters at most.
/// An empty one is `None`.
pub fn one_line(field: &str, text: &str, max: usize) -> Result<Option<String>, InvalidInput> {
    check(field, text, max, char::is_control)
}

/// Like [`one_line`], but may have line breaks and tabs.
pub fn free_text(field: &str, text: &str, max: usize) -> Result<Option<String>, InvalidInput> {
    check(field, text, max, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// Zero-width spaces, byte order marks, and marks that turn the direction of writing. Not the joiners, which words
/// of some languages need.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{202A}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}'
    )
}

fn check(
    field: &str,
    text: &str,
    max: usize,
    forbidden: impl Fn(char) -> bool,
) -> Result<Option<String>, InvalidInput> {
    // Exports are full of them, and two texts that look alike should be alike.
    let text: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let text = text.trim();
    let mut wrong = Violations::new();
    if text.chars().any(forbidden) {
        wrong.push(
            field,
            "CONTROL_CHARACTER",
            Text::new("must not hold control characters.", "ต้องไม่มีอักขระควบคุม"),
        );
    }
    if text.chars().count() > max {
        wrong.push(
            field,
            "TOO_LONG",
            Text::new(
                format!("must have {max} characters at most."),
                format!("ต้องยาวไม่เกิน {max} ตัวอักษร"),
            ),
        );
    }
    wrong.finish(Some((!text.is_empty()).then(|| text.to_owned())))
}

#[cfg(test)]
mod invisible {
    use super::one_line;

    #[test]
    fn what_cannot_be_seen_is_neither_a_text_nor_part_of_one() {
        let read = |text| one_line("name", text, 10);
        assert_eq!(read("\u{200B}\u{FEFF}"), Ok(None));
        assert_eq!(read("\u{FEFF}สม\u{200B}ชาย\u{202E}"), Ok(Some("สมชาย".to_owned())));
        assert_eq!(read("a\u{200D}b"), Ok(Some("a\u{200D}b".to_owned())), "joiners stay");
    }
}
