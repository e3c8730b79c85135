//! A phone number and an e-mail address go through every method, well and badly, with the log at its most talkative.
//! Then they are looked for, in every spelling, in what is logged, traced, measured and answered in errors, and in the
//! bytes of the databases: files, journals, dumps. Another one is planted in each of these, to see that it would be found.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::large_futures)]

mod calls;
mod collector;
mod needles;

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use calls::Heard;
use collector::Collector;
use needles::Canary;
use opentelemetry::{KeyValue, global};
use yinyom_db::DbConfig;
use yinyom_telemetry::TelemetryConfig;
use yinyom_tests::{House, OwnPostgres, Plan};

const SERVICES: [&str; 3] = ["settings", "directory", "manager"];

/// Where something was looked for: what it is called, and its bytes.
type Place = (String, Vec<u8>);

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_nowhere_but_where_it_belongs() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let before = rustix::io::dup(rustix::stdio::stderr()).unwrap();
    rustix::stdio::dup2_stderr(File::create(&log).unwrap()).unwrap();
    let collector = Collector::default();
    let telemetry = yinyom_telemetry::init(&TelemetryConfig {
        filter: "trace".to_owned(),
        otlp_endpoint: Some(collector.start().await),
        ..TelemetryConfig::new("canary")
    })
    .unwrap();
    tell_of_panics(&before);
    plant_in_telemetry();
    let mut heard = Heard::default();
    let mut places = on_sqlite(dir.path(), &mut heard).await;
    places.extend(on_postgres(&mut heard).await);
    let metrics = yinyom_telemetry::scrape().unwrap();
    telemetry.shutdown().await;
    rustix::stdio::dup2_stderr(before).unwrap();

    let (spans, each) = collector.exported();
    let calls = each.iter().filter(|span| span.name == "rpc").count();
    assert!(calls > 1_000, "spans were exported");
    let log = fs::read(log).unwrap();
    let lines = String::from_utf8_lossy(&log);
    assert!(lines.contains("TRACE") && lines.contains("ContactService/CreateContact"));
    let told = String::from_utf8_lossy(&metrics);
    for name in ["GetContact\"", "yinyom_values_masked_total", "yinyom_ledger_lag_seconds"] {
        assert!(told.contains(name), "{name} is not measured:\n{told}");
    }
    places.extend([
        ("log".to_owned(), log),
        ("spans".to_owned(), spans),
        ("metrics".to_owned(), metrics),
    ]);
    for (place, bytes) in &places {
        let planted = Canary::PLANTED.found_in(bytes);
        assert!(!planted.is_empty(), "{place}: the search is blind, in {} bytes", bytes.len());
    }
    assert!(heard.errors.len() > 100_000 && heard.refused.len() > 40, "{:?}", heard.refused);
    assert!(heard.answered.len() > 30, "{:?}", heard.answered);
    places.push(("errors".to_owned(), heard.errors));
    let hits: Vec<_> = (places.iter())
        .map(|(place, bytes)| (place, Canary::HIDDEN.found_in(bytes)))
        .filter(|(_, found)| !found.is_empty())
        .collect();
    for (_, bytes) in places.iter().filter(|(place, _)| place.starts_with("pg_dump")) {
        let text = String::from_utf8_lossy(bytes);
        let number = &Canary::HIDDEN.phones()[1];
        for line in text.lines().filter(|line| line.contains(number)) {
            println!("{line}");
        }
    }
    assert!(hits.is_empty(), "{hits:?}");
    let bytes: usize = places.iter().map(|(_, bytes)| bytes.len()).sum();
    println!("{} places, {bytes} bytes, {} spans: 0 hits", places.len(), each.len());
}

/// What fails here must be read by somebody.
fn tell_of_panics(stderr: &OwnedFd) {
    let (logged, stderr) = (std::panic::take_hook(), stderr.try_clone().unwrap());
    std::panic::set_hook(Box::new(move |panic| {
        logged(panic);
        let _ = writeln!(&File::from(stderr.try_clone().unwrap()), "{panic}");
    }));
}

fn plant_in_telemetry() {
    let [phone, email] = planted();
    let _span = tracing::info_span!("planted", phone, email).entered();
    // As one of our own crates would say it: others are never heard below INFO.
    tracing::trace!(target: "yinyom_canary", phone, email, "planted");
    let labels = [KeyValue::new("phone", phone), KeyValue::new("email", email)];
    global::meter("canary").u64_counter("planted").build().add(1, &labels);
}

fn planted() -> [String; 2] {
    [Canary::PLANTED.phones().remove(1), Canary::PLANTED.emails().remove(2)]
}

async fn on_sqlite(dir: &Path, heard: &mut Heard) -> Vec<Place> {
    let file = |name: &str| dir.join(name);
    let databases = SERVICES.map(|name| DbConfig::new(format!("sqlite:{}", file(name).display())));
    let house = House::build(Plan::on_own(databases)).await;
    calls::all(&house, heard).await;
    let [phone, email] = planted();
    for name in SERVICES {
        let url = format!("sqlite:{}", file(name).display());
        plant_in_sqlite(&url, &phone, &email).await;
    }
    let mut places = Vec::new();
    for name in SERVICES {
        // While the services run: the last connection takes the journal with it.
        let of = |part: &str| fs::read(file(&format!("{name}{part}"))).unwrap_or_default();
        assert!(!of("-wal").is_empty() && !of("-shm").is_empty());
        // One place: what is planted is in the journal until it is written back.
        places.push((format!("sqlite {name}"), [of(""), of("-wal"), of("-shm")].concat()));
    }
    house.close().await;
    for name in SERVICES {
        let of = |part: &str| fs::read(file(&format!("{name}{part}"))).unwrap_or_default();
        places.push((format!("sqlite {name} at rest"), [of(""), of("-wal"), of("-shm")].concat()));
    }
    places
}

async fn plant_in_sqlite(url: &str, phone: &str, email: &str) {
    use sqlx::Connection;
    let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
    sqlx::query("CREATE TABLE planted (phone TEXT, email TEXT)")
        .execute(&mut connection)
        .await
        .unwrap();
    let insert = sqlx::query("INSERT INTO planted VALUES ($1, $2)").bind(phone).bind(email);
    insert.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn on_postgres(heard: &mut Heard) -> Vec<Place> {
    let server = OwnPostgres::start(60);
    server.sql("postgres", "CREATE ROLE service LOGIN PASSWORD 'right'").await.unwrap();
    let mut databases = Vec::new();
    for name in SERVICES {
        let create = format!("CREATE DATABASE {name} OWNER service");
        server.sql("postgres", &create).await.unwrap();
        let url = server.url_of("service", "right", name);
        databases.push(DbConfig { readers: 4, writers: 4, ..DbConfig::new(url) });
    }
    let house = House::build(Plan::on_own(databases.try_into().unwrap())).await;
    calls::all(&house, heard).await;
    let [phone, email] = planted();
    let mut places = Vec::new();
    for name in SERVICES {
        let plant =
            format!("CREATE TABLE planted AS SELECT '{phone}' AS phone, '{email}' AS email");
        server.sql(name, &plant).await.unwrap();
        places.push((format!("pg_dump {name}"), server.dump(name)));
    }
    house.close().await;
    places.push(("pg_wal".to_owned(), server.journal()));
    places
}
