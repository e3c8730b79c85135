//! What a change of consent rests on (PRODUCT.md, "Evidence").
//!
//! Sealing it under the contact's key is `yinyom_consent::seal_evidence`.

use jiff::{SignedDuration, Timestamp};
use yinyom_consent::{EvidenceMethod, PersonalEvidence};
use yinyom_kernel::{Fault, InvalidInput, Text, Violations, free_text, from_micros, one_line};
use yinyom_privacy::{Personal, holds_address};

/// Most characters of a notice version.
const MAX_NOTICE_VERSION: usize = 64;
/// Most characters of a reference.
const MAX_REFERENCE: usize = 200;
/// Most characters of a note.
const MAX_NOTE: usize = 2_000;
/// How far a caller's clock may be ahead of ours.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What a client says that a change rests on. An empty text is none. Not `Debug`: it is not yet known to
/// be free of addresses.
#[derive(Clone, Copy, Default)]
pub struct EvidenceInput<'a> {
    pub method: Option<EvidenceMethod>,
    pub notice_version: &'a str,
    pub reference: &'a str,
    pub note: &'a str,
    pub claimed_at: Option<Timestamp>,
}

/// What a change rests on; every part is optional, for every state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    pub method: Option<EvidenceMethod>,
    pub notice_version: Option<String>,
    /// What may identify the customer.
    pub personal: PersonalEvidence,
    /// When the customer said so, as the caller claims. Orders nothing (TRAPS 11).
    pub claimed_at: Option<Timestamp>,
}

impl Evidence {
    /// Reads evidence. Whether the time that it claims is yet to come is told by [`is_future`].
    pub fn read(input: &EvidenceInput<'_>) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let notice_version =
            read(&mut wrong, "notice_version", input.notice_version, MAX_NOTICE_VERSION, one_line);
        let reference = read(&mut wrong, "reference", input.reference, MAX_REFERENCE, one_line);
        let note = read(&mut wrong, "note", input.note, MAX_NOTE, free_text);
        let claimed_at = input.claimed_at.map(|at| from_micros(at.as_microsecond()));
        wrong.finish(Some(Self {
            method: input.method,
            notice_version,
            personal: PersonalEvidence {
                reference: reference.map(Personal::new),
                note: note.map(Personal::new),
            },
            claimed_at,
        }))
    }
}

/// Whether a caller claims a time that is not yet, whichever clock is right.
pub fn is_future(claimed_at: Timestamp, now: Timestamp) -> bool {
    claimed_at.duration_since(now) > CLOCK_TOLERANCE
}

/// Notes a field with a time that is not yet.
pub fn refuse_future(wrong: &mut Violations, field: &str) {
    let text = Text::new("must not be in the future.", "ต้องไม่เป็นเวลาในอนาคต");
    wrong.push(field, "IN_FUTURE", text);
}

type Reader = fn(&str, &str, usize) -> Result<Option<String>, InvalidInput>;

/// Reads one text. The notice version stands in the ledger in the clear and for ever, so it holds no address
/// either.
fn read(
    wrong: &mut Violations,
    field: &str,
    text: &str,
    max: usize,
    reader: Reader,
) -> Option<String> {
    let read = reader(field, text, max);
    if let Err(invalid) = &read {
        for violation in invalid.violations() {
            wrong.push(field, violation.reason, violation.text.clone());
        }
    }
    // One that is too long to be kept is not searched either: a search costs time.
    let text = read.ok().flatten()?;
    if holds_address(&text) {
        wrong.push(
            field,
            "HOLDS_ADDRESS",
            Text::new(
                "must not hold a phone number or an e-mail address.",
                "ต้องไม่มีเบอร์โทรศัพท์หรืออีเมล",
            ),
        );
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn wrong(input: &EvidenceInput<'_>) -> Vec<(String, &'static str)> {
        let invalid = Evidence::read(input).unwrap_err();
        invalid.violations().iter().map(|v| (v.field.clone(), v.reason)).collect()
    }

    #[test]
    fn every_part_is_optional() {
        assert_eq!(Evidence::read(&EvidenceInput::default()).unwrap(), Evidence::default());
        let note = EvidenceInput { note: "  said so\nat the counter ", ..EvidenceInput::default() };
        let read = Evidence::read(&note).unwrap();
        assert_eq!(read.personal.note, Some(Personal::from("said so\nat the counter")));
    }

    #[test]
    fn an_address_is_refused_wherever_it_is_hidden() {
        for text in ["โทร 081-234-5678", "๐๘๑๒๓๔๕๖๗๘", "ask somchai@example.com"]
        {
            let input = EvidenceInput {
                notice_version: text,
                reference: text,
                note: text,
                ..EvidenceInput::default()
            };
            let fields = ["notice_version", "reference", "note"];
            assert_eq!(wrong(&input), fields.map(|f| (f.to_owned(), "HOLDS_ADDRESS")), "{text}");
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once_and_none_is_repeated_back() {
        let (version, reference) = ("v".repeat(65), format!("{}\u{7}", "r".repeat(201)));
        let input = EvidenceInput {
            method: None,
            notice_version: &version,
            reference: &reference,
            note: "call 0812345678",
            claimed_at: None,
        };
        let expected = [
            ("notice_version", "TOO_LONG"),
            ("reference", "CONTROL_CHARACTER"),
            ("reference", "TOO_LONG"),
            ("note", "HOLDS_ADDRESS"),
        ];
        assert_eq!(wrong(&input), expected.map(|(f, r)| (f.to_owned(), r)));
        let said = format!("{:?}", Evidence::read(&input).unwrap_err());
        assert!(!said.contains("0812345678") && !said.contains("rrr"));
    }

    #[test]
    fn the_longest_texts_are_taken_and_a_reference_is_one_line() {
        let (version, reference, note) = ("ก".repeat(64), "ก".repeat(200), "ก".repeat(2_000));
        let longest = EvidenceInput {
            notice_version: &version,
            reference: &reference,
            note: &note,
            ..EvidenceInput::default()
        };
        assert!(Evidence::read(&longest).is_ok());
        let two_lines = EvidenceInput { reference: "a\nb", ..EvidenceInput::default() };
        assert_eq!(wrong(&two_lines), [("reference".to_owned(), "CONTROL_CHARACTER")]);
    }

    #[test]
    fn a_claimed_time_may_be_long_ago_and_a_little_ahead() {
        for claimed in [SignedDuration::from_hours(-100_000), SignedDuration::from_secs(300)] {
            let claimed_at = NOW + claimed;
            assert!(!is_future(claimed_at, NOW));
            let input = EvidenceInput { claimed_at: Some(claimed_at), ..EvidenceInput::default() };
            assert_eq!(Evidence::read(&input).unwrap().claimed_at, Some(claimed_at));
        }
        assert!(is_future(NOW + SignedDuration::from_secs(301), NOW));
    }

    #[test]
    fn what_may_identify_never_prints() {
        let input = EvidenceInput { note: "wife of Somchai", ..EvidenceInput::default() };
        assert!(!format!("{:?}", Evidence::read(&input).unwrap()).contains("Somchai"));
    }
}
