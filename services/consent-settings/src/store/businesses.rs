//! Businesses.

use uuid::Uuid;
use yinyom_db::{DbError, Record, Tx};
use yinyom_kernel::{BusinessId, from_micros};

use super::StoreError;
use crate::domain::{Business, Plan, Zone};

#[derive(Record)]
struct Row {
    business_id: Uuid,
    display_name: String,
    plan: i32,
    time_zone: String,
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Business {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.business_id.into(),
            display_name: row.display_name,
            plan: Plan::from_code(row.plan).ok_or(StoreError::Unknown("plan"))?,
            time_zone: Zone::restore(row.time_zone),
            revision: row.revision,
            created_at: from_micros(row.created_at),
            updated_at: from_micros(row.updated_at),
        })
    }
}

const BY_ID: &str =
    "SELECT business_id, display_name, plan, time_zone, revision, created_at, updated_at
     FROM businesses WHERE business_id = $1";

/// The business that this transaction is about.
pub async fn get(tx: &mut Tx) -> Result<Option<Business>, StoreError> {
    tx.scoped(BY_ID).fetch_optional::<Row>().await?.map(Business::try_from).transpose()
}

/// The same, and nobody else changes anything in it until the transaction ends (TRAPS 7).
pub async fn lock(tx: &mut Tx) -> Result<Option<Business>, StoreError> {
    let row = tx.scoped(BY_ID).for_update().fetch_optional::<Row>().await?;
    row.map(Business::try_from).transpose()
}

/// Stores a new business.
pub async fn insert(tx: &mut Tx, business: &Business) -> Result<(), DbError> {
    tx.scoped(
        "INSERT INTO businesses (business_id, display_name, plan, time_zone, revision, created_at,
             updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&*business.display_name)
    .bind(business.plan.code())
    .bind(business.time_zone.name())
    .bind(business.revision)
    .bind(business.created_at.as_microsecond())
    .bind(business.updated_at.as_microsecond())
    .execute()
    .await?;
    tx.scoped("INSERT INTO business_ages (business_id, created_at) VALUES ($1, $2)")
        .bind(business.created_at.as_microsecond())
        .execute()
        .await
        .map(drop)
}

/// Stores a changed business, whose lock the transaction holds.
pub async fn update(tx: &mut Tx, business: &Business) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE businesses SET display_name = $2, plan = $3, time_zone = $4, revision = $5,
             updated_at = $6
         WHERE business_id = $1",
    )
    .bind(&*business.display_name)
    .bind(business.plan.code())
    .bind(business.time_zone.name())
    .bind(business.revision)
    .bind(business.updated_at.as_microsecond())
    .execute()
    .await
    .map(drop)
}

/// Where a page of businesses begins: after the business of this creation time and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    pub created_at: i64,
    pub id: Uuid,
}

impl After {
    /// Before all businesses.
    pub const NOTHING: Self = Self { created_at: i64::MIN, id: Uuid::nil() };
}

/// Which businesses there are, oldest first. Each is then to be entered (TRAPS 16).
pub async fn page(tx: &mut Tx, after: After, rows: i64) -> Result<Vec<BusinessId>, DbError> {
    let ids = tx
        .query(
            "SELECT business_id FROM business_ages WHERE (created_at, business_id) > ($1, $2)
             ORDER BY created_at, business_id LIMIT $3",
        )
        .bind(after.created_at)
        .bind(after.id)
        .bind(rows)
        .scalars::<Uuid>()
        .await?;
    Ok(ids.into_iter().map(BusinessId::from).collect())
}
