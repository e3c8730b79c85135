//! The table of the businesses' keys, for the rotation of the master key.

use yinyom_db::{DbError, Tx};
use yinyom_kernel::Scope;
use yinyom_keys::{Replacement, Shelf};

use super::keys::key_context;

/// `business_keys`.
#[derive(Debug, Clone, Copy)]
pub struct KeyTable;

impl Shelf for KeyTable {
    type Id = i32;

    async fn businesses(
        self,
        tx: &mut Tx,
        after: Option<Scope>,
        most: i64,
    ) -> Result<Vec<Option<Scope>>, DbError> {
        yinyom_keys::holders(tx, after, most).await
    }

    async fn count(self, tx: &mut Tx) -> Result<Vec<(Vec<u8>, i64)>, DbError> {
        tx.scoped(
            "SELECT substr(wrapped, 1, 8), COUNT(*) FROM business_keys
             WHERE business_id = $1 GROUP BY 1",
        )
        .fetch_all()
        .await
    }

    async fn page(
        self,
        tx: &mut Tx,
        after: Option<i32>,
        most: i64,
    ) -> Result<Vec<(i32, Vec<u8>)>, DbError> {
        tx.scoped(
            "SELECT purpose, wrapped FROM business_keys
             WHERE business_id = $1 AND purpose > $2 ORDER BY purpose LIMIT $3",
        )
        .bind(after.unwrap_or_default())
        .bind(most)
        .fetch_all()
        .await
    }

    fn aad(self, scope: Option<Scope>, id: i32) -> Vec<u8> {
        scope.map(|scope| key_context(scope.business(), id)).unwrap_or_default()
    }

    /// A business has a handful: nothing is passed over, and nobody holds them for long.
    async fn replace(
        self,
        tx: &mut Tx,
        replacements: Vec<Replacement<i32>>,
    ) -> Result<u64, DbError> {
        let mut replaced = 0;
        for Replacement { id, stale, fresh } in replacements {
            replaced += tx
                .scoped(
                    "UPDATE business_keys SET wrapped = $4
                     WHERE business_id = $1 AND purpose = $2 AND wrapped = $3",
                )
                .bind(id)
                .bind(stale)
                .bind(fresh)
                .execute()
                .await?;
        }
        Ok(replaced)
    }
}
