//! Phones, e-mails, and text that may hold some.

use yinyom_privacy::{Email, Phone, holds_address, holds_mask};

/// What is taken is canonical: it reads as itself, is a phone for whoever looks for one, and no mask.
pub fn phone(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Phone::parse(&text) {
        Ok(phone) => {
            let canonical = phone.expose();
            let digits = canonical.strip_prefix('+').expect("E.164");
            assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{canonical}");
            assert!((5..=15).contains(&digits.len()), "{canonical}");
            assert!(!holds_mask(&text), "a mask was taken: {text:?}");
            assert_eq!(Phone::parse(canonical).as_ref(), Ok(&phone), "{text:?}");
        }
        Err(error) => holds_no_text(error),
    }
}

/// The same of e-mails.
pub fn email(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Email::parse(&text) {
        Ok(email) => {
            let canonical = email.expose();
            assert!(canonical.len() <= 254 && canonical.contains('@'), "{canonical}");
            assert!(!canonical.chars().any(char::is_control), "{canonical:?}");
            assert!(!holds_mask(&text), "a mask was taken: {text:?}");
            assert_eq!(Email::parse(canonical).as_ref(), Ok(&email), "{text:?}");
            let louder = Email::parse(&canonical.to_ascii_uppercase());
            assert_eq!(louder.as_ref(), Ok(&email), "case tells people apart: {text:?}");
        }
        Err(error) => holds_no_text(error),
    }
}

/// An error that held what was written would take it into a log. What can be copied holds no text.
fn holds_no_text(_: impl Copy) {}

/// Whatever stands around it, a phone or an e-mail is found in a note.
pub fn free_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = holds_address(&text);
    for address in ["0812345678", "+66 81 234 5678", "๐๘๑-๒๓๔-๕๖๗๘", "somchai@example.co.th"]
    {
        // Digits and letters that touch it make another word of it.
        for note in [format!("{text} : {address}"), format!("{address} : {text}")] {
            assert!(holds_address(&note), "not found in {note:?}");
        }
    }
}

pub fn phones() -> Vec<Vec<u8>> {
    of(&[
        "081-234-5678",
        "+66 81 234 5678",
        "๐๘๑๒๓๔๕๖๗๘",
        "(02) 123 4567 ext. 12",
        "0066812345678",
        "+66(0)812345678",
        "+1 650 253 0000",
        "•••-•••-••••",
        "tel:+66-81-234-5678;phone-context=+66",
    ])
}

pub fn emails() -> Vec<Vec<u8>> {
    of(&[
        "somchai@example.co.th",
        " A.B+c@EXAMPLE.COM ",
        "\"a b\"@example.com",
        "ก@ตัวอย่าง.ไทย",
        "a@[127.0.0.1]",
        "Somchai <a@b.co>",
        "•••••@•••••",
    ])
}

pub fn texts() -> Vec<Vec<u8>> {
    of(&["โทรกลับหลัง 5 โมง", "ใบเสนอราคา 2568/001", "INV-20251231-0001", "ห้อง 12/3 ชั้น 4", "a@"])
}

fn of(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
