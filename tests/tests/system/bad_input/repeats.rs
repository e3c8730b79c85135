//! The same `request_id` again: with the same content the same outcome, once; with another content a refusal.

use prost::Message;
use prost_reflect::{MethodDescriptor, Value};
use tonic::{Code, Status};
use yinyom_proto::longrunning;
use yinyom_proto::settings::v1 as set;
use yinyom_tests::ask::{About, methods, path};
use yinyom_tests::{Things, refusal};

use crate::bad_input::World;
use crate::bad_input::edge::caller;
use crate::bad_input::stored::Stored;

/// Those that have a `request_id`; the one that gives the business away comes last.
fn writes() -> Vec<MethodDescriptor> {
    let mut writes: Vec<_> = methods()
        .into_iter()
        .filter(|method| method.input().get_field_by_name("request_id").is_some())
        .collect();
    writes.sort_by_key(|method| method.name() == "TransferOwnership");
    assert_eq!(writes.len(), 33);
    writes
}

async fn send(
    world: &World,
    method: &MethodDescriptor,
    about: &About<'_>,
    id: &str,
) -> Result<Vec<Vec<u8>>, Status> {
    let mut request = about.request(method);
    request.set_field_by_name("request_id", Value::String(id.to_owned()));
    let bearer = caller(world, method.name()).bearer;
    world.house.call(&path(method), bearer.request(vec![request.encode_to_vec()])).await
}

pub async fn each_write(world: &World) {
    for method in writes() {
        let name = method.name().to_owned();
        // Each write has things of its own, since some use them up.
        let things = unused(world, &name).await;
        let about = About { text: &name, ..About::member(&things) };
        let id = uuid::Uuid::now_v7().to_string();
        let before = Stored::read(world).await;
        let first = send(world, &method, &about, &id).await.expect(&name);
        if name == "BulkSetContactConsents" {
            let begun = longrunning::Operation::decode(first[0].as_slice()).unwrap();
            assert!(world.ours.owner.waits_for(&begun.name).await.done, "it goes on by itself");
        }
        let after = Stored::read(world).await;
        assert!(before != after, "{name} does nothing");

        let again = send(world, &method, &about, &id).await.expect(&name);
        assert_eq!(first, again, "{name} has another outcome");
        assert_eq!(after, Stored::read(world).await, "{name} takes effect twice");

        // Other content: about other things where it writes no text, and another text where it does.
        let absent = Things::absent(&world.own.business);
        let others =
            [About { text: "ค", ..about.clone() }, About { text: "ก", ..About::member(&absent) }];
        let is_other = |other: &&About<'_>| other.bytes(&method) != about.bytes(&method);
        for about in others.iter().filter(is_other) {
            let refused = send(world, &method, about, &id).await.expect_err(&name);
            let expected = (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned(), Vec::new());
            assert_eq!(refusal(&refused), expected, "{name}");
        }
        assert_eq!(after, Stored::read(world).await, "{name} takes another content");
    }
}

/// New things that a write will change.
async fn unused(world: &World, method: &str) -> Things {
    let mut things = Things::make(&world.house, &world.ours).await;
    match method {
        "AddLeadContacts" | "AddAccountContacts" => {
            things.contact = world.ours.contact(&[], &["new@example.co.th"]).await.name;
        }
        "RemoveViewers" => {
            let add = set::AddViewersRequest {
                parent: things.business.clone(),
                members: vec![things.member.clone()],
                ..Default::default()
            };
            world.ours.owner.settings.clone().add_viewers(add).await.unwrap();
        }
        _ => {}
    }
    things
}

/// An id is a UUID; what is none is refused before anything is done.
pub async fn malformed_ids(world: &World) {
    for method in writes() {
        let things = Things::make(&world.house, &world.ours).await;
        for id in ["kanari", "7", "00000000-0000-0000-0000-00000000000", &"a".repeat(1_000)] {
            let refused = send(world, &method, &About::member(&things), id).await;
            let (code, reason, fields) = refusal(&refused.expect_err(method.name()));
            let expected = [("request_id".to_owned(), "INVALID_ID".to_owned())];
            assert_eq!((code, &*reason), (Code::InvalidArgument, "INVALID_INPUT"));
            assert_eq!(fields, expected, "{} {id}", method.name());
        }
    }
}
