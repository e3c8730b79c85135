use proptest::prelude::*;
use yinyom_kernel::Fault;
use yinyom_privacy::{Address, AddressError, PHONE_MASK, Personal, Phone};

fn e164(text: &str) -> String {
    Phone::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).expose().to_owned()
}

fn refusal(text: &str) -> AddressError {
    match Phone::parse(text) {
        Ok(phone) => panic!("{text:?} was taken for {}", phone.expose()),
        Err(error) => error,
    }
}

#[test]
fn one_number_has_one_spelling() {
    for text in [
        "0812345678",
        "081-234-5678",
        "081 234 5678",
        "081.234.5678",
        " 0812345678 ",
        "\t0812345678\r\n",
        "(081) 234 5678",
        "081\u{2013}234\u{2011}5678",
        "081\u{00A0}234\u{00A0}5678",
        "๐๘๑๒๓๔๕๖๗๘",
        "๐๘๑-๒๓๔-๕๖๗๘",
        "０８１２３４５６７８",
        "+66812345678",
        "+66 81 234 5678",
        "(+66) 81 234 5678",
        "＋66 81 234 5678",
        "+66(0)812345678",
        "+66 (0) 81-234-5678",
        "+660812345678",
        "0066812345678",
        "00 66 81 234 5678",
        "๐๐๖๖๘๑๒๓๔๕๖๗๘",
        "66812345678",
        "66 81 234 5678",
        "812345678",
        "\u{202A}+66 81 234 5678\u{202C}",
        "0\u{200B}8\u{200B}1\u{FEFF}2345678",
    ] {
        assert_eq!(e164(text), "+66812345678", "{text:?}");
    }
}

#[test]
fn landlines_and_foreign_numbers_are_numbers_too() {
    assert_eq!(e164("02-123-4567"), "+6621234567");
    assert_eq!(e164("053 123 456"), "+6653123456");
    assert_eq!(e164("+44 20 7946 0958"), "+442079460958");
    assert_eq!(e164("0044 20 7946 0958"), "+442079460958");
    assert_eq!(e164("+1 (212) 555-2368"), "+12125552368");
    assert_eq!(e164("+81 3-1234-5678"), "+81312345678");
}

#[test]
fn a_foreign_number_is_never_taken_for_a_thai_one() {
    assert_eq!(refusal("2079460958"), AddressError::InvalidPhone);
    assert_eq!(refusal("+0812345678"), AddressError::InvalidPhone);
}

#[test]
fn junk_is_not_a_number() {
    for text in [
        "08-",
        "99-",
        "08-123-45",
        "081-234-56",
        "ไม่มี",
        "+660",
        "+999",
        "12345",
        "0",
        "+",
        "-",
        "()",
        "โทร 2 เดือนหน้า",
        "โทร 0812345678",
        "0812345678 คุณสมชาย",
        "tel:0812345678",
        "1-800-FLOWERS",
        "081234567O",
        "08123456789",
        "081-234-5678, 089-876-5432",
        "081-234-5678 / 089-876-5432",
        "081-234-5678/9",
        "0812345678 0898765432",
        "++66812345678",
        "+66+812345678",
        "0812345678+",
        "a@example.com",
        "0000000000",
        "9999999999",
        "0112345678",
        "00",
        "000",
        "0000",
        "+00668123456",
        "191",
        "1669",
    ] {
        assert_eq!(refusal(text), AddressError::InvalidPhone, "{text:?}");
    }
}

#[test]
fn an_extension_is_refused_and_not_cut_off() {
    for text in [
        "02-123-4567 ext 12",
        "02-123-4567 ext. 12",
        "02-123-4567x12",
        "02 123 4567 ต่อ 12",
        "02 123 4567 เบอร์ต่อ 12",
        "02-123-4567#12",
        "+6621234567;ext=12",
        "02-123-4567, ext 12",
        "02-123-4567 ต่อ ๑๒",
    ] {
        assert_eq!(refusal(text), AddressError::PhoneExtension, "{text:?}");
    }
}

