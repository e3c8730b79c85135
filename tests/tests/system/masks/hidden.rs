//! A mask tells nothing, and neither does anything around it.

use prost::Message;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{Person, Things, mask, raw, refusal};

use crate::masks::{EMAIL, PHONE, World, creation, get, withdrawal};

const OTHER_PHONE: &str = "+442071838750";
const OTHER_EMAIL: &str = "a.very.long.name.of.somebody.else@mail.example.com";

/// Two contacts that differ only in what the user does not see.
struct Twins {
    names: [String; 2],
    things: Things,
}

async fn twins(world: &World) -> Twins {
    let things = Things::make(&world.house, &world.business).await;
    let names = [
        world.business.contact(&[PHONE], &[EMAIL]).await.name,
        world.business.contact(&[OTHER_PHONE], &[OTHER_EMAIL]).await.name,
    ];
    let mut owner = world.business.owner.clone();
    for name in &names {
        owner
            .consents
            .withdraw_consent(withdrawal(name, crate::masks::surface_of("owner")))
            .await
            .unwrap();
    }
    let contacts = names.to_vec();
    let link = dir::AddLeadContactsRequest {
        parent: things.lead.clone(),
        contacts: contacts.clone(),
        ..Default::default()
    };
    owner.leads.add_lead_contacts(link).await.unwrap();
    let link = dir::AddAccountContactsRequest {
        parent: things.account.clone(),
        contacts,
        ..Default::default()
    };
    owner.accounts.add_account_contacts(link).await.unwrap();
    Twins { names, things }
}

/// Without what is each contact's own by its nature: its id, its points' ids, and when it was written.
fn bare(mut contact: dir::Contact) -> Vec<u8> {
    contact.name.clear();
    (contact.create_time, contact.update_time) = (None, None);
    for point in contact.phones.iter_mut().chain(&mut contact.emails) {
        point.id.clear();
    }
    for consent in &mut contact.consents {
        consent.update_time = None;
    }
    contact.encode_to_vec()
}

pub async fn contacts_that_differ_in_hidden_values_are_answered_alike(world: World) {
    let twins = twins(&world).await;
    let Things { business, lead, account, .. } = &twins.things;
    for viewer in [&world.business.user, &world.business.officer, &world.house.named("dashboard")] {
        let (mut contacts, parent) = (viewer.contacts.clone(), business.clone());
        let list = dir::ListContactsRequest { parent: parent.clone(), ..Default::default() };
        let search = dir::SearchContactsRequest {
            parent: parent.clone(),
            name_prefix: "สมหญิง".to_owned(),
            state: ConsentState::Denied.into(),
            ..Default::default()
        };
        let batch = dir::BatchGetContactsRequest { parent, names: twins.names.to_vec() };
        let of_lead = dir::ListLeadContactsRequest { parent: lead.clone(), ..Default::default() };
        let of_account =
            dir::ListAccountContactsRequest { parent: account.clone(), ..Default::default() };
        let answers = [
            contacts.batch_get_contacts(batch).await.unwrap().into_inner().contacts,
            contacts.list_contacts(list).await.unwrap().into_inner().contacts,
            contacts.search_contacts(search).await.unwrap().into_inner().contacts,
            viewer.leads.clone().list_lead_contacts(of_lead).await.unwrap().into_inner().contacts,
            viewer
                .accounts
                .clone()
                .list_account_contacts(of_account)
                .await
                .unwrap()
                .into_inner()
                .contacts,
            vec![get(viewer, &twins.names[0]).await, get(viewer, &twins.names[1]).await],
        ];
        for answer in answers {
            let pair: Vec<_> =
                answer.into_iter().filter(|found| twins.names.contains(&found.name)).collect();
            let [one, other] = &pair[..] else { panic!("{pair:?}") };
            assert_eq!(bare(one.clone()), bare(other.clone()));
        }
        same_page_tokens(viewer, business).await;
    }
    world.house.close().await;
}

/// The token of the page that ends with a contact is as long for one twin as for the other.
async fn same_page_tokens(viewer: &Person, business: &str) {
    let mut lengths = Vec::new();
    let mut page = dir::ListContactsRequest {
        parent: business.to_owned(),
        page_size: 1,
        order_by: "name".to_owned(),
        ..Default::default()
    };
    loop {
        let answer = viewer.contacts.clone().list_contacts(page.clone()).await.unwrap();
        page.page_token = answer.into_inner().next_page_token;
        if page.page_token.is_empty() {
            break;
        }
        lengths.push(page.page_token.len());
    }
    lengths.dedup();
    assert_eq!(lengths.len(), 1, "{lengths:?}");
}

pub async fn a_guess_at_a_hidden_value_is_answered_like_any_other(world: World) {
    let twins = twins(&world).await;
    let [name, _] = &twins.names;
    let before = get(&world.business.owner, name).await;
    let mut user = world.business.user.clone();
    let write = |phone: &str, email: &str, paths: &[&str]| {
        let point = |id: &str, value: &str| dir::ContactPoint {
            id: id.to_owned(),
            value: value.to_owned(),
            ..Default::default()
        };
        dir::UpdateContactRequest {
            contact: Some(dir::Contact {
                name: name.clone(),
                phones: vec![point(&before.phones[0].id, phone)],
                emails: vec![point(&before.emails[0].id, email)],
                ..Default::default()
            }),
            update_mask: Some(mask(paths)),
            ..Default::default()
        }
    };
    // «Write the number that you believe it is, and see whether anything changes.»
    for paths in [&["phones"][..], &["emails"], &["phones", "emails"]] {
        let right = user.contacts.update_contact(write(PHONE, EMAIL, paths)).await.unwrap_err();
        let wrong = user.contacts.update_contact(write(OTHER_PHONE, OTHER_EMAIL, paths)).await;
        assert_eq!(refusal(&right).1, "CONTACT_POINT_MASKED");
        assert_eq!(raw::bytes(&right), raw::bytes(&wrong.unwrap_err()));
    }
    // «Create somebody with that number, and see whether it is there already.»
    let new = |phone: &str, email: &str| creation(&world.business, &[phone], &[email]);
    let taken = user.contacts.create_contact(new(PHONE, EMAIL)).await.unwrap().into_inner();
    let free = user.contacts.create_contact(new(PHONE, "free@example.co.th")).await.unwrap();
    let (taken, mut free) = (taken.contact.unwrap(), free.into_inner().contact.unwrap());
    assert_eq!(taken.emails[0].value, EMAIL, "the writer's own words");
    EMAIL.clone_into(&mut free.emails[0].value);
    assert_eq!(bare(taken), bare(free));
    // «Ask which of these may be mailed, and see which of mine is like the hidden one.»
    let check = dir::BatchCheckConsentRequest {
        parent: world.business.name.clone(),
        channel: Channel::Email.into(),
        contacts: twins.names.to_vec(),
    };
    let refused = user.consents.batch_check_consent(check).await.unwrap_err();
    assert_eq!(refusal(&refused).1, "HIDDEN_ADDRESSES");
    assert_eq!(before, get(&world.business.owner, name).await, "nothing was changed");
    world.house.close().await;
}
