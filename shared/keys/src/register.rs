//! Which master keys the database needs.

use yinyom_db::{Db, DbError, Tx};
use yinyom_privacy::{KeyId, MasterKeys};

/// The table, for a service's migrations on SQLite.
pub const SQLITE_TABLE: &str = include_str!("register.sqlite.sql");

/// The table, for a service's migrations on PostgreSQL.
pub const POSTGRES_TABLE: &str = include_str!("register.postgres.sql");

/// The keys that a service was given do not fit its database.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error(
        "the database holds keys under master key {0}, which was not given: give it as the master key or as an older one"
    )]
    Missing(KeyId),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Enters the active key into the register, or says which key that stands there is missing. Before a service uses any.
///
/// A database without a register is one that nobody has wrapped anything in or one of before the register: then
/// all given keys are taken for needed, until a rotation finds out.
pub async fn admit(db: &Db, masters: &MasterKeys, now: i64) -> Result<(), KeysError> {
    let registered = check(db, masters).await?;
    let new: Vec<KeyId> = match registered.as_slice() {
        [] => masters.ids().collect(),
        registered if registered.contains(&masters.active()) => return Ok(()),
        _ => vec![masters.active()],
    };
    db.write_unscoped(move |mut tx| async move {
        for id in new {
            enter(&mut tx, id, now).await?;
        }
        tx.done::<_, DbError>(())
    })
    .await?;
    Ok(())
}

/// The keys of the register, if all of them were given. Enters none.
pub async fn check(db: &Db, masters: &MasterKeys) -> Result<Vec<KeyId>, KeysError> {
    let registered = registered(&mut db.read_unscoped().await?).await?;
    match registered.iter().find(|id| masters.ids().all(|given| given != **id)) {
        Some(missing) => Err(KeysError::Missing(*missing)),
        None => Ok(registered),
    }
}

/// To be called in the unit of work that stores a key wrapped under `id`: until it is committed, nobody can find out
/// that nothing is under it.
pub async fn hold(tx: &mut Tx, id: KeyId, now: i64) -> Result<(), DbError> {
    let held = tx.dialect(
        "SELECT 1 FROM master_keys WHERE key_id = $1",
        "SELECT 1 FROM master_keys WHERE key_id = $1 FOR KEY SHARE",
    );
    match tx.query(held).bind(&id.bytes()[..]).fetch_optional::<(i32,)>().await? {
        Some(_) => Ok(()),
        None => enter(tx, id, now).await,
    }
}

async fn enter(tx: &mut Tx, id: KeyId, now: i64) -> Result<(), DbError> {
    tx.query("INSERT INTO master_keys (key_id, since) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(&id.bytes()[..])
        .bind(now)
        .execute()
        .await?;
    Ok(())
}

pub async fn registered(tx: &mut Tx) -> Result<Vec<KeyId>, DbError> {
    let ids = tx.query("SELECT key_id FROM master_keys ORDER BY since, key_id");
    Ok(ids.scalars::<Vec<u8>>().await?.iter().map(|id| KeyId::of(id)).collect())
}

/// Takes a key out of the register. Waits for those who hold it.
pub async fn strike(db: &Db, id: KeyId) -> Result<(), DbError> {
    db.write_unscoped(move |mut tx| async move {
        let strike = tx.query("DELETE FROM master_keys WHERE key_id = $1");
        strike.bind(&id.bytes()[..]).execute().await?;
        tx.done(())
    })
    .await
}
