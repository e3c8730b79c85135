//! A business is given another key while everybody works on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::consents::Saying;
use contact_directory::commands::renewal::{Progress, Renewal, SETTLED_EVERYWHERE_AFTER};
use contact_directory::commands::{Directory, LookupRate};
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::store::find::Wanted;
use contact_directory::store::{KeyRing, StoreError, contacts, keys};
use prost::Message;
use yinyom_consent::{open_evidence, wire};
use yinyom_kernel::{Clock, ContactId};
use yinyom_proto::manager::v1 as manager;
use yinyom_testkit::{TestDb, both_databases};

use super::{
    DENIED, MAIL, ONE, PHONE, TWO, address, create, delete, evidence, new, points, read, say, set,
    states, update, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    a_renewal_under_way_and_killed_is_noticed_by_nobody,
    nothing_is_sealed_under_a_new_key_before_every_replica_knows_it,
    nothing_is_sealed_under_a_key_that_is_gone,
    a_row_without_an_index_is_given_one,
    a_young_key_stays_unless_its_renewal_was_interrupted,
);

fn phone(n: usize) -> String {
    format!("08{:08}", 10_000_000 + n)
}

async fn found(house: &House, directory: &Directory, text: &str) -> BTreeSet<ContactId> {
    let session = house.session(&house.owner).await;
    let wanted = Wanted { addresses: vec![address(text)], ..Wanted::default() };
    let order = Order { key: OrderKey::Name, descending: false };
    let page = directory.find_contacts(&session, &wanted, order, None, 100).await.unwrap();
    page.items.iter().map(|contact| contact.id).collect()
}

fn renewal(house: &House, batch: i64) -> Renewal {
    Renewal::new(house.db.clone(), house.keys.clone(), batch)
}

async fn begin(house: &House, renewal: &Renewal) {
    let now = house.clock.now().as_microsecond();
    renewal.begin(house.scope(), i64::MAX, now).await.unwrap().expect("two keys");
}

async fn numbers(house: &House) -> Vec<i64> {
    let sql = "SELECT DISTINCT CAST(purpose AS BIGINT) FROM business_keys WHERE business_id = $1 ORDER BY 1";
    house.rows::<(i64,)>(sql).await.into_iter().map(|(number,)| number).collect()
}

async fn under(house: &House) -> Vec<i64> {
    let sql = "SELECT DISTINCT CAST(seal_key AS BIGINT) FROM (
            SELECT seal_key, business_id FROM contacts
            UNION ALL SELECT seal_key, business_id FROM contact_points) of
        WHERE business_id = $1 ORDER BY 1";
    house.rows::<(i64,)>(sql).await.into_iter().map(|(number,)| number).collect()
}

async fn a_renewal_under_way_and_killed_is_noticed_by_nobody(db: TestDb) {
    let house = House::on(db.handle()).await;
    let mut all = Vec::new();
    for n in 0..30 {
        all.push(create(&house, "Somchai", &[&phone(n), MAIL]).await);
    }
    // What an address that is gone must still find: a refusal, and a row that is imported again.
    let refused = create(&house, "Somsak", &[ONE]).await;
    set(&house, &house.owner, refused.id, &[(PHONE, DENIED)]).await.unwrap();
    let said = Saying { evidence: evidence(), ..word(refused.id, withdrawal(&[PHONE])) };
    say(&house, &house.owner, said).await.unwrap();
    delete(&house, &house.owner, refused.id).await.unwrap();

    let renewal = renewal(&house, 4);
    begin(&house, &renewal).await;
    house.pass(SETTLED_EVERYWHERE_AFTER).await;
    let writers = {
        let (directory, session) = (house.directory.clone(), house.session(&house.owner).await);
        let known: Vec<_> = all.iter().map(|contact| contact.id).collect();
        tokio::spawn(async move {
            let mut made = Vec::new();
            for (n, id) in known.into_iter().enumerate() {
                let number = phone(100 + n);
                let created = directory.create_contact(&session, new("New", &[&number]), None);
                made.push((created.await.unwrap().now.unwrap().id, number));
                let patch = points(&[(None, &phone(n)), (None, &phone(200 + n))]);
                directory.update_contact(&session, id, patch, String::new(), None).await.unwrap();
                let said = Saying { evidence: evidence(), ..word(id, withdrawal(&[PHONE])) };
                directory.say(&session, said, None).await.unwrap();
            }
            made
        })
    };
    let cut = renewal.run(house.scope(), Some(3), |_| ()).await.unwrap();
    assert!(!cut.finished && cut.sealed > 0, "{cut:?}");
    assert_eq!(numbers(&house).await, [1, 2, 3], "both keys open");
    for contact in &all {
        assert_eq!(read(&house, contact.id).await.id, contact.id);
    }
    assert!(found(&house, &house.directory, &phone(7)).await.contains(&all[7].id));
    let run = || renewal.run(house.scope(), None, |_| ());
    let (one, two) = tokio::join!(run(), run());
    assert!(one.unwrap().finished && two.unwrap().finished);
    let made = writers.await.unwrap();
    assert!(renewal.run(house.scope(), None, |_| ()).await.unwrap().finished);
    assert_eq!((numbers(&house).await, under(&house).await), (vec![2, 3], vec![3]));

    // A replica that starts now knows the new key alone.
    let replica = house.replica(house.db.clone()).with_lookup_rate(LookupRate::UNLIMITED);
    for (n, contact) in all.iter().enumerate() {
        for number in [phone(n), phone(200 + n)] {
            assert_eq!(found(&house, &replica, &number).await, [contact.id].into(), "{n}");
        }
    }
    for (id, number) in made {
        assert_eq!(found(&house, &replica, &number).await, [id].into());
    }
    assert_eq!(found(&house, &replica, MAIL).await.len(), 30);
    let again = create(&house, "Somsak", &[ONE]).await;
    assert_eq!(states(&house, &again).0, DENIED, "the refusal outlives key and contact");
    assert_eq!(evidence_that_opens(&house).await, 31);
}

