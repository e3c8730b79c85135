//! Leads and accounts, their contacts, and what becomes of links when an end goes.

use std::collections::{HashMap, HashSet};

use contact_directory::MIGRATIONS;
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::store::{accounts, contacts, import, leads, refused};
use yinyom_kernel::{AccountId, ContactId, LeadId, from_micros};
use yinyom_testkit::{TestDb, both_databases};

use super::{Store, That, account, contact, lead, unit};

both_databases!(MIGRATIONS =>
    leads_and_accounts_come_back_as_they_went,
    a_change_is_of_that_lead_or_account_alone,
    links_are_counted_once,
    a_lead_and_its_primary_contact_are_linked,
    leads_of_a_title_are_known_by_contact_and_source,
    leads_and_accounts_are_found_by_source_and_contact,
    accounts_are_known_by_their_folded_names,
    every_contact_of_a_lead_becomes_the_accounts,
    a_deleted_contact_leaves_nothing_behind,
    a_deleted_account_opens_the_leads_that_became_it,
    a_deleted_lead_leaves_its_contacts,
    a_primary_contact_cannot_go_before_its_lead,
);

async fn leads_and_accounts_come_back_as_they_went(db: TestDb) {
    let store = Store::over(db);
    let primary = contact("P", "");
    store.put(&[&primary]).await;
    let mut one = lead("ลีด «1»", &primary);
    "เว็บ".clone_into(&mut one.source);
    one.account = Some(AccountId::generate());
    let (other, customer) = (lead("Other", &primary), account("ลูกค้า"));
    store.put_lead(&one).await;
    store.put_lead(&other).await;
    store.put_account(&customer).await;
    let mut tx = store.read().await;
    let ids = [other.id, one.id, LeadId::generate(), one.id];
    let mut expected = vec![one.clone(), other];
    expected.sort_by_key(|lead| lead.id);
    assert_eq!(leads::load(&mut tx, &ids).await.unwrap(), expected);
    assert_eq!(leads::load(&mut tx, &[]).await.unwrap(), []);
    let ids = [AccountId::generate(), customer.id];
    assert_eq!(accounts::load(&mut tx, &ids).await.unwrap(), std::slice::from_ref(&customer));
    drop(tx);
    let (id, customer_id) = (one.id, customer.id);
    let locked = unit!(store, tx => {
        leads::insert(&mut tx, &[]).await?;
        accounts::insert(&mut tx, &[]).await?;
        assert_eq!(leads::lock(&mut tx, LeadId::generate()).await?, None);
        assert_eq!(accounts::lock(&mut tx, AccountId::generate()).await?, None);
        (leads::lock(&mut tx, id).await?, accounts::lock(&mut tx, customer_id).await?)
    });
    assert_eq!(locked, (Some(one), Some(customer)));
}

async fn a_change_is_of_that_lead_or_account_alone(db: TestDb) {
    let store = Store::over(db);
    let (primary, second) = (contact("P", ""), contact("S", ""));
    store.put(&[&primary, &second]).await;
    let (mut one, other) = (lead("One", &primary), lead("Other", &primary));
    let (mut customer, neighbour) = (account("One"), account("Other"));
    store.put_lead(&one).await;
    store.put_lead(&other).await;
    store.put_account(&customer).await;
    store.put_account(&neighbour).await;
    "Zwei".clone_into(&mut one.title);
    "fair".clone_into(&mut one.source);
    one.primary_contact = second.id;
    one.account = Some(customer.id);
    (one.revision, one.updated_at) = (2, from_micros(9));
    "Zwei".clone_into(&mut customer.display_name);
    (customer.revision, customer.updated_at) = (3, from_micros(8));
    let saved = (one.clone(), customer.clone());
    unit!(store, tx => {
        leads::update(&mut tx, &saved.0).await?;
        accounts::update(&mut tx, &saved.1).await?;
    });
    let mut tx = store.read().await;
    let order = Order { key: OrderKey::Name, descending: false };
    let found = leads::page(&mut tx, &leads::Wanted::default(), order, None, 9).await.unwrap();
    assert_eq!(found.items, [other, one], "by the new title");
    let wanted = accounts::Wanted::default();
    let found = accounts::page(&mut tx, &wanted, order, None, 9).await.unwrap();
    assert_eq!(found.items, [neighbour, customer]);
}

