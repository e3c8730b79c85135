//! Grants that run out are recorded: each once, whoever else is at work.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::expiries::Expiries;
use contact_directory::store::contacts;
use jiff::Timestamp;
use tokio::sync::oneshot;
use yinyom_consent::{Actor, ByChannel, Cause, ConsentChange};
use yinyom_db::{Db, DbConfig};
use yinyom_kernel::{Clock, ContactId};
use yinyom_testkit::{TestDb, both_databases};

use super::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, causes, create, delete, grant_for,
    read, saying, set, set_to, states, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    an_expiry_is_recorded_once_with_its_instant_and_by_nobody,
    nothing_is_recorded_before_its_instant,
    two_replicas_at_once_record_each_expiry_once,
    a_task_that_is_killed_again_and_again_loses_and_doubles_nothing,
    who_speaks_meanwhile_is_heard_and_no_ledger_has_a_gap,
    a_grant_that_is_about_to_be_committed_is_not_forgotten,
    neither_etag_nor_time_tells_whether_it_is_recorded,
    a_business_whose_keys_are_gone_does_not_hold_up_the_others,
    the_default_lifetime_is_given_on_every_path,
);

const HOUR: Duration = Duration::from_hours(1);

const DUE: &str = "SELECT due_at FROM due_work WHERE business_id = $1 AND kind = 'expiry'";

fn expiries(house: &House) -> Expiries {
    Expiries::new(house.directory.clone())
}

async fn due(house: &House) -> Option<i64> {
    house.rows::<(i64,)>(DUE).await.into_iter().map(|(at,)| at).next()
}

#[expect(clippy::unnecessary_wraps, reason = "as a due time is read")]
fn micros(at: Timestamp) -> Option<i64> {
    Some(at.as_microsecond())
}

async fn expired(house: &House) -> Vec<ConsentChange> {
    let ledger = house.ledger().await;
    ledger.into_iter().filter(|change| change.cause == Cause::Expired).collect()
}

async fn an_expiry_is_recorded_once_with_its_instant_and_by_nobody(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "P", &[ONE, MAIL]).await;
    grant_for(&house, contact.id, PHONE, HOUR).await;
    grant_for(&house, contact.id, EMAIL, HOUR).await;
    let end = house.clock.now() + HOUR;
    house.pass(HOUR * 2).await;
    assert_eq!(expiries(&house).record_due().await.unwrap(), 1);
    let changes = expired(&house).await;
    let [change] = &changes[..] else { panic!("one change of both channels: {changes:?}") };
    assert_eq!(change.actor, Actor::Service { name: "contact-directory".to_owned() });
    assert_eq!(change.recorded_at, house.clock.now());
    for channel in &change.channels {
        let told = (channel.from, channel.to, channel.expires_at);
        assert_eq!(told, (Some(GRANTED), Some(NOT_SET), Some(end)));
    }
    assert_eq!(change.channels.len(), 2);
    assert_eq!(expiries(&house).record_due().await.unwrap(), 0);
    assert_eq!(expired(&house).await.len(), 1);
    assert_eq!(due(&house).await, None, "nothing is left to look at");
}

async fn nothing_is_recorded_before_its_instant(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (first, second) = (create(&house, "F", &[ONE]).await, create(&house, "S", &[MAIL]).await);
    assert_eq!(due(&house).await, None);
    grant_for(&house, first.id, PHONE, HOUR * 2).await;
    grant_for(&house, second.id, EMAIL, HOUR * 3).await;
    let begun = house.clock.now();
    assert_eq!(due(&house).await, micros(begun + HOUR * 2), "the earlier one");
    grant_for(&house, second.id, EMAIL, HOUR).await;
    assert_eq!(due(&house).await, micros(begun + HOUR), "brought forward");
    house.pass(Duration::from_micros(3_600_000_000 - 1)).await;
    assert_eq!(expiries(&house).record_due().await.unwrap(), 0);
    house.pass(Duration::from_micros(1)).await;
    assert_eq!(expiries(&house).record_due().await.unwrap(), 1);
    assert_eq!(due(&house).await, micros(begun + HOUR * 2));
    // A grant that is taken back runs out no more; the look that finds none puts the note away.
    set(&house, &house.owner, first.id, &[(PHONE, DENIED)]).await.unwrap();
    house.pass(HOUR).await;
    assert_eq!(expiries(&house).record_due().await.unwrap(), 0);
    assert_eq!(due(&house).await, None);
    assert_eq!(expired(&house).await.len(), 1);
}

