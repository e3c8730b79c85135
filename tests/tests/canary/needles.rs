//! One phone number and one e-mail address, and how they are found in bytes, however they are spelt there.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Somebody whose addresses are looked for.
pub struct Canary {
    /// Nine digits, what all spellings of the number have in common.
    digits: &'static str,
    /// Two words of the address.
    words: [&'static str; 2],
}

impl Canary {
    /// Sent through everything, and to be found nowhere.
    pub const HIDDEN: Self = Self { digits: "897654320", words: ["Zanzibar", "Quokka"] };
    /// Planted where the other one is looked for, to see that the search would find it.
    pub const PLANTED: Self = Self { digits: "861357924", words: ["Timbuktu", "Wombat"] };

    /// The number as people write it.
    pub fn phones(&self) -> Vec<String> {
        let digits = self.digits;
        let (a, b, c) = (&digits[..2], &digits[2..5], &digits[5..]);
        vec![
            format!("+66{digits}"),
            format!("0{digits}"),
            format!("0{a}-{b}-{c}"),
            format!("+66 {a} {b} {c}"),
            format!("(0{a}) {b}.{c}"),
            thai(&format!("0{digits}")),
        ]
    }

    pub fn emails(&self) -> Vec<String> {
        let email = format!("{}.{}@example.co.th", self.words[0], self.words[1]);
        vec![email.to_uppercase(), email.to_lowercase(), email]
    }

    /// Every spelling that is there, by name.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<String> {
        let lower = bytes.to_ascii_lowercase();
        let number = |prefix| {
            (format!("the number with {prefix}"), format!("{prefix}{}", self.digits).into_bytes())
        };
        let mut found = search(&digits_alone(&lower), &[number("0"), number("66")]);
        found.extend(search(&lower, &self.needles()));
        found
    }

    /// In lower case, as what they are looked for in is.
    fn needles(&self) -> Vec<(String, Vec<u8>)> {
        let mut needles = Vec::new();
        for word in self.words {
            needles.push((word.to_owned(), word.to_ascii_lowercase().into_bytes()));
        }
        let mut texts = self.phones();
        texts.extend(self.emails());
        texts.extend(self.words.iter().flat_map(|word| [(*word).to_owned(), word.to_lowercase()]));
        texts.push(self.digits.to_owned());
        for text in &texts {
            let hex = hex::encode(text);
            needles.push((format!("{text} in hex"), hex.into_bytes()));
            for (lead, engine) in
                [0, 1, 2].into_iter().flat_map(|n| [(n, &STANDARD_NO_PAD), (n, &URL_SAFE_NO_PAD)])
            {
                let needle = inner(
                    &engine.encode([&[0; 2][..lead], text.as_bytes()].concat()),
                    lead,
                    text.len(),
                );
                needles
                    .push((format!("{text} in base64"), needle.to_ascii_lowercase().into_bytes()));
            }
            let escaped = text.chars().map(|c| {
                if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }
            });
            needles.push((
                format!("{text} escaped"),
                escaped.collect::<String>().to_ascii_lowercase().into_bytes(),
            ));
        }
        needles
    }
}

/// The characters of an encoding that what stands around the text has no part in.
fn inner(encoded: &str, lead: usize, length: usize) -> String {
    let begin = [0, 2, 3][lead];
    let whole = (lead + length) * 8 / 6;
    encoded[begin..whole].to_owned()
}

fn thai(digits: &str) -> String {
    digits
        .chars()
        .filter_map(|c| c.to_digit(10))
        .filter_map(|d| char::from_u32(0xe50 + d))
        .collect()
}

/// Without what people put between digits, and with Thai digits as others.
fn digits_alone(bytes: &[u8]) -> Vec<u8> {
    let mut close = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'-' | b' ' | b'.' | b'(' | b')' | b'/' | b'_' => {}
            0xe0 if rest.first() == Some(&0xb9)
                && rest.get(1).is_some_and(|b| (0x90..=0x99).contains(b)) =>
            {
                close.push(rest[1] - 0x90 + b'0');
                rest = &rest[2..];
            }
            _ => close.push(byte),
        }
    }
    close
}

/// The names of those that are there, in one pass: there are many of them, and many bytes.
fn search(bytes: &[u8], needles: &[(String, Vec<u8>)]) -> BTreeSet<String> {
    let mut by_pair = vec![Vec::new(); 1 << 16];
    for (i, (_, needle)) in needles.iter().enumerate() {
        by_pair[usize::from(u16::from_be_bytes([needle[0], needle[1]]))].push(i);
    }
    let (mut found, mut pair) = (BTreeSet::new(), 0_usize);
    for (i, &byte) in bytes.iter().enumerate() {
        pair = (pair << 8 | usize::from(byte)) & 0xffff;
        if i == 0 || by_pair[pair].is_empty() {
            continue;
        }
        for (name, needle) in by_pair[pair].iter().map(|&of| &needles[of]) {
            if bytes[i - 1..].starts_with(needle) {
                found.insert(name.clone());
            }
        }
    }
    found
}

#[test]
fn every_spelling_is_found() {
    let canary = Canary::HIDDEN;
    let around = |text: &[u8]| [b"x=7", text, b"!"].concat();
    let mut texts = canary.phones();
    texts.extend(canary.emails());
    for text in &texts {
        assert!(!canary.found_in(&around(text.as_bytes())).is_empty(), "{text}");
        for lead in 0..3 {
            let bytes = [&b"ab"[..lead.min(2)], text.as_bytes(), b"c"].concat();
            for coded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
                assert!(!canary.found_in(&around(coded.as_bytes())).is_empty(), "{coded}");
            }
        }
        let hex = hex::encode_upper(text);
        assert!(!canary.found_in(&around(hex.as_bytes())).is_empty(), "{hex}");
        assert!(Canary::PLANTED.found_in(&around(text.as_bytes())).is_empty(), "{text}");
    }
    assert!(canary.found_in(b"089765432, 0897654321, zanzi bar, quok ka").is_empty());
}