async fn links_are_counted_once(db: TestDb) {
    let store = Store::over(db);
    let (one, two) = (contact("1", ""), contact("2", ""));
    store.put(&[&one, &two]).await;
    let (customer, of) = (account("A"), lead("L", &one));
    store.put_account(&customer).await;
    store.put_lead(&of).await;
    let (customer, of, one, two) = (customer.id, of.id, one.id, two.id);
    unit!(store, tx => {
        assert_eq!(accounts::link(&mut tx, &[]).await?, 0);
        assert_eq!(leads::link(&mut tx, &[]).await?, 0);
        assert_eq!(accounts::link(&mut tx, &[(customer, one)]).await?, 1);
        assert_eq!(accounts::link(&mut tx, &[(customer, one), (customer, two)]).await?, 1);
        assert_eq!(leads::link(&mut tx, &[(of, one), (of, two), (of, two)]).await?, 1);
        let stranger = ContactId::generate();
        assert_eq!(accounts::unlink(&mut tx, customer, &[two, stranger]).await?, 1);
        assert_eq!(accounts::unlink(&mut tx, customer, &[two]).await?, 0);
        assert_eq!(leads::unlink(&mut tx, of, &[two, two]).await?, 1);
        assert_eq!(leads::unlink(&mut tx, LeadId::generate(), &[one]).await?, 0);
        assert_eq!(leads::unlink(&mut tx, of, &[]).await?, 0);
    });
    let mut tx = store.read().await;
    let pairs = [(customer, one), (customer, two), (AccountId::generate(), one), (customer, one)];
    let linked = accounts::linked(&mut tx, &pairs).await.unwrap();
    assert_eq!(linked, HashSet::from([(customer, one)]));
    assert_eq!(accounts::linked(&mut tx, &[]).await.unwrap(), HashSet::new());
    let links = import::links(&mut tx, &[customer], &[one, two]).await.unwrap();
    assert_eq!(links, [(customer, one)]);
    assert_eq!(import::links(&mut tx, &[], &[one]).await.unwrap(), []);
    assert_eq!(import::links(&mut tx, &[customer], &[]).await.unwrap(), []);
}

async fn a_lead_and_its_primary_contact_are_linked(db: TestDb) {
    let store = Store::over(db);
    let (primary, second, other) = (contact("1", ""), contact("2", ""), contact("3", ""));
    store.put(&[&primary, &second, &other]).await;
    let of = lead("L", &primary);
    store.put_lead(&of).await;
    let (id, linked) = (of.id, second.id);
    unit!(store, tx => leads::link(&mut tx, &[(id, linked)]).await?);
    let mut tx = store.read().await;
    let asked =
        [(id, primary.id), (id, second.id), (id, other.id), (LeadId::generate(), primary.id)];
    let found = leads::linked(&mut tx, &asked).await.unwrap();
    assert_eq!(found, HashMap::from([((id, primary.id), true), ((id, second.id), false)]));
    assert_eq!(leads::linked(&mut tx, &[]).await.unwrap(), HashMap::new());
    for (contact, is_primary) in [(primary.id, true), (second.id, false), (other.id, false)] {
        assert_eq!(leads::has_primary(&mut tx, contact).await.unwrap(), is_primary);
    }
}

/// However many of a name there are, an import reads no more than it needs.
async fn leads_of_a_title_are_known_by_contact_and_source(db: TestDb) {
    let store = Store::over(db);
    let (primary, second) = (contact("1", ""), contact("2", ""));
    store.put(&[&primary, &second]).await;
    let mut fair = lead("big order", &primary);
    "Fair".clone_into(&mut fair.source);
    for of in ["Big  ORDER", "big order", "Other"].map(|title| lead(title, &primary)) {
        store.put_lead(&of).await;
    }
    store.put_lead(&fair).await;
    let titles = ["big order".to_owned(), "nobody's".to_owned()];
    let mut tx = store.read().await;
    let all = [primary.id, second.id];
    let mut found = leads::of_primary(&mut tx, &all, &titles, 9).await.unwrap();
    found.sort();
    let of = |source: &str| (primary.id, titles[0].clone(), source.to_owned());
    assert_eq!(found, [of(""), of("Fair")], "the same ones count once");
    assert_eq!(leads::of_primary(&mut tx, &all, &titles, 1).await.unwrap().len(), 1);
    assert_eq!(leads::of_primary(&mut tx, &[second.id], &titles, 9).await.unwrap(), []);
    assert_eq!(leads::of_primary(&mut tx, &all, &[], 9).await.unwrap(), []);
}

