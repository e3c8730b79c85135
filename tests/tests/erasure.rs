//! A person who was erased: looked for in the bytes of the databases; and brought back by nobody, not by a process that dies
//! in the middle, nor by a backup.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::large_futures)]

use std::fs;

use sqlx::Connection;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Status};
use yinyom_db::DbConfig;
use yinyom_failpoints::{Point, Scenario, clear, set};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::subject_service_client::SubjectServiceClient;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::manager::v1::retention_service_client::RetentionServiceClient;
use yinyom_proto::types::v1::{Channel, ConsentState, Evidence};
use yinyom_tests::{Database, House, OwnPostgres, Plan, TestBusiness, assign, eventually, reason};

const SERVICES: [&str; 3] = ["settings", "directory", "manager"];
/// Nobody else is called so.
const FIRST: &str = "Zanzibar";
const LAST: &str = "Quokka";
const NUMBER: &str = "C-Timbuktu";
const NOTE: &str = "met at the Wombat fair";

/// Databases of a test's own, and backups of them.
enum Store {
    Sqlite(tempfile::TempDir),
    Postgres(Box<OwnPostgres>),
}

impl Store {
    async fn new(of: Database) -> Self {
        match of {
            Database::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
            Database::Postgres => {
                let server = OwnPostgres::start(80);
                server.sql("postgres", "CREATE ROLE service LOGIN PASSWORD 'right'").await.unwrap();
                for name in SERVICES {
                    let create = format!("CREATE DATABASE {name} OWNER service");
                    server.sql("postgres", &create).await.unwrap();
                }
                Self::Postgres(Box::new(server))
            }
        }
    }

    fn config(&self, name: &str) -> DbConfig {
        match self {
            Self::Sqlite(dir) => {
                DbConfig::new(format!("sqlite:{}", dir.path().join(name).display()))
            }
            Self::Postgres(server) => {
                let url = server.url_of("service", "right", name);
                DbConfig { readers: 4, writers: 4, ..DbConfig::new(url) }
            }
        }
    }

    async fn house(&self) -> House {
        let databases = SERVICES.map(|name| self.config(name));
        House::build(Plan { checked: true, ..Plan::on_own(databases) }).await
    }

