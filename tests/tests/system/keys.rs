//! Keys at rest, over the whole system: the master keys of all three services change while everybody works on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use consent_manager::store::subjects::Subjects;
use consent_settings::store::key::ServiceKey;
use contact_directory::store::KeyTable;
use yinyom_db::{Db, Migrations};
use yinyom_keys::{KeysError, Pace, Progress, Shelf, admit, count, rotate};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::{Channel, ConsentState, Evidence};
use yinyom_testkit::TestDb;
use yinyom_tests::{Database, House, Person, Plan, TestBusiness, assign, eventually};

const NOTE: &str = "ลูกค้าแจ้งที่เคาน์เตอร์";
const BEFORE: usize = 12;

fn phone(n: usize) -> String {
    format!("+668{:08}", 10_000_000 + n)
}

/// A contact with a phone, and evidence of what was said about it.
async fn contact(business: &TestBusiness, n: usize) -> String {
    let name = business.contact(&[&phone(n)], &[]).await.name;
    let said = assign(&name, &[(Channel::Phone, ConsentState::Granted)]);
    let evidence = Evidence { note: NOTE.to_owned(), ..Default::default() };
    let said = dir::SetContactConsentsRequest { evidence: Some(evidence), ..said };
    business.owner.consents.clone().set_contact_consents(said).await.unwrap();
    name
}

async fn seen(owner: &Person, parent: &str, n: usize, name: &str) {
    let question = dir::SearchContactsRequest {
        parent: parent.to_owned(),
        phone: phone(n),
        ..Default::default()
    };
    let found = owner.contacts.clone().search_contacts(question).await.unwrap().into_inner();
    let found: Vec<_> = found.contacts.iter().map(|of| (&*of.name, &*of.phones[0].value)).collect();
    assert_eq!(found, [(name, &*phone(n))]);
}

/// Waits until the ledger has the note, and can open it.
async fn noted(owner: &Person, name: &str) {
    let request = man::GetContactHistoryRequest { contact: name.to_owned(), ..Default::default() };
    let ask = async || {
        let history = owner.ledger.clone().get_contact_history(request.clone()).await;
        let entries = history.map(|history| history.into_inner().entries).unwrap_or_default();
        entries.into_iter().filter_map(|of| of.evidence).any(|of| of.note == NOTE)
    };
    eventually(ask, |noted| *noted).await;
}

async fn bit(db: &Db, masters: &MasterKeys, shelf: impl Shelf, batches: Option<u64>) -> Progress {
    let pace = Pace { batch: 2, batches };
    rotate(db, masters, shelf, pace, 0, |_| ()).await.unwrap()
}

async fn all(dbs: &[TestDb; 3], masters: &[MasterKeys; 3], batches: Option<u64>) -> [Progress; 3] {
    let [settings, directory, manager] = dbs;
    tokio::join!(
        bit(settings, &masters[0], ServiceKey, batches),
        bit(directory, &masters[1], KeyTable, batches),
        bit(manager, &masters[2], Subjects, batches),
    )
    .into()
}

async fn databases(of: Database) -> [TestDb; 3] {
    let open = async |migrations: &Migrations| match of {
        Database::Sqlite => yinyom_testkit::sqlite(migrations).await,
        Database::Postgres => yinyom_testkit::postgres(migrations).await,
    };
    [
        open(&consent_settings::MIGRATIONS).await,
        open(&contact_directory::MIGRATIONS).await,
        open(&consent_manager::MIGRATIONS).await,
    ]
}

/// Everything that is wrapped.
async fn wrapped(dbs: &[TestDb; 3]) -> Vec<u8> {
    let tables = [
        "SELECT wrapped FROM service_key",
        "SELECT wrapped FROM business_keys",
        "SELECT wrapped_key FROM subjects",
    ];
    let mut bytes = Vec::new();
    for (db, sql) in dbs.iter().zip(tables) {
        let mut tx = db.unbound().await.read_unscoped().await.unwrap();
        bytes.extend(tx.query(sql).scalars::<Vec<u8>>().await.unwrap().concat());
    }
    bytes
}

