//! A full disk, a database that lets nobody in, one that does not answer: a clear `UNAVAILABLE` within the deadline,
//! no acknowledged write lost, and recovery without a restart.

mod disk;
mod doors;
mod failover;
mod silence;
mod start;

use std::time::Duration;

use tokio::time::Instant;
use yinyom_db::DbConfig;
use yinyom_tests::writer::{Patience, Writer};
use yinyom_tests::{House, OwnPostgres, Plan, TestBusiness};

/// What callers wait.
const DEADLINE: Duration = Duration::from_secs(3);

/// Sessions of one service: its readers, its writers, and the one that listens.
const POOL: u32 = 4;
const SESSIONS: u32 = 2 * POOL + 1;

/// A user like a service's: the superuser gets in where nobody does.
const USER: &str = "service";
const PASSWORD: &str = "right";

/// Services, some of their databases on a server of their own, and somebody who writes.
struct World {
    server: OwnPostgres,
    house: House,
    business: TestBusiness,
    _files: tempfile::TempDir,
}

impl World {
    /// The services whose names are given have their databases on `server`, the others theirs in files.
    async fn start(server: OwnPostgres, on_server: &[&str]) -> Self {
        make_user(&server).await;
        let files = tempfile::tempdir().unwrap();
        let mut databases = Vec::new();
        for name in ["settings", "directory", "manager"] {
            databases.push(if on_server.contains(&name) {
                make_database(&server, name).await
            } else {
                config(format!("sqlite:{}", files.path().join(name).display()))
            });
        }
        let databases = databases.try_into().unwrap_or_else(|_| panic!("three databases"));
        let house = House::build(Plan::on_own(databases)).await;
        let business = house.found().await;
        Self { server, house, business, _files: files }
    }

    async fn writer(&self) -> Writer {
        Writer::new(&self.business, &self.house.directories[0].endpoint()).await
    }

    async fn end_sessions(&self) {
        let end = format!(
            "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE usename = '{USER}'"
        );
        self.server.sql("postgres", &end).await.unwrap();
    }
}

async fn make_user(server: &OwnPostgres) {
    let user = format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'");
    server.sql("postgres", &user).await.unwrap();
}

/// Of that user.
async fn make_database(server: &OwnPostgres, name: &str) -> DbConfig {
    let create = format!("CREATE DATABASE {name} OWNER {USER}");
    server.sql("postgres", &create).await.unwrap();
    config(server.url_of(USER, PASSWORD, name))
}

fn config(url: String) -> DbConfig {
    DbConfig { readers: POOL, writers: POOL, ..DbConfig::new(url) }
}

/// Writes until `enough` writes were acknowledged since.
async fn goes_on(writer: &mut Writer, enough: usize) {
    let (before, deadline) = (writer.acknowledged(), Instant::now() + Duration::from_mins(1));
    while writer.acknowledged() < before + enough {
        let _ = writer.write(Patience::Until(DEADLINE)).await;
        assert!(Instant::now() < deadline, "it does not recover");
    }
}
