//! The one key of this service: it fingerprints requests and seals page tokens.
//!
//! It rests wrapped under the master key, so that it outlives a change of the master key: records of
//! requests hang on it.

use yinyom_db::{Db, DbError, Tx};
use yinyom_privacy::{DataKey, MasterKeys, context};

use super::StoreError;

/// The key, made at the first start.
pub async fn load_or_create(
    db: &Db,
    masters: &MasterKeys,
    now: i64,
) -> Result<DataKey, StoreError> {
    let mut wrapped = stored(&mut db.read_unscoped().await?).await?;
    if wrapped.is_none() {
        let fresh = masters.wrap(&DataKey::generate(), &place());
        wrapped = db.write_unscoped(move |tx| insert(tx, fresh, now)).await?;
    }
    let wrapped = wrapped.ok_or(StoreError::Unknown("key"))?;
    Ok(masters.unwrap(&wrapped, &place())?)
}

/// Another replica may have been faster: then its key is the one.
async fn insert(
    mut tx: Tx,
    fresh: Vec<u8>,
    now: i64,
) -> Result<yinyom_db::Done<Option<Vec<u8>>>, DbError> {
    tx.query(
        "INSERT INTO service_key (id, wrapped, created_at) VALUES (1, $1, $2)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(fresh)
    .bind(now)
    .execute()
    .await?;
    let wrapped = stored(&mut tx).await?;
    tx.done(wrapped)
}

async fn stored(tx: &mut Tx) -> Result<Option<Vec<u8>>, DbError> {
    tx.query("SELECT wrapped FROM service_key WHERE id = 1").scalar_optional().await
}

fn place() -> Vec<u8> {
    context(&[b"consent-settings", b"service key"])
}
