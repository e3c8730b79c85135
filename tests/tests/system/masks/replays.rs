//! A replay repeats the outcome and renders values as the caller may see them now.

use yinyom_proto::directory::v1 as dir;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1::{Channel, ConsentState, Role};
use yinyom_tests::{Person, mask, reason};

use crate::masks::{EMAIL, EMAIL_MASK, PHONE, PHONE_MASK, World, creation};

/// Somebody's own requests: a contact made, and its points changed.
struct Requests {
    create: dir::CreateContactRequest,
    update: dir::UpdateContactRequest,
}

async fn requests(world: &World, person: &Person) -> (Requests, [dir::Contact; 2]) {
    let create = creation(&world.business, &["081-234-5678"], &[]);
    let created = person.contacts.clone().create_contact(create.clone()).await.unwrap();
    let created = created.into_inner().contact.unwrap();
    let point = dir::ContactPoint { value: EMAIL.to_owned(), ..Default::default() };
    let update = dir::UpdateContactRequest {
        contact: Some(dir::Contact {
            name: created.name.clone(),
            emails: vec![point],
            ..Default::default()
        }),
        update_mask: Some(mask(&["emails"])),
        request_id: uuid::Uuid::now_v7().to_string(),
    };
    let updated = person.contacts.clone().update_contact(update.clone()).await.unwrap();
    let updated = updated.into_inner().contact.unwrap();
    for channel in [Channel::Phone, Channel::Email] {
        world.business.say(&created.name, channel, ConsentState::Denied).await;
    }
    (Requests { create, update }, [created, updated])
}

impl Requests {
    async fn repeat(&self, person: &Person) -> [dir::Contact; 2] {
        let mut contacts = person.contacts.clone();
        let created = contacts.create_contact(self.create.clone()).await.unwrap().into_inner();
        let updated = contacts.update_contact(self.update.clone()).await.unwrap().into_inner();
        [created.contact.unwrap(), updated.contact.unwrap()]
    }
}

fn values(contact: &dir::Contact) -> (&str, &str) {
    (&contact.phones[0].value, &contact.emails[0].value)
}

pub async fn a_removed_viewer_who_repeats_a_request_sees_masks(world: World) {
    let business = &world.business;
    let mut owner = business.owner.clone();
    let admin = world.house.hire(business.id, &owner, Role::Admin, false).await;
    let (of_listed, first) = requests(&world, &business.listed).await;
    let (of_admin, _) = requests(&world, &admin).await;
    for (requests, person) in [(&of_listed, &business.listed), (&of_admin, &admin)] {
        for again in requests.repeat(person).await {
            assert_eq!(values(&again), (PHONE, EMAIL), "who sees sees it again");
        }
    }

    let remove = set::RemoveViewersRequest {
        parent: business.name.clone(),
        members: vec![business.listed.name.clone()],
        ..Default::default()
    };
    owner.settings.remove_viewers(remove).await.unwrap();
    let member =
        set::Member { name: admin.name.clone(), role: Role::User.into(), ..Default::default() };
    let demote = set::UpdateMemberRequest {
        member: Some(member),
        update_mask: Some(mask(&["role"])),
        ..Default::default()
    };
    owner.businesses.update_member(demote).await.unwrap();

    // From the call that takes the right away on, at once.
    for (requests, person) in [(&of_listed, &business.listed), (&of_admin, &admin)] {
        for again in requests.repeat(person).await {
            assert_eq!(values(&again), (PHONE_MASK, EMAIL_MASK));
        }
    }
    // It is still the outcome that it was.
    let again = of_listed.repeat(&business.listed).await;
    for (again, first) in again.iter().zip(&first) {
        assert_eq!((&again.name, &again.etag), (&first.name, &first.etag));
    }
    world.house.close().await;
}

pub async fn a_removed_member_who_repeats_a_request_is_nobody(world: World) {
    let mut owner = world.business.owner.clone();
    let (of_listed, _) = requests(&world, &world.business.listed).await;
    let delete =
        set::DeleteMemberRequest { name: world.business.listed.name.clone(), ..Default::default() };
    owner.businesses.delete_member(delete).await.unwrap();
    let mut contacts = world.business.listed.contacts.clone();
    let again = contacts.create_contact(of_listed.create.clone()).await;
    assert_eq!(reason(again), "NOT_FOUND");
    let again = contacts.update_contact(of_listed.update.clone()).await;
    assert_eq!(reason(again), "NOT_FOUND");
    // Nor is it anybody else's request: the same id is another caller's own.
    let other = world.business.admin.contacts.clone().create_contact(of_listed.create).await;
    let other = other.unwrap().into_inner().contact.unwrap();
    assert_ne!(other.name, of_listed.update.contact.unwrap().name);
    world.house.close().await;
}
