use proptest::prelude::*;
use yinyom_privacy::{EMAIL_MASK, PHONE_MASK, holds_address, holds_mask};

#[test]
fn a_phone_in_a_note_is_found() {
    for text in [
        "0812345678",
        "โทรกลับที่ 081-234-5678 ครับ",
        "โทร081 234 5678นะ",
        "โทร ๐๘๑-๒๓๔-๕๖๗๘",
        "เบอร์ ๐๘๑๒๓๔๕๖๗๘",
        "call (081) 234 5678 ext 9",
        "+66 81 234 5678",
        "+66(0)812345678",
        "0066812345678",
        "66812345678",
        "02-123-4567",
        "02 1234567",
        "812345678",
        "81-234-5678",
        "0 8 1 2 3 4 5 6 7 8",
        "0-8-1-2-3-4-5-6-7-8",
        "081/2345678",
        "081_234_5678",
        "081\n234\n5678",
        "081\u{00A0}234\u{2013}5678",
        "081\u{200B}234\u{200B}5678",
        "0\u{200D}8\u{FEFF}1\u{00AD}2\u{2060}3\u{FE0F}4\u{202E}5678",
        "๐\u{200B}๘\u{200B}๑๒๓๔๕๖๗๘",
        "０８１２３４５６７８",
        "𝟎𝟖𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖",
        "① 0812345678",
        "+44 20 7946 0958",
        "มี 2 เบอร์ 0812345678 0898765432",
        "2025-08-28 0812345678",
        "28/08/2568 081-234-5678",
        "1. 0812345678",
        "25-0812345678",
        "tel:+66812345678",
        "เวลา 09.00-18.00 081-234-5678",
        "สัญญา 1234567 โทร 0812345678",
        "08-12-34-5678",
        "08.12 345678",
        "08.12-34-56-78",
        "08-12-34 5678",
    ] {
        assert!(holds_address(text), "{text:?}");
    }
}

#[test]
fn an_email_in_a_note_is_found() {
    for text in [
        "somchai@example.com",
        "ส่งที่ somchai.j+x@mail.example.co.th แล้ว",
        "อีเมลsomchai@example.comครับ",
        "SOMCHAI@EXAMPLE.COM",
        "somchai＠example.com",
        "somchai@\u{200B}example.com",
        "som\u{200B}chai\u{FEFF}@example\u{00AD}.com",
        "<somchai@example.com>",
        "mailto:somchai@example.com?subject=x",
        "https://x.example/?e=somchai%40example.com",
        "\"som chai\"@example.com",
        "somchai@example.com.",
        "ไปรษณีย์@ตัวอย่าง.ไทย",
        "ปู่@ตัวอย่าง.ไทย",
        "@ somchai@example.com",
    ] {
        assert!(holds_address(text), "{text:?}");
    }
}

#[test]
fn an_ordinary_note_may_be_written() {
    for text in [
        "",
        "โทรหลัง 5 โมงเย็น",
        "ลูกค้า \"VIP\", ส่งใบเสนอราคาแล้ว",
        "2025-08-28",
        "21/11/2565",
        "21/11/65",
        "๒๑/๑๑/๒๕๖๕",
        "21.11.2565 เวลา 14.30 น.",
        "2025-08-28 14:30",
        "2025-08-28 14.30",
        "2025-08-28T14:30:00+07:00",
        "2025-08-28T14:30:00.123456Z",
        "02/11/2567 123",
        "02-11-2567 - 05-12-2567",
        "02/11/65 123",
        "เปิด 09.00-18.00 25 คน",
        "เวลา 08.30-17.30",
        "สัญญาเลขที่ 12345678",
        "สัญญาเลขที่ 21234567",
        "สัญญาเลขที่ 0212345",
        "CT-2025-0001",
        "สัญญา 6501-2345 หน้า 1",
        "INV-2025-000123456",
        "ใบสมัคร 20250828",
        "ราคา 2,500,000 บาท",
        "812,345,678 บาท",
        "10.50 บาท 3 ชิ้น@3.50",
        "ทักมาทาง LINE @shop.th",
        "LINE:@shop.th",
        "https://medium.com/@user.name/post",
        "13.7563, 100.5018",
        "ฉบับที่ 1.2.3 หน้า 4-5",
        "01234567-8901-4234-8567-89012345678a",
        "แบบฟอร์ม 0190a812-0812-7123-8123-081234567890 ลงนามแล้ว",
        "a @ b",
        "a@b",
        "@",
        "@@@",
        "+",
        "191 1669 1784",
    ] {
        assert!(!holds_address(text), "{text:?}");
    }
}

