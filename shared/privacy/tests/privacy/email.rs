use proptest::prelude::*;
use yinyom_kernel::Fault;
use yinyom_privacy::{Address, AddressError, EMAIL_MASK, Email};

fn canonical(text: &str) -> String {
    Email::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).expose().to_owned()
}

fn refusal(text: &str) -> AddressError {
    match Email::parse(text) {
        Ok(email) => panic!("{text:?} was taken for {}", email.expose()),
        Err(error) => error,
    }
}

#[test]
fn one_address_has_one_spelling() {
    for text in [
        "somchai.j@example.co.th",
        " SOMCHAI.J@EXAMPLE.CO.TH",
        "Somchai.J@Example.Co.Th\r\n",
        "somchai.j\u{200B}@example.co.th\u{FEFF}",
        "somchai.j＠example.co.th",
    ] {
        assert_eq!(canonical(text), "somchai.j@example.co.th", "{text:?}");
    }
    assert_eq!(canonical("CAFE\u{301}@example.com"), canonical("café@example.com"));
}

#[test]
fn ordinary_and_thai_addresses_are_taken() {
    for text in [
        "a@b.co",
        "first+tag@mail.example.org",
        "o'neil_1@example.com",
        "x-1@1-a.example",
        "ไปรษณีย์@ตัวอย่าง.ไทย",
        "คำถาม@example.com",
        "a@xn--o3cw4h.example",
        "1@2.com",
    ] {
        assert_eq!(canonical(text), text);
    }
}

#[test]
fn junk_is_not_an_address() {
    for text in [
        "a@@b.c",
        "x@@example.com",
        "a b@c",
        "a b@example.com",
        "@example.com",
        "สมชาย@",
        "a@",
        "somchai",
        "x@-a.b",
        "a@-example.com",
        "a@example-.com",
        "x@example..com",
        "x@.example.com",
        "x@example.com.",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@localhost",
        "a@10.0.0.1",
        "a@[10.0.0.1]",
        "a@exam_ple.com",
        "a@example.com, b@example.com",
        "a@example.com;b@example.com",
        "Somchai <a@example.com>",
        "<a@example.com>",
        "mailto:a@example.com",
        "\"a b\"@example.com",
        "\"a\"@example.com",
        "a@exa mple.com",
        "a@example.com/path",
        "@",
        "0812345678",
        "ไม่มี",
        "☎@example.com",
        "a@☎.com",
        "a@ex⁄ample.com",
    ] {
        assert_eq!(refusal(text), AddressError::InvalidEmail, "{text:?}");
    }
}

#[test]
fn a_mask_is_never_written_back() {
    for text in [EMAIL_MASK, "•••••@example.com", "s•••••@•••••", "*****@*****", "●●●●●＠●●●●●"]
    {
        assert_eq!(refusal(text), AddressError::MaskedValue, "{text:?}");
    }
}

#[test]
fn emptiness_length_and_control_characters_have_reasons_of_their_own() {
    assert_eq!(refusal(" \u{200B} "), AddressError::Empty);
    assert_eq!(refusal("a\u{0}@example.com"), AddressError::ControlCharacter);
    assert_eq!(refusal("a@example.com\tb"), AddressError::ControlCharacter);
    let label = "d".repeat(61);
    let longest = format!("a@{label}.{label}.{label}.{label}.comm");
    assert_eq!(longest.len(), 254);
    assert_eq!(canonical(&longest), longest);
    assert_eq!(refusal(&format!("a{longest}")), AddressError::TooLong(254));
    assert_eq!(refusal(&format!("{}@example.com", "a".repeat(65))), AddressError::InvalidEmail);
}

#[test]
fn a_refusal_does_not_repeat_the_value() {
    let error = refusal("secret-name@@example.com");
    assert_eq!(error.reason(), "INVALID_EMAIL");
    assert!(!format!("{error} {error:?} {:?}", error.text()).contains("secret"));
}

#[test]
fn an_email_shows_only_its_mask() {
    let address = Address::from(Email::parse("a@example.com").unwrap());
    assert_eq!(address.mask(), EMAIL_MASK);
    assert_eq!(format!("{address:?}"), "Email(Email([personal]))");
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_and_what_it_gives_it_takes_again(
        text in prop_oneof![any::<String>(), "\\PC{1,8}@\\PC{1,8}\\.\\PC{1,4}", "[\\w.]{1,9}@[\\w-]{1,9}\\.\\w{1,5}"],
    ) {
        if let Ok(email) = Email::parse(&text) {
            prop_assert_eq!(Email::parse(email.expose()), Ok(email));
        }
    }

    #[test]
    fn case_makes_no_second_address(text in "[a-z0-9]{1,10}@[a-z0-9]{1,10}\\.[a-z]{2,5}") {
        prop_assert_eq!(Email::parse(&text.to_uppercase()), Email::parse(&text));
        prop_assert!(Email::parse(&text).is_ok());
    }
}
