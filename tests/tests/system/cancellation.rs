//! No acknowledged write is ever undone and no failed one ever shows, whenever callers go away and whatever deadline
//! comes in mid-transaction (TRAPS 5). Few connections, so that each is used again and again by whoever comes next.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tonic::Code;
use yinyom_db::DbConfig;
use yinyom_proto::directory::v1 as dir;
use yinyom_testkit::TestDb;
use yinyom_tests::writer::{Patience, Writer, impatiently, patiently, within};
use yinyom_tests::{Database, House, Plan, TestBusiness, refusal};

const CALLERS: u64 = 8;
const CALLS: usize = 60;
const CONNECTIONS: u32 = 2;
/// About as long as a write takes, so that half of the cuts come in the middle of one.
const ABOUT_A_WRITE: u64 = 12_000;

async fn databases(database: Database) -> [TestDb; 3] {
    let of = [
        &consent_settings::MIGRATIONS,
        &contact_directory::MIGRATIONS,
        &consent_manager::MIGRATIONS,
    ];
    match database {
        Database::Sqlite => [
            yinyom_testkit::sqlite(of[0]).await,
            yinyom_testkit::sqlite(of[1]).await,
            yinyom_testkit::sqlite(of[2]).await,
        ],
        Database::Postgres => [
            yinyom_testkit::postgres(of[0]).await,
            yinyom_testkit::postgres(of[1]).await,
            yinyom_testkit::postgres(of[2]).await,
        ],
    }
}

async fn narrow(databases: &[TestDb; 3]) -> House {
    let narrow = databases.each_ref().map(|database| DbConfig {
        readers: CONNECTIONS,
        writers: CONNECTIONS,
        ..database.config().clone()
    });
    House::build(Plan::on_own(narrow)).await
}

fn patience(dice: &mut StdRng) -> Patience {
    match dice.random_range(0..8) {
        0 | 1 => Patience::Until(Duration::from_secs(5)),
        2 => Patience::Waits(dice.random_range(0..6)),
        3..6 => Patience::Cut(Duration::from_micros(dice.random_range(0..ABOUT_A_WRITE))),
        _ => Patience::Until(Duration::from_micros(dice.random_range(0..ABOUT_A_WRITE))),
    }
}

/// What became of one caller's contacts.
#[derive(Default)]
struct Made {
    acknowledged: BTreeSet<String>,
    refused: BTreeSet<String>,
}

/// A new contact that calls itself `name`; one with a wrong phone must not come to be.
fn new_contact(business: &TestBusiness, name: &str, phone: &str) -> dir::CreateContactRequest {
    dir::CreateContactRequest {
        parent: business.name.clone(),
        contact: Some(dir::Contact {
            first_name: name.to_owned(),
            external_id: name.to_owned(),
            phones: vec![dir::ContactPoint { value: phone.to_owned(), ..Default::default() }],
            ..Default::default()
        }),
        request_id: uuid::Uuid::now_v7().to_string(),
    }
}

/// Makes contacts impatiently, and then asks again what became of each.
async fn make_contacts(business: &TestBusiness, caller: u64, dice: &mut StdRng) -> Made {
    let mut made = Made::default();
    let contacts = business.owner.contacts.clone();
    for call in 0..CALLS / 4 {
        let name = format!("{caller}-{call}");
        let wrong = call % 3 == 0;
        let request = new_contact(business, &name, if wrong { "12" } else { "+66812345678" });
        let mut client = contacts.clone();
        let first = client.create_contact(request.clone());
        let first = match patience(dice) {
            Patience::Until(deadline) => {
                let mut client = contacts.clone();
                Some(client.create_contact(within(deadline, request.clone())).await)
            }
            Patience::Waits(waits) => impatiently(waits, first).await,
            Patience::Cut(after) => tokio::time::timeout(after, first).await.ok(),
        };
        if let Some(Err(status)) = &first {
            let known =
                [Code::InvalidArgument, Code::DeadlineExceeded, Code::Cancelled, Code::Unavailable];
            assert!(known.contains(&status.code()), "{status:?}");
        }
        let second = loop {
            match contacts.clone().create_contact(request.clone()).await {
                Err(status) if matches!(status.code(), Code::Unavailable | Code::Aborted) => {}
                outcome => break outcome,
            }
        };
        if wrong {
            assert_eq!(refusal(&second.unwrap_err()).0, Code::InvalidArgument);
            made.refused.insert(name);
        } else {
            let second = second.unwrap().into_inner().contact.unwrap().name;
            if let Some(Ok(first)) = first {
                assert_eq!(first.into_inner().contact.unwrap().name, second, "one request, two");
            }
            made.acknowledged.insert(name);
        }
    }
    made
}