/// Contacts whose phone is granted for an hour.
async fn granted(house: &House, number: usize) -> Vec<ContactId> {
    let mut ids = Vec::new();
    for _ in 0..number {
        let contact = create(house, "P", &[ONE]).await;
        grant_for(house, contact.id, PHONE, HOUR).await;
        ids.push(contact.id);
    }
    ids
}

async fn two_replicas_at_once_record_each_expiry_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let ids = granted(&house, 30).await;
    house.pass(HOUR).await;
    let other = Db::connect(&replica(&db), &MIGRATIONS).await.unwrap();
    let other = Expiries::new(house.replica(other)).in_batches(4);
    let one = expiries(&house).in_batches(3);
    let (one, other) = tokio::join!(one.record_due(), other.record_due());
    assert_eq!(one.unwrap() + other.unwrap(), ids.len());
    assert_eq!(expired(&house).await.len(), ids.len());
}

fn replica(db: &TestDb) -> DbConfig {
    db.config().clone()
}

async fn a_task_that_is_killed_again_and_again_loses_and_doubles_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let ids = granted(&house, 24).await;
    house.pass(HOUR).await;
    for moment in 0..40 {
        let task = expiries(&house).in_batches(2);
        let task = tokio::spawn(async move { task.record_due().await });
        for _ in 0..moment {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
    }
    expiries(&house).record_due().await.unwrap();
    let changes = expired(&house).await;
    assert_eq!(changes.len(), ids.len());
    for id in ids {
        assert_eq!(causes(&house, id).await, [Cause::Created, Cause::Set, Cause::Expired]);
        assert_eq!(read(&house, id).await.consents.phone.state, NOT_SET);
    }
    assert_eq!(due(&house).await, None);
}

async fn who_speaks_meanwhile_is_heard_and_no_ledger_has_a_gap(db: TestDb) {
    let house = House::on(db.handle()).await;
    let ids = granted(&house, 12).await;
    house.pass(HOUR).await;
    let owner = house.session(&house.owner).await;
    let say = |contact: ContactId, number: usize| {
        let said = match number % 3 {
            0 => withdrawal(&[PHONE]),
            1 => set_to(&[(PHONE, GRANTED)]),
            _ => set_to(&[(EMAIL, DENIED)]),
        };
        house.directory.say(&owner, word(contact, said), None)
    };
    let speak = async {
        for (number, id) in ids.iter().enumerate() {
            say(*id, number).await.unwrap();
        }
    };
    let task = expiries(&house).in_batches(2);
    let ((), recorded) = tokio::join!(speak, task.record_due());
    recorded.unwrap();
    // `ledger` fails on a gap or a break; whoever came first, each expiry is there once.
    assert_eq!(expired(&house).await.len(), ids.len());
    for (number, id) in ids.iter().enumerate() {
        let contact = read(&house, *id).await;
        let expected = match number % 3 {
            0 => (DENIED, NOT_SET),
            1 => (GRANTED, NOT_SET),
            _ => (NOT_SET, DENIED),
        };
        assert_eq!(states(&house, &contact), expected);
    }
}

/// PostgreSQL alone has two writers: one gives a grant and has not committed it when the task looks for the next one.
async fn a_grant_that_is_about_to_be_committed_is_not_forgotten(db: TestDb) {
    let house = House::on(db.handle()).await;
    let out = granted(&house, 1).await[0];
    let next = create(&house, "Next", &[MAIL]).await;
    house.pass(HOUR).await;
    if !db.is_postgres() {
        return;
    }
    let keys = house.keys.of(&house.db, house.scope(), 0).await.unwrap();
    let end = house.clock.now() + HOUR;
    let ((given, is_given), (go, gone)) = (oneshot::channel(), oneshot::channel());
    let (scope, writer) = (house.scope(), db.handle());
    let unit = tokio::spawn(async move {
        let unit = writer.write(scope, move |mut tx| async move {
            let mut contact = contacts::lock(&mut tx, &keys, &[next.id]).await?.pop().unwrap();
            let email = contact_directory::domain::Consent {
                state: GRANTED,
                expires_at: Some(end),
                ..contact.consents.email
            };
            contact.consents = ByChannel { email, ..contact.consents };
            contacts::update(&mut tx, &[&contact]).await?;
            given.send(()).unwrap();
            gone.await.unwrap();
            tx.done::<_, contact_directory::store::StoreError>(())
        });
        unit.await.unwrap();
    });
    is_given.await.unwrap();
    let task = expiries(&house);
    let task = tokio::spawn(async move { task.record_due().await.unwrap() });
    while !causes(&house, out).await.contains(&Cause::Expired) {
        tokio::task::yield_now().await;
    }
    // Time enough to put the note away, were it not for the lock.
    for _ in 0..50 {
        assert!(due(&house).await.is_some());
    }
    go.send(()).unwrap();
    unit.await.unwrap();
    task.await.unwrap();
    assert_eq!(due(&house).await, micros(end));
}