#[test]
fn a_mask_is_never_written_back() {
    for text in [
        PHONE_MASK,
        " •••-•••-•••• ",
        "•",
        "081-•••-5678",
        "***-***-****",
        "●●●-●●●-●●●●",
        "•••–•••–••••",
        "*\u{200B}**-***-****",
        "··· - ··· - ····",
    ] {
        assert_eq!(refusal(text), AddressError::MaskedValue, "{text:?}");
    }
}

#[test]
fn emptiness_length_and_control_characters_have_reasons_of_their_own() {
    for text in ["", " ", "\n", "\u{200B}", "\u{FEFF} \u{200E}"] {
        assert_eq!(refusal(text), AddressError::Empty, "{text:?}");
    }
    assert_eq!(refusal("081\u{0}2345678"), AddressError::ControlCharacter);
    assert_eq!(refusal("081\n2345678"), AddressError::ControlCharacter);
    assert_eq!(refusal(&format!("081{}2345678", " ".repeat(23))), AddressError::TooLong(32));
    assert_eq!(e164(&format!("081{}2345678", " ".repeat(22))), "+66812345678");
}

#[test]
fn a_refusal_is_a_fault_that_does_not_repeat_the_value() {
    let reasons = [
        ("", "EMPTY"),
        ("081\u{7}2345678", "CONTROL_CHARACTER"),
        (PHONE_MASK, "MASKED_VALUE"),
        ("08123456", "INVALID_PHONE"),
        ("021234567 x 8123456", "PHONE_EXTENSION"),
        ("08123456081234560812345608123456081234560", "TOO_LONG"),
    ];
    for (text, reason) in reasons {
        let error = refusal(text);
        assert_eq!(error.reason(), reason, "{text:?}");
        let told = format!("{error} {error:?} {:?}", error.text());
        assert!(!told.contains("8123456"), "{told}");
    }
}

#[test]
fn a_number_that_was_once_taken_is_restored_unchecked() {
    let phone = Phone::restore(Personal::from("+66000000000"));
    assert_eq!(phone.expose(), "+66000000000");
}

#[test]
fn a_phone_shows_only_its_mask() {
    let address = Address::from(Phone::parse("0812345678").unwrap());
    assert_eq!(address.mask(), PHONE_MASK);
    assert_eq!(format!("{address:?}"), "Phone(Phone([personal]))");
    assert_eq!(address.canonical().expose(), "+66812345678");
}

#[test]
fn warming_up_can_be_repeated() {
    Phone::warm_up();
    Phone::warm_up();
}

fn thai_digits(text: &str) -> String {
    text.chars()
        .map(|c| c.to_digit(10).and_then(|d| char::from_u32(0x0E50 + d)).unwrap_or(c))
        .collect()
}

proptest! {
    #[test]
    fn every_way_to_write_a_mobile_number_reads_alike(head in 810u32..=849, a in 0u32..1000, b in 0u32..1000) {
        let nsn = format!("{head}{a:03}{b:03}");
        let (x, y, z) = (&nsn[..2], &nsn[2..5], &nsn[5..]);
        let canonical = format!("+66{nsn}");
        for text in [
            format!("0{nsn}"), format!("0{x}-{y}-{z}"), format!("0{x} {y} {z}"),
            format!("(0{x}) {y} {z}"), format!("+66{nsn}"), format!("+66 {x} {y} {z}"),
            format!("+66(0){nsn}"), format!("0066{nsn}"), format!("66{nsn}"), nsn.clone(),
        ] {
            prop_assert_eq!(&e164(&text), &canonical);
            prop_assert_eq!(&e164(&thai_digits(&text)), &canonical);
            prop_assert_eq!(Phone::parse(&text), Phone::parse(&canonical));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic_and_what_it_gives_it_takes_again(text in any::<String>()) {
        if let Ok(phone) = Phone::parse(&text) {
            prop_assert_eq!(Phone::parse(phone.expose()), Ok(phone));
        }
    }

    #[test]
    fn no_digits_make_the_parser_panic(text in "[+]?[-0-9 ().x#๐-๙]{0,40}") {
        if let Ok(phone) = Phone::parse(&text) {
            prop_assert!(phone.expose().starts_with('+'));
            prop_assert!(phone.expose().len() <= 16);
            prop_assert_eq!(Phone::parse(phone.expose()), Ok(phone));
        }
    }
}