#[test]
fn masks_are_recognised_and_other_texts_are_not() {
    for text in [PHONE_MASK, EMAIL_MASK, "•", "โทร •••-•••-••••", "***-***-****", "*****@*****"]
    {
        assert!(holds_mask(text), "{text:?}");
    }
    for text in ["", "สมชาย", "***VIP***", "0812345678", "a@example.com", "Paral·lel", "---", "@"]
    {
        assert!(!holds_mask(text), "{text:?}");
    }
}

/// A phone that somebody tries to hide: parted, in Thai digits, with nothing visible in between.
fn disguised() -> impl Strategy<Value = String> {
    let invisible =
        prop::sample::select(vec!["", "", "\u{200B}", "\u{2060}", "\u{FEFF}", "\u{00AD}"]);
    let parts = prop::collection::vec((invisible, any::<bool>()), 10);
    let gap = prop::sample::select(vec!["", " ", "-", ".", " - ", "\u{00A0}", "\u{2013}", "/"]);
    (810_000_000u32..850_000_000, parts, gap, any::<bool>()).prop_map(|(nsn, parts, gap, thai)| {
        let mut text = String::new();
        for (i, (c, (invisible, parted))) in format!("0{nsn}").chars().zip(parts).enumerate() {
            if parted && i > 0 {
                text.push_str(gap);
            }
            let digit = c.to_digit(10).filter(|_| thai).and_then(|d| char::from_u32(0x0E50 + d));
            text.push(digit.unwrap_or(c));
            text.push_str(invisible);
        }
        text
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_search_panic(text in any::<String>()) {
        let _ = (holds_address(&text), holds_mask(&text));
    }

    #[test]
    fn no_digits_make_the_search_panic(text in "[-+@./() 0-9๐-๙a-f]{0,200}") {
        let _ = holds_address(&text);
    }

    #[test]
    fn a_grouped_phone_is_found_inside_words(
        before in "[ก-ฮa-z ]{0,20}", nsn in 810_000_000u32..850_000_000, after in "[ก-ฮa-z ]{0,20}",
    ) {
        let nsn = nsn.to_string();
        let text = format!("{before}0{}-{}-{}{after}", &nsn[..2], &nsn[2..5], &nsn[5..]);
        prop_assert!(holds_address(&text));
    }

    #[test]
    fn a_disguised_phone_is_found(text in disguised()) {
        prop_assert!(holds_address(&text), "{}", text.escape_unicode());
    }

    #[test]
    fn dates_are_never_phones(day in 1u32..=31, month in 1u32..=12, year in 1990u32..2100, be in any::<bool>()) {
        let year = if be { year + 543 } else { year };
        for text in [
            format!("{day:02}/{month:02}/{year}"), format!("{year}-{month:02}-{day:02}"),
            format!("{day}.{month}.{year}"), format!("{year}{month:02}{day:02}"),
            format!("{year}-{month:02}-{day:02} {day:02}.{month:02}"),
            format!("{day:02}-{month:02}-{year} - {day:02}-{month:02}-{year}"),
        ] {
            prop_assert!(!holds_address(&text), "{}", text);
        }
    }

    #[test]
    fn contract_numbers_of_up_to_eight_digits_are_never_phones(number in 0u32..100_000_000, width in 1usize..=8) {
        let text = format!("สัญญาเลขที่ {number:0width$} ลงนามแล้ว");
        prop_assert!(!holds_address(&text), "{}", text);
    }
}
