//! What is said of a customer, said wrongly.

use prost_types::Timestamp;
use tonic::Code;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{self as types, Channel, ConsentState, Surface};
use yinyom_tests::{Things, assign, reason};

use crate::bad_input::{CANARY, Case, World, invalid, refused};

const SET: &str = "directory.v1.ConsentService/SetContactConsents";
const WITHDRAW: &str = "directory.v1.ConsentService/WithdrawConsent";

pub fn cases(world: &World) -> Vec<Case> {
    let mut cases = wrong_words(world);
    cases.extend(wrong_evidence(world));
    cases.extend(false_surfaces(world));
    cases
}

/// The customer said no to phone calls, on the contacts menu.
fn word(world: &World) -> dir::SetContactConsentsRequest {
    assign(&world.own.contact, &[(Channel::Phone, ConsentState::Denied)])
}

fn assigned(channel: i32, state: i32, expires: Option<i64>) -> dir::ConsentAssignment {
    let expire_time = expires.map(|seconds| Timestamp { seconds, nanos: 0 });
    dir::ConsentAssignment { channel, state, expire_time }
}

fn wrong_words(world: &World) -> Vec<Case> {
    let set = |assignments| dir::SetContactConsentsRequest { assignments, ..word(world) };
    let unset = [("assignments[0].channel", "REQUIRED"), ("assignments[0].state", "REQUIRED")];
    let nothing = dir::SetContactConsentsRequest::default();
    let no = dir::WithdrawConsentRequest { channels: vec![9, 0], surface: 99, ..withdrawal(world) };
    vec![
        invalid(
            "nothing at all",
            SET,
            &nothing,
            &[("contact", "INVALID_NAME"), ("surface", "REQUIRED"), ("assignments", "REQUIRED")],
        ),
        invalid("unset enums", SET, &set(vec![assigned(0, 0, None)]), &unset),
        invalid(
            "a number that no enum has does not hide the next mistake",
            SET,
            &dir::SetContactConsentsRequest {
                surface: 99,
                assignments: vec![assigned(9, 0, None), assigned(1, -1, None)],
                etag: "\"1\"".to_owned(),
                request_id: CANARY.to_owned(),
                ..word(world)
            },
            &[
                ("surface", "UNKNOWN_VALUE"),
                ("assignments[0].channel", "UNKNOWN_VALUE"),
                ("assignments[0].state", "REQUIRED"),
                ("assignments[1].state", "UNKNOWN_VALUE"),
                ("request_id", "INVALID_ID"),
            ],
        ),
        invalid(
            "a channel twice",
            SET,
            &set(vec![assigned(1, 3, None), assigned(1, 3, None)]),
            &[("assignments[1].channel", "DUPLICATE_CHANNEL")],
        ),
        invalid(
            "an expiry in the past, and one without a grant",
            SET,
            &set(vec![assigned(1, 2, Some(1)), assigned(2, 3, Some(9_999_999_999))]),
            &[
                ("assignments[0].expire_time", "NOT_IN_FUTURE"),
                ("assignments[1].expire_time", "EXPIRE_TIME_WITHOUT_GRANT"),
            ],
        ),
        invalid(
            "no refusal at all",
            WITHDRAW,
            &dir::WithdrawConsentRequest::default(),
            &[("contact", "INVALID_NAME"), ("surface", "REQUIRED"), ("channels", "REQUIRED")],
        ),
        invalid(
            "a refusal of nothing known",
            WITHDRAW,
            &no,
            &[
                ("surface", "UNKNOWN_VALUE"),
                ("channels[0]", "UNKNOWN_VALUE"),
                ("channels[1]", "REQUIRED"),
            ],
        ),
    ]
}

fn withdrawal(world: &World) -> dir::WithdrawConsentRequest {
    dir::WithdrawConsentRequest {
        contact: world.own.contact.clone(),
        channels: vec![Channel::Email.into()],
        surface: Surface::Contacts.into(),
        ..Default::default()
    }
}

