//! Several replicas record at once.

use std::collections::BTreeSet;

use uuid::Uuid;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::ConsentState::{Denied, NotSet};
use yinyom_tests::{House, Plan, eventually};

use crate::reveals::World;

const READS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn reveals_of_several_replicas_are_numbered_without_a_gap_and_arrive_once() {
    let world = World::of(House::build(Plan::replicated()).await).await;
    let contact = world.contact(Denied, NotSet).await;
    world.arrived().await;
    let before = world.recorded().await;
    let mut reads = tokio::task::JoinSet::new();
    let mut calls = BTreeSet::new();
    for directory in &world.house.directories {
        for _ in 0..READS {
            let id = Uuid::now_v7().to_string();
            let mut client = ContactServiceClient::new(directory.channel.clone());
            let mut request = world
                .business
                .owner
                .bearer
                .request(dir::GetContactRequest { name: contact.clone() });
            request.metadata_mut().insert("x-request-id", id.parse().unwrap());
            calls.insert(id);
            reads.spawn(async move { client.get_contact(request).await.unwrap().into_inner() });
        }
    }
    let answers = reads.join_all().await;
    assert!(answers.iter().all(|answer| !answer.contact.as_ref().unwrap().phones.is_empty()));
    let shown = answers
        .iter()
        .filter(|answer| answer.contact.as_ref().unwrap().phones[0].value == crate::reveals::PHONE)
        .count();
    let recorded = usize::try_from(world.recorded().await - before).unwrap();
    assert!(recorded >= shown, "{shown} were shown and {recorded} recorded");
    let arrived = eventually(
        async || {
            let asked = man::ListRevealsRequest { contact: contact.clone(), ..Default::default() };
            let all = world.reveals(asked).await;
            all.into_iter().filter(|r| calls.contains(&r.call_id)).collect::<Vec<_>>()
        },
        |arrived| arrived.len() >= recorded,
    );
    let arrived = arrived.await;
    let distinct: BTreeSet<_> = arrived.iter().map(|reveal| &reveal.call_id).collect();
    assert_eq!((arrived.len(), distinct.len()), (recorded, recorded), "each of them once");
}
