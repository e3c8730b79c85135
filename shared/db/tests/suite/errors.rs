//! Failures are told apart by what a caller can do about them, and say nothing personal.

use std::time::Duration;

use uuid::Uuid;
use yinyom_db::{Constraint, Db, DbConfig, DbError, OpenError, Violated};
use yinyom_kernel::{Code, Fault};
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, insert, put, some_scope};

both_databases!(MIGRATIONS =>
    a_second_row_with_the_same_key_is_a_conflict,
    a_broken_check_is_our_own_mistake,
    a_statement_that_is_wrong_is_our_own_mistake,
    a_row_of_the_wrong_type_is_our_own_mistake,
    no_error_repeats_a_value,
    no_free_connection_is_unavailable,
);

async fn a_second_row_with_the_same_key_is_a_conflict(db: TestDb) {
    let (scope, id) = (some_scope(), Uuid::now_v7());
    put(&db, scope, id, 1).await.unwrap();
    let error = put(&db, scope, id, 2).await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!((error.code(), error.reason()), (Code::Aborted, "CONFLICT"));
}

async fn a_broken_check_is_our_own_mistake(db: TestDb) {
    let answer = db
        .write::<(), _, _, _>(some_scope(), |mut tx| async move {
            tx.scoped("INSERT INTO entry (business_id, id, unit, count) VALUES ($1, $2, 1, -1)")
                .bind(Uuid::now_v7())
                .execute()
                .await?;
            tx.done(())
        })
        .await;
    let Err(error @ DbError::Constraint(Violated { kind: Constraint::Check, .. })) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!((error.code(), error.reason()), (Code::Internal, "INTERNAL"));
}

async fn a_statement_that_is_wrong_is_our_own_mistake(db: TestDb) {
    let mut tx = db.read(some_scope()).await.unwrap();
    let error = tx.query("SELECT no_such_column FROM entry").execute().await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::Internal, "INTERNAL"));
    assert!(error.retry_after().is_none());
    assert!(format!("{error:?}").contains("no_such_column"), "an operator learns which: {error:?}");
}

async fn a_row_of_the_wrong_type_is_our_own_mistake(db: TestDb) {
    let mut tx = db.read(some_scope()).await.unwrap();
    let error = tx.query("SELECT 'a text'").scalar::<i64>().await.unwrap_err();
    assert!(matches!(error, DbError::Bug(_)), "{error:?}");
}

async fn no_error_repeats_a_value(db: TestDb) {
    let secret = "081-234-5678";
    let wrong = [
        "SELECT CAST($1 AS BIGINT) + abs(-9223372036854775807 - 1)",
        "SELECT id FROM entry WHERE note = $1 AND json($1) IS NOT NULL",
        "SELECT CAST($1 AS UUID)",
        "INSERT INTO entry (business_id, id, unit, count, note) VALUES (NULL, NULL, 1, 1, $1)",
    ];
    for statement in wrong {
        let answer = db
            .write_unscoped::<(), DbError, _, _>(move |mut tx| async move {
                tx.query(statement).bind(secret).execute().await?;
                tx.done(())
            })
            .await;
        if let Err(error) = answer {
            let mut told = format!("{error} {error:?} {}", error.text().en());
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                told = format!("{told} {cause} {cause:?}");
                source = cause.source();
            }
            assert!(!told.contains("234"), "{told}");
        }
    }
}

async fn no_free_connection_is_unavailable(db: TestDb) {
    let config =
        DbConfig { readers: 1, acquire_timeout: Duration::from_millis(50), ..db.config().clone() };
    let narrow = Db::connect(&config, &MIGRATIONS).await.unwrap();
    let _busy = narrow.read(some_scope()).await.unwrap();
    let error = narrow.read(some_scope()).await.map(drop).unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "STORE_UNAVAILABLE"));
    assert!(error.retry_after().is_some());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // Nothing listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = DbConfig::new(format!("postgres://nobody:secret@127.0.0.1:{port}/none"));
    let error = Db::connect(&config, &MIGRATIONS).await.unwrap_err();
    assert!(matches!(error, OpenError::Db(DbError::Unavailable(_))), "{error:?}");
    assert!(!format!("{error} {error:?} {config:?}").contains("secret"));
}

#[tokio::test]
async fn a_file_that_another_process_writes_is_unavailable() {
    let db = yinyom_testkit::sqlite(&MIGRATIONS).await;
    let impatient = DbConfig { acquire_timeout: Duration::from_millis(50), ..db.config().clone() };
    let other = Db::connect(&impatient, &MIGRATIONS).await.unwrap();
    let scope = some_scope();
    db.write::<_, DbError, _, _>(scope, move |mut tx| async move {
        insert(&mut tx, Uuid::now_v7(), 1).await?;
        let error = put(&other, scope, Uuid::now_v7(), 2).await.unwrap_err();
        assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
        tx.done(())
    })
    .await
    .unwrap();
}

/// Two units that wait for each other: PostgreSQL ends one, which may then be tried again.
#[tokio::test]
async fn a_deadlock_is_a_conflict() {
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let scope = some_scope();
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    put(&db, scope, one, 0).await.unwrap();
    put(&db, scope, other, 0).await.unwrap();
    let meet = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let crossing = |ids: [Uuid; 2]| {
        let (db, meet) = (db.handle(), meet.clone());
        async move {
            db.write::<_, DbError, _, _>(scope, move |mut tx| async move {
                for (step, id) in ids.into_iter().enumerate() {
                    if step == 1 {
                        meet.wait().await;
                    }
                    tx.scoped("UPDATE entry SET unit = 1 WHERE business_id = $1 AND id = $2")
                        .bind(id)
                        .execute()
                        .await?;
                }
                tx.done(())
            })
            .await
        }
    };
    let (a, b) = tokio::join!(crossing([one, other]), crossing([other, one]));
    let error = a.and(b).unwrap_err();
    assert!(matches!(error, DbError::Conflict(_)), "{error:?}");
    assert_eq!((error.code(), error.reason()), (Code::Aborted, "CONFLICT"));
}