async fn rotated_while_everybody_works_on(database: Database) {
    let dbs = databases(database).await;
    let own = || [0, 1, 2].map(|of: usize| dbs[of].config().clone());
    let keys = [(); 3].map(|()| (MasterKey::generate(), MasterKey::generate()));
    let each = |of: fn(&(MasterKey, MasterKey)) -> MasterKeys| keys.each_ref().map(of);
    let before = each(|(old, new)| MasterKeys::new(old.clone(), vec![new.clone()]));
    let after = each(|(old, new)| MasterKeys::new(new.clone(), vec![old.clone()]));
    let alone = each(|(_, new)| MasterKeys::new(new.clone(), Vec::new()));

    let house = Box::pin(House::build(Plan { masters: before, ..Plan::on_own(own()) })).await;
    let business = Box::pin(house.found()).await;
    let mut names = Vec::new();
    for n in 0..BEFORE {
        names.push(contact(&business, n).await);
    }
    for name in &names {
        noted(&business.owner, name).await;
    }
    house.close().await;
    // The new key is made the master key of every replica.
    let house = House::build(Plan { masters: after.clone(), ..Plan::on_own(own()) }).await;
    let moved = |who: &Person| house.member(business.id, who.name.clone());
    let business = Arc::new(TestBusiness {
        owner: moved(&business.owner),
        admin: moved(&business.admin),
        listed: moved(&business.listed),
        user: moved(&business.user),
        officer: moved(&business.officer),
        id: business.id,
        name: business.name.clone(),
    });
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (business, over) = (Arc::clone(&business), Arc::clone(&over));
        tokio::spawn(async move {
            let mut more = Vec::new();
            // One at least, however fast the rotation is.
            while more.is_empty() || !over.load(Ordering::SeqCst) {
                more.push(contact(&business, BEFORE + more.len()).await);
            }
            more
        })
    };
    let killed = all(&dbs, &after, Some(1)).await;
    assert!(!killed[2].finished && killed[2].wrapped == 2, "{killed:?}");
    for (n, name) in names.iter().enumerate() {
        seen(&business.owner, &business.name, n, name).await;
        noted(&business.owner, name).await;
    }
    assert!(all(&dbs, &after, None).await.iter().all(|of| of.finished));
    over.store(true, Ordering::SeqCst);
    names.extend(writer.await.unwrap());
    for name in &names {
        noted(&business.owner, name).await;
    }
    let (parent, id) = (business.name.clone(), business.id);
    let owner = business.owner.name.clone();
    drop(business);
    house.close().await;

    let counts = count(&dbs[2], Subjects).await.unwrap();
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [(keys[2].1.id(), i64::try_from(names.len()).unwrap())]
    );
    let rows = wrapped(&dbs).await;
    for (at, (old, new)) in keys.iter().enumerate() {
        assert!(!rows.windows(8).any(|bytes| bytes == old.id().bytes()), "{at}");
        let forgot = admit(&dbs[at], &MasterKeys::new(old.clone(), Vec::new()), 0).await;
        assert!(matches!(forgot, Err(KeysError::Missing(id)) if id == new.id()));
    }
    let house = Box::pin(House::build(Plan { masters: alone, ..Plan::on_own(own()) })).await;
    let owner = house.member(id, owner);
    for (n, name) in names.iter().enumerate() {
        seen(&owner, &parent, n, name).await;
        noted(&owner, name).await;
    }
    house.close().await;
}

#[tokio::test]
async fn master_keys_are_rotated_while_everybody_works_on_sqlite() {
    Box::pin(rotated_while_everybody_works_on(Database::Sqlite)).await;
}

#[tokio::test]
async fn master_keys_are_rotated_while_everybody_works_on_postgres() {
    Box::pin(rotated_while_everybody_works_on(Database::Postgres)).await;
}
