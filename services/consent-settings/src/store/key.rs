//! The one key of this service: it fingerprints requests and seals page tokens.
//!
//! It rests wrapped under the master key, so that it outlives a change of the master key: records of
//! requests hang on it.

use yinyom_db::{Db, DbError, Tx};
use yinyom_kernel::Scope;
use yinyom_keys::{Replacement, Shelf};
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
        let fresh = masters.wrap(&DataKey::generate(), &place()).await?;
        let under = masters.active();
        wrapped = db
            .write_unscoped(move |mut tx| async move {
                yinyom_keys::hold(&mut tx, under, now).await?;
                insert(tx, fresh, now).await
            })
            .await?;
    }
    let wrapped = wrapped.ok_or(StoreError::Unknown("key"))?;
    Ok(masters.unwrap(&wrapped, &place()).await?)
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

/// The table, for the rotation of the master key.
#[derive(Debug, Clone, Copy)]
pub struct ServiceKey;

impl Shelf for ServiceKey {
    type Id = i32;

    async fn businesses(
        self,
        _tx: &mut Tx,
        _after: Option<Scope>,
        _most: i64,
    ) -> Result<Vec<Option<Scope>>, DbError> {
        Ok(vec![None])
    }

    async fn count(self, tx: &mut Tx) -> Result<Vec<(Vec<u8>, i64)>, DbError> {
        tx.query("SELECT substr(wrapped, 1, 8), COUNT(*) FROM service_key GROUP BY 1")
            .fetch_all()
            .await
    }

    async fn page(
        self,
        tx: &mut Tx,
        after: Option<i32>,
        most: i64,
    ) -> Result<Vec<(i32, Vec<u8>)>, DbError> {
        tx.query("SELECT id, wrapped FROM service_key WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after.unwrap_or_default())
            .bind(most)
            .fetch_all()
            .await
    }

    fn aad(self, _scope: Option<Scope>, _id: i32) -> Vec<u8> {
        place()
    }

    async fn replace(
        self,
        tx: &mut Tx,
        replacements: Vec<Replacement<i32>>,
    ) -> Result<u64, DbError> {
        let mut replaced = 0;
        for Replacement { id, stale, fresh } in replacements {
            let put = "UPDATE service_key SET wrapped = $3 WHERE id = $1 AND wrapped = $2";
            replaced += tx.query(put).bind(id).bind(stale).bind(fresh).execute().await?;
        }
        Ok(replaced)
    }
}
