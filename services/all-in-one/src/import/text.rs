//! What every cell goes through first: one spelling for what looks alike, and several addresses in
//! one cell taken apart.

use unicode_normalization::UnicodeNormalization;

/// The cell without what cannot be seen at its ends.
pub fn trim(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// For comparing with words that we know: compatibility forms folded (full-width letters, the two
/// spellings of สระอำ), Thai digits as Western ones, lower case, nothing invisible.
pub fn fold(cell: &str) -> String {
    trim(cell)
        .nfkc()
        .filter(|c| !is_invisible(*c))
        .flat_map(char::to_lowercase)
        .map(digit)
        .collect()
}

/// The addresses of a cell such as `081-234-5678, 02-123-4567`. What is left out in between, as in
/// `a;;b`, is not an address. A text that occurs twice is there once.
pub fn phones(cell: &str) -> Vec<String> {
    split(cell, |c| matches!(c, ',' | ';' | '/' | '\n' | '\r'))
}

/// Like [`phones`]. A slash may stand inside an e-mail address (RFC 5321), so it separates only
/// where each side has an `@` of its own.
pub fn emails(cell: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in split(cell, |c| matches!(c, ',' | ';' | '\n' | '\r')) {
        let sides = split(&part, |c| c == '/');
        if sides.len() > 1 && sides.iter().all(|side| side.contains('@')) {
            found.extend(sides);
        } else {
            found.push(part);
        }
    }
    unique(found)
}

fn split(cell: &str, separates: impl Fn(char) -> bool) -> Vec<String> {
    unique(cell.split(separates).map(trim).filter(|part| !part.is_empty()).map(str::to_owned))
}

fn unique(parts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for part in parts {
        if !seen.contains(&part) {
            seen.push(part);
        }
    }
    seen
}

/// The Western digit of a Thai one.
fn digit(c: char) -> char {
    match c {
        '๐'..='๙' => char::from_u32(u32::from(c) - 0x0E50 + 0x30).unwrap_or(c),
        _ => c,
    }
}

/// Zero-width characters and byte-order marks, which spreadsheets and chats leave behind.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{00AD}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn several_phones_in_a_cell_are_several() {
        for cell in [
            "081-234-5678, 02-123-4567",
            "081-234-5678;02-123-4567;",
            "081-234-5678/02-123-4567",
            "081-234-5678\r\n02-123-4567",
            "081-234-5678,,02-123-4567,081-234-5678",
        ] {
            assert_eq!(phones(cell), ["081-234-5678", "02-123-4567"], "{cell}");
        }
        assert!(phones("").is_empty() && phones(" ; ,\n").is_empty());
    }

    #[test]
    fn a_blank_does_not_separate_addresses() {
        assert_eq!(phones("081 234 5678"), ["081 234 5678"]);
        assert_eq!(emails("a b@example.com"), ["a b@example.com"]);
    }

    #[test]
    fn a_slash_in_an_email_stays_unless_both_sides_are_addresses() {
        assert_eq!(emails("sales/th@example.com"), ["sales/th@example.com"]);
        assert_eq!(emails("a@example.com/b@example.com"), ["a@example.com", "b@example.com"]);
    }

    #[test]
    fn spellings_that_look_alike_are_one() {
        assert_eq!(fold("\u{FEFF} อีเมล\u{200B} "), "อีเมล");
        // NIKHAHIT and SARA AA against SARA AM.
        assert_eq!(fold("น\u{0E4D}\u{0E32}"), fold("น\u{0E33}"));
        assert_eq!(fold("ＹＥＳ ๒๕๖๕"), "yes 2565");
    }

    proptest! {
        #[test]
        fn no_cell_panics(cell in any::<String>()) {
            fold(&cell);
            for part in phones(&cell).into_iter().chain(emails(&cell)) {
                prop_assert!(!part.is_empty());
                prop_assert_eq!(trim(&part), part.as_str());
            }
        }
    }
}
