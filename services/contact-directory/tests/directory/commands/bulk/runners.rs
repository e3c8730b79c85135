//! Two replicas, or a replica and somebody else, at one contact or one operation in the same instant.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::bulk::Work;
use contact_directory::domain::bulk::{BLOCK, Became, State};
use contact_directory::store::operations;
use tokio::task::JoinHandle;
use uuid::Uuid;
use yinyom_consent::Cause;
use yinyom_db::Db;
use yinyom_kernel::{Clock, ContactId, OperationId};
use yinyom_testkit::{TestDb, both_databases, on_postgres};

use super::{became, begun, nobody, outcomes, progress, to_the_end, work};
use crate::commands::gate::{lock, waiting};
use crate::commands::{
    DENIED, GRANTED, ONE, PHONE, TWO, create, read, say, states, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    what_one_replica_has_is_left_alone_until_its_claim_ends,
    who_has_lost_an_operation_has_no_next_portion_of_it,
);

#[test]
fn a_portion_that_one_is_at_is_nobody_elses_though_its_claim_has_ended() {
    on_postgres(&MIGRATIONS, a_portion_is_one_replicas);
}

#[test]
fn who_cancels_waits_for_the_portion_that_is_under_way() {
    on_postgres(&MIGRATIONS, cancelling_waits);
}

#[test]
fn what_is_said_of_a_contact_in_that_very_instant_comes_before_or_after() {
    on_postgres(&MIGRATIONS, a_word_in_that_instant);
}

/// What is written of a portion, after all that becomes of its contacts.
const OUTCOMES: &str = "LOCK TABLE operation_blocks IN SHARE MODE";
/// What triggers read of contacts while these are written, and locked since before.
const POINTS: &str = "LOCK TABLE contact_points IN ACCESS EXCLUSIVE MODE";

/// Two portions, each with somebody at its end.
async fn two_portions(house: &House) -> (OperationId, [ContactId; 2]) {
    let one = create(house, "A", &[ONE]).await.id;
    let two = create(house, "B", &[TWO]).await.id;
    let mut named = nobody(1, BLOCK - 1);
    named.extend([one, two]);
    (begun(house, &house.owner, &named, &[(PHONE, GRANTED)]).await, [one, two])
}

/// One portion of it, by another replica.
async fn other(house: &House, db: &TestDb) -> JoinHandle<bool> {
    let replica = house.replica(Db::connect(db.config(), &MIGRATIONS).await.unwrap());
    let work = Work::new(replica).in_looks_of(1);
    tokio::spawn(async move { work.go_on().await.unwrap() })
}

fn dealt(blocks: usize) -> i64 {
    i64::try_from(blocks * BLOCK).unwrap()
}

/// How often it was said of a contact.
async fn said(house: &House, contact: ContactId) -> usize {
    let ledger = house.ledger().await;
    ledger.iter().filter(|of| of.contact == contact && of.cause == Cause::Set).count()
}

async fn what_one_replica_has_is_left_alone_until_its_claim_ends(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (id, _) = two_portions(&house).await;
    let first = work(&house).in_looks_of(1);
    assert!(first.go_on().await.unwrap(), "there is more");
    let after_one = (State::Running, dealt(1) + 1, 1, dealt(1) - 1);
    assert_eq!(progress(&house, id).await, after_one);
    assert!(!other(&house, &db).await.await.unwrap(), "nothing that nobody is at");
    assert_eq!(
        progress(&house, id).await,
        after_one,
        "nothing was done twice, nor before its time"
    );
    house.pass(Duration::from_secs(5)).await;
    assert!(other(&house, &db).await.await.unwrap());
    assert_eq!(progress(&house, id).await, (State::Succeeded, dealt(1) + 1, 2, dealt(1) - 1));
}

async fn who_has_lost_an_operation_has_no_next_portion_of_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (id, _) = two_portions(&house).await;
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    let now = house.clock.now().as_microsecond();
    let unit = house.db.write::<_, contact_directory::store::StoreError, _, _>(
        house.scope(),
        move |mut tx| async move {
            for (holder, now, until) in [(one, now, now + 1), (two, now + 1, now + 2)] {
                let claim = operations::Claim { holder, now, until };
                let claimed = operations::claim(&mut tx, claim).await?;
                assert_eq!(claimed.map(|(claimed, _)| claimed), Some(id));
            }
            assert!(operations::next(&mut tx, id, one).await?.is_none(), "it is another one's");
            assert_eq!(
                operations::next(&mut tx, id, two).await?.map(|block| block.number),
                Some(0)
            );
            tx.done(())
        },
    );
    unit.await.unwrap();
}

async fn a_portion_is_one_replicas(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (id, [contact, _]) = two_portions(&house).await;
    let gate = lock(&house, OUTCOMES).await;
    let first = other(&house, &db).await;
    waiting(&house, &first, 1).await;
    house.clock.advance(Duration::from_secs(5));
    let second = other(&house, &db).await;
    waiting(&house, &second, 2).await;
    assert!(second.is_finished(), "it passes over what somebody is at, and does not wait");
    gate.open().await;
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(progress(&house, id).await, (State::Running, dealt(1) + 1, 1, dealt(1) - 1));
    house.pass(Duration::from_secs(5)).await;
    to_the_end(&house).await;
    assert_eq!(said(&house, contact).await, 1);
    assert_eq!(progress(&house, id).await, (State::Succeeded, dealt(1) + 1, 2, dealt(1) - 1));
}

async fn cancelling_waits(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (id, contacts) = two_portions(&house).await;
    let gate = lock(&house, OUTCOMES).await;
    let first = other(&house, &db).await;
    waiting(&house, &first, 1).await;
    let (directory, session) = (house.directory.clone(), house.session(&house.owner).await);
    let owner = house.owner.clone();
    let cancels =
        tokio::spawn(async move { directory.cancel_operation(&session, &owner, id).await });
    waiting(&house, &cancels, 2).await;
    assert!(!cancels.is_finished(), "what it is told afterwards must be all that was done");
    gate.open().await;
    first.await.unwrap();
    cancels.await.unwrap().unwrap();
    to_the_end(&house).await;
    assert_eq!(progress(&house, id).await, (State::Cancelled, dealt(1) + 1, 1, dealt(1) - 1));
    assert_eq!(outcomes(&house, id, false).await.len(), BLOCK);
    assert_eq!((said(&house, contacts[0]).await, said(&house, contacts[1]).await), (1, 0));
}

async fn a_word_in_that_instant(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "A", &[ONE]).await.id;
    let id = begun(&house, &house.owner, &[contact], &[(PHONE, GRANTED)]).await;
    let gate = lock(&house, POINTS).await;
    let first = other(&house, &db).await;
    waiting(&house, &first, 1).await;
    // Whoever says no has read nothing yet that is written afterwards.
    let house = std::sync::Arc::new(house);
    let shared = std::sync::Arc::clone(&house);
    let refuses = tokio::spawn(async move {
        let refusal = word(contact, withdrawal(&[PHONE]));
        say(&shared, &shared.user, refusal).await.map(drop)
    });
    waiting(&house, &refuses, 2).await;
    gate.open().await;
    first.await.unwrap();
    refuses.await.unwrap().expect("withdrawing is refused by nobody");
    assert_eq!(became(&house, id, contact).await, Some(Became::Recorded(2)));
    assert_eq!(states(&house, &read(&house, contact).await).0, DENIED, "the last word");
    let ledger = house.ledger().await;
    let causes: Vec<_> = ledger.iter().map(|of| of.cause).collect();
    assert_eq!(causes, [Cause::Created, Cause::Set, Cause::Withdrawn]);
}
