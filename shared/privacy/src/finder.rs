//! Finds a phone number or an e-mail address inside free text.
//!
//! An evidence note is kept for as long as the ledger is; an address in it would outlive the contact
//! that it belongs to. So the note is refused. The search is for what people write without thinking,
//! and for the spellings that a careless filter misses (Thai digits, zero-width characters); it does
//! not try to beat somebody who spells a number out in words.

use unicode_normalization::UnicodeNormalization;

use crate::characters::{ascii_digit, is_dash, is_invisible};
use crate::phone::e164;

/// Fewer digits than this are a date, a time or a contract number, not a phone number.
const MIN_DIGITS: usize = 9;
/// Fifteen, with `00` before them or a trunk zero inside.
const MAX_DIGITS: usize = 17;

/// Whether `text` holds a phone number or an e-mail address.
pub fn holds_address(text: &str) -> bool {
    let text: Vec<char> = text
        .replace("%40", "@")
        .chars()
        .filter(|c| !is_invisible(*c))
        .nfkc()
        .filter(|c| !is_invisible(*c))
        .map(|c| ascii_digit(c).unwrap_or(c))
        .collect();
    holds_email(&text) || holds_phone(&text)
}

fn holds_email(text: &[char]) -> bool {
    text.iter().enumerate().filter(|(_, c)| **c == '@').any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|i| text.get(i)).copied();
        before.is_some_and(ends_local_part) && starts_domain(text.get(at + 1..).unwrap_or_default())
    })
}

/// A chat handle (`@shop.th`) has nothing of this kind before its `@`.
fn ends_local_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '"' | '\u{0E00}'..='\u{0E7F}')
}

/// Labels and dots, of which a later one begins like a top-level domain: `2@3.50` is a price.
fn starts_domain(text: &[char]) -> bool {
    let domain: String = text
        .iter()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '\u{0E00}'..='\u{0E7F}'))
        .collect();
    let mut labels = domain.split('.').take_while(|label| !label.is_empty());
    labels.next().is_some()
        && labels.any(|label| {
            label.chars().count() >= 2 && label.chars().take(2).all(char::is_alphabetic)
        })
}

/// Digits that stand together.
#[derive(Debug)]
struct Group {
    digits: String,
    /// `+` stands before it.
    plus: bool,
    /// What parts it from the group before, in the same run.
    gap: String,
}

fn holds_phone(text: &[char]) -> bool {
    runs(text).into_iter().any(|run| {
        without_dates(run)
            .iter()
            .any(|part| (0..part.len()).any(|start| starts_phone(part.get(start..).unwrap_or(&[]))))
    })
}

/// The groups of `text`, in runs that nothing but punctuation of phone numbers parts.
fn runs(text: &[char]) -> Vec<Vec<Group>> {
    let mut runs: Vec<Vec<Group>> = vec![Vec::new()];
    let (mut gap, mut plus) = (String::new(), false);
    let mut chars = text.iter().copied().enumerate();
    while let Some((at, c)) = chars.next() {
        let Some(run) = runs.last_mut() else { break };
        if uuid_at(text, at) {
            chars.nth(UUID_CHARS - 2);
            runs.push(Vec::new());
            (gap, plus) = (String::new(), false);
        } else if c.is_ascii_digit() {
            match run.last_mut() {
                Some(group) if gap.is_empty() && !plus => group.digits.push(c),
                _ => run.push(Group { digits: c.to_string(), plus, gap: std::mem::take(&mut gap) }),
            }
            plus = false;
        } else if is_gap(c) {
            gap.push(if is_dash(c) { '-' } else { c });
        } else {
            runs.push(Vec::new());
            (gap, plus) = (String::new(), c == '+');
        }
    }
    runs
}

fn is_gap(c: char) -> bool {
    c.is_whitespace()
        || is_dash(c)
        || matches!(c, '.' | '(' | ')' | '[' | ']' | '/' | '\\' | '_' | '~' | '·' | '•')
}

const UUID_CHARS: usize = 36;

/// Whether a UUID begins at `at`: evidence often refers to a document by one, and some hold ten
/// decimal digits in a row. One without a letter is not taken for a UUID.
fn uuid_at(text: &[char], at: usize) -> bool {
    let word = |i: usize| text.get(i).is_some_and(char::is_ascii_alphanumeric);
    let Some(uuid) = text.get(at..at + UUID_CHARS) else { return false };
    uuid.iter().enumerate().all(|(i, c)| match i {
        8 | 13 | 18 | 23 => *c == '-',
        _ => c.is_ascii_hexdigit(),
    }) && uuid.iter().any(char::is_ascii_alphabetic)
        && !at.checked_sub(1).is_some_and(word)
        && !word(at + UUID_CHARS)
}

