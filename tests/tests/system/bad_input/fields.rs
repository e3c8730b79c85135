//! Requests to the directory with everything wrong at once.

use yinyom_proto::directory::v1 as dir;
use yinyom_tests::mask;

use crate::bad_input::addresses::{self, points};
use crate::bad_input::{CANARY, Case, World, invalid};

pub const LINE: &str = "kanari\u{7}x";

pub fn cases(world: &World) -> Vec<Case> {
    let mut cases = contacts(world);
    cases.extend(addresses::cases(world));
    cases.extend(leads(world));
    cases.extend(accounts(world));
    cases.extend(batches(world));
    cases.extend(previews());
    cases
}

/// A contact in which everything is wrong, and the fields that are.
fn wrong_contact() -> (dir::Contact, Vec<(&'static str, &'static str)>) {
    let contact = dir::Contact {
        external_id: CANARY.repeat(34),
        first_name: LINE.to_owned(),
        last_name: CANARY.repeat(34),
        phones: points(&[CANARY, "0812345678", "•••-•••-••••"]),
        emails: points(&["a\u{1}b@example.co.th", CANARY]),
        ..Default::default()
    };
    let wrong = vec![
        ("contact.external_id", "TOO_LONG"),
        ("contact.first_name", "CONTROL_CHARACTER"),
        ("contact.last_name", "TOO_LONG"),
        ("contact.phones[0].value", "INVALID_PHONE"),
        ("contact.phones[2].value", "MASKED_VALUE"),
        ("contact.emails[0].value", "CONTROL_CHARACTER"),
        ("contact.emails[1].value", "INVALID_EMAIL"),
    ];
    (contact, wrong)
}

fn contacts(world: &World) -> Vec<Case> {
    const CREATE: &str = "directory.v1.ContactService/CreateContact";
    const UPDATE: &str = "directory.v1.ContactService/UpdateContact";
    let (contact, mut wrong) = wrong_contact();
    let create = dir::CreateContactRequest {
        parent: CANARY.to_owned(),
        contact: Some(contact.clone()),
        request_id: CANARY.to_owned(),
    };
    let paths = ["phones", CANARY, "emails", "first_name", "last_name", "external_id", "etag"];
    let update = dir::UpdateContactRequest {
        contact: Some(dir::Contact { name: world.own.lead.clone(), ..contact }),
        update_mask: Some(mask(&paths)),
        request_id: CANARY.to_owned(),
    };
    wrong.push(("request_id", "INVALID_ID"));
    let mut wrong_update = wrong.clone();
    wrong_update.push(("contact.name", "INVALID_NAME"));
    wrong_update.push(("update_mask.paths[1]", "UNKNOWN_PATH"));
    wrong_update.push(("update_mask.paths[6]", "UNKNOWN_PATH"));
    wrong.push(("parent", "INVALID_NAME"));
    let unknown_points = dir::UpdateContactRequest {
        contact: Some(dir::Contact {
            name: world.own.contact.clone(),
            phones: vec![dir::ContactPoint {
                id: CANARY.to_owned(),
                ..points(&["0812345678"])[0].clone()
            }],
            emails: vec![dir::ContactPoint {
                id: CANARY.to_owned(),
                ..points(&["a@example.co.th"])[0].clone()
            }],
            ..Default::default()
        }),
        update_mask: Some(mask(&["phones", "emails"])),
        ..Default::default()
    };
    let mut strange_points = unknown_points.clone();
    let contact = strange_points.contact.as_mut().unwrap();
    for point in contact.phones.iter_mut().chain(&mut contact.emails) {
        point.id = uuid::Uuid::now_v7().to_string();
    }
    let nobody = dir::Contact::default();
    let nameless = dir::CreateContactRequest {
        parent: world.own.business.clone(),
        contact: Some(nobody),
        ..Default::default()
    };
    vec![
        invalid("everything is wrong", CREATE, &create, &wrong),
        invalid(
            "nothing at all",
            CREATE,
            &dir::CreateContactRequest::default(),
            &[("parent", "INVALID_NAME"), ("contact", "REQUIRED")],
        ),
        invalid("no name", CREATE, &nameless, &[("contact.first_name", "REQUIRED")]),
        invalid("everything is wrong", UPDATE, &update, &wrong_update),
        invalid(
            "points without an id of ours",
            UPDATE,
            &unknown_points,
            &[("contact.phones[0].id", "INVALID_ID"), ("contact.emails[0].id", "INVALID_ID")],
        ),
        invalid(
            "points of another contact",
            UPDATE,
            &strange_points,
            &[("contact.phones[0].id", "UNKNOWN_POINT"), ("contact.emails[0].id", "UNKNOWN_POINT")],
        ),
        invalid(
            "nothing at all",
            UPDATE,
            &dir::UpdateContactRequest::default(),
            &[("contact.name", "INVALID_NAME"), ("update_mask", "REQUIRED")],
        ),
        search(),
    ]
}