async fn leads_and_accounts_are_found_by_source_and_contact(db: TestDb) {
    let store = Store::over(db);
    let (primary, second) = (contact("1", ""), contact("2", ""));
    store.put(&[&primary, &second]).await;
    let (mut web, fair, customer) = (lead("L", &primary), lead("M", &primary), account("A"));
    "Web".clone_into(&mut web.source);
    store.put_lead(&web).await;
    store.put_lead(&fair).await;
    store.put_account(&customer).await;
    store.put_account(&account("B")).await;
    let (fair, customer, id) = (fair.id, customer.id, second.id);
    unit!(store, tx => {
        leads::link(&mut tx, &[(fair, id)]).await?;
        accounts::link(&mut tx, &[(customer, id)]).await?;
    });
    let mut tx = store.read().await;
    let order = Order { key: OrderKey::CreateTime, descending: true };
    let source =
        |source: &str| leads::Wanted { source: Some(source.to_owned()), ..Default::default() };
    let of = |contact| leads::Wanted { contact: Some(contact), ..Default::default() };
    for (wanted, expected) in [
        (source("Web"), vec![web.id]),
        (source("web"), vec![]),
        (source(""), vec![fair]),
        (of(second.id), vec![fair]),
        (of(primary.id), vec![fair, web.id]),
        (of(ContactId::generate()), vec![]),
        (leads::Wanted { source: Some("Web".to_owned()), ..of(primary.id) }, vec![web.id]),
    ] {
        let page = leads::page(&mut tx, &wanted, order, None, 9).await.unwrap();
        let found: Vec<_> = page.items.iter().map(|lead| lead.id).collect();
        assert_eq!(found, expected, "{wanted:?}");
    }
    for (contact, expected) in [(second.id, vec![customer]), (primary.id, vec![])] {
        let wanted = accounts::Wanted { contact: Some(contact), ..Default::default() };
        let page = accounts::page(&mut tx, &wanted, order, None, 9).await.unwrap();
        assert_eq!(page.items.iter().map(|a| a.id).collect::<Vec<_>>(), expected);
    }
}

async fn accounts_are_known_by_their_folded_names(db: TestDb) {
    let store = Store::over(db);
    let (first, second, other) = (account("ACME  ltd"), account("Acme Ltd"), account("Other"));
    for account in [&second, &first, &other] {
        store.put_account(account).await;
    }
    let keys = ["acme ltd".to_owned(), "nobody".to_owned()];
    let oldest = if first.id < second.id { first } else { second };
    let locked = unit!(store, tx => {
        import::take_turn(&mut tx).await?;
        assert_eq!(accounts::lock_named(&mut tx, &[]).await?, []);
        accounts::lock_named(&mut tx, &keys).await?
    });
    assert_eq!(locked, [oldest], "one of them, however many there are");
}

async fn every_contact_of_a_lead_becomes_the_accounts(db: TestDb) {
    let store = Store::over(db);
    let people = ["1", "2", "3"].map(|name| contact(name, ""));
    store.put(&people.each_ref()).await;
    let (of, customer) = (lead("L", &people[0]), account("A"));
    store.put_lead(&of).await;
    store.put_account(&customer).await;
    let ids = people.each_ref().map(|contact| contact.id);
    let (of, customer) = (of.id, customer.id);
    unit!(store, tx => {
        leads::link(&mut tx, &[(of, ids[1])]).await?;
        accounts::link(&mut tx, &[(customer, ids[1])]).await?;
        assert_eq!(accounts::link_contacts_of_lead(&mut tx, customer, of).await?, 1);
        assert_eq!(accounts::link_contacts_of_lead(&mut tx, customer, of).await?, 0);
    });
    let pairs = ids.map(|contact| (customer, contact));
    let linked = accounts::linked(&mut store.read().await, &pairs).await.unwrap();
    assert_eq!(linked, HashSet::from([pairs[0], pairs[1]]), "and nobody else's");
}

