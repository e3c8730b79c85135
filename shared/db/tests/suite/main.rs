//! What `yinyom-db` promises, on both databases.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod at_once;
mod cancellation;
mod changes;
mod errors;
mod many;
mod opening;
mod readers;
mod requests;
mod row_security;
mod units;

use std::sync::LazyLock;

use include_dir::include_dir;
use uuid::Uuid;
use yinyom_db::{Db, DbError, Migrations, Tx};
use yinyom_kernel::{BusinessId, Scope};

static MIGRATIONS: LazyLock<Migrations> = LazyLock::new(|| {
    Migrations::of(
        &include_dir!("$CARGO_MANIFEST_DIR/tests/suite/migrations/sqlite"),
        &include_dir!("$CARGO_MANIFEST_DIR/tests/suite/migrations/postgres"),
    )
});

#[expect(clippy::disallowed_methods, reason = "a test is its own caller")]
fn some_scope() -> Scope {
    Scope::assume(BusinessId::generate())
}

async fn insert(tx: &mut Tx, id: Uuid, unit: i64) -> Result<u64, DbError> {
    tx.scoped("INSERT INTO entry (business_id, id, unit, count) VALUES ($1, $2, $3, 0)")
        .bind(id)
        .bind(unit)
        .execute()
        .await
}

/// Inserts one entry as a unit of work of its own.
async fn put(db: &Db, scope: Scope, id: Uuid, unit: i64) -> Result<(), DbError> {
    db.write(scope, move |mut tx| async move {
        insert(&mut tx, id, unit).await?;
        tx.done(())
    })
    .await
}

/// The units of all entries of a business, in order.
async fn units(db: &Db, scope: Scope) -> Vec<i64> {
    db.read(scope)
        .await
        .unwrap()
        .scoped("SELECT unit FROM entry WHERE business_id = $1 ORDER BY unit")
        .scalars()
        .await
        .unwrap()
}
