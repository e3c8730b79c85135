//! PostgreSQL's row-level security, which stands behind the scope: who forgets to say which business it works for
//! sees no rows, and can write none.
//!
//! Each table with a `business_id` has a policy that compares it with the session's setting `yinyom.business_id`, and
//! `FORCE`, so that it binds the tables' owner. A unit of work and a snapshot say the business in the round trip that
//! begins them, and PostgreSQL forgets it with them. A read outside a transaction, and a unit that is one statement, say it
//! before the first statement, in a round trip of its own, unless their connection was told so before (`kept`); a connection
//! that goes back to the pool is made to forget it.
//!
//! Superusers and roles with `BYPASSRLS` are not bound by it, so a service does not start as one. A migration that
//! reads or changes rows must say `NO FORCE` before and `FORCE` after: it works for no business, too.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use uuid::Uuid;

/// The statement that has a session outside any transaction forget whom it works for, and how it was told to plan. With
/// the statements before it, it ends a transaction that sqlx does not know of (TRAPS 5). Where there is none, these begin
/// and end an empty one, in one round trip and without the warning that a bare `ROLLBACK` would log.
pub(crate) const CLEAN: &str =
    "BEGIN; ROLLBACK; SET yinyom.business_id = ''; RESET plan_cache_mode";

/// Begins a transaction, about a business or not.
pub(crate) fn begin(begin: &'static str, business: Option<Uuid>) -> SqlStr {
    match business {
        Some(_) => AssertSqlSafe(format!("{begin}; {}", set("SET LOCAL", business))).into_sql_str(),
        None => begin.into_sql_str(),
    }
}

/// Says what business the transaction, or else the session, works for from here on, if that is another one, and that
/// statements are planned for their values, if they are.
pub(crate) fn tell(
    another: bool,
    business: Option<Uuid>,
    for_values: bool,
    in_transaction: bool,
) -> SqlStr {
    let set_what = if in_transaction { "SET LOCAL" } else { "SET" };
    let about = another.then(|| set(set_what, business));
    let plans = for_values.then(|| format!("{set_what} plan_cache_mode = force_custom_plan"));
    let all: Vec<_> = about.into_iter().chain(plans).collect();
    AssertSqlSafe(all.join("; ")).into_sql_str()
}

/// The value is made here from sixteen bytes: there is nothing in it that a caller wrote.
fn set(set: &str, business: Option<Uuid>) -> String {
    let business = business.map(|id| id.hyphenated().to_string()).unwrap_or_default();
    format!("{set} yinyom.business_id = '{business}'")
}

/// Whether the policies do not bind the role of this session.
pub(crate) async fn is_bypassed(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        .fetch_one(connection)
        .await
}
