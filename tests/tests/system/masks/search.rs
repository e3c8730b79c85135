//! Masked is not hidden if you can search for it (TRAPS 8).

use prost::Message;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::Person;

use crate::masks::seen::expected;
use crate::masks::{EMAIL, PHONE, Rules, STATES, World};

async fn found(
    person: &Person,
    question: dir::SearchContactsRequest,
) -> dir::SearchContactsResponse {
    person.contacts.clone().search_contacts(question).await.unwrap().into_inner()
}

pub async fn an_address_finds_only_what_its_seeker_sees(mut world: World) {
    let contact = world.business.contact(&["081-234-5678"], &[EMAIL]).await.name;
    let question =
        dir::SearchContactsRequest { parent: world.business.name.clone(), ..Default::default() };
    let ask = |phone: &str, email: &str| dir::SearchContactsRequest {
        phone: phone.to_owned(),
        email: email.to_owned(),
        ..question.clone()
    };
    for rules in [Rules::Mask, Rules::Show, Rules::Off] {
        world.let_users_see(rules).await;
        for (i, phone) in STATES.into_iter().enumerate() {
            let email = STATES[(i + 1) % STATES.len()];
            world.business.say(&contact, Channel::Phone, phone).await;
            world.business.say(&contact, Channel::Email, email).await;
            for (who, viewer) in world.viewers() {
                let sees_phone = expected(who, rules, phone).0;
                let sees_email = expected(who, rules, email).0;
                let narrow = dir::SearchContactsRequest {
                    name_prefix: "สมหญิง".to_owned(),
                    state: phone.into(),
                    channel: Channel::Phone.into(),
                    ..ask("๐๘๑๒๓๔๕๖๗๘", "")
                };
                for (question, sees) in [
                    (ask(PHONE, ""), sees_phone),
                    (ask("(081) 234 5678", ""), sees_phone),
                    (ask("", &EMAIL.to_uppercase()), sees_email),
                    // What is found by the one must not tell of the other.
                    (ask(PHONE, EMAIL), sees_phone && sees_email),
                    (narrow, sees_phone),
                ] {
                    let mut answer = found(&viewer, question.clone()).await;
                    let what = format!("{who} {rules:?} {phone:?} {question:?}");
                    // Probes of the rules have the same number, and say nothing.
                    let hit = answer.contacts.iter().any(|found| found.name == contact);
                    assert_eq!(hit, sees, "{what}");
                    answer.contacts.retain(|found| found.name == contact);
                    if !sees {
                        let nobody = found(&viewer, absent(&question)).await;
                        let (answer, nobody) = (answer.encode_to_vec(), nobody.encode_to_vec());
                        assert_eq!(answer, nobody, "hidden is not like absent: {what}");
                    }
                }
            }
        }
    }
    world.house.close().await;
}

/// The same question about addresses that nobody has.
fn absent(question: &dir::SearchContactsRequest) -> dir::SearchContactsRequest {
    let other = |text: &str, other: &str| if text.is_empty() { "" } else { other }.to_owned();
    dir::SearchContactsRequest {
        phone: other(&question.phone, "0898765432"),
        email: other(&question.email, "nobody@example.co.th"),
        ..question.clone()
    }
}

/// A page size of one, and hidden contacts before, between and after: neither a page nor a token is for them.
pub async fn a_page_of_found_contacts_does_not_count_hidden_ones(world: World) {
    let mut visible = Vec::new();
    for hidden in [true, false, true, true, false, true] {
        let contact = world.business.contact(&[PHONE], &[]).await.name;
        if hidden {
            world.business.say(&contact, Channel::Phone, ConsentState::Denied).await;
        } else {
            visible.push(contact);
        }
    }
    for order_by in ["", "name", "update_time", "create_time desc", "name desc"] {
        let mut pages = Vec::new();
        let mut question = dir::SearchContactsRequest {
            parent: world.business.name.clone(),
            phone: PHONE.to_owned(),
            page_size: 1,
            order_by: order_by.to_owned(),
            ..Default::default()
        };
        loop {
            let page = found(&world.business.user, question.clone()).await;
            pages.push(page.contacts.into_iter().map(|found| found.name).collect::<Vec<_>>());
            if page.next_page_token.is_empty() {
                break;
            }
            question.page_token = page.next_page_token;
        }
        assert!(pages.iter().all(|page| page.len() == 1), "{order_by}: {pages:?}");
        let mut names: Vec<_> = pages.into_iter().flatten().collect();
        names.sort();
        assert_eq!(names, visible, "{order_by}");
    }
    world.house.close().await;
}
