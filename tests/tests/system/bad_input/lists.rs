//! Lists inside of things that are too long, and rows of an import.

use tonic::Code;
use yinyom_proto::directory::v1 as dir;
use yinyom_tests::mask;

use crate::bad_input::fields::LINE;
use crate::bad_input::{CANARY, Case, World, ask, invalid};
use prost::Message;

const TOO_MANY: usize = 10_001;

pub fn cases(world: &World) -> Vec<Case> {
    let point = dir::ContactPoint { value: "0812345678".to_owned(), ..Default::default() };
    let contact = dir::Contact {
        name: world.own.contact.clone(),
        first_name: "ก".to_owned(),
        phones: vec![point.clone(); TOO_MANY],
        emails: vec![point; TOO_MANY],
        ..Default::default()
    };
    let create = dir::CreateContactRequest {
        parent: world.own.business.clone(),
        contact: Some(dir::Contact { emails: Vec::new(), ..contact.clone() }),
        ..Default::default()
    };
    let update = dir::UpdateContactRequest {
        contact: Some(dir::Contact { phones: Vec::new(), ..contact }),
        update_mask: Some(mask(&["first_name", "emails"])),
        ..Default::default()
    };
    let number = dir::ContactPoint { value: "+66812345678".to_owned(), ..Default::default() };
    let twenty_one: Vec<_> = (0..21)
        .map(|n| dir::ContactPoint { value: format!("+668123456{n:02}"), ..number.clone() })
        .collect();
    let few = dir::CreateContactRequest {
        parent: world.own.business.clone(),
        contact: Some(dir::Contact {
            first_name: "ก".to_owned(),
            phones: twenty_one,
            ..Default::default()
        }),
        ..Default::default()
    };
    // The same address is also told as given twice, for those that are looked at: only the count matters here.
    let mut cases = vec![
        invalid("phones", "directory.v1.ContactService/CreateContact", &create, &[]),
        invalid("e-mail addresses", "directory.v1.ContactService/UpdateContact", &update, &[]),
        invalid(
            "21 phones",
            "directory.v1.ContactService/CreateContact",
            &few,
            &[("contact.phones", "TOO_MANY")],
        ),
    ];
    cases[0].some = Some(("contact.phones", "TOO_MANY"));
    cases[1].some = Some(("contact.emails", "TOO_MANY"));
    cases
}

/// An import's rows are refused one by one, each with every wrong field from the row's own root.
pub async fn wrong_rows(world: &World) {
    let wrong = dir::ImportRow {
        row_number: 7,
        external_id: LINE.to_owned(),
        first_name: LINE.to_owned(),
        last_name: CANARY.repeat(34),
        phones: vec![CANARY.to_owned(), "•••-•••-••••".to_owned()],
        emails: vec![CANARY.to_owned()],
        account: LINE.to_owned(),
        lead_source: "Facebook".to_owned(),
        phone_consent: 9,
        email_consent: -1,
        consent_time: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
        ..Default::default()
    };
    let long = dir::ImportRow {
        row_number: 8,
        first_name: "ก".to_owned(),
        phones: vec!["0812345678".to_owned(); TOO_MANY],
        ..Default::default()
    };
    let batch = dir::ImportContactsRequest {
        parent: world.own.business.clone(),
        rows: vec![wrong, long],
        ..Default::default()
    };
    let owner = &world.ours.owner;
    let rpc = "directory.v1.ImportService/ImportContacts";
    let answers = ask(world, owner, rpc, "th", batch.encode_to_vec()).await.unwrap();
    let answer = dir::ImportContactsResponse::decode(answers[0].as_slice()).unwrap();
    assert!(!format!("{answer:?}").contains(CANARY), "a value comes back");
    let found: Vec<_> = answer.results.into_iter().map(rejected).collect();
    let expected = [
        (
            7,
            vec![
                ("account", "CONTROL_CHARACTER"),
                ("consent_time", "INVALID_TIMESTAMP"),
                ("email_consent", "UNKNOWN_VALUE"),
                ("emails[0]", "INVALID_EMAIL"),
                ("external_id", "CONTROL_CHARACTER"),
                ("first_name", "CONTROL_CHARACTER"),
                ("last_name", "TOO_LONG"),
                ("lead_title", "REQUIRED"),
                ("phone_consent", "UNKNOWN_VALUE"),
                ("phones[0]", "INVALID_PHONE"),
                ("phones[1]", "MASKED_VALUE"),
            ],
        ),
        (8, vec![("phones", "TOO_MANY")]),
    ];
    let expected = expected.map(|(row, fields)| {
        let named = |(field, reason): (&str, &str)| (field.to_owned(), reason.to_owned());
        (row, fields.into_iter().map(named).collect::<Vec<_>>())
    });
    assert_eq!(found, expected);
}

fn rejected(row: dir::ImportRowResult) -> (i64, Vec<(String, String)>) {
    assert_eq!((row.outcome(), &*row.contact), (dir::ImportOutcome::Rejected, ""));
    let refusal = row.refusal.expect("why");
    assert_eq!((refusal.code, &*refusal.reason), (Code::InvalidArgument as i32, "INVALID_INPUT"));
    let fields = refusal.field_violations.into_iter();
    let mut fields: Vec<_> = fields.map(|field| (field.field, field.reason)).collect();
    fields.sort();
    (row.row_number, fields)
}