/// How much of what waits for the ledger opens with the keys that there are.
async fn evidence_that_opens(house: &House) -> usize {
    let now = house.clock.now().as_microsecond();
    let keys = house.keys.of(&house.db, house.scope(), now).await.unwrap();
    let sql = "SELECT payload FROM outbox_payloads WHERE business_id = $1";
    let mut opened = 0;
    for (payload,) in house.rows::<(Vec<u8>,)>(sql).await {
        let sent = manager::ConsentChange::decode(&payload[..]).unwrap();
        if !sent.sealed_evidence.is_empty() {
            let change = wire::change_from_wire(house.business, &sent).unwrap();
            let contact = change.contact;
            assert_eq!(keys::seal_key(&sent.subject_key), 3);
            let key = keys.unwrap_subject(contact, &sent.subject_key).unwrap();
            let sealed = &sent.sealed_evidence;
            let opens = open_evidence(&key, house.business, contact, change.seq, sealed);
            assert_eq!(opens.unwrap(), evidence().personal);
            opened += 1;
        }
    }
    opened
}

async fn nothing_is_sealed_under_a_new_key_before_every_replica_knows_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    create(&house, "One", &[ONE]).await;
    begin(&house, &renewal(&house, 10)).await;
    for _ in 0..2 {
        // The replica has asked for keys since, and knows both.
        house.pass(Duration::from_secs(25)).await;
        create(&house, "Two", &[TWO]).await;
        assert_eq!(under(&house).await, [1]);
    }
    house.pass(Duration::from_secs(30)).await;
    create(&house, "Three", &[TWO]).await;
    assert_eq!(under(&house).await, [1, 3]);
}

/// A process that was stopped for minutes goes on with the keys that it had.
async fn nothing_is_sealed_under_a_key_that_is_gone(db: TestDb) {
    let house = House::on(db.handle()).await;
    let mut stale = create(&house, "One", &[ONE]).await;
    let now = house.clock.now().as_microsecond();
    let keys = house.keys.of(&house.db, house.scope(), now).await.unwrap();
    let renewal = renewal(&house, 10);
    begin(&house, &renewal).await;
    house.pass(SETTLED_EVERYWHERE_AFTER).await;
    assert!(renewal.run(house.scope(), None, |_| ()).await.unwrap().finished);
    stale.id = ContactId::generate();
    let stored = house.db.write::<_, StoreError, _, _>(house.scope(), move |mut tx| async move {
        contacts::insert(&mut tx, &keys, &[&stale]).await?;
        tx.done(())
    });
    assert!(stored.await.is_err(), "it could be read by nobody");
    assert_eq!(under(&house).await, [3]);
}

async fn a_row_without_an_index_is_given_one(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "One", &[ONE]).await;
    house
        .db
        .write::<_, StoreError, _, _>(house.scope(), |mut tx| async move {
            let forget = "UPDATE contact_points SET blind_index = $2 WHERE business_id = $1";
            tx.scoped(forget).bind(Vec::<u8>::new()).execute().await?;
            tx.done(())
        })
        .await
        .unwrap();
    assert_eq!(found(&house, &house.directory, ONE).await, [].into());
    let renewal = renewal(&house, 10);
    assert!(renewal.run(house.scope(), None, |_| ()).await.unwrap().finished);
    assert_eq!(found(&house, &house.directory, ONE).await, [contact.id].into());
    update(&house, &house.owner, contact.id, points(&[(None, TWO)])).await.unwrap();
    assert_eq!(found(&house, &house.directory, TWO).await, [contact.id].into());
}

async fn a_young_key_stays_unless_its_renewal_was_interrupted(db: TestDb) {
    let house = House::on(db.handle()).await;
    create(&house, "One", &[ONE]).await;
    let now = house.clock.now().as_microsecond();
    let renewal = renewal(&house, 10);
    assert_eq!(renewal.begin(house.scope(), now, now).await.unwrap(), None);
    let begun = renewal.begin(house.scope(), now + 1, now).await.unwrap();
    assert_eq!(begun, Some(now));
    house.pass(SETTLED_EVERYWHERE_AFTER).await;
    let later = house.clock.now().as_microsecond();
    assert_eq!(renewal.begin(house.scope(), 0, later).await.unwrap(), begun, "to be gone on with");
    let ring = KeyRing::new(Arc::clone(&house.masters));
    let progress = Renewal::new(house.db.clone(), ring, 10).run(house.scope(), None, |_| ()).await;
    assert_eq!(progress.unwrap(), Progress { contacts: 1, sealed: 2, finished: true });
    assert_eq!(renewal.begin(house.scope(), 0, later).await.unwrap(), None);
}