/// What is left of a run when its dates and times are cut out of it.
///
/// `08.12 345678` begins like a time, but is a phone: so what only may be a date or a time is cut out
/// where hardly a digit stands beside it, as in `09.00-18.00 25`.
fn without_dates(run: Vec<Group>) -> Vec<Vec<Group>> {
    let surely = find_dates(&run, |groups, joint| is_date(groups, joint, true));
    let perhaps =
        find_dates(&run, |groups, joint| is_date(groups, joint, false) || is_time(groups, joint));
    let both: Vec<bool> = surely.iter().zip(&perhaps).map(|(a, b)| *a || *b).collect();
    let left: usize =
        run.iter().zip(&both).filter(|(_, cut)| !**cut).map(|(group, _)| group.digits.len()).sum();
    let cut = if left <= 3 { both } else { surely };

    let mut parts = vec![Vec::new()];
    for (group, cut) in run.into_iter().zip(cut) {
        match parts.last_mut() {
            Some(part) if !cut => part.push(group),
            _ => parts.push(Vec::new()),
        }
    }
    parts
}

/// Marks the groups of `run` that make what `is` says. The groups around must be joined in another
/// way, or `02-12-34-5678` would hold a date.
fn find_dates(run: &[Group], is: impl Fn(&[Group], &str) -> bool) -> Vec<bool> {
    let mut found = vec![false; run.len()];
    for length in [3, 2] {
        for (start, groups) in run.windows(length).enumerate() {
            let Some(joint) = groups.get(1).map(|group| group.gap.as_str()) else { continue };
            let begins = start == 0 || groups.first().is_some_and(|group| group.gap != joint);
            let ends = run.get(start + length).is_none_or(|group| group.gap != joint);
            if begins && ends && is(groups, joint) {
                found.iter_mut().skip(start).take(length).for_each(|found| *found = true);
            }
        }
    }
    found
}

/// `21/11/2565`, `2025-08-28`, `21/11/65`; if not `surely`, `21-11-65` too.
fn is_date(groups: &[Group], joint: &str, surely: bool) -> bool {
    let [first, month, last] = groups else { return false };
    // Years of the common era and of the Buddhist one.
    let year = |group: &Group| {
        group.digits.len() == 4 && matches!(group.number(), 1900..=2199 | 2400..=2699)
    };
    let two_digit_year = last.digits.len() == 2 && (!surely || joint == "/");
    matches!(joint, "-" | "/" | ".")
        && last.gap == joint
        && month.is_short(12)
        && ((first.is_short(31) && (year(last) || two_digit_year))
            || (year(first) && last.is_short(31)))
}

/// `08.30`
fn is_time(groups: &[Group], joint: &str) -> bool {
    let [hour, minute] = groups else { return false };
    joint == "." && hour.is_short(24) && minute.is_short(59) && minute.digits.len() == 2
}

impl Group {
    fn number(&self) -> u32 {
        self.digits.parse().unwrap_or(u32::MAX)
    }

    fn is_short(&self, max: u32) -> bool {
        self.digits.len() <= 2 && self.number() <= max
    }
}

/// Whether a phone number is made of the first of `groups`, or the first few.
fn starts_phone(groups: &[Group]) -> bool {
    let mut digits = String::new();
    for (count, group) in (1..).zip(groups) {
        if group.plus && count > 1 {
            return false;
        }
        digits.push_str(&group.digits);
        if digits.len() > MAX_DIGITS {
            return false;
        }
        let plus = groups.first().is_some_and(|group| group.plus);
        if digits.len() >= MIN_DIGITS
            && (plus || is_dialled(&digits, groups.get(..count).unwrap_or_default()))
            && e164(plus, &digits).is_some()
        {
            return true;
        }
    }
    false
}

/// Numbers that begin as one dials them. Nine digits without the zero, which a spreadsheet eats, must
/// stand together or as a mobile number is grouped, or any longish sum of money would be a phone.
fn is_dialled(digits: &str, groups: &[Group]) -> bool {
    let bare = |lengths: &[usize]| {
        groups.iter().map(|group| group.digits.len()).eq(lengths.iter().copied())
    };
    digits.starts_with('0')
        || (digits.starts_with("66") && digits.len() > MIN_DIGITS)
        || bare(&[9])
        || bare(&[2, 3, 4])
}