async fn neither_etag_nor_time_tells_whether_it_is_recorded(db: TestDb) {
    let house = House::on(db.handle()).await;
    let id = granted(&house, 1).await[0];
    house.pass(HOUR).await;
    let before = read(&house, id).await;
    expiries(&house).record_due().await.unwrap();
    let after = read(&house, id).await;
    assert_eq!(after.etag(), before.etag());
    assert_eq!(after.updated_at, before.updated_at);
    assert_eq!(after.consents.phone.updated_at, before.consents.phone.updated_at);
    assert_eq!(states(&house, &after), states(&house, &before));
    assert_eq!(after.consent_seq, before.consent_seq + 1);
}

async fn a_business_whose_keys_are_gone_does_not_hold_up_the_others(db: TestDb) {
    let (broken, house) = (House::on(db.handle()).await, House::on(db.handle()).await);
    granted(&broken, 1).await;
    granted(&house, 1).await;
    broken.pass(HOUR).await;
    house.pass(HOUR).await;
    // The task has the master key of the second house alone.
    expiries(&house).record_due().await.unwrap();
    assert_eq!(expired(&house).await.len(), 1);
    assert_eq!(expired(&broken).await.len(), 0);
    let again = due(&broken).await.unwrap();
    assert!(again > house.clock.now().as_microsecond(), "it rests");
    house.pass(HOUR).await;
    broken.pass(HOUR).await;
    expiries(&broken).record_due().await.unwrap();
    assert_eq!(expired(&broken).await.len(), 1, "and is taken up again");
}

/// Set, and its batch; imports have their own test.
async fn the_default_lifetime_is_given_on_every_path(db: TestDb) {
    let house = House::on(db.handle()).await;
    let before = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
    house.rule(|policy| policy.rules.default_grant_lifetime = Some(HOUR)).await;
    let end = house.clock.now() + HOUR;
    let (one, other) = (create(&house, "O", &[ONE]).await, create(&house, "B", &[MAIL]).await);
    set(&house, &house.user, one.id, &[(PHONE, GRANTED), (EMAIL, DENIED)]).await.unwrap();
    let owner = house.session(&house.owner).await;
    let batch = vec![Ok(word(other.id, set_to(&[(EMAIL, GRANTED)])))];
    house.directory.say_all(&owner, batch, None).await.unwrap();
    assert_eq!(read(&house, one.id).await.consents.phone.expires_at, Some(end));
    assert_eq!(read(&house, one.id).await.consents.email.expires_at, None);
    assert_eq!(read(&house, other.id).await.consents.email.expires_at, Some(end));
    assert_eq!(read(&house, before.id).await.consents.phone.expires_at, None, "given before");
    grant_for(&house, one.id, PHONE, HOUR * 5).await;
    let own = read(&house, one.id).await.consents.phone.expires_at;
    assert_eq!(own, Some(house.clock.now() + HOUR * 5), "its own word");
    // Settings is silent: what it said last holds on.
    house.lapse();
    let mailer = House::service(&[yinyom_identity::ServiceScope::AddressesRead]);
    let place = contact_directory::domain::surface::Place::Api;
    let said = contact_directory::commands::consents::Saying {
        place,
        ..word(other.id, set_to(&[(EMAIL, GRANTED)]))
    };
    super::say(&house, &mailer, said).await.unwrap();
    let end = house.clock.now() + HOUR;
    let keys = house.contacts().await;
    let of = keys.iter().find(|contact| contact.id == other.id).unwrap();
    assert_eq!(of.consents.email.expires_at, Some(end));
    delete(&house, &mailer, before.id).await.unwrap();
    assert_eq!(why(house.directory.contact(&owner, before.id).await), ABSENT);
}
