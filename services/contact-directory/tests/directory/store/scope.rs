//! Another business's rows are nobody's: not by any function, not even with the same ids.

use std::collections::{HashMap, HashSet};

use contact_directory::MIGRATIONS;
use contact_directory::domain::lead::{Account, Lead};
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::domain::{Contact, View, Viewer};
use contact_directory::store::{accounts, check, contacts, find, import, leads, refused};
use uuid::Uuid;
use yinyom_consent::Channel;
use yinyom_consent::ConsentState::{Denied, Granted};
use yinyom_kernel::{ContactId, Scope, from_micros};
use yinyom_policy::Rules;
use yinyom_testkit::row_security::{assert_own_rows_alone, assert_row_security};
use yinyom_testkit::{TestDb, both_databases};

use super::{Store, That, account, address, contact, lead, said, unit};

both_databases!(MIGRATIONS =>
    no_read_finds_what_is_another_businesss,
    no_write_touches_what_is_another_businesss,
    the_same_ids_in_two_businesses_are_two_contacts,
    postgres_itself_keeps_businesses_apart,
);

const FINGERPRINT: [u8; 32] = [7; 32];

/// A business with one of everything.
struct Full {
    contact: Contact,
    sharer: Contact,
    lead: Lead,
    account: Account,
}

async fn fill(store: &Store, scope: Scope, full: &Full) {
    let keys = store.keys_of(scope).await;
    let (contact, sharer) = (full.contact.clone(), full.sharer.clone());
    let (lead, account) = (full.lead.clone(), full.account.clone());
    let refusal = address("0899999999");
    unit!(store, scope, tx => {
        contacts::insert(&mut tx, &keys, &[&contact, &sharer]).await?;
        accounts::insert(&mut tx, &[&account]).await?;
        leads::insert(&mut tx, &[&lead]).await?;
        accounts::link(&mut tx, &[(account.id, contact.id)]).await?;
        refused::keep(&mut tx, &keys, ContactId::generate(), &[&refusal], 1).await?;
        refused::keep_fingerprints(&mut tx, &[(FINGERPRINT, contact.id)]).await?;
    });
}

fn full() -> Full {
    let contact = contact("Anna", "Adams").number("C-1").at("0812345671").phone(said(Granted));
    let sharer = super::contact("Bert", "").at("0812345671").phone(said(Denied));
    let account = account("Acme");
    let mut lead = lead("Buys", &contact);
    (lead.source, lead.account) = ("Web".to_owned(), Some(account.id));
    Full { contact, sharer, lead, account }
}

/// Everything that the business has, but for keys and sealed bytes.
async fn all(store: &Store, scope: Scope) -> Vec<(String, i64)> {
    let mut tx = store.db.read(scope).await.unwrap();
    let mut rows = Vec::new();
    for sql in [
        "SELECT sort_name, revision FROM contacts WHERE business_id = $1 ORDER BY contact_id",
        "SELECT 'point', CAST(channel AS BIGINT) FROM contact_points WHERE business_id = $1",
        "SELECT 'fingerprint', COUNT(*) FROM contact_fingerprints WHERE business_id = $1",
        "SELECT 'refused', refused_at FROM refused_addresses WHERE business_id = $1",
        "SELECT sort_name, revision FROM accounts WHERE business_id = $1 ORDER BY account_id",
        "SELECT sort_title, revision FROM leads WHERE business_id = $1 ORDER BY lead_id",
        "SELECT 'converted', COUNT(*) FROM leads WHERE business_id = $1 AND account_id IS NOT NULL",
        "SELECT 'of account', COUNT(*) FROM account_contacts WHERE business_id = $1",
        "SELECT 'of lead', COUNT(*) FROM lead_contacts WHERE business_id = $1",
        "SELECT 'key', CAST(purpose AS BIGINT) FROM business_keys WHERE business_id = $1 ORDER BY purpose",
    ] {
        rows.extend(tx.scoped(sql).fetch_all::<(String, i64)>().await.unwrap());
    }
    rows
}

