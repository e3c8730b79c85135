//! Words of consent, as exports of Thai and English CRMs write them.
//!
//! Only words that can mean one thing are taken. `อาจจะ` (maybe) or a bare `0` is not read as a
//! refusal nor as silence: the row is rejected, and a person decides.

use yinyom_kernel::Text;
use yinyom_proto::types::v1::ConsentState;

use super::text::fold;

const GRANTED: [&str; 9] = [
    "granted",
    "grant",
    "yes",
    "y",
    "consented",
    "consentgiven",
    "ยินยอม",
    "ให้ความยินยอม",
    "ยินยอมให้ใช้ข้อมูล",
];

const DENIED: [&str; 12] = [
    "denied",
    "deny",
    "no",
    "n",
    "refused",
    "withdrawn",
    "consentdenied",
    "ไม่ยินยอม",
    "ไม่ให้ความยินยอม",
    "ปฏิเสธ",
    "ถอนความยินยอม",
    "ไม่ยินยอมให้ใช้ข้อมูล",
];

const NOT_SET: [&str; 8] = [
    "notset",
    "unset",
    "notasked",
    "unspecified",
    "notspecified",
    "ยังไม่ได้ระบุ",
    "ยังไม่ระบุ",
    "ไม่ได้ระบุ",
];

/// The cell holds a word that is none of those that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownWord;

impl UnknownWord {
    /// What a person reads.
    pub fn text() -> Text {
        Text::new(
            "must be granted, denied or not set (yes, no, ยินยอม, ไม่ยินยอม, ยังไม่ได้ระบุ), or empty.",
            "ต้องเป็น ยินยอม ไม่ยินยอม หรือ ยังไม่ได้ระบุ (granted, denied, not set, yes, no) หรือเว้นว่าง",
        )
    }
}

/// What a cell says. An empty one says nothing, which is not "not set".
pub fn consent(cell: &str) -> Result<Option<ConsentState>, UnknownWord> {
    let word: String = fold(cell)
        .chars()
        .filter(|c| !(c.is_whitespace() || matches!(c, '_' | '-' | '.')))
        .collect();
    if fold(cell).is_empty() {
        return Ok(None);
    }
    // Folded like the cell, so that it does not matter how this file spells สระอำ.
    let among = |words: &[&str]| words.iter().any(|known| fold(known) == word);
    if among(&GRANTED) {
        Ok(Some(ConsentState::Granted))
    } else if among(&DENIED) {
        Ok(Some(ConsentState::Denied))
    } else if among(&NOT_SET) {
        Ok(Some(ConsentState::NotSet))
    } else {
        Err(UnknownWord)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_words_of_both_languages_are_known() {
        for (state, cells) in [
            (ConsentState::Granted, ["ยินยอม", "Yes", "GRANTED", " granted "]),
            (ConsentState::Denied, ["ไม่ยินยอม", "No", "DENIED", "ไม่ ยินยอม"]),
            (ConsentState::NotSet, ["ยังไม่ได้ระบุ", "not set", "NOT_SET", "Not-Set"]),
        ] {
            for cell in cells {
                assert_eq!(consent(cell), Ok(Some(state)), "{cell}");
            }
        }
    }

    #[test]
    fn silence_is_not_not_set() {
        for cell in ["", "   ", "\u{200B}", "\u{00A0}"] {
            assert_eq!(consent(cell), Ok(None));
        }
    }

    #[test]
    fn a_doubtful_word_is_no_consent_and_no_refusal() {
        for cell in
            ["อาจจะ", "maybe", "0", "1", "true", "FALSE", "-", "?", "ไม่", "yes/no", "ไม่ยินยอม?"]
        {
            assert_eq!(consent(cell), Err(UnknownWord), "{cell}");
        }
    }

    #[test]
    fn no_word_is_in_two_lists() {
        let all: Vec<&str> = [&GRANTED[..], &DENIED, &NOT_SET].concat();
        for (at, word) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(word), "{word}");
        }
    }

    proptest! {
        #[test]
        fn a_text_with_a_no_in_it_is_never_a_yes(
            before in "[a-zก-๙ ]{0,6}",
            no in prop::sample::select(vec!["ไม่", "ไม่ยินยอม", "not ", "ปฏิเสธ"]),
            after in "[a-zก-๙ ]{0,12}",
        ) {
            let said = consent(&format!("{before}{no}{after}"));
            prop_assert_ne!(said, Ok(Some(ConsentState::Granted)));
        }

        #[test]
        fn no_cell_panics(cell in any::<String>()) {
            let _ = consent(&cell);
        }
    }
}