async fn a_deleted_contact_leaves_nothing_behind(db: TestDb) {
    let store = Store::over(db);
    let one = contact("One", "").number("1").at("0812345671").at("one@example.com");
    let stays = contact("Stays", "").at("0812345671");
    store.put(&[&one, &stays]).await;
    let (of, customer) = (lead("L", &stays), account("A"));
    store.put_lead(&of).await;
    store.put_account(&customer).await;
    let (of, customer, id, other) = (of.id, customer.id, one.id, stays.id);
    unit!(store, tx => {
        leads::link(&mut tx, &[(of, id)]).await?;
        accounts::link(&mut tx, &[(customer, id), (customer, other)]).await?;
        refused::keep_fingerprints(&mut tx, &[([1; 32], id), ([2; 32], other)]).await?;
        contacts::delete(&mut tx, id).await?;
    });
    for (sql, left) in [
        ("SELECT COUNT(*) FROM contacts WHERE business_id = $1", 1),
        ("SELECT COUNT(*) FROM contact_points WHERE business_id = $1", 1),
        ("SELECT COUNT(*) FROM contact_fingerprints WHERE business_id = $1", 1),
        ("SELECT COUNT(*) FROM lead_contacts WHERE business_id = $1", 1),
        ("SELECT COUNT(*) FROM account_contacts WHERE business_id = $1", 1),
    ] {
        assert_eq!(store.count(sql).await, left, "{sql}");
    }
    assert_eq!(store.stored(stays.id).await, Some(stays));
}

async fn a_deleted_account_opens_the_leads_that_became_it(db: TestDb) {
    let store = Store::over(db);
    let primary = contact("P", "");
    store.put(&[&primary]).await;
    let (gone, stays) = (account("Gone"), account("Stays"));
    store.put_account(&gone).await;
    store.put_account(&stays).await;
    let mut became = lead("1", &primary);
    became.account = Some(gone.id);
    let mut other = lead("2", &primary);
    other.account = Some(stays.id);
    let open = lead("3", &primary);
    for lead in [&became, &other, &open] {
        store.put_lead(lead).await;
    }
    let (gone, contact) = (gone.id, primary.id);
    unit!(store, tx => {
        accounts::link(&mut tx, &[(gone, contact)]).await?;
        accounts::delete(&mut tx, gone, from_micros(99)).await?;
    });
    (became.account, became.revision, became.updated_at) = (None, 2, from_micros(99));
    let ids = [became.id, other.id, open.id];
    let mut expected = vec![became, other, open];
    expected.sort_by_key(|lead| lead.id);
    assert_eq!(leads::load(&mut store.read().await, &ids).await.unwrap(), expected);
    assert_eq!(accounts::load(&mut store.read().await, &[gone]).await.unwrap(), []);
    assert_eq!(
        store.count("SELECT COUNT(*) FROM account_contacts WHERE business_id = $1").await,
        0
    );
    assert_eq!(store.stored(primary.id).await, Some(primary), "its contacts stay");
}

async fn a_deleted_lead_leaves_its_contacts(db: TestDb) {
    let store = Store::over(db);
    let primary = contact("P", "");
    store.put(&[&primary]).await;
    let (gone, stays) = (lead("1", &primary), lead("2", &primary));
    store.put_lead(&gone).await;
    store.put_lead(&stays).await;
    let id = gone.id;
    unit!(store, tx => leads::delete(&mut tx, id).await?);
    let found = leads::load(&mut store.read().await, &[gone.id, stays.id]).await.unwrap();
    assert_eq!(found, [stays]);
    assert_eq!(store.count("SELECT COUNT(*) FROM lead_contacts WHERE business_id = $1").await, 1);
    assert_eq!(store.stored(primary.id).await, Some(primary));
}

async fn a_primary_contact_cannot_go_before_its_lead(db: TestDb) {
    use contact_directory::store::StoreError;
    let store = Store::over(db);
    let primary = contact("P", "");
    store.put(&[&primary]).await;
    store.put_lead(&lead("L", &primary)).await;
    let id = primary.id;
    let deleted = store.db.write::<(), StoreError, _, _>(store.here, move |mut tx| async move {
        contacts::delete(&mut tx, id).await?;
        tx.done(())
    });
    assert!(matches!(deleted.await, Err(StoreError::Db(_))));
    assert_eq!(store.stored(id).await, Some(primary));
}