    /// Of a database that nobody uses.
    async fn back_up(&self, name: &str) {
        match self {
            Self::Sqlite(dir) => {
                let backup = dir.path().join(format!("{name}.backup"));
                let url = format!("sqlite:{}", dir.path().join(name).display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                let copy = sqlx::query("VACUUM INTO $1").bind(backup.display().to_string());
                copy.execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Self::Postgres(server) => template(server, name, &format!("{name}_backup")).await,
        }
    }

    async fn restore(&self, name: &str) {
        match self {
            Self::Sqlite(dir) => {
                let file = |name: &str| dir.path().join(name);
                for part in ["", "-wal", "-shm"] {
                    let _ = fs::remove_file(file(&format!("{name}{part}")));
                }
                fs::copy(file(&format!("{name}.backup")), file(name)).unwrap();
            }
            Self::Postgres(server) => {
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                server.sql("postgres", &drop).await.unwrap();
                template(server, &format!("{name}_backup"), name).await;
            }
        }
    }

    /// All that the databases hold, the journal and freed pages of a file too; of PostgreSQL what a dump has.
    fn bytes(&self, name: &str) -> Vec<u8> {
        match self {
            Self::Sqlite(dir) => {
                let file = |part: &str| fs::read(dir.path().join(format!("{name}{part}")));
                [file("").unwrap(), file("-wal").unwrap_or_default()].concat()
            }
            Self::Postgres(server) => server.dump(name),
        }
    }
}

async fn template(server: &OwnPostgres, from: &str, to: &str) {
    let end = format!(
        "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = '{from}'"
    );
    server.sql("postgres", &end).await.unwrap();
    let create = format!("CREATE DATABASE {to} TEMPLATE {from} OWNER service");
    server.sql("postgres", &create).await.unwrap();
}

async fn person(business: &TestBusiness) -> dir::Contact {
    let point = |value: &str| dir::ContactPoint { value: value.to_owned(), ..Default::default() };
    let request = dir::CreateContactRequest {
        parent: business.name.clone(),
        contact: Some(dir::Contact {
            first_name: FIRST.to_owned(),
            last_name: LAST.to_owned(),
            external_id: NUMBER.to_owned(),
            phones: vec![point("0897654320")],
            emails: vec![point("quokka@example.co.th")],
            ..Default::default()
        }),
        ..Default::default()
    };
    let created = business.owner.contacts.clone().create_contact(request).await.unwrap();
    let contact = created.into_inner().contact.unwrap();
    let mut said = assign(&contact.name, &[(Channel::Phone, ConsentState::Denied)]);
    said.evidence = Some(Evidence { note: NOTE.to_owned(), ..Evidence::default() });
    business.owner.consents.clone().set_contact_consents(said).await.unwrap();
    contact
}

async fn erase(house: &House, business: &TestBusiness, contact: &str) -> Result<(), Status> {
    let wire = InterceptedService::new(house.directory.clone(), business.officer.bearer.clone());
    let request =
        dir::EraseSubjectRequest { contact: contact.to_owned(), request_id: String::new() };
    SubjectServiceClient::new(wire).erase_subject(request).await.map(drop)
}

async fn history(
    business: &TestBusiness,
    contact: &str,
) -> Result<man::GetContactHistoryResponse, Status> {
    let request =
        man::GetContactHistoryRequest { contact: contact.to_owned(), ..Default::default() };
    let answer = business.owner.ledger.clone().get_contact_history(request).await?;
    Ok(answer.into_inner())
}

/// The notes that the ledger shows of a contact, once it has so many changes.
async fn notes(business: &TestBusiness, contact: &str, changes: usize) -> Vec<String> {
    let shown = eventually(
        async || history(business, contact).await,
        |shown| shown.as_ref().is_ok_and(|shown| shown.entries.len() == changes),
    );
    let note = |entry: man::LedgerEntry| entry.evidence.map(|of| of.note).unwrap_or_default();
    shown.await.unwrap().entries.into_iter().map(note).filter(|note| !note.is_empty()).collect()
}

/// Waits until the manager has destroyed the evidence of so many contacts.
async fn destroyed(house: &House, business: &TestBusiness, contacts: usize) {
    let wire = InterceptedService::new(house.manager.clone(), business.officer.bearer.clone());
    let mut client = RetentionServiceClient::new(wire);
    let request = man::ListErasuresRequest { parent: business.name.clone(), ..Default::default() };
    eventually(
        async || {
            let answer = client.list_erasures(request.clone()).await.unwrap().into_inner();
            answer.erasures.iter().filter(|of| of.evidence_destroy_time.is_some()).count()
        },
        |done| *done == contacts,
    )
    .await;
}

async fn get(business: &TestBusiness, contact: &str) -> Result<(), Status> {
    let request = dir::GetContactRequest { name: contact.to_owned() };
    business.owner.contacts.clone().get_contact(request).await.map(drop)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

async fn nothing_of_an_erased_person_is_in_the_databases(on: Database) {
    let store = Store::new(on).await;
    let house = store.house().await;
    let business = house.found().await;
    let contact = person(&business).await;
    assert_eq!(notes(&business, &contact.name, 2).await, [NOTE]);
    let found = |bytes: &[u8]| [FIRST, LAST, NUMBER].map(|text| holds(bytes, text));
    assert_eq!(found(&store.bytes("directory")), [true; 3], "the search finds what is there");
    erase(&house, &business, &contact.name).await.unwrap();
    assert!(notes(&business, &contact.name, 3).await.is_empty());
    destroyed(&house, &business, 1).await;
    for name in SERVICES {
        assert_eq!(found(&store.bytes(name)), [false; 3], "{name}, while it is served");
    }
    house.close().await;
    for name in SERVICES {
        assert_eq!(found(&store.bytes(name)), [false; 3], "{name} at rest");
    }
}

async fn a_backup_brings_nobody_back(on: Database) {
    let store = Store::new(on).await;
    let mut house = store.house().await;
    let business = house.found().await;
    let (gone, other) = (person(&business).await, business.contact(&["0812345678"], &[]).await);
    assert_eq!(notes(&business, &gone.name, 2).await, [NOTE]);
    // Who calls stops before who is called.
    house.directories[0].stop().await;
    house.managers[0].stop().await;
    for name in ["directory", "manager"] {
        store.back_up(name).await;
    }
    house.managers[0].start().await;
    house.directories[0].start().await;
    eventually(async || get(&business, &gone.name).await, Result::is_ok).await.unwrap();
    eventually(async || erase(&house, &business, &gone.name).await, Result::is_ok).await.unwrap();
    destroyed(&house, &business, 1).await;

    // The directory comes back with the person. It has erased them before it answers the first call.
    house.directories[0].stop().await;
    store.restore("directory").await;
    assert!(holds(&store.bytes("directory"), FIRST), "there it is");
    house.directories[0].start().await;
    let answer = eventually(
        async || get(&business, &gone.name).await,
        |got| !matches!(got, Err(status) if status.code() == Code::Unavailable),
    );
    assert_eq!(reason(answer.await), "NOT_FOUND");
    assert!(!holds(&store.bytes("directory"), FIRST));
    get(&business, &other.name).await.unwrap();

    // The manager comes back with the key. It shows no evidence before it was told.
    house.managers[0].stop().await;
    store.restore("manager").await;
    house.managers[0].start().await;
    let shown = eventually(
        async || {
            let shown = history(&business, &gone.name).await;
            if let Ok(shown) = &shown {
                let noted = |entry: &man::LedgerEntry| {
                    entry.evidence.as_ref().is_some_and(|evidence| !evidence.note.is_empty())
                };
                assert!(!shown.entries.iter().any(noted), "shown again: {shown:?}");
            }
            shown
        },
        |shown| shown.as_ref().is_ok_and(|shown| shown.entries.len() == 3),
    );
    assert!(shown.await.unwrap().consents.is_empty());
    destroyed(&house, &business, 1).await;
    house.close().await;
}

async fn a_death_in_the_middle_loses_no_erasure(on: Database) {
    let scenario = Scenario::from_environment();
    let mut house = House::start(on).await;
    let business = house.found().await;
    for point in [Point::AfterCommit, Point::AfterSend, Point::AfterIngest] {
        let contact = person(&business).await;
        assert_eq!(notes(&business, &contact.name, 2).await, [NOTE]);
        set(point, "return");
        // Whether it was told or not, the client asks again until it is.
        let _ = erase(&house, &business, &contact.name).await;
        house.directories[0].kill().await;
        clear(point);
        house.directories[0].start().await;
        house.directories[0].policies().ready().await;
        eventually(async || erase(&house, &business, &contact.name).await, Result::is_ok)
            .await
            .unwrap();
        assert_eq!(reason(get(&business, &contact.name).await), "NOT_FOUND");
        assert!(notes(&business, &contact.name, 3).await.is_empty());
    }
    destroyed(&house, &business, 3).await;
    house.close().await;
    drop(scenario);
}

macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use super::Database;

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$test(Database::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                super::$test(Database::Postgres).await;
            }
        }
    )+};
}

on_both!(
    nothing_of_an_erased_person_is_in_the_databases,
    a_backup_brings_nobody_back,
    a_death_in_the_middle_loses_no_erasure,
);