fn wrong_evidence(world: &World) -> Vec<Case> {
    let with =
        |evidence| dir::SetContactConsentsRequest { evidence: Some(evidence), ..word(world) };
    let holds_addresses = types::Evidence {
        method: 99,
        notice_version: "v1 081-234-5678".to_owned(),
        reference: format!("{CANARY}@example.co.th"),
        note: "โทรกลับที่ ๐๘๑ ๒๓๔ ๕๖๗๘".to_owned(),
        claimed_time: Some(Timestamp { seconds: 99_999_999_999, nanos: 0 }),
    };
    let too_long = types::Evidence {
        notice_version: CANARY.repeat(11),
        reference: CANARY.repeat(34),
        note: CANARY.repeat(334),
        ..Default::default()
    };
    let control = types::Evidence {
        notice_version: format!("{CANARY}\u{7}"),
        reference: format!("{CANARY}\n"),
        note: format!("{CANARY}\u{0}x"),
        claimed_time: Some(Timestamp { seconds: 0, nanos: -1 }),
        ..Default::default()
    };
    // A line break at the end is white space, and goes; one inside stays, and is none of one line.
    let control = types::Evidence { reference: format!("{CANARY}\nx"), ..control };
    vec![
        invalid(
            "evidence with addresses",
            SET,
            &with(holds_addresses),
            &[
                ("evidence.method", "UNKNOWN_VALUE"),
                ("evidence.notice_version", "HOLDS_ADDRESS"),
                ("evidence.reference", "HOLDS_ADDRESS"),
                ("evidence.note", "HOLDS_ADDRESS"),
                ("evidence.claimed_time", "IN_FUTURE"),
            ],
        ),
        invalid(
            "evidence that is too long",
            SET,
            &with(too_long),
            &[
                ("evidence.notice_version", "TOO_LONG"),
                ("evidence.reference", "TOO_LONG"),
                ("evidence.note", "TOO_LONG"),
            ],
        ),
        invalid(
            "evidence with control characters",
            SET,
            &with(control),
            &[
                ("evidence.notice_version", "CONTROL_CHARACTER"),
                ("evidence.reference", "CONTROL_CHARACTER"),
                ("evidence.note", "CONTROL_CHARACTER"),
                ("evidence.claimed_time", "INVALID_TIMESTAMP"),
            ],
        ),
    ]
}

/// The page that a member names must be theirs to name, and the contact must be on it.
fn false_surfaces(world: &World) -> Vec<Case> {
    use Surface::{AccountContacts, Api, Contacts, Import, Lead, LeadContacts};
    let Things { lead, account, primary, contact, .. } = &world.own;
    let absent = Things::absent(&world.own.business);
    let foreign = world.foreign.claimed_for(&world.own.business);
    let on =
        |surface: Surface, contact: &str, lead: &str, account: &str| dir::WithdrawConsentRequest {
            contact: contact.to_owned(),
            surface: surface.into(),
            lead: lead.to_owned(),
            account: account.to_owned(),
            ..withdrawal(world)
        };
    let mismatch = |what, body: &dir::WithdrawConsentRequest| {
        refused(what, WITHDRAW, body, Code::FailedPrecondition, "SURFACE_MISMATCH")
    };
    let other_contact = world.foreign.claimed_for(&world.own.business).contact;
    vec![
        mismatch("not the lead's primary contact", &on(Lead, contact, lead, "")),
        mismatch("not of that lead", &on(LeadContacts, &world.stranger, lead, "")),
        mismatch("not of that account", &on(AccountContacts, &world.stranger, "", account)),
        mismatch("an absent lead", &on(LeadContacts, contact, &absent.lead, "")),
        mismatch("another business's lead", &on(LeadContacts, contact, &foreign.lead, "")),
        mismatch("an absent account", &on(AccountContacts, primary, "", &absent.account)),
        mismatch("an import", &on(Import, contact, "", "")),
        mismatch("a service", &on(Api, contact, "", "")),
        refused(
            "a contact of nobody",
            WITHDRAW,
            &on(Contacts, &other_contact, "", ""),
            Code::NotFound,
            "NOT_FOUND",
        ),
        invalid(
            "the lead's page without its lead",
            WITHDRAW,
            &on(Lead, primary, "", ""),
            &[("lead", "REQUIRED")],
        ),
        invalid(
            "a page of both",
            WITHDRAW,
            &on(AccountContacts, primary, lead, ""),
            &[("account", "REQUIRED"), ("lead", "NOT_ON_THIS_SURFACE")],
        ),
        invalid(
            "another business's page",
            WITHDRAW,
            &on(LeadContacts, contact, &world.foreign.lead, ""),
            &[("lead", "OTHER_BUSINESS")],
        ),
    ]
}

