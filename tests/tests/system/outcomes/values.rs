//! A replay shows what its caller may see when it is sent again, whichever replica it is sent to.

use std::collections::HashSet;
use std::time::Duration;

use prost_reflect::{Kind, MessageDescriptor};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{Person, mask, reason};

use crate::outcomes::{World, new_id, writes};

const PHONE: &str = "+66812345678";

/// Whether an answer may hold a contact point, at whatever depth.
fn holds_a_point(message: &MessageDescriptor, seen: &mut HashSet<String>) -> bool {
    if message.name() == "ContactPoint" {
        return true;
    }
    seen.insert(message.full_name().to_owned())
        && message.fields().any(|field| match field.kind() {
            Kind::Message(inner) => holds_a_point(&inner, seen),
            _ => false,
        })
}

/// The writes that are asked below are all that could give a value away.
#[test]
fn few_writes_answer_with_contact_points() {
    let with_points =
        writes().into_iter().filter(|m| holds_a_point(&m.output(), &mut HashSet::new()));
    let names: Vec<_> = with_points.map(|method| method.name().to_owned()).collect();
    let all = ["CreateContact", "UpdateContact", "MergeContacts", "UndoMerge"];
    assert_eq!(names, all, "a new one belongs into this file");
}

struct Requests {
    create: dir::CreateContactRequest,
    update: dir::UpdateContactRequest,
}

impl Requests {
    /// Somebody makes a contact, and changes its points.
    async fn first(world: &World, by: &Person) -> (Self, [dir::Contact; 2]) {
        let point =
            |value: &str| dir::ContactPoint { value: value.to_owned(), ..Default::default() };
        let create = dir::CreateContactRequest {
            parent: world.business.name.clone(),
            contact: Some(dir::Contact {
                first_name: "สมหญิง".to_owned(),
                phones: vec![point(PHONE)],
                ..Default::default()
            }),
            request_id: new_id(),
        };
        let created = by.contacts.clone().create_contact(create.clone()).await.unwrap();
        let name = created.into_inner().contact.unwrap().name;
        let update = dir::UpdateContactRequest {
            contact: Some(dir::Contact {
                name,
                emails: vec![point("somying@example.co.th")],
                ..Default::default()
            }),
            update_mask: Some(mask(&["emails"])),
            request_id: new_id(),
        };
        let requests = Self { create, update };
        let first = requests.again(by).await;
        (requests, first)
    }

    async fn again(&self, by: &Person) -> [dir::Contact; 2] {
        let created = by.contacts.clone().create_contact(self.create.clone()).await.unwrap();
        let updated = by.contacts.clone().update_contact(self.update.clone()).await.unwrap();
        [created.into_inner().contact.unwrap(), updated.into_inner().contact.unwrap()]
    }
}

fn shown(contact: &dir::Contact) -> usize {
    let points = contact.phones.iter().chain(&contact.emails);
    points.filter(|point| point.visibility() == dir::Visibility::Visible).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_shows_what_its_caller_may_see_now_on_every_replica() {
    let (mut world, clock) = World::standing_still().await;
    let (owner, listed) = (world.business.owner.clone(), world.business.listed.clone());
    let (requests, first) = Requests::first(&world, &listed).await;
    let contact = first[0].name.clone();
    for channel in [Channel::Phone, Channel::Email] {
        world.business.say(&contact, channel, ConsentState::Denied).await;
    }
    for directory in 0..3 {
        let again = requests.again(&listed.at(&world.house, [0, directory, 0])).await;
        assert_eq!(again.each_ref().map(shown), [2, 2], "who sees sees it again");
    }
    let remove = set::RemoveViewersRequest {
        parent: world.business.name.clone(),
        members: vec![listed.name.clone()],
        ..Default::default()
    };
    owner.settings.clone().remove_viewers(remove).await.unwrap();
    masked_everywhere(&world, &listed, &requests, &first).await;

    for replica in &mut world.house.directories {
        replica.kill().await;
        replica.start().await;
    }
    // The leases of the dead run out, and their memory fades.
    clock.advance(Duration::from_secs(10));
    // Before it has the rules, and with them.
    masked_everywhere(&world, &listed, &requests, &first).await;
    for replica in &world.house.directories {
        replica.policies().ready().await;
    }
    masked_everywhere(&world, &listed, &requests, &first).await;

    let delete = set::DeleteMemberRequest { name: listed.name.clone(), ..Default::default() };
    owner.businesses.clone().delete_member(delete).await.unwrap();
    for directory in 0..3 {
        let nobody = listed.at(&world.house, [0, directory, 0]);
        let again = nobody.contacts.clone().create_contact(requests.create.clone()).await;
        assert_eq!(reason(again), "NOT_FOUND");
    }
    world.house.close().await;
}

async fn masked_everywhere(
    world: &World,
    who: &Person,
    requests: &Requests,
    first: &[dir::Contact; 2],
) {
    for directory in 0..3 {
        let again = requests.again(&who.at(&world.house, [0, directory, 0])).await;
        for (again, first) in again.iter().zip(first) {
            assert_eq!(shown(again), 0, "directory {directory}");
            // It is still the outcome that it was.
            assert_eq!((&again.name, &again.etag), (&first.name, &first.etag));
        }
    }
}
