//! What a check needs to know of many contacts.

use std::collections::HashMap;

use contact_directory::MIGRATIONS;
use contact_directory::domain::Contact;
use contact_directory::store::{check, contacts};
use yinyom_consent::Channel;
use yinyom_consent::ConsentState::{Denied, Granted, NotSet};
use yinyom_kernel::ContactId;
use yinyom_testkit::{TestDb, both_databases};

use super::{Store, That, contact, said, unit, until};

both_databases!(MIGRATIONS =>
    each_channel_is_told_of_each_contact_that_is_here,
    a_refusal_of_a_shared_address_is_of_others,
    a_refusal_counts_in_its_own_channel_and_business,
    a_switchboard_of_thousands_is_counted_once,
);

const CHANNELS: [Channel; 2] = [Channel::Phone, Channel::Email];

async fn each_channel_is_told_of_each_contact_that_is_here(db: TestDb) {
    let store = Store::over(db);
    let refused = contact_directory::domain::Consent { refused_before: true, ..until(9) };
    let one = contact("One", "").at("0812345671").says(refused, said(Denied));
    let other = contact("Other", "").at("other@example.com").says(said(NotSet), said(Granted));
    let foreign = contact("Theirs", "").at("0812345671");
    store.put(&[&one, &other]).await;
    store.put_in(store.there, &[&foreign]).await;
    let not_known: i64 = (store.read().await)
        .scoped("SELECT COUNT(*) FROM contacts WHERE business_id = $1 AND (has_phone IS NULL OR has_email IS NULL)")
        .scalar()
        .await
        .unwrap();
    assert_eq!(not_known, 0, "a new contact says what it has");
    tell(&store, &[&one, &other], &[other.id, foreign.id, one.id, ContactId::generate(), one.id])
        .await;
    // As a release from before that was known leaves them.
    unit!(store, tx => {
        let forget = "UPDATE contacts SET has_phone = NULL, has_email = NULL WHERE business_id = $1";
        tx.scoped(forget).execute().await?;
    });
    tell(&store, &[&one, &other], &[one.id, other.id]).await;
}

/// Fails unless each channel of `ids` is told as `contacts` have it.
async fn tell(store: &Store, contacts: &[&Contact], ids: &[ContactId]) {
    for channel in CHANNELS {
        let found = check::channels(&mut store.read().await, channel, ids, true).await.unwrap();
        let found: HashMap<_, _> =
            found.into_iter().map(|of| (of.contact, (of.consent, of.reach.has_address))).collect();
        let expected = contacts.iter().map(|contact| {
            let told = (*contact.consents.get(channel), *contact.has_address().get(channel));
            (contact.id, told)
        });
        assert_eq!(found, expected.collect::<HashMap<_, _>>(), "{channel:?}");
        let of_none = check::channels(&mut store.read().await, channel, &[], true).await;
        assert!(of_none.unwrap().is_empty());
    }
}

async fn refused(store: &Store, channel: Channel, ids: &[ContactId]) -> Vec<ContactId> {
    let mut tx = store.read().await;
    for unasked in check::channels(&mut tx, channel, ids, false).await.unwrap() {
        assert!(!unasked.reach.refused_by_another, "nobody has asked");
    }
    let found = check::channels(&mut tx, channel, ids, true).await.unwrap();
    let refused = found.into_iter().filter(|of| of.reach.refused_by_another);
    sorted(refused.map(|of| of.contact).collect())
}

/// Everybody's names, for a comparison with what was found.
fn sorted(mut ids: Vec<ContactId>) -> Vec<ContactId> {
    ids.sort_unstable();
    ids
}

async fn a_refusal_of_a_shared_address_is_of_others(db: TestDb) {
    let store = Store::over(db);
    let denied = contact("Denied", "").at("0812345671").phone(said(Denied));
    let sharer = contact("Sharer", "").at("0812345670").at("0812345671").phone(said(Granted));
    let alone = contact("Alone", "").at("0812345672").phone(said(Denied));
    let asked = contact("Asked", "").at("0812345673").phone(said(Granted));
    let also = contact("Also", "").at("0812345673").phone(said(NotSet));
    store.put(&[&denied, &sharer, &alone, &asked, &also]).await;
    let all = [denied.id, sharer.id, alone.id, asked.id, also.id];
    assert_eq!(refused(&store, Channel::Phone, &all).await, [sharer.id], "its own refusal is none");
    assert_eq!(refused(&store, Channel::Phone, &[denied.id]).await, []);
    assert_eq!(refused(&store, Channel::Phone, &[sharer.id, sharer.id]).await, [sharer.id]);
    assert_eq!(refused(&store, Channel::Phone, &[]).await, []);

    // Who refuses itself is not asked about others.
    let second = contact("Second", "").at("+66812345671").phone(said(Denied));
    store.put(&[&second]).await;
    let three = vec![denied.id, sharer.id, second.id];
    assert_eq!(refused(&store, Channel::Phone, &three).await, [sharer.id]);

    let (ids, points) = ([denied.id, second.id], [denied.points[0].id, second.points[0].id]);
    unit!(store, tx => {
        for (contact, point) in ids.into_iter().zip(points) {
            contacts::remove_points(&mut tx, contact, &[point]).await?;
        }
    });
    assert_eq!(refused(&store, Channel::Phone, &three).await, [], "who has it no more");
}

async fn a_refusal_counts_in_its_own_channel_and_business(db: TestDb) {
    let store = Store::over(db);
    let shares = |name| contact(name, "").at("0812345671").at("one@example.com");
    let one = shares("One").says(said(Granted), said(Granted));
    let denies_phone = shares("Phone").says(said(Denied), said(NotSet));
    store.put(&[&one, &denies_phone]).await;
    let theirs = shares("Theirs").says(said(Denied), said(Denied));
    store.put_in(store.there, &[&theirs]).await;
    assert_eq!(refused(&store, Channel::Phone, &[one.id]).await, [one.id]);
    assert_eq!(refused(&store, Channel::Email, &[one.id]).await, [], "by phone alone");
    let denies_email = shares("E-mail").says(said(NotSet), said(Denied));
    store.put(&[&denies_email]).await;
    assert_eq!(refused(&store, Channel::Email, &[one.id]).await, [one.id]);
    assert_eq!(refused(&store, Channel::Email, &[theirs.id]).await, [], "another business's");
}

/// A thousand who are asked for share a number with thousands: pair by pair that would be millions of rows.
async fn a_switchboard_of_thousands_is_counted_once(db: TestDb) {
    let store = Store::over(db);
    let office: Vec<_> = (0..3_000).map(|_| contact("P", "").at("021234567")).collect();
    for some in office.chunks(500) {
        store.put(&some.iter().collect::<Vec<_>>()).await;
    }
    let ids: Vec<_> = office.iter().take(1_000).map(|contact| contact.id).collect();
    let started = tokio::time::Instant::now();
    assert_eq!(refused(&store, Channel::Phone, &ids).await, []);
    store.put(&[&contact("No", "").at("021234567").phone(said(Denied))]).await;
    assert_eq!(refused(&store, Channel::Phone, &ids).await, sorted(ids.clone()));
    let took = started.elapsed();
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
}
