//! Members, and the viewer list, which is a column of theirs.

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::Role;
use yinyom_db::{DbError, Record, Tx};
use yinyom_kernel::{MemberId, from_micros};

use super::StoreError;
use crate::domain::Member;

#[derive(Record)]
struct Row {
    business_id: Uuid,
    member_id: Uuid,
    display_name: String,
    role: i32,
    protection_officer: bool,
    listed_at: Option<i64>,
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Member {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            business: row.business_id.into(),
            id: row.member_id.into(),
            display_name: row.display_name.into(),
            role: role(row.role)?,
            protection_officer: row.protection_officer,
            listed_at: row.listed_at.map(from_micros),
            revision: row.revision,
            created_at: from_micros(row.created_at),
            updated_at: from_micros(row.updated_at),
        })
    }
}

/// The role of that number.
pub(super) fn role(code: i32) -> Result<Role, StoreError> {
    i16::try_from(code)
        .ok()
        .and_then(|code| Role::from_code(code).ok())
        .ok_or(StoreError::Unknown("role"))
}

fn domain(rows: Vec<Row>) -> Result<Vec<Member>, StoreError> {
    rows.into_iter().map(Member::try_from).collect()
}

/// A member.
pub async fn get(tx: &mut Tx, id: MemberId) -> Result<Option<Member>, StoreError> {
    tx.scoped(
        "SELECT business_id, member_id, display_name, role, protection_officer, listed_at, revision,
             created_at, updated_at
         FROM members WHERE business_id = $1 AND member_id = $2",
    )
    .bind(id.uuid())
    .fetch_optional::<Row>()
    .await?
    .map(Member::try_from)
    .transpose()
}

/// Those of `ids` that are members, in no order.
pub async fn among(tx: &mut Tx, ids: &[MemberId]) -> Result<Vec<Member>, StoreError> {
    let rows = tx
        .scoped(
            "SELECT business_id, member_id, display_name, role, protection_officer, listed_at,
                 revision, created_at, updated_at
             FROM members WHERE business_id = $1 AND member_id IN {list}",
        )
        .list(&uuids(ids))
        .fetch_all::<Row>()
        .await?;
    domain(rows)
}

/// A page of members by id; the first is after the nil UUID, which no member has.
pub async fn page(tx: &mut Tx, after: Uuid, rows: i64) -> Result<Vec<Member>, StoreError> {
    let rows = tx
        .scoped(
            "SELECT business_id, member_id, display_name, role, protection_officer, listed_at,
                 revision, created_at, updated_at
             FROM members WHERE business_id = $1 AND member_id > $2
             ORDER BY member_id LIMIT $3",
        )
        .bind(after)
        .bind(rows)
        .fetch_all::<Row>()
        .await?;
    domain(rows)
}

/// A page of the viewer list by member id, like [`page`].
pub async fn listed(tx: &mut Tx, after: Uuid, rows: i64) -> Result<Vec<Member>, StoreError> {
    let rows = tx
        .scoped(
            "SELECT business_id, member_id, display_name, role, protection_officer, listed_at,
                 revision, created_at, updated_at
             FROM members WHERE business_id = $1 AND listed_at IS NOT NULL AND member_id > $2
             ORDER BY member_id LIMIT $3",
        )
        .bind(after)
        .bind(rows)
        .fetch_all::<Row>()
        .await?;
    domain(rows)
}

/// Stores a new member; `false` if the business has one of this id.
pub async fn insert(tx: &mut Tx, member: &Member) -> Result<bool, DbError> {
    let inserted = tx
        .scoped(
            "INSERT INTO members (business_id, member_id, display_name, role, protection_officer,
                 listed_at, revision, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (business_id, member_id) DO NOTHING",
        )
        .bind(member.id.uuid())
        .bind(member.display_name.expose().as_str())
        .bind(i32::from(member.role.code()))
        .bind(member.protection_officer)
        .bind(member.listed_at.map(Timestamp::as_microsecond))
        .bind(member.revision)
        .bind(member.created_at.as_microsecond())
        .bind(member.updated_at.as_microsecond())
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// Stores a changed member; the viewer list is changed by [`list`] and [`unlist`].
pub async fn update(tx: &mut Tx, member: &Member) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE members SET display_name = $3, role = $4, protection_officer = $5, revision = $6,
             updated_at = $7
         WHERE business_id = $1 AND member_id = $2",
    )
    .bind(member.id.uuid())
    .bind(member.display_name.expose().as_str())
    .bind(i32::from(member.role.code()))
    .bind(member.protection_officer)
    .bind(member.revision)
    .bind(member.updated_at.as_microsecond())
    .execute()
    .await
    .map(drop)
}

/// Removes a member, and with the row the place on the viewer list.
pub async fn delete(tx: &mut Tx, id: MemberId) -> Result<(), DbError> {
    tx.scoped("DELETE FROM members WHERE business_id = $1 AND member_id = $2")
        .bind(id.uuid())
        .execute()
        .await
        .map(drop)
}

/// Puts members on the viewer list; those who were not on it, in no order.
pub async fn list(tx: &mut Tx, ids: &[MemberId], now: Timestamp) -> Result<Vec<MemberId>, DbError> {
    let listed = tx
        .scoped(
            "UPDATE members SET listed_at = $2, updated_at = $2, revision = revision + 1
         WHERE business_id = $1 AND listed_at IS NULL AND member_id IN {list}
         RETURNING member_id",
        )
        .bind(now.as_microsecond())
        .list(&uuids(ids))
        .scalars::<Uuid>()
        .await?;
    Ok(listed.into_iter().map(MemberId::from).collect())
}

/// Takes members off the viewer list; those who were on it, in no order.
pub async fn unlist(
    tx: &mut Tx,
    ids: &[MemberId],
    now: Timestamp,
) -> Result<Vec<MemberId>, DbError> {
    let unlisted = tx
        .scoped(
            "UPDATE members SET listed_at = NULL, updated_at = $2, revision = revision + 1
         WHERE business_id = $1 AND listed_at IS NOT NULL AND member_id IN {list}
         RETURNING member_id",
        )
        .bind(now.as_microsecond())
        .list(&uuids(ids))
        .scalars::<Uuid>()
        .await?;
    Ok(unlisted.into_iter().map(MemberId::from).collect())
}

fn uuids(ids: &[MemberId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.uuid()).collect()
}
