//! Legal holds: what they put off, and that it is done when they are released.

use consent_manager::MIGRATIONS;
use consent_manager::store::subjects;
use yinyom_proto::manager::v1 as pb;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::erasures::*;
use crate::support::{Contact, World};

both_databases!(MIGRATIONS =>
    a_hold_puts_off_what_its_release_does,
    a_hold_on_the_business_holds_everybody,
    a_hold_and_an_erasure_at_the_same_time,
    a_hold_keeps_content_too,
);

async fn a_hold_puts_off_what_its_release_does(db: TestDb) {
    let world = World::new(db).await;
    let (mut held, mut free) = (noted(&world).await, noted(&world).await);
    let first = hold(&world, Some(&held)).await;
    let second = hold(&world, Some(&held)).await;
    erase(&world, &mut held).await;
    erase(&world, &mut free).await;
    destroy(&world).await;
    assert_eq!((count(&world, KEYS).await, count(&world, SEALED).await), (1, 2));
    let of = |listed: &[pb::Erasure], contact: &Contact| {
        let of = listed.iter().find(|erasure| erasure.contact == contact.name()).unwrap();
        (of.held, of.evidence_destroy_time.is_some())
    };
    let listed = erasures(&world).await;
    assert_eq!((of(&listed, &held), of(&listed, &free)), ((true, false), (false, true)));
    let shown = world.history(&held).await.entries.remove(1).evidence.unwrap();
    assert_eq!(shown.note, NOTE, "a court may ask for it");
    // It is on record that the erasure is put off, and why.
    let request = pb::ListRefusedRequestsRequest { parent: world.parent(), ..Default::default() };
    let mut client = world.retention(world.members.officer);
    let refused = client.list_refused_requests(request).await.unwrap().into_inner();
    let [refused] = &refused.refused_requests[..] else { panic!("{refused:?}") };
    assert_eq!(refused.contact, held.name());
    assert_eq!(refused.kind(), pb::SubjectRequestKind::Erasure);
    assert_eq!(refused.reason(), pb::RefusedRequestReason::LegalClaim);
    assert_eq!(refused.actor, "services/consent-manager");

    release(&world, &first).await;
    destroy(&world).await;
    assert_eq!(count(&world, KEYS).await, 1, "the second one holds it");
    release(&world, &second).await;
    release(&world, &second).await;
    destroy(&world).await;
    assert_eq!((count(&world, KEYS).await, count(&world, SEALED).await), (0, 0));
    let (_, found, _) = audit(&world).await;
    assert_eq!(found, []);
}

async fn a_hold_on_the_business_holds_everybody(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    let whole = hold(&world, None).await;
    erase(&world, &mut contact).await;
    destroy(&world).await;
    assert_eq!(count(&world, KEYS).await, 1);
    release(&world, &whole).await;
    destroy(&world).await;
    assert_eq!(count(&world, KEYS).await, 0);
}

async fn a_hold_and_an_erasure_at_the_same_time(db: TestDb) {
    let world = World::new(db).await;
    for _ in 0..10 {
        let contact = noted(&world).await;
        let mut erased = contact.clone();
        let (set, ()) = tokio::join!(hold(&world, Some(&contact)), erase(&world, &mut erased));
        let listed = erasures(&world).await;
        let of = listed.iter().find(|erasure| erasure.contact == contact.name()).unwrap();
        let key = subject(&world, &contact).await;
        // A hold that was set first keeps it. One that came too late holds nothing, and nothing comes back.
        assert!(of.held, "{of:?}");
        if key {
            destroy(&world).await;
            assert!(subject(&world, &contact).await, "what was held when it was set stays");
        }
        release(&world, &set).await;
        destroy(&world).await;
        assert!(!subject(&world, &contact).await);
    }
}

async fn subject(world: &World, contact: &Contact) -> bool {
    let mut tx = world.db.read(scope(world)).await.unwrap();
    let keys = subjects::open(&mut tx, &world.manager.masters, &[contact.id.uuid()]).await;
    !keys.unwrap().is_empty()
}

async fn a_hold_keeps_content_too(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = noted(&world).await;
    keep_for(&world, 365).await;
    erase(&world, &mut contact).await;
    destroy(&world).await;
    let set = hold(&world, Some(&contact)).await;
    pass(&world, YEAR).await;
    destroy(&world).await;
    assert_eq!(count(&world, CONTENT).await, 3);
    release(&world, &set).await;
    destroy(&world).await;
    assert_eq!((count(&world, CONTENT).await, count(&world, REST).await), (0, 0));
}