async fn all_names(business: &TestBusiness) -> Vec<String> {
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = dir::ListContactsRequest {
            parent: business.name.clone(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let page = business.owner.contacts.clone().list_contacts(request).await.unwrap();
        let page = page.into_inner();
        names.extend(page.contacts.into_iter().map(|contact| contact.external_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return names;
        }
    }
}

async fn callers_that_go_away(database: Database) {
    let seed = rand::rng().random::<u64>();
    println!("seed {seed}");
    let databases = databases(database).await;
    let house = narrow(&databases).await;
    let business = std::sync::Arc::new(house.found().await);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let business = std::sync::Arc::clone(&business);
        let mut writer = Writer::new(&business, &house.directories[0].endpoint()).await;
        let mut dice = StdRng::seed_from_u64(seed ^ caller);
        callers.spawn(async move {
            let mut cut = 0;
            for _ in 0..CALLS {
                writer.glance(patience(&mut dice)).await;
                match writer.write(patience(&mut dice)).await {
                    None => cut += 1,
                    Some(Err(status)) => {
                        // A deadline is a deadline, and no cancellation that nobody asked for.
                        let (code, reason, _) = refusal(&status);
                        let late = (Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
                        let store = (Code::Unavailable, "STORE_UNAVAILABLE");
                        assert!([late, store].contains(&(code, &*reason)), "{status:?}");
                        cut += 1;
                    }
                    Some(Ok(())) => {}
                }
                writer.sees_the_present().await;
            }
            let made = make_contacts(&business, caller, &mut dice).await;
            (writer, made, cut)
        });
    }
    let (mut acknowledged, mut cut) = (0, 0);
    let (mut expected, mut never) = (BTreeSet::new(), BTreeSet::new());
    for (mut writer, made, cuts) in callers.join_all().await {
        writer.check().await;
        acknowledged += writer.acknowledged();
        cut += cuts;
        expected.extend(made.acknowledged);
        never.extend(made.refused);
    }
    println!("{acknowledged} acknowledged at once, {cut} cut");
    assert!(acknowledged > 20 && cut > 20, "nobody was patient, or nobody was not");
    let names: Vec<_> = all_names(&business).await;
    let stored: BTreeSet<_> = names.iter().filter(|name| !name.is_empty()).cloned().collect();
    assert_eq!(stored, expected, "a contact was lost, or a refused one is there");
    assert!(stored.is_disjoint(&never));
    assert_eq!(names.len(), stored.len() + usize::try_from(CALLERS).unwrap(), "made twice");
    for database in &databases {
        patiently(async || open_transactions(database).await, |open| *open == 0).await;
    }
    house.close().await;
}

/// Sessions that have a transaction open and nothing to do in it.
async fn open_transactions(database: &TestDb) -> i64 {
    if !database.is_postgres() {
        return 0;
    }
    let mut tx = database.read_unscoped().await.unwrap();
    let sql = "SELECT COUNT(*) FROM pg_stat_activity
               WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    tx.query(sql).scalar().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_lose_nothing_on_sqlite() {
    callers_that_go_away(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_lose_nothing_on_postgres() {
    callers_that_go_away(Database::Postgres).await;
}

/// The deadline comes while the unit of work waits for a row that another one has: it is told in time, with a reason,
/// nothing of it is there, and the same request makes the change once, later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_in_mid_transaction_leaves_nothing_half_done() {
    let databases = databases(Database::Postgres).await;
    let house = narrow(&databases).await;
    let business = house.found().await;
    let mut writer = Writer::new(&business, &house.directories[0].endpoint()).await;
    for _ in 0..3 {
        // Whoever still has deliveries to mark would wait for the lock, too.
        let queued = async || {
            let mut tx = databases[1].read_unscoped().await.unwrap();
            tx.query("SELECT COUNT(*) FROM outbox").scalar::<i64>().await.unwrap()
        };
        patiently(queued, |queued| *queued == 0).await;
        let (locked, is_locked) = tokio::sync::oneshot::channel();
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let blocker = databases[1].handle();
        let holder = tokio::spawn(async move {
            blocker
                .write_unscoped::<_, yinyom_db::DbError, _, _>(|mut tx| async move {
                    tx.query("LOCK TABLE outbox IN SHARE MODE").execute().await?;
                    locked.send(()).unwrap();
                    released.await.unwrap();
                    tx.done(())
                })
                .await
        });
        is_locked.await.unwrap();
        let late = writer.write(Patience::Until(Duration::from_millis(400))).await;
        let status = late.expect("it waits").expect_err("the row is locked");
        yinyom_tests::writer::assert_unavailable_or_late(&status);
        // Nobody waits for the lock any more, although it is still held: the unit was undone.
        let waiting = async || {
            let mut tx = databases[1].read_unscoped().await.unwrap();
            let sql = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND database =
                       (SELECT oid FROM pg_database WHERE datname = current_database())";
            tx.query(sql).scalar::<i64>().await.unwrap()
        };
        patiently(waiting, |waiting| *waiting == 0).await;
        release.send(()).unwrap();
        holder.await.unwrap().unwrap();
        assert!(writer.is_open());
        writer.check().await;
    }
    patiently(async || open_transactions(&databases[1]).await, |open| *open == 0).await;
    house.close().await;
}
