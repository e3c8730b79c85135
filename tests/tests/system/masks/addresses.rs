//! What rests on the equality of addresses: shared ones, and refused ones that come back.

use yinyom_proto::directory::v1 as dir;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{Person, eventually, mask, reason};

use crate::masks::{EMAIL, EMAIL_MASK, PHONE, PHONE_MASK, Rules, World, creation, get};

fn question(world: &World, contacts: &[&str]) -> dir::BatchCheckConsentRequest {
    dir::BatchCheckConsentRequest {
        parent: world.business.name.clone(),
        channel: Channel::Phone.into(),
        contacts: contacts.iter().map(|name| (*name).to_owned()).collect(),
    }
}

async fn check(world: &World, person: &Person, contact: &str) -> dir::CheckReason {
    let asked = question(world, &[contact]);
    let answer = person.consents.clone().batch_check_consent(asked).await.unwrap();
    let check = answer.into_inner().checks.remove(0);
    assert_eq!(check.allowed, check.reason() == dir::CheckReason::Allowed);
    check.reason()
}

/// Families and offices share phones.
pub async fn a_shared_address_is_heeded_as_the_business_says(mut world: World) {
    let mother = world.business.contact(&["081-234-5678"], &[]).await.name;
    let daughter = world.business.contact(&["+66812345678", "0898765432"], &[]).await.name;
    world.business.say(&mother, Channel::Phone, ConsentState::Denied).await;
    world.business.say(&daughter, Channel::Phone, ConsentState::Granted).await;
    let owner = world.business.owner.clone();
    assert_eq!(check(&world, &owner, &mother).await, dir::CheckReason::Denied);
    let allowed = dir::CheckReason::Allowed;
    assert_eq!(check(&world, &owner, &daughter).await, allowed, "consent is per contact");

    let heed = |policy: set::SharedAddressPolicy| {
        move |settings: &mut set::ConsentSettings| settings.shared_address_policy = policy.into()
    };
    let (paths, strict) = (["shared_address_policy"], set::SharedAddressPolicy::MostRestrictive);
    world.business.set_rules(&paths, heed(strict)).await;
    for asker in [owner.clone(), world.house.named("mailer")] {
        let expected = dir::CheckReason::SharedAddressDenied;
        let found =
            eventually(async || check(&world, &asker, &daughter).await, |found| *found == expected);
        found.await;
    }
    // It is about marketing, not about who sees what.
    assert_eq!(get(&world.business.user, &daughter).await.phones[0].value, PHONE);
    world.business.say(&mother, Channel::Phone, ConsentState::Granted).await;
    assert_eq!(check(&world, &owner, &daughter).await, allowed, "nobody refuses it any more");
    world.house.close().await;
}

/// Owner, admin, listed users and scoped services, while enforcement is on; with it off users, too.
pub async fn an_answer_that_rests_on_hidden_addresses_is_for_those_who_see_them(mut world: World) {
    let contact = world.business.contact(&[PHONE], &[]).await.name;
    world.business.say(&contact, Channel::Phone, ConsentState::Granted).await;
    for rules in [Rules::Mask, Rules::Show, Rules::Off] {
        world.let_users_see(rules).await;
        for (who, viewer) in world.viewers() {
            let asked = question(&world, &[&contact]);
            let answer = viewer.consents.clone().batch_check_consent(asked).await;
            match (who, rules) {
                ("dashboard", _) | ("user" | "officer", Rules::Mask | Rules::Show) => {
                    assert_eq!(reason(answer), "HIDDEN_ADDRESSES", "{who} {rules:?}");
                }
                _ => assert!(answer.is_ok(), "{who} {rules:?}"),
            }
        }
        let absent = format!("{}/contacts/{}", world.business.name, uuid::Uuid::now_v7());
        let owner = world.business.owner.clone();
        assert_eq!(check(&world, &owner, &absent).await, dir::CheckReason::NotFound);
    }
    world.house.close().await;
}

/// «Deleting a contact keeps a keyed hash of each refused address, and a contact created with it starts DENIED.»
pub async fn a_refused_address_that_comes_back_is_still_refused(world: World) {
    let mut owner = world.business.owner.clone();
    let gone = world.business.contact(&["081-234-5678"], &[EMAIL]).await.name;
    world.business.say(&gone, Channel::Phone, ConsentState::Denied).await;
    world.business.say(&gone, Channel::Email, ConsentState::Granted).await;
    let delete = dir::DeleteContactRequest { name: gone, ..Default::default() };
    owner.contacts.delete_contact(delete).await.unwrap();

    // In another format, by somebody who then does not see what they wrote.
    let mut user = world.business.user.clone();
    let new = creation(&world.business, &["๐๘๑ ๒๓๔ ๕๖๗๘", "0898765432"], &[EMAIL]);
    let back = user.contacts.create_contact(new).await.unwrap().into_inner().contact.unwrap();
    let values: Vec<_> = back.phones.iter().map(|point| &*point.value).collect();
    assert_eq!(values, [PHONE_MASK; 2], "consent is of the channel");
    assert_eq!(back.phones[0].consent_state(), ConsentState::Denied);
    assert_eq!(back.emails[0].consent_state(), ConsentState::NotSet, "that one was not refused");
    assert_eq!(back.emails[0].value, EMAIL);

    let other = creation(&world.business, &["0898765432"], &[]);
    let other = user.contacts.create_contact(other).await.unwrap().into_inner().contact.unwrap();
    assert_eq!(other.phones[0].consent_state(), ConsentState::NotSet, "nobody refused this one");

    // Nor does it come in through an edit of somebody who said yes.
    world.business.say(&other.name, Channel::Phone, ConsentState::Granted).await;
    let mut phones = get(&owner, &other.name).await.phones;
    phones.push(dir::ContactPoint { value: "0066812345678".to_owned(), ..Default::default() });
    let update = dir::UpdateContactRequest {
        contact: Some(dir::Contact { name: other.name.clone(), phones, ..Default::default() }),
        update_mask: Some(mask(&["phones"])),
        ..Default::default()
    };
    let updated = user.contacts.update_contact(update).await.unwrap().into_inner();
    let updated = updated.contact.unwrap();
    assert!(updated.phones.iter().all(|point| point.value == PHONE_MASK), "{updated:?}");
    assert_eq!(updated.phones[0].consent_state(), ConsentState::Denied);

    // Another business has its own memory.
    let name = world.foreigner.name.split("/members/").next().unwrap().to_owned();
    let theirs =
        dir::CreateContactRequest { parent: name, ..creation(&world.business, &[PHONE], &[EMAIL]) };
    let theirs = world.foreigner.contacts.clone().create_contact(theirs).await.unwrap();
    let theirs = theirs.into_inner().contact.unwrap();
    assert_eq!(theirs.phones[0].consent_state(), ConsentState::NotSet);
    assert_ne!(theirs.emails[0].value, EMAIL_MASK);
    world.house.close().await;
}
