//! Accounts and their contacts.

use contact_directory::MIGRATIONS;
use contact_directory::commands::leads::Link;
use contact_directory::domain::lead::Account;
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::store::accounts::Wanted;
use yinyom_kernel::{AccountId, Code, ContactId};
use yinyom_testkit::{TestDb, both_databases};

use super::{ABSENT, ONE, create, everything, stranger, why};
use crate::support::House;

both_databases!(MIGRATIONS =>
    an_account_is_created_changed_and_deleted,
    contacts_are_linked_all_or_none,
    a_link_that_is_there_already_changes_nothing,
    nobody_reaches_another_businesss_account,
    the_contacts_of_an_account_come_in_pages,
);

pub async fn account(house: &House, name: &str) -> Account {
    let session = house.session(&house.owner).await;
    house.directory.create_account(&session, name.to_owned(), None).await.unwrap().now.unwrap()
}

async fn an_account_is_created_changed_and_deleted(db: TestDb) {
    let house = House::on(db.handle()).await;
    let session = house.session(&house.user).await;
    let directory = &house.directory;
    let new = account(&house, "Acme").await;
    assert_eq!(directory.account(&session, new.id).await.unwrap(), new);
    let name = || Some("Zenith".to_owned());
    let etag = etag_of(&new);
    let changed = directory.update_account(&session, new.id, name(), etag.clone(), None).await;
    let changed = changed.unwrap().now.unwrap();
    assert_eq!((&changed.display_name[..], changed.revision), ("Zenith", 2));
    assert_eq!(directory.account(&session, new.id).await.unwrap(), changed);

    let before = everything(&house).await;
    let stale = (Code::Aborted, "ETAG_MISMATCH");
    let again = directory.update_account(&session, new.id, name(), etag.clone(), None).await;
    assert_eq!(why(again), stale);
    assert_eq!(why(directory.delete_account(&session, new.id, etag, None).await), stale);
    assert_eq!(everything(&house).await, before);
    let etag = etag_of(&changed);
    directory.delete_account(&session, new.id, etag, None).await.unwrap();
    assert_eq!(why(directory.account(&session, new.id).await), ABSENT);
    assert_eq!(why(directory.delete_account(&session, new.id, String::new(), None).await), ABSENT);
}

fn etag_of(account: &Account) -> String {
    yinyom_kernel::Etag::of(account.revision).to_string()
}

async fn contacts_are_linked_all_or_none(db: TestDb) {
    let house = House::on(db.handle()).await;
    let account = account(&house, "Acme").await;
    let one = create(&house, "One", &[ONE]).await;
    let theirs = stranger(&house).await;
    let foreign = house.directory.create_contact(&theirs, super::new("Theirs", &[]), None).await;
    let session = house.session(&house.user).await;
    let before = everything(&house).await;
    for absent in [foreign.unwrap().receipt.id.into(), ContactId::generate()] {
        let link = Link::Add(vec![one.id, absent]);
        let linked = house.directory.link_account_contacts(&session, account.id, link, None).await;
        assert_eq!(why(linked), ABSENT);
        let link = Link::Add(vec![one.id]);
        let linked =
            house.directory.link_account_contacts(&session, AccountId::generate(), link, None);
        assert_eq!(why(linked.await), ABSENT);
    }
    assert_eq!(everything(&house).await, before);
    let link = Link::Add(vec![one.id, one.id]);
    let linked = house.directory.link_account_contacts(&session, account.id, link, None).await;
    assert_eq!(linked.unwrap().now.unwrap().revision, 2);
    let link = Link::Remove(vec![one.id, ContactId::generate()]);
    let left = house.directory.link_account_contacts(&session, account.id, link, None).await;
    assert_eq!(left.unwrap().now.unwrap().revision, 3, "who is not there is not there");
    let page = house.directory.contacts_of_account(&session, account.id, None, 9).await.unwrap();
    assert_eq!(page.items, []);
}

async fn a_link_that_is_there_already_changes_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (account, one) = (account(&house, "Acme").await, create(&house, "One", &[]).await);
    let session = house.session(&house.user).await;
    let add = || Link::Add(vec![one.id]);
    let directory = &house.directory;
    directory.link_account_contacts(&session, account.id, add(), None).await.unwrap();
    let before = everything(&house).await;
    directory.link_account_contacts(&session, account.id, add(), None).await.unwrap();
    let remove = Link::Remove(vec![ContactId::generate()]);
    directory.link_account_contacts(&session, account.id, remove, None).await.unwrap();
    assert_eq!(everything(&house).await, before);
}

async fn nobody_reaches_another_businesss_account(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (own, one) = (account(&house, "Acme").await, create(&house, "One", &[]).await);
    let (before, theirs) = (everything(&house).await, stranger(&house).await);
    let directory = &house.directory;
    for id in [own.id, AccountId::generate()] {
        let (name, etag, link) = (|| Some("x".to_owned()), String::new, Link::Remove(vec![one.id]));
        assert_eq!(why(directory.account(&theirs, id).await), ABSENT);
        assert_eq!(why(directory.update_account(&theirs, id, name(), etag(), None).await), ABSENT);
        assert_eq!(why(directory.delete_account(&theirs, id, etag(), None).await), ABSENT);
        assert_eq!(why(directory.link_account_contacts(&theirs, id, link, None).await), ABSENT);
        assert_eq!(why(directory.contacts_of_account(&theirs, id, None, 9).await), ABSENT);
    }
    let order = Order { key: OrderKey::Name, descending: false };
    let found = directory.find_accounts(&theirs, &Wanted::default(), order, None, 9).await;
    assert_eq!(found.unwrap().items, []);
    assert_eq!(everything(&house).await, before);
}

async fn the_contacts_of_an_account_come_in_pages(db: TestDb) {
    let house = House::on(db.handle()).await;
    let account = account(&house, "Acme").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(create(&house, &format!("{n}"), &[ONE]).await.id);
    }
    let session = house.session(&house.owner).await;
    let link = Link::Add(ids.clone());
    house.directory.link_account_contacts(&session, account.id, link, None).await.unwrap();
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = house.directory.contacts_of_account(&session, account.id, cursor.as_ref(), 2);
        let page = page.await.unwrap();
        assert!(page.items.iter().all(|contact| contact.points.len() == 1));
        found.extend(page.items.iter().map(|contact| contact.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    ids.sort_unstable();
    assert_eq!(found, ids);
}