async fn postgres_itself_keeps_businesses_apart(db: TestDb) {
    let across = ["audit_outbox", "due_work", "erased_streams", "key_holders", "outbox"];
    assert_row_security(&db, &across, &["master_keys", "task_leases"]).await;
    let store = Store::over(db);
    fill(&store, store.here, &full()).await;
    fill(&store, store.there, &full()).await;
    let tables = assert_own_rows_alone(&store.db, store.here, store.there).await;
    if store.db.is_postgres() {
        let filled = [
            "account_contacts",
            "accounts",
            "address_tallies",
            "business_keys",
            "contact_counts",
            "contact_fingerprints",
            "contact_points",
            "contacts",
            "lead_contacts",
            "leads",
            "refused_addresses",
            "refusers",
            "shared_address_counts",
        ];
        assert_eq!(tables, filled);
    }
}

async fn no_read_finds_what_is_another_businesss(db: TestDb) {
    let store = Store::over(db);
    let theirs = full();
    fill(&store, store.there, &theirs).await;
    // With their keys, so that nothing hides behind other hashes.
    let keys = store.keys_of(store.there).await;
    let (id, of, customer) = (theirs.contact.id, theirs.lead.id, theirs.account.id);
    let view = View::new(Viewer::SeesEverything, Rules::INITIAL);
    let order = Order { key: OrderKey::Name, descending: false };
    let at = find::At { order, cursor: None, rows: 10, now: 0 };
    let mut tx = store.read().await;
    let tx = &mut tx;

    assert_eq!(contacts::find(tx, &keys, id).await.unwrap(), None);
    assert_eq!(contacts::load(tx, &keys, &[id]).await.unwrap(), []);
    assert_eq!(contacts::by_external_id(tx, &["C-1".to_owned()]).await.unwrap(), []);
    for wanted in [
        find::Wanted::default(),
        find::Wanted { name_prefix: Some("anna".to_owned()), ..Default::default() },
        find::Wanted { name_prefix: Some("adams".to_owned()), ..Default::default() },
        find::Wanted { addresses: vec![address("0812345671")], ..Default::default() },
        find::Wanted { external_id: Some("C-1".to_owned()), ..Default::default() },
        find::Wanted { state: Some(Granted), ..Default::default() },
    ] {
        assert_eq!(find::page(tx, &keys, &wanted, &view, at).await.unwrap().items, []);
    }
    for channel in [Channel::Phone, Channel::Email] {
        assert!(check::channels(tx, channel, &[id], true).await.unwrap().is_empty());
    }
    let refusal = address("0899999999");
    assert_eq!(refused::refused(tx, &keys, &[&refusal]).await.unwrap(), HashSet::new());
    let found = refused::by_fingerprint(tx, &[FINGERPRINT]).await.unwrap();
    assert_eq!(found, HashMap::new());

    assert_eq!(leads::load(tx, &[of]).await.unwrap(), []);
    let titled = leads::of_primary(tx, &[id], &["buys".to_owned()], 9).await.unwrap();
    assert_eq!(titled, []);
    assert!(!leads::has_primary(tx, id).await.unwrap());
    assert_eq!(leads::contacts(tx, of, Uuid::nil(), 9).await.unwrap(), [] as [Uuid; 0]);
    assert_eq!(leads::linked(tx, &[(of, id)]).await.unwrap(), HashMap::new());
    for wanted in [
        leads::Wanted::default(),
        leads::Wanted { title_prefix: Some("buys".to_owned()), ..Default::default() },
        leads::Wanted { source: Some("Web".to_owned()), ..Default::default() },
        leads::Wanted { contact: Some(id), ..Default::default() },
    ] {
        assert_eq!(leads::page(tx, &wanted, order, None, 9).await.unwrap().items, []);
    }
    assert_eq!(accounts::load(tx, &[customer]).await.unwrap(), []);
    assert_eq!(accounts::contacts(tx, customer, Uuid::nil(), 9).await.unwrap(), [] as [Uuid; 0]);
    assert_eq!(accounts::linked(tx, &[(customer, id)]).await.unwrap(), HashSet::new());
    assert_eq!(import::links(tx, &[customer], &[id]).await.unwrap(), []);
    for wanted in [
        accounts::Wanted::default(),
        accounts::Wanted { name_prefix: Some("acme".to_owned()), ..Default::default() },
        accounts::Wanted { contact: Some(id), ..Default::default() },
    ] {
        assert_eq!(accounts::page(tx, &wanted, order, None, 9).await.unwrap().items, []);
    }
}

