//! The truth table: rules × state × viewer × way out.

use prost::Message;
use tonic::Status;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::VisibilityReason as Reason;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{Person, Things, mask, reason};

use crate::masks::{EMAIL, EMAIL_MASK, PHONE, PHONE_MASK, Rules, STATES, World, creation};

/// Whether a viewer sees a channel in that state, and why: the table of PRODUCT.md, written down once more.
pub fn expected(who: &str, rules: Rules, state: ConsentState) -> (bool, Reason) {
    match (who, rules, state) {
        ("mailer", ..) => (true, Reason::ScopedService),
        ("dashboard", ..) => (false, Reason::UnscopedService),
        (_, Rules::Off, _) => (true, Reason::EnforcementOff),
        ("owner" | "admin" | "listed", ..) => (true, Reason::Privileged),
        (_, _, ConsentState::Granted) => (true, Reason::Granted),
        (_, Rules::Show, ConsentState::NotSet) => (true, Reason::NotSetShown),
        (_, Rules::Mask, ConsentState::NotSet) => (false, Reason::NotSetMasked),
        (_, _, ConsentState::Denied) => (false, Reason::Denied),
        (_, _, ConsentState::Unspecified) => panic!("no state"),
    }
}

/// A contact that its viewer made, on a lead's and an account's page.
struct Exhibit {
    who: &'static str,
    viewer: Person,
    contact: String,
    creation: dir::CreateContactRequest,
    update: dir::UpdateContactRequest,
}

pub async fn the_truth_table_holds_on_every_way_out(mut world: World) {
    let things = Things::make(&world.house, &world.business).await;
    let exhibits = exhibits(&world, &things).await;
    for rules in [Rules::Show, Rules::Mask, Rules::Off] {
        world.let_users_see(rules).await;
        for (i, phone) in STATES.into_iter().enumerate() {
            // The channels go their own ways.
            let email = STATES[(i + 1) % STATES.len()];
            for exhibit in &exhibits {
                world.business.say(&exhibit.contact, Channel::Phone, phone).await;
                world.business.say(&exhibit.contact, Channel::Email, email).await;
                for (way, answer) in ways_out(exhibit, &things).await {
                    let what = format!("{} {rules:?} {phone:?} {way}", exhibit.who);
                    let seen = answer.expect(&what);
                    check(&seen, exhibit, rules, (phone, email), &what);
                }
                nobody_else_sees(&world, &exhibit.contact).await;
            }
        }
    }
    world.house.close().await;
}

fn check(
    seen: &dir::Contact,
    exhibit: &Exhibit,
    rules: Rules,
    states: (ConsentState, ConsentState),
    what: &str,
) {
    assert_eq!(seen.name, exhibit.contact, "{what}");
    for (points, state, value, hidden) in
        [(&seen.phones, states.0, PHONE, PHONE_MASK), (&seen.emails, states.1, EMAIL, EMAIL_MASK)]
    {
        let (visible, why) = expected(exhibit.who, rules, state);
        let [point] = &points[..] else { panic!("{what}: {points:?}") };
        let visibility = if visible { dir::Visibility::Visible } else { dir::Visibility::Masked };
        assert_eq!(point.value, if visible { value } else { hidden }, "{what}");
        assert_eq!((point.visibility(), point.reason()), (visibility, why), "{what}");
        assert_eq!(point.consent_state(), state, "the state is no secret: {what}");
        // Nowhere else in the answer either, such as in an etag.
        let bytes = seen.encode_to_vec();
        let held = bytes.windows(value.len()).any(|part| part == value.as_bytes());
        assert_eq!(held, visible, "{what}");
    }
}

async fn exhibits(world: &World, things: &Things) -> Vec<Exhibit> {
    let mut exhibits = Vec::new();
    for (who, viewer) in world.viewers() {
        let mut creation = creation(&world.business, &["081-234-5678"], &[EMAIL]);
        who.clone_into(&mut creation.contact.as_mut().unwrap().external_id);
        let created = viewer.contacts.clone().create_contact(creation.clone()).await.unwrap();
        let contact = created.into_inner().contact.unwrap().name;
        let link = dir::AddLeadContactsRequest {
            parent: things.lead.clone(),
            contacts: vec![contact.clone()],
            ..Default::default()
        };
        world.business.owner.leads.clone().add_lead_contacts(link).await.unwrap();
        let link = dir::AddAccountContactsRequest {
            parent: things.account.clone(),
            contacts: vec![contact.clone()],
            ..Default::default()
        };
        world.business.owner.accounts.clone().add_account_contacts(link).await.unwrap();
        let update = renaming(&contact);
        viewer.contacts.clone().update_contact(update.clone()).await.unwrap();
        exhibits.push(Exhibit { who, viewer, contact, creation, update });
    }
    exhibits
}

