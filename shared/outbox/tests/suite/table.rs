//! What a service puts in and sees.

use uuid::Uuid;
use yinyom_db::DbError;
use yinyom_kernel::{BusinessId, Clock};
use yinyom_outbox::{Event, GRACE, Status, enqueue};
use yinyom_testkit::TestDb;
use yinyom_testkit::row_security::{assert_own_rows_alone, assert_row_security};

use crate::MIGRATIONS;
use crate::world::{World, event, ids, scope};

async fn status_counts_one_business_and_tells_its_oldest(db: TestDb) {
    let world = World::new(db).await;
    let (business, other) = (BusinessId::generate(), BusinessId::generate());
    let nothing = Status { backlog: 0, oldest: None, quarantined: vec![] };
    assert_eq!(world.status(business).await, nothing);
    world.commit(other, &ids(1)).await;
    world.let_pass(GRACE);
    let began = world.clock.now();
    world.bulk(business, &ids(500), 2).await;
    world.let_pass(GRACE);
    world.commit(business, &ids(1)).await;
    let status = world.status(business).await;
    assert_eq!((status.backlog, status.oldest), (1_001, Some(began)));
}

/// What the relay reads across businesses says nothing of what is in the events.
async fn what_the_events_say_is_their_businesss_alone(db: TestDb) {
    assert_row_security(&db, &["outbox"], &["task_leases"]).await;
    let world = World::new(db).await;
    let (ours, theirs) = (BusinessId::generate(), BusinessId::generate());
    world.commit(ours, &ids(2)).await;
    world.commit(theirs, &ids(1)).await;
    let tables = assert_own_rows_alone(&world.place, scope(ours), scope(theirs)).await;
    assert_eq!(tables, if world.db.is_postgres() { vec!["outbox_payloads"] } else { vec![] });
}

async fn a_number_is_used_once_or_the_whole_unit_is_undone(db: TestDb) {
    let world = World::new(db).await;
    let (business, stream, now) = (BusinessId::generate(), Uuid::now_v7(), world.clock.now());
    let put = |events: Vec<Event>| {
        world.db.write(scope(business), move |mut tx| async move {
            enqueue(&mut tx, &events).await?;
            tx.done::<_, DbError>(())
        })
    };
    put(vec![event(stream, 1, now), event(stream, 2, now)]).await.unwrap();
    let again = put(vec![event(stream, 3, now), event(stream, 2, now)]).await;
    assert!(again.is_err_and(|error| error.is_unique_violation()));
    put(vec![]).await.unwrap();
    assert_eq!(world.waiting(business).await, (2, 0));
}

async fn an_event_arrives_as_it_was_put_in(db: TestDb) {
    let mut world = World::new(db).await;
    let (business, stream) = (BusinessId::generate(), Uuid::now_v7());
    let now = world.clock.now();
    let bytes: Vec<u8> = (0..=255).collect();
    let sent = Event { payload: bytes.clone().into(), ..event(stream, 1, now) };
    assert!(!format!("{sent:?}").contains("0, 1, 2"), "a payload is not printed");
    world
        .db
        .write(scope(business), move |mut tx| async move {
            enqueue(&mut tx, &[sent]).await?;
            tx.done::<_, DbError>(())
        })
        .await
        .unwrap();
    let relay = world.relay(yinyom_outbox::RelayConfig::default());
    relay.handle.wake(business, [stream]);
    world.arrive(1).await;
    relay.stop().await;
    assert_eq!(world.receiver.ledger(business, stream), [bytes]);
}

yinyom_testkit::both_databases!(MIGRATIONS =>
    status_counts_one_business_and_tells_its_oldest,
    what_the_events_say_is_their_businesss_alone,
    a_number_is_used_once_or_the_whole_unit_is_undone,
    an_event_arrives_as_it_was_put_in,
);
