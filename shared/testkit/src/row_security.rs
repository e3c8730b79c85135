//! Whether PostgreSQL itself keeps businesses apart, asked of its catalogue: so a table that is added later is asked, too.

#![expect(clippy::panic, reason = "a test that cannot look has not seen that all is well")]

use sqlx::AssertSqlSafe;
use yinyom_db::{Db, DbError, Record, Tx};
use yinyom_kernel::{BusinessId, Scope};

use crate::TestDb;

/// The only columns of a table that is read across businesses (TRAPS 16): pseudonyms, kinds, numbers and times.
const ACROSS: [&str; 7] =
    ["business_id", "kind", "stream_id", "seq", "revision", "created_at", "due_at"];

/// A table, and what the catalogue says of it.
#[derive(Debug, Record)]
struct Table {
    name: String,
    /// Separated by commas.
    columns: String,
    /// Row-level security is on, binds the owner, and knows one policy: for all commands, by the session's setting, for
    /// what is there and for what is to be there.
    secured: bool,
}

/// Fails unless each table is one of these: under forced row-level security by its `business_id`; `across` businesses,
/// with nothing personal in it; `global`, about no business. Nothing to see on SQLite.
///
/// # Panics
/// If there is any other.
pub async fn assert_row_security(db: &TestDb, across: &[&str], global: &[&str]) {
    if !db.is_postgres() {
        return;
    }
    let tables = tables(db).await;
    let names: Vec<_> = tables.iter().map(|table| &*table.name).collect();
    for named in across.iter().chain(global) {
        assert!(names.contains(named), "there is no table {named}");
    }
    for table in &tables {
        let name = &*table.name;
        let mut columns = table.columns.split(',');
        let has_business = columns.clone().any(|column| column == "business_id");
        if across.contains(&name) {
            let odd = columns.find(|column| !ACROSS.contains(column));
            assert_eq!(odd, None, "{name} is read across businesses");
        } else if global.contains(&name) || name == "_sqlx_migrations" {
            assert!(!has_business, "{name} is about a business");
        } else {
            assert!(has_business && table.secured, "{name} is not secured: {table:?}");
        }
    }
}

/// Fails unless what `owner` has is shown to it, in each secured table that it has anything in, and to nobody else: not to
/// `other`, not to work that names no business, not in the connection that `owner` has just used; and unless `owner` can
/// put nothing into another business. Which tables were looked at.
///
/// # Panics
/// If anything is shown, or can be written.
pub async fn assert_own_rows_alone(db: &TestDb, owner: Scope, other: Scope) -> Vec<String> {
    if !db.is_postgres() {
        return Vec::new();
    }
    let mut filled = Vec::new();
    let (all, narrow) = (db.unbound().await, narrow(db).await);
    for Table { name, .. } in tables(db).await.into_iter().filter(|table| table.secured) {
        let there = rows(read(all.read_unscoped().await), &name).await;
        let foreign = rows(read(narrow.read(other).await), &name).await;
        let own = rows(read(narrow.read(owner).await), &name).await;
        let unscoped = rows(read(narrow.read_unscoped().await), &name).await;
        assert_eq!(unscoped, 0, "{name} is shown to who names no business");
        let of_other = rows_of(read(all.read_unscoped().await), &name, other).await;
        assert_eq!(foreign, of_other, "{name} is shown to another business");
        let of_owner = rows_of(read(all.read_unscoped().await), &name, owner).await;
        assert_eq!(own, of_owner, "{name} is hidden from its own business");
        assert!(there >= own + foreign);
        if own > 0 {
            let moved = moved(&narrow, Some(owner), &name).await;
            assert!(matches!(moved, Err(DbError::Bug(_))), "{name}: {moved:?}");
            for stranger in [None, Some(other).filter(|_| foreign == 0)] {
                assert_eq!(moved_or_none(&narrow, stranger, &name).await, 0, "{name} is written");
            }
            filled.push(name);
        }
    }
    filled
}

/// The same database with one connection of each kind, so that whoever comes next has the one that was just used.
async fn narrow(db: &TestDb) -> Db {
    let config = yinyom_db::DbConfig { readers: 1, writers: 1, ..db.config().clone() };
    crate::database::as_it_is(&config).await
}

async fn tables(db: &Db) -> Vec<Table> {
    let tables = read(db.read_unscoped().await)
        .query(
            "SELECT c.relname::TEXT AS name,
                    (SELECT string_agg(a.attname::TEXT, ',') FROM pg_attribute a
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
                    c.relrowsecurity AND c.relforcerowsecurity
                        AND (SELECT COUNT(*) = 1 AND bool_and(
                                 p.polcmd = '*'
                                 AND pg_get_expr(p.polqual, c.oid) LIKE '%yinyom.business_id%'
                                 AND pg_get_expr(p.polqual, c.oid)
                                     = pg_get_expr(p.polwithcheck, c.oid))
                             FROM pg_policy p WHERE p.polrelid = c.oid) AS secured
             FROM pg_class c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
             ORDER BY c.relname",
        )
        .fetch_all()
        .await;
    tables.unwrap_or_else(|error| panic!("the catalogue: {error:?}"))
}

async fn rows(mut tx: Tx, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let count = tx.query(AssertSqlSafe(sql)).scalar().await;
    count.unwrap_or_else(|error| panic!("{table}: {error:?}"))
}

async fn rows_of(mut tx: Tx, table: &str, of: Scope) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table} WHERE business_id = $1");
    let count = tx.query(AssertSqlSafe(sql)).bind(of.business().uuid()).scalar().await;
    count.unwrap_or_else(|error| panic!("{table}: {error:?}"))
}

/// Moves all rows into a business that nobody has; how many.
async fn moved(db: &Db, scope: Option<Scope>, table: &str) -> Result<u64, DbError> {
    let sql = format!("UPDATE {table} SET business_id = $1");
    db.write_unscoped(move |mut tx| async move {
        if let Some(scope) = scope {
            tx.enter(scope);
        }
        let nobodys = BusinessId::generate().uuid();
        let moved = tx.query(AssertSqlSafe(sql)).bind(nobodys).execute().await?;
        tx.done(moved)
    })
    .await
}

async fn moved_or_none(db: &Db, scope: Option<Scope>, table: &str) -> u64 {
    moved(db, scope, table).await.unwrap_or_else(|error| panic!("{table}: {error:?}"))
}

fn read(tx: Result<Tx, DbError>) -> Tx {
    tx.unwrap_or_else(|error| panic!("a read: {error:?}"))
}