/// Services have no page: every surface but their own is false.
pub async fn services(world: &World) {
    for (service, surface) in ["mailer", "dashboard"].into_iter().flat_map(|s| {
        [Surface::Lead, Surface::LeadContacts, Surface::AccountContacts, Surface::Contacts]
            .map(|surface| (s, surface))
    }) {
        let of_lead = matches!(surface, Surface::Lead | Surface::LeadContacts);
        let of_account = surface == Surface::AccountContacts;
        let body = dir::WithdrawConsentRequest {
            contact: world.own.primary.clone(),
            surface: surface.into(),
            lead: if of_lead { world.own.lead.clone() } else { String::new() },
            account: if of_account { world.own.account.clone() } else { String::new() },
            ..withdrawal(world)
        };
        let mut consents = world.house.named(service).consents;
        let answer = consents.withdraw_consent(body).await;
        assert_eq!(reason(answer), "SURFACE_MISMATCH", "{service} {surface:?}");
    }
}

/// In a batch a wrong row is refused by itself, with every wrong field from the row's own root.
pub async fn rows(world: &World) {
    let wrong = dir::SetContactConsentsRequest {
        surface: 0,
        assignments: vec![assigned(9, 0, None)],
        request_id: uuid::Uuid::now_v7().to_string(),
        ..word(world)
    };
    let contact = world.foreign.contact.clone();
    let foreign = dir::SetContactConsentsRequest { contact, ..word(world) };
    let contact = Things::absent(&world.own.business).contact;
    let absent = dir::SetContactConsentsRequest { contact, ..word(world) };
    let stale = dir::SetContactConsentsRequest { etag: "\"0\"".to_owned(), ..word(world) };
    let request = dir::BatchSetContactConsentsRequest {
        parent: world.own.business.clone(),
        requests: vec![wrong, foreign, absent, stale],
        ..Default::default()
    };
    let mut consents = world.ours.owner.consents.clone();
    let answer = consents.batch_set_contact_consents(request).await.unwrap().into_inner();
    let found: Vec<_> = answer.results.into_iter().map(refusal_of).collect();
    let invalid = Code::InvalidArgument as i32;
    let field = |field: &str, reason: &str| (field.to_owned(), reason.to_owned());
    let expected = [
        (
            invalid,
            "INVALID_INPUT",
            vec![
                field("assignments[0].channel", "UNKNOWN_VALUE"),
                field("assignments[0].state", "REQUIRED"),
                field("request_id", "NOT_IN_A_ROW"),
                field("surface", "REQUIRED"),
            ],
        ),
        (invalid, "INVALID_INPUT", vec![field("contact", "OTHER_BUSINESS")]),
        (Code::NotFound as i32, "NOT_FOUND", Vec::new()),
        (Code::Aborted as i32, "ETAG_MISMATCH", Vec::new()),
    ];
    assert_eq!(found, expected.map(|(code, reason, of)| (code, reason.to_owned(), of)));
}

fn refusal_of(result: dir::BatchSetContactConsentsResult) -> (i32, String, Vec<(String, String)>) {
    use dir::batch_set_contact_consents_result::Result::{ContactConsents, Refusal};
    match result.result.expect("a result") {
        ContactConsents(recorded) => panic!("it is recorded: {recorded:?}"),
        Refusal(refusal) => {
            let fields = refusal.field_violations.into_iter();
            let mut fields: Vec<_> = fields.map(|field| (field.field, field.reason)).collect();
            fields.sort();
            (refusal.code, refusal.reason, fields)
        }
    }
}
