//! Names by their start.

use contact_directory::MIGRATIONS;
use contact_directory::domain::contact::search_key;
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::domain::{Contact, View, Viewer};
use contact_directory::store::{accounts, find, leads};
use yinyom_policy::Rules;
use yinyom_testkit::{TestDb, both_databases};

use super::{Store, account, contact, lead};

both_databases!(MIGRATIONS =>
    a_contact_is_found_by_the_start_of_its_name_or_last_name,
    leads_and_accounts_are_found_by_the_start_of_their_names,
    pages_of_a_prefix_are_all_that_has_it,
);

const BY_NAME: Order = Order { key: OrderKey::Name, descending: false };

/// What is asked for, and whose names are answered, in order.
const CASES: &[(&str, &[&str])] = &[
    ("สม", &["กมล สมบูรณ์", "สมชาย ใจดี", "สมหญิง ใจงาม"]),
    ("สมช", &["สมชาย ใจดี"]),
    ("สมชาย ใจ", &["สมชาย ใจดี"]),
    ("ใจ", &["สมชาย ใจดี", "สมหญิง ใจงาม"]),
    ("เ", &["เอก "]),
    ("ชาย", &[]),
    ("somchai", &["SOMCHAI Jaidee"]),
    ("SomChai  jAI", &["SOMCHAI Jaidee"]),
    ("JAI", &["SOMCHAI Jaidee"]),
    ("aidee", &[]),
    ("dee jai", &[]),
    ("strasse", &["Straße 50%"]),
    ("Jose\u{301}", &["José De La Cruz"]),
    ("de la c", &["José De La Cruz"]),
    ("jose", &[]),
    ("%", &[]),
    ("_", &[]),
    ("50%", &["Straße 50%"]),
    ("50_", &[]),
    ("'", &[]),
    ("o'n", &["O'Neil "]),
    ("\u{1F600}", &["\u{1F600}x "]),
    ("\u{10FFFF}", &["\u{10FFFF}z "]),
    ("zzz", &[]),
];

fn people() -> Vec<Contact> {
    [
        ("สมชาย", "ใจดี"),
        ("สมหญิง", "ใจงาม"),
        ("กมล", "สมบูรณ์"),
        ("เอก", ""),
        ("SOMCHAI", "Jaidee"),
        ("Straße", "50%"),
        ("José", "De La Cruz"),
        ("O'Neil", ""),
        ("\u{1F600}x", ""),
        ("\u{10FFFF}z", ""),
    ]
    .map(|(first, last)| contact(first, last))
    .to_vec()
}

async fn find(store: &Store, prefix: &str, order: Order) -> Vec<String> {
    let keys = store.keys().await;
    let name_prefix = Some(search_key(prefix));
    let wanted = find::Wanted { name_prefix, ..find::Wanted::default() };
    let view = View::new(Viewer::Service, Rules::STRICTEST);
    let at = find::At { order, cursor: None, rows: 100, now: 0 };
    let page = find::page(&mut store.read().await, &keys, &wanted, &view, at).await.unwrap();
    let name = |contact: Contact| {
        let part = |part: Option<&yinyom_privacy::Personal>| {
            part.map(|part| part.expose().clone()).unwrap_or_default()
        };
        format!("{} {}", part(contact.name.first()), part(contact.name.last()))
    };
    page.items.into_iter().map(name).collect()
}

async fn a_contact_is_found_by_the_start_of_its_name_or_last_name(db: TestDb) {
    let store = Store::over(db);
    let people = people();
    store.put(&people.iter().collect::<Vec<_>>()).await;
    for (prefix, expected) in CASES {
        assert_eq!(find(&store, prefix, BY_NAME).await, *expected, "{prefix}");
        let descending = Order { descending: true, ..BY_NAME };
        let mut backwards = find(&store, prefix, descending).await;
        backwards.reverse();
        assert_eq!(backwards, *expected, "{prefix}, backwards");
        let by_time = Order { key: OrderKey::UpdateTime, descending: true };
        assert_eq!(find(&store, prefix, by_time).await.len(), expected.len(), "{prefix}");
    }
    assert_eq!(
        find(&store, "", BY_NAME).await.len(),
        people.len(),
        "an empty start is everybody's"
    );
}

async fn leads_and_accounts_are_found_by_the_start_of_their_names(db: TestDb) {
    let store = Store::over(db);
    let primary = contact("P", "");
    store.put(&[&primary]).await;
    for name in ["สมชาย ใจดี", "Acme Ltd", "ACME Thailand", "50% off", "Café"] {
        store.put_lead(&lead(name, &primary)).await;
        store.put_account(&account(name)).await;
    }
    let cases: [(&str, &[&str]); 6] = [
        ("สม", &["สมชาย ใจดี"]),
        ("acme", &["Acme Ltd", "ACME Thailand"]),
        ("Acme  T", &["ACME Thailand"]),
        ("ใจ", &[]),
        ("%", &[]),
        ("Cafe\u{301}", &["Café"]),
    ];
    let mut tx = store.read().await;
    for (prefix, expected) in cases {
        let wanted = leads::Wanted { title_prefix: Some(search_key(prefix)), ..Default::default() };
        let found = leads::page(&mut tx, &wanted, BY_NAME, None, 10).await.unwrap();
        let titles: Vec<_> = found.items.iter().map(|lead| &lead.title[..]).collect();
        assert_eq!(titles, expected, "{prefix}");
        let wanted =
            accounts::Wanted { name_prefix: Some(search_key(prefix)), ..Default::default() };
        let found = accounts::page(&mut tx, &wanted, BY_NAME, None, 10).await.unwrap();
        let names: Vec<_> = found.items.iter().map(|account| &account.display_name[..]).collect();
        assert_eq!(names, expected, "{prefix}");
    }
}

async fn pages_of_a_prefix_are_all_that_has_it(db: TestDb) {
    let store = Store::over(db);
    let people: Vec<_> = (0..30).map(|n| contact(["สมชาย", "Anna"][n % 2], "สมบูรณ์")).collect();
    store.put(&people.iter().collect::<Vec<_>>()).await;
    let keys = store.keys().await;
    let wanted = find::Wanted { name_prefix: Some(search_key("สม")), ..Default::default() };
    let view = View::new(Viewer::Service, Rules::STRICTEST);
    for descending in [false, true] {
        let order = Order { descending, ..BY_NAME };
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let at = find::At { order, cursor: cursor.as_ref(), rows: 4, now: 0 };
            let mut tx = store.read().await;
            let page = find::page(&mut tx, &keys, &wanted, &view, at).await.unwrap();
            found.extend(page.items.into_iter().map(|contact| contact.id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let mut expected: Vec<_> =
            people.iter().map(|c| (c.name.sort_key().into_inner(), c.id)).collect();
        expected.sort();
        if descending {
            expected.reverse();
        }
        assert_eq!(found, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
    }
}
