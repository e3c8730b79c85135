//! Lists in pages: every order, every direction, every size.

use std::collections::HashSet;

use contact_directory::MIGRATIONS;
use contact_directory::domain::contact::search_key;
use contact_directory::domain::order::{Cursor, CursorKey, Order, OrderKey, Page};
use contact_directory::domain::{View, Viewer};
use contact_directory::store::{accounts, contacts, find, leads};
use uuid::Uuid;
use yinyom_kernel::{AccountId, ContactId, LeadId, from_micros};
use yinyom_policy::Rules;
use yinyom_testkit::{TestDb, both_databases};

use super::{Store, account, contact, lead, unit};

both_databases!(MIGRATIONS =>
    pages_of_contacts_are_the_list,
    pages_of_leads_are_the_list,
    pages_of_accounts_are_the_list,
    what_comes_and_goes_behind_the_cursor_moves_nothing,
    a_page_that_holds_the_last_one_names_no_next_one,
    contacts_of_a_lead_and_of_an_account_come_by_id,
);

#[derive(Clone, Copy)]
enum Kind {
    Contacts,
    Leads,
    Accounts,
}

/// Something in a list.
#[derive(Clone, Copy)]
struct Item {
    id: Uuid,
    name: &'static str,
    created: i64,
    updated: i64,
}

/// With everything in common with others, so that ids must decide.
fn items() -> Vec<Item> {
    let names = ["สมชาย", "Somchai", "กมล", "Émile", "somchai", "สมชาย ใจดี", "\u{1F600}"];
    let item = |n: usize| Item {
        id: Uuid::now_v7(),
        name: names[n % names.len()],
        created: i64::try_from(n % 3).unwrap() * 1_000_000 + 1,
        updated: i64::try_from(n % 4).unwrap(),
    };
    (0..23).map(item).collect()
}

async fn put(store: &Store, kind: Kind, item: Item) {
    let (created_at, updated_at) = (from_micros(item.created), from_micros(item.updated));
    match kind {
        Kind::Contacts => {
            let id = ContactId::from(item.id);
            let new = contact(item.name, "");
            let new = contact_directory::domain::Contact { id, created_at, updated_at, ..new };
            store.put(&[&new]).await;
        }
        Kind::Leads => {
            let primary = contact("Primary", "");
            store.put(&[&primary]).await;
            let (id, new) = (LeadId::from(item.id), lead(item.name, &primary));
            let new = contact_directory::domain::lead::Lead { id, created_at, updated_at, ..new };
            store.put_lead(&new).await;
        }
        Kind::Accounts => {
            let (id, new) = (AccountId::from(item.id), account(item.name));
            let new =
                contact_directory::domain::lead::Account { id, created_at, updated_at, ..new };
            store.put_account(&new).await;
        }
    }
}

async fn page(
    store: &Store,
    kind: Kind,
    order: Order,
    cursor: Option<&Cursor>,
    rows: usize,
) -> Page<Uuid> {
    let mut tx = store.read().await;
    match kind {
        Kind::Contacts => {
            let keys = store.keys().await;
            let view = View::new(Viewer::Service, Rules::STRICTEST);
            let at = find::At { order, cursor, rows, now: 0 };
            let wanted = find::Wanted::default();
            let page = find::page(&mut tx, &keys, &wanted, &view, at).await;
            page.unwrap().map(|contact| contact.id.uuid())
        }
        Kind::Leads => {
            let page = leads::page(&mut tx, &leads::Wanted::default(), order, cursor, rows).await;
            page.unwrap().map(|lead| lead.id.uuid())
        }
        Kind::Accounts => {
            let wanted = accounts::Wanted::default();
            let page = accounts::page(&mut tx, &wanted, order, cursor, rows).await;
            page.unwrap().map(|account| account.id.uuid())
        }
    }
}

/// The whole list, page by page, with a look behind each page.
async fn walk(store: &Store, kind: Kind, order: Order, rows: usize) -> Vec<Uuid> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = page(store, kind, order, cursor.as_ref(), rows).await;
        assert!(page.items.len() <= rows);
        assert_eq!(
            page.next.as_ref().map(|next| next.id),
            page.next.as_ref().and(page.items.last().copied())
        );
        all.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return all,
        }
    }
}

fn orders() -> impl Iterator<Item = Order> {
    [OrderKey::Name, OrderKey::CreateTime, OrderKey::UpdateTime]
        .into_iter()
        .flat_map(|key| [false, true].map(|descending| Order { key, descending }))
}

fn in_order(items: &[Item], order: Order) -> Vec<Uuid> {
    let mut items = items.to_vec();
    match order.key {
        OrderKey::Name => items.sort_by_key(|item| (search_key(item.name), item.id)),
        OrderKey::CreateTime => items.sort_by_key(|item| (item.created, item.id)),
        OrderKey::UpdateTime => items.sort_by_key(|item| (item.updated, item.id)),
    }
    if order.descending {
        items.reverse();
    }
    items.iter().map(|item| item.id).collect()
}

