//! A database is opened by the release that it belongs to, or by a later one.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use tokio::task::JoinSet;
use uuid::Uuid;
use yinyom_db::{Db, DbConfig, Migrations, OpenError};
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, put, some_scope, units};

both_databases!(MIGRATIONS =>
    a_database_of_a_later_release_is_refused,
    a_migration_that_was_changed_is_refused,
    a_migration_that_fails_leaves_the_database_as_it_was,
    replicas_that_start_at_once_migrate_once,
);

/// The history of [`MIGRATIONS`] and then `sql`.
fn followed_by(sql: &'static str) -> Migrations {
    let add = |history: &Migrator| {
        let next = Migration::new(
            2,
            Cow::Borrowed("second"),
            MigrationType::Simple,
            sqlx::SqlStr::from_static(sql),
            false,
        );
        Migrator::with_migrations(history.iter().cloned().chain([next]).collect())
    };
    Migrations { sqlite: add(&MIGRATIONS.sqlite), postgres: add(&MIGRATIONS.postgres) }
}

async fn a_database_of_a_later_release_is_refused(db: TestDb) {
    let later = followed_by("CREATE TABLE later (id BIGINT PRIMARY KEY)");
    Db::connect(db.config(), &later).await.unwrap();
    let error = Db::connect(db.config(), &MIGRATIONS).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1 }), "{error:?}");
    Db::connect(db.config(), &later).await.unwrap();
}

async fn a_migration_that_was_changed_is_refused(db: TestDb) {
    Db::connect(db.config(), &followed_by("CREATE TABLE a (id BIGINT)")).await.unwrap();
    let changed = followed_by("CREATE TABLE a (id BIGINT, more BIGINT)");
    let error = Db::connect(db.config(), &changed).await.unwrap_err();
    assert!(matches!(error, OpenError::Altered { version: 2 }), "{error:?}");
}

async fn a_migration_that_fails_leaves_the_database_as_it_was(db: TestDb) {
    let broken = followed_by("CREATE TABLE half (id BIGINT); CREATE TABLE entry (id BIGINT)");
    let error = Db::connect(db.config(), &broken).await.unwrap_err();
    assert!(matches!(error, OpenError::Migration { version: 2, .. }), "{error:?}");
    let mended = followed_by("CREATE TABLE half (id BIGINT)");
    Db::connect(db.config(), &mended).await.unwrap();
}

async fn replicas_that_start_at_once_migrate_once(db: TestDb) {
    let mut replicas = JoinSet::new();
    for _ in 0..4 {
        let config = db.config().clone();
        replicas.spawn(async move {
            let later = followed_by("CREATE TABLE later (id BIGINT PRIMARY KEY)");
            Db::connect(&config, &later).await.map(drop)
        });
    }
    for opened in replicas.join_all().await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn a_database_in_memory_is_seen_by_its_readers_and_by_nobody_else() {
    let config = DbConfig::new("sqlite::memory:");
    let (db, other) = (
        Db::connect(&config, &MIGRATIONS).await.unwrap(),
        Db::connect(&config, &MIGRATIONS).await.unwrap(),
    );
    let scope = some_scope();
    put(&db, scope, Uuid::now_v7(), 1).await.unwrap();
    assert_eq!(units(&db, scope).await, [1]);
    assert_eq!(units(&other, scope).await, [0; 0]);
}

#[tokio::test]
async fn an_address_of_another_database_is_refused() {
    for url in ["", "mysql://localhost/x", "data.db", "postgres://[", "sqlite:x?mode=dream"] {
        let error = Db::connect(&DbConfig::new(url), &MIGRATIONS).await.unwrap_err();
        assert!(matches!(error, OpenError::Url), "{url}: {error:?}");
    }
}
