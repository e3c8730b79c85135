//! Where a service keeps wrapped keys.

use uuid::Uuid;
use yinyom_db::{DbError, Tx};
use yinyom_kernel::Scope;
use yinyom_privacy::WrapError;

/// A key as it was found, and what takes its place.
#[derive(Debug, Clone)]
pub struct Replacement<I> {
    pub id: I,
    pub stale: Vec<u8>,
    pub fresh: Vec<u8>,
}

/// Keys cannot be wrapped anew.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Wrap(#[from] WrapError),
}

/// Keys as they are stored, by what they are told apart by.
pub type Page<I> = Vec<(I, Vec<u8>)>;

/// A table of wrapped keys: of one business at a time, or of none.
pub trait Shelf: Copy + Send + Sync + 'static {
    /// What the keys of a business are told apart by.
    type Id: Copy + Send + Sync + 'static;

    /// The businesses that have keys here, in order, after that one (`None`: from the first), that many at most. One of
    /// them is `None` where keys are nobody's.
    fn businesses(
        self,
        tx: &mut Tx,
        after: Option<Scope>,
        most: i64,
    ) -> impl Future<Output = Result<Vec<Option<Scope>>, DbError>> + Send;

    /// How many of the business's keys begin with which eight bytes.
    fn count(
        self,
        tx: &mut Tx,
    ) -> impl Future<Output = Result<Vec<(Vec<u8>, i64)>, DbError>> + Send;

    /// The business's keys, in order, after that one, that many at most.
    fn page(
        self,
        tx: &mut Tx,
        after: Option<Self::Id>,
        most: i64,
    ) -> impl Future<Output = Result<Page<Self::Id>, DbError>> + Send;

    /// What a key was wrapped with.
    fn aad(self, scope: Option<Scope>, id: Self::Id) -> Vec<u8>;

    /// Puts the fresh ones where the stale ones still are, passing over what somebody else has locked, so that nobody is
    /// in anybody's way; how many.
    fn replace(
        self,
        tx: &mut Tx,
        replacements: Vec<Replacement<Self::Id>>,
    ) -> impl Future<Output = Result<u64, DbError>> + Send;
}

/// The businesses of `key_holders`, which a service keeps by a trigger: ids alone, read across businesses (TRAPS 16).
pub async fn holders(
    tx: &mut Tx,
    after: Option<Scope>,
    most: i64,
) -> Result<Vec<Option<Scope>>, DbError> {
    let after = after.map_or(Uuid::nil(), |scope| scope.business().uuid());
    let holders = tx
        .query(
            "SELECT business_id FROM key_holders WHERE business_id > $1 ORDER BY business_id LIMIT $2",
        )
        .bind(after)
        .bind(most)
        .scalars::<Uuid>()
        .await?;
    Ok(holders.into_iter().map(|business| Some(about(business))).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "keys are rotated by an operator, business by business"
)]
fn about(business: Uuid) -> Scope {
    Scope::assume(business.into())
}