async fn pages_are_the_list(db: TestDb, kind: Kind) {
    let store = Store::over(db);
    let items = items();
    for item in &items {
        put(&store, kind, *item).await;
    }
    for order in orders() {
        let expected = in_order(&items, order);
        for rows in [1, 2, 7, items.len(), 1000] {
            assert_eq!(walk(&store, kind, order, rows).await, expected, "{order:?}, {rows} a page");
        }
    }
}

async fn pages_of_contacts_are_the_list(db: TestDb) {
    pages_are_the_list(db, Kind::Contacts).await;
}

async fn pages_of_leads_are_the_list(db: TestDb) {
    pages_are_the_list(db, Kind::Leads).await;
}

async fn pages_of_accounts_are_the_list(db: TestDb) {
    pages_are_the_list(db, Kind::Accounts).await;
}

async fn what_comes_and_goes_behind_the_cursor_moves_nothing(db: TestDb) {
    let store = Store::over(db);
    let items = items();
    for item in &items {
        put(&store, Kind::Contacts, *item).await;
    }
    for order in orders() {
        let expected = in_order(&items, order);
        let first = page(&store, Kind::Contacts, order, None, 10).await;
        let cursor = first.next.unwrap();
        // One that comes before everybody in every order, and one that comes last.
        let (before, after) =
            if order.descending { ("\u{10FFFD}", "!") } else { ("!", "\u{10FFFD}") };
        let (early, late) = if order.descending { (i64::MAX / 4, 0) } else { (0, i64::MAX / 4) };
        let ids =
            if order.descending { [Uuid::max(), Uuid::nil()] } else { [Uuid::nil(), Uuid::max()] };
        let came = |id, name, at| Item { id, name, created: at, updated: at };
        put(&store, Kind::Contacts, came(ids[0], before, early)).await;
        put(&store, Kind::Contacts, came(ids[1], after, late)).await;
        // And the one that the cursor stands on goes.
        let gone = items.iter().find(|item| item.id == cursor.id).unwrap();
        let (id, one, other) = (cursor.id, ids[0], ids[1]);
        unit!(store, tx => contacts::delete(&mut tx, id.into()).await?);

        let rest = page(&store, Kind::Contacts, order, Some(&cursor), 1000).await;
        let mut whole = first.items;
        whole.extend(rest.items);
        let came_last = whole.pop();
        assert_eq!(came_last, Some(ids[1]), "what comes ahead is met: {order:?}");
        assert_eq!(whole, expected, "{order:?}");

        unit!(store, tx => {
            contacts::delete(&mut tx, one.into()).await?;
            contacts::delete(&mut tx, other.into()).await?;
        });
        put(&store, Kind::Contacts, *gone).await;
    }
}

async fn a_page_that_holds_the_last_one_names_no_next_one(db: TestDb) {
    let store = Store::over(db);
    let order = Order { key: OrderKey::Name, descending: false };
    for kind in [Kind::Contacts, Kind::Accounts] {
        let nothing = page(&store, kind, order, None, 5).await;
        assert_eq!((nothing.items.len(), nothing.next), (0, None));
        for item in items().into_iter().take(5) {
            put(&store, kind, item).await;
        }
        assert_eq!(page(&store, kind, order, None, 5).await.next, None);
        let four = page(&store, kind, order, None, 4).await;
        let next = four.next.unwrap();
        assert!(matches!(next.key, CursorKey::Text(_)));
        assert_eq!(page(&store, kind, order, Some(&next), 4).await.items.len(), 1);
    }
}

async fn contacts_of_a_lead_and_of_an_account_come_by_id(db: TestDb) {
    let store = Store::over(db);
    let people: Vec<_> = (0..9).map(|_| contact("P", "")).collect();
    store.put(&people.iter().collect::<Vec<_>>()).await;
    let (lead, account) = (lead("L", &people[8]), account("A"));
    store.put_lead(&lead).await;
    store.put_account(&account).await;
    let (of_lead, of_account) = (lead.id, account.id);
    let ids: Vec<_> = people.iter().rev().map(|contact| contact.id).collect();
    unit!(store, tx => {
        let links: Vec<_> = ids.iter().map(|id| (of_lead, *id)).collect();
        assert_eq!(leads::link(&mut tx, &links).await?, 8, "the primary one was linked already");
        let links: Vec<_> = ids.iter().map(|id| (of_account, *id)).collect();
        assert_eq!(accounts::link(&mut tx, &links).await?, 9);
    });
    let mut expected: Vec<_> = people.iter().map(|contact| contact.id.uuid()).collect();
    expected.sort_unstable();
    let mut tx = store.read().await;
    for fetch in [1, 4, 9, 100] {
        let (mut one, mut other, mut after) = (Vec::new(), Vec::new(), Uuid::nil());
        loop {
            let page = leads::contacts(&mut tx, of_lead, after, fetch).await.unwrap();
            other.extend(accounts::contacts(&mut tx, of_account, after, fetch).await.unwrap());
            let Some(last) = page.last() else { break };
            after = *last;
            one.extend(page);
        }
        assert_eq!((&one, &other), (&expected, &expected), "{fetch} a page");
    }
    let all: HashSet<_> = expected.into_iter().collect();
    assert_eq!(all.len(), 9);
}