fn search() -> Case {
    let search = dir::SearchContactsRequest {
        name_prefix: LINE.to_owned(),
        phone: CANARY.to_owned(),
        email: "•••••@•••••".to_owned(),
        external_id: CANARY.repeat(34),
        state: 9,
        channel: -1,
        page_size: -1,
        order_by: "phones".to_owned(),
        ..Default::default()
    };
    invalid(
        "a search",
        "directory.v1.ContactService/SearchContacts",
        &search,
        &[
            ("parent", "INVALID_NAME"),
            ("name_prefix", "CONTROL_CHARACTER"),
            ("phone", "INVALID_PHONE"),
            ("email", "MASKED_VALUE"),
            ("external_id", "TOO_LONG"),
            ("state", "UNKNOWN_VALUE"),
            ("channel", "UNKNOWN_VALUE"),
            ("page_size", "NEGATIVE_PAGE_SIZE"),
            ("order_by", "UNKNOWN_ORDER"),
        ],
    )
}

fn leads(world: &World) -> Vec<Case> {
    let lead = dir::Lead {
        name: CANARY.to_owned(),
        title: LINE.to_owned(),
        source: CANARY.repeat(34),
        primary_contact: world.own.lead.clone(),
        ..Default::default()
    };
    let create = dir::CreateLeadRequest {
        parent: CANARY.to_owned(),
        lead: Some(lead.clone()),
        request_id: CANARY.to_owned(),
    };
    let update = dir::UpdateLeadRequest {
        lead: Some(lead),
        update_mask: Some(mask(&["title", "source", "primary_contact", CANARY])),
        request_id: CANARY.to_owned(),
    };
    let foreign = dir::CreateLeadRequest {
        parent: world.own.business.clone(),
        lead: Some(dir::Lead {
            title: " ".to_owned(),
            primary_contact: world.foreign.contact.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let search = dir::SearchLeadsRequest {
        title_prefix: LINE.to_owned(),
        source: CANARY.repeat(34),
        contact: CANARY.to_owned(),
        page_size: -1,
        order_by: CANARY.to_owned(),
        ..Default::default()
    };
    let target = dir::convert_lead_request::Target::NewAccountDisplayName(LINE.to_owned());
    let convert = dir::ConvertLeadRequest {
        target: Some(target),
        request_id: CANARY.to_owned(),
        ..Default::default()
    };
    let wrong = [
        ("lead.title", "CONTROL_CHARACTER"),
        ("lead.source", "TOO_LONG"),
        ("lead.primary_contact", "INVALID_NAME"),
        ("request_id", "INVALID_ID"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&wrong, more].concat();
    vec![
        invalid(
            "everything is wrong",
            "directory.v1.LeadService/CreateLead",
            &create,
            &with(&[("parent", "INVALID_NAME")]),
        ),
        invalid(
            "another business's contact, and an empty title",
            "directory.v1.LeadService/CreateLead",
            &foreign,
            &[("lead.title", "REQUIRED"), ("lead.primary_contact", "OTHER_BUSINESS")],
        ),
        invalid(
            "everything is wrong",
            "directory.v1.LeadService/UpdateLead",
            &update,
            &with(&[("lead.name", "INVALID_NAME"), ("update_mask.paths[3]", "UNKNOWN_PATH")]),
        ),
        invalid(
            "a search",
            "directory.v1.LeadService/SearchLeads",
            &search,
            &[
                ("parent", "INVALID_NAME"),
                ("title_prefix", "CONTROL_CHARACTER"),
                ("source", "TOO_LONG"),
                ("contact", "INVALID_NAME"),
                ("page_size", "NEGATIVE_PAGE_SIZE"),
                ("order_by", "UNKNOWN_ORDER"),
            ],
        ),
        invalid(
            "a conversion",
            "directory.v1.LeadService/ConvertLead",
            &convert,
            &[
                ("name", "INVALID_NAME"),
                ("new_account_display_name", "CONTROL_CHARACTER"),
                ("request_id", "INVALID_ID"),
            ],
        ),
        invalid(
            "a conversion into nothing",
            "directory.v1.LeadService/ConvertLead",
            &dir::ConvertLeadRequest::default(),
            &[("name", "INVALID_NAME"), ("target", "REQUIRED")],
        ),
    ]
}

fn accounts(world: &World) -> Vec<Case> {
    let account = dir::Account {
        name: world.own.lead.clone(),
        display_name: LINE.to_owned(),
        ..Default::default()
    };
    let create = dir::CreateAccountRequest {
        account: Some(account.clone()),
        request_id: CANARY.to_owned(),
        ..Default::default()
    };
    let update = dir::UpdateAccountRequest {
        account: Some(account),
        update_mask: Some(mask(&["display_name", CANARY])),
        request_id: CANARY.to_owned(),
    };
    let wrong = [("account.display_name", "CONTROL_CHARACTER"), ("request_id", "INVALID_ID")];
    let with = |more: &[(&'static str, &'static str)]| [&wrong, more].concat();
    vec![
        invalid(
            "everything is wrong",
            "directory.v1.AccountService/CreateAccount",
            &create,
            &with(&[("parent", "INVALID_NAME")]),
        ),
        invalid(
            "everything is wrong",
            "directory.v1.AccountService/UpdateAccount",
            &update,
            &with(&[("account.name", "INVALID_NAME"), ("update_mask.paths[1]", "UNKNOWN_PATH")]),
        ),
    ]
}

/// Lists of names, with and without a parent that can be read.
fn batches(world: &World) -> Vec<Case> {
    let names = vec![CANARY.to_owned(), world.foreign.contact.clone(), world.own.lead.clone()];
    let parent = world.own.business.clone();
    let get = dir::BatchGetContactsRequest { parent, names: names.clone() };
    let lost = dir::BatchGetContactsRequest { parent: CANARY.to_owned(), names: names.clone() };
    let link = dir::AddLeadContactsRequest {
        parent: CANARY.to_owned(),
        contacts: names.clone(),
        request_id: CANARY.to_owned(),
    };
    let check = dir::BatchCheckConsentRequest { contacts: names, ..Default::default() };
    let say =
        dir::BatchSetContactConsentsRequest { request_id: CANARY.to_owned(), ..Default::default() };
    vec![
        invalid(
            "names",
            "directory.v1.ContactService/BatchGetContacts",
            &get,
            &[
                ("names[0]", "INVALID_NAME"),
                ("names[1]", "OTHER_BUSINESS"),
                ("names[2]", "INVALID_NAME"),
            ],
        ),
        invalid(
            "names of nobody's",
            "directory.v1.ContactService/BatchGetContacts",
            &lost,
            &[
                ("parent", "INVALID_NAME"),
                ("names[0]", "INVALID_NAME"),
                ("names[2]", "INVALID_NAME"),
            ],
        ),
        invalid(
            "links",
            "directory.v1.LeadService/AddLeadContacts",
            &link,
            &[
                ("parent", "INVALID_NAME"),
                ("contacts[0]", "INVALID_NAME"),
                ("contacts[2]", "INVALID_NAME"),
                ("request_id", "INVALID_ID"),
            ],
        ),
        invalid(
            "a check",
            "directory.v1.ConsentService/BatchCheckConsent",
            &check,
            &[
                ("parent", "INVALID_NAME"),
                ("channel", "REQUIRED"),
                ("contacts[0]", "INVALID_NAME"),
                ("contacts[2]", "INVALID_NAME"),
            ],
        ),
        invalid(
            "no rows",
            "directory.v1.ConsentService/BatchSetContactConsents",
            &say,
            &[("parent", "INVALID_NAME"), ("requests", "REQUIRED"), ("request_id", "INVALID_ID")],
        ),
    ]
}

/// What a switch would do, and who shares an address.
fn previews() -> Vec<Case> {
    vec![
        invalid(
            "a policy that there is not",
            "directory.v1.SharedAddressService/PreviewSharedAddressPolicy",
            &dir::PreviewSharedAddressPolicyRequest {
                parent: CANARY.to_owned(),
                shared_address_policy: 9,
            },
            &[("parent", "INVALID_NAME"), ("shared_address_policy", "UNKNOWN_VALUE")],
        ),
        invalid(
            "no policy",
            "directory.v1.SharedAddressService/PreviewSharedAddressPolicy",
            &dir::PreviewSharedAddressPolicyRequest::default(),
            &[("parent", "INVALID_NAME"), ("shared_address_policy", "REQUIRED")],
        ),
        invalid(
            "a channel that there is not",
            "directory.v1.SharedAddressService/ListSharedAddresses",
            &dir::ListSharedAddressesRequest {
                parent: CANARY.to_owned(),
                channel: 9,
                page_size: -1,
                ..Default::default()
            },
            &[
                ("parent", "INVALID_NAME"),
                ("page_size", "NEGATIVE_PAGE_SIZE"),
                ("channel", "UNKNOWN_VALUE"),
            ],
        ),
        invalid(
            "a visibility that there is not",
            "directory.v1.PreviewService/PreviewVisibility",
            &dir::PreviewVisibilityRequest {
                parent: CANARY.to_owned(),
                not_set_visibility: 9,
                ..Default::default()
            },
            &[("parent", "INVALID_NAME"), ("not_set_visibility", "UNKNOWN_VALUE")],
        ),
    ]
}