async fn no_write_touches_what_is_another_businesss(db: TestDb) {
    let store = Store::over(db);
    let theirs = full();
    fill(&store, store.there, &theirs).await;
    store.keys().await;
    let (before, nothing) = (all(&store, store.there).await, all(&store, store.here).await);
    let keys = store.keys_of(store.there).await;
    let Full { mut contact, mut lead, mut account, .. } = theirs;
    unit!(store, tx => {
        let (id, of, customer, point) = (contact.id, lead.id, account.id, contact.points[0].id);
        assert_eq!(contacts::lock(&mut tx, &keys, &[id]).await?, []);
        assert_eq!(contacts::hold(&mut tx, &[id]).await?, [] as [Uuid; 0]);
        assert_eq!(leads::lock(&mut tx, of).await?, None);
        assert_eq!(accounts::lock(&mut tx, customer).await?, None);
        assert_eq!(accounts::lock_named(&mut tx, &["acme".to_owned()]).await?, []);
        import::take_turn(&mut tx).await?;
        contact.name = super::contact("Stolen", "").name;
        contact.revision = 9;
        contacts::update(&mut tx, &[&contact]).await?;
        contacts::remove_points(&mut tx, id, &[point]).await?;
        (lead.title, lead.revision) = ("stolen".to_owned(), 9);
        leads::update(&mut tx, &lead).await?;
        assert_eq!(leads::unlink(&mut tx, of, &[id]).await?, 0);
        (account.display_name, account.revision) = ("stolen".to_owned(), 9);
        accounts::update(&mut tx, &account).await?;
        assert_eq!(accounts::unlink(&mut tx, customer, &[id]).await?, 0);
        assert_eq!(accounts::link_contacts_of_lead(&mut tx, customer, of).await?, 0);
        leads::delete(&mut tx, of).await?;
        accounts::delete(&mut tx, customer, from_micros(9)).await?;
        contacts::delete(&mut tx, id).await?;
    });
    assert_eq!(all(&store, store.there).await, before);
    assert_eq!(all(&store, store.here).await, nothing, "and none came here");
}

async fn the_same_ids_in_two_businesses_are_two_contacts(db: TestDb) {
    let store = Store::over(db);
    let theirs = full();
    let mut ours = full();
    // Somebody who guesses ids, or restores one business's backup as another one.
    ours.contact = Contact { id: theirs.contact.id, ..contact("Ours", "").at("0812345672") };
    ours.lead = Lead { id: theirs.lead.id, account: None, ..lead("Ours", &ours.contact) };
    ours.account = Account { id: theirs.account.id, ..account("Ours") };
    fill(&store, store.there, &theirs).await;
    fill(&store, store.here, &ours).await;
    assert_eq!(store.stored(ours.contact.id).await, Some(ours.contact.clone()));
    let before = all(&store, store.there).await;
    let (id, of, customer) = (ours.contact.id, ours.lead.id, ours.account.id);
    let found = unit!(store, tx => {
        let found = leads::linked(&mut tx, &[(of, id)]).await?;
        leads::delete(&mut tx, of).await?;
        accounts::delete(&mut tx, customer, from_micros(9)).await?;
        contacts::delete(&mut tx, id).await?;
        found
    });
    assert_eq!(found, HashMap::from([((of, id), true)]));
    assert_eq!(all(&store, store.there).await, before, "theirs stay");
}