/// Everybody may change a name, also of somebody whose number they do not see.
fn renaming(contact: &str) -> dir::UpdateContactRequest {
    dir::UpdateContactRequest {
        contact: Some(dir::Contact {
            name: contact.to_owned(),
            first_name: "สมศรี".to_owned(),
            ..Default::default()
        }),
        update_mask: Some(mask(&["first_name"])),
        request_id: uuid::Uuid::now_v7().to_string(),
    }
}

type Way = (&'static str, Result<dir::Contact, Status>);

/// Every RPC that answers with contacts, and the exhibit among them.
async fn ways_out(exhibit: &Exhibit, things: &Things) -> Vec<Way> {
    let (parent, name) = (things.business.clone(), exhibit.contact.clone());
    let (mut contacts, page_size) = (exhibit.viewer.contacts.clone(), 1_000);
    let (mut leads, mut accounts) = (exhibit.viewer.leads.clone(), exhibit.viewer.accounts.clone());
    let among = |found: Vec<dir::Contact>| {
        let mut found = found.into_iter().filter(|contact| contact.name == exhibit.contact);
        found.next().ok_or_else(|| Status::internal("it is not among them"))
    };
    let search =
        dir::SearchContactsRequest { parent: parent.clone(), page_size, ..Default::default() };
    let by_key =
        dir::SearchContactsRequest { external_id: exhibit.who.to_owned(), ..search.clone() };
    let by_name =
        dir::SearchContactsRequest { name_prefix: "สมศรี".to_owned(), ..search };
    let get = dir::GetContactRequest { name: name.clone() };
    let batch = dir::BatchGetContactsRequest { parent: parent.clone(), names: vec![name] };
    let list = dir::ListContactsRequest { parent, page_size, ..Default::default() };
    let of_lead = dir::ListLeadContactsRequest {
        parent: things.lead.clone(),
        page_size,
        ..Default::default()
    };
    let of_account = dir::ListAccountContactsRequest {
        parent: things.account.clone(),
        page_size,
        ..Default::default()
    };
    let one = |contact: Option<dir::Contact>| contact.ok_or_else(|| Status::internal("none"));
    let renamed = contacts.update_contact(renaming(&exhibit.contact)).await;
    let repeated = contacts.update_contact(exhibit.update.clone()).await;
    let recreated = contacts.create_contact(exhibit.creation.clone()).await;
    vec![
        ("get", contacts.get_contact(get).await.and_then(|a| one(a.into_inner().contact))),
        (
            "batch get",
            contacts.batch_get_contacts(batch).await.and_then(|a| among(a.into_inner().contacts)),
        ),
        ("list", contacts.list_contacts(list).await.and_then(|a| among(a.into_inner().contacts))),
        (
            "search by key",
            contacts.search_contacts(by_key).await.and_then(|a| among(a.into_inner().contacts)),
        ),
        (
            "search by name",
            contacts.search_contacts(by_name).await.and_then(|a| among(a.into_inner().contacts)),
        ),
        (
            "lead",
            leads.list_lead_contacts(of_lead).await.and_then(|a| among(a.into_inner().contacts)),
        ),
        (
            "account",
            accounts
                .list_account_contacts(of_account)
                .await
                .and_then(|a| among(a.into_inner().contacts)),
        ),
        ("update", renamed.and_then(|a| one(a.into_inner().contact))),
        ("repeated update", repeated.and_then(|a| one(a.into_inner().contact))),
        ("repeated creation", recreated.and_then(|a| one(a.into_inner().contact))),
    ]
}

/// Another business's owner, and a service of another business.
async fn nobody_else_sees(world: &World, contact: &str) {
    for stranger in [world.foreigner.clone(), world.house.named("elsewhere")] {
        let get = dir::GetContactRequest { name: contact.to_owned() };
        let answer = stranger.contacts.clone().get_contact(get).await;
        assert_eq!(reason(answer), "NOT_FOUND");
    }
    let get = dir::GetContactRequest { name: contact.to_owned() };
    let answer = world.house.named("vendor").contacts.get_contact(get).await;
    assert_eq!(reason(answer), "RPC_NOT_ALLOWED");
}
