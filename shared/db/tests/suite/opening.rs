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
    a_later_release_that_only_expands_lets_earlier_ones_go_on,
    opening_says_what_it_did,
    a_migration_that_was_changed_is_refused,
    a_migration_that_fails_leaves_the_database_as_it_was,
    replicas_that_start_at_once_migrate_once,
);

/// The history of [`MIGRATIONS`] and then `sql`.
fn followed_by(sql: &'static str) -> Migrations {
    continued(&[("second", sql)])
}

/// The history of [`MIGRATIONS`] and then these, as 2, 3 and so on.
fn continued(with: &[(&'static str, &'static str)]) -> Migrations {
    let add = |history: &Migrator| {
        let next = (2..).zip(with).map(|(version, (name, sql))| {
            Migration::new(
                version,
                Cow::Borrowed(*name),
                MigrationType::Simple,
                sqlx::SqlStr::from_static(sql),
                false,
            )
        });
        Migrator::with_migrations(history.iter().cloned().chain(next).collect())
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

/// As in a roll-out: the later release migrates, and a replica of the earlier one dies and starts anew.
async fn a_later_release_that_only_expands_lets_earlier_ones_go_on(db: TestDb) {
    let expand = [
        ("expand later", "CREATE TABLE later (id BIGINT PRIMARY KEY)"),
        ("expand unit", "ALTER TABLE entry ADD COLUMN more BIGINT"),
    ];
    Db::connect(db.config(), &continued(&expand)).await.unwrap();
    let earlier = Db::connect(db.config(), &MIGRATIONS).await.unwrap();
    assert_eq!((earlier.migrated().known, earlier.migrated().to), (1, 3));
    let scope = some_scope();
    put(&earlier, scope, Uuid::now_v7(), 7).await.unwrap();
    assert_eq!(units(&db, scope).await, [7]);

    // One that says nothing of the kind is refused, whatever the ones around it say.
    let contract = ("drop later", "DROP TABLE later");
    let then =
        continued(&[expand[0], expand[1], contract, ("expand again", "CREATE TABLE a (b INT)")]);
    Db::connect(db.config(), &then).await.unwrap();
    for (known, earlier) in [(1, &*MIGRATIONS), (3, &continued(&expand))] {
        let error = Db::connect(db.config(), earlier).await.unwrap_err();
        let OpenError::Newer { found: 4, known: told } = error else { panic!("{error:?}") };
        assert_eq!(told, known);
    }
    // Nor does lenience reach what this release knows.
    let changed = continued(&[("expand later", "CREATE TABLE other (id BIGINT)")]);
    let error = Db::connect(db.config(), &changed).await.unwrap_err();
    assert!(
        matches!(error, OpenError::Newer { .. } | OpenError::Altered { version: 2 }),
        "{error:?}"
    );
}

async fn opening_says_what_it_did(db: TestDb) {
    let first = db.migrated();
    // On PostgreSQL it is a copy of one that was migrated.
    assert_eq!(first.from, if db.is_postgres() { Some(1) } else { None });
    assert_eq!((first.applied.len(), first.to), (usize::from(!db.is_postgres()), 1));
    let later = followed_by("CREATE TABLE later (id BIGINT PRIMARY KEY)");
    let opened = Db::connect(db.config(), &later).await.unwrap().migrated().clone();
    assert_eq!(opened.applied, [(2, "second".to_owned())]);
    assert_eq!((opened.from, opened.to, opened.known), (Some(1), 2, 2));
    let again = Db::connect(db.config(), &later).await.unwrap().migrated().clone();
    assert!(again.applied.is_empty());
    assert_eq!((again.from, again.to), (Some(2), 2));
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
