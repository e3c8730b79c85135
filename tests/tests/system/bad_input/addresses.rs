//! Texts that are no phone number and no e-mail address.

use yinyom_proto::directory::v1 as dir;

use crate::bad_input::{CANARY, Case, World, invalid};

/// Points with those values.
pub fn points(values: &[&str]) -> Vec<dir::ContactPoint> {
    let point =
        |value: &&str| dir::ContactPoint { value: (*value).to_owned(), ..Default::default() };
    values.iter().map(point).collect()
}

/// Every kind of text that is no address, or a mask that comes back.
pub fn cases(world: &World) -> Vec<Case> {
    const CREATE: &str = "directory.v1.ContactService/CreateContact";
    let create = |phones: &[&str], emails: &[&str]| dir::CreateContactRequest {
        parent: world.own.business.clone(),
        contact: Some(dir::Contact {
            first_name: "ก".to_owned(),
            phones: points(phones),
            emails: points(emails),
            ..Default::default()
        }),
        ..Default::default()
    };
    let long_phone = format!("+66{}", "8".repeat(40));
    let long_email = format!("{}@example.co.th", CANARY.repeat(50));
    let phones = [
        CANARY,
        &long_phone,
        "081\u{0}2345678",
        "•••-•••-••••",
        "021234567 ต่อ 12",
        " ",
        "***-***-****",
        "12",
        "081-234-567•",
        "081-234-5678",
        "๐๘๑๒๓๔๕๖๗๘",
    ];
    let emails = [
        CANARY,
        &long_email,
        "a\u{1}b@example.co.th",
        "•••••@•••••",
        "",
        "a@b@example.co.th",
        "*****@*****",
        "a@example.co.th",
        "A@Example.co.th",
    ];
    vec![
        invalid(
            "phones",
            CREATE,
            &create(&phones, &[]),
            &[
                ("contact.phones[0].value", "INVALID_PHONE"),
                ("contact.phones[1].value", "TOO_LONG"),
                ("contact.phones[2].value", "CONTROL_CHARACTER"),
                ("contact.phones[3].value", "MASKED_VALUE"),
                ("contact.phones[4].value", "PHONE_EXTENSION"),
                ("contact.phones[5].value", "EMPTY"),
                ("contact.phones[6].value", "MASKED_VALUE"),
                ("contact.phones[7].value", "INVALID_PHONE"),
                ("contact.phones[8].value", "MASKED_VALUE"),
                ("contact.phones[10].value", "DUPLICATE_ADDRESS"),
            ],
        ),
        invalid(
            "e-mail addresses",
            CREATE,
            &create(&[], &emails),
            &[
                ("contact.emails[0].value", "INVALID_EMAIL"),
                ("contact.emails[1].value", "TOO_LONG"),
                ("contact.emails[2].value", "CONTROL_CHARACTER"),
                ("contact.emails[3].value", "MASKED_VALUE"),
                ("contact.emails[4].value", "EMPTY"),
                ("contact.emails[5].value", "INVALID_EMAIL"),
                ("contact.emails[6].value", "MASKED_VALUE"),
                ("contact.emails[8].value", "DUPLICATE_ADDRESS"),
            ],
        ),
    ]
}
