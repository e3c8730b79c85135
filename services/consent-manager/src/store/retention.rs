//! How long content is kept, what is held, and which requests were refused.

use uuid::Uuid;
use yinyom_db::{Record, Tx};
use yinyom_kernel::{ContactId, MemberId, PageSize, RequestId, from_micros};

use super::StoreError;
use super::rows::{self, ActorColumns, instant};
use crate::domain::{
    Hold, NewRefused, RefusalReason, RefusedRequest, RequestKind, Retention, RetentionPeriod,
};

/// The period of the business.
pub async fn period(tx: &mut Tx) -> Result<Retention, StoreError> {
    let last = tx
        .scoped(
            "SELECT days, set_at, actor_id FROM retentions WHERE business_id = $1
             ORDER BY number DESC LIMIT 1",
        )
        .fetch_optional::<(i32, i64, Uuid)>()
        .await?;
    Ok(match last {
        None => Retention { period: RetentionPeriod::DEFAULT, set: None },
        Some((days, at, actor)) => Retention {
            period: RetentionPeriod::restore(days),
            set: Some((from_micros(at), MemberId::from(actor))),
        },
    })
}

/// Sets the period; the row of the business is held.
pub async fn set_period(
    tx: &mut Tx,
    period: RetentionPeriod,
    actor: MemberId,
    now: i64,
) -> Result<(), StoreError> {
    tx.scoped(
        "INSERT INTO retentions (business_id, number, days, set_at, actor_id)
         SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 FROM retentions
         WHERE business_id = $1",
    )
    .bind(period.days())
    .bind(now)
    .bind(actor.uuid())
    .execute()
    .await?;
    Ok(())
}

macro_rules! select_holds {
    ($rest:literal) => {
        concat!(
            "SELECT number, hold_id, contact_id, reason, set_at, actor_id, released_at, released_by
             FROM legal_holds WHERE business_id = $1 AND ",
            $rest
        )
    };
}

#[derive(Record)]
struct HoldRow {
    number: i64,
    hold_id: Uuid,
    contact_id: Option<Uuid>,
    reason: String,
    set_at: i64,
    actor_id: Uuid,
    released_at: Option<i64>,
    released_by: Option<Uuid>,
}

impl HoldRow {
    fn read(self) -> Hold {
        Hold {
            number: self.number,
            id: self.hold_id,
            contact: self.contact_id.map(ContactId::from),
            reason: self.reason,
            set_at: from_micros(self.set_at),
            actor: self.actor_id.into(),
            released: instant(self.released_at).zip(self.released_by.map(MemberId::from)),
        }
    }
}

/// The hold that this member set by this request.
pub async fn hold_of_request(
    tx: &mut Tx,
    actor: MemberId,
    request: RequestId,
) -> Result<Option<Hold>, StoreError> {
    let row = tx
        .scoped(select_holds!("actor_id = $2 AND request_id = $3"))
        .bind(actor.uuid())
        .bind(request.uuid())
        .fetch_optional::<HoldRow>()
        .await?;
    Ok(row.map(HoldRow::read))
}

/// A hold.
pub async fn hold(tx: &mut Tx, id: Uuid) -> Result<Option<Hold>, StoreError> {
    let row = tx.scoped(select_holds!("hold_id = $2")).bind(id).fetch_optional::<HoldRow>().await?;
    Ok(row.map(HoldRow::read))
}

/// Adds a hold, with the next number; the row of the business is held.
pub async fn add_hold(tx: &mut Tx, hold: &Hold, request: RequestId) -> Result<(), StoreError> {
    tx.scoped(
        "INSERT INTO legal_holds
             (business_id, number, hold_id, contact_id, reason, set_at, actor_id, request_id)
         SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5, $6, $7 FROM legal_holds
         WHERE business_id = $1",
    )
    .bind(hold.id)
    .bind(hold.contact.map(ContactId::uuid))
    .bind(&*hold.reason)
    .bind(hold.set_at.as_microsecond())
    .bind(hold.actor.uuid())
    .bind(request.uuid())
    .execute()
    .await?;
    Ok(())
}

/// Releases a hold that is in force.
pub async fn release_hold(
    tx: &mut Tx,
    id: Uuid,
    actor: MemberId,
    now: i64,
) -> Result<(), StoreError> {
    tx.scoped(
        "UPDATE legal_holds SET released_at = $3, released_by = $4
         WHERE business_id = $1 AND hold_id = $2 AND released_at IS NULL",
    )
    .bind(id)
    .bind(now)
    .bind(actor.uuid())
    .execute()
    .await?;
    Ok(())
}

/// Holds, newest first, before the one of that number.
pub async fn holds(
    tx: &mut Tx,
    contact: Option<ContactId>,
    released_too: bool,
    before: Option<i64>,
    size: PageSize,
) -> Result<Vec<Hold>, StoreError> {
    let rows = tx
        .scoped(select_holds!(
            "number < $2 AND ($3 IS NULL OR contact_id = $3) AND ($4 OR released_at IS NULL)
             ORDER BY number DESC LIMIT $5"
        ))
        .bind(before.unwrap_or(i64::MAX))
        .bind(contact.map(ContactId::uuid))
        .bind(released_too)
        .bind(size.fetch())
        .fetch_all::<HoldRow>()
        .await?;
    Ok(rows.into_iter().map(HoldRow::read).collect())
}

macro_rules! select_refused {
    ($rest:literal) => {
        concat!(
            "SELECT number, refused_id, kind, contact_id, reason, text, recorded_at, actor_kind, actor_id,
                    actor_name, actor_role
             FROM refused_requests WHERE business_id = $1 AND ",
            $rest
        )
    };
}

#[derive(Record)]
struct RefusedRow {
    number: i64,
    refused_id: Uuid,
    kind: i32,
    contact_id: Uuid,
    reason: i32,
    text: Option<String>,
    recorded_at: i64,
    #[record(flatten)]
    actor: ActorColumns,
}

impl RefusedRow {
    fn read(self) -> Result<RefusedRequest, StoreError> {
        let unreadable = || StoreError::Unreadable("no refused request");
        Ok(RefusedRequest {
            number: self.number,
            id: self.refused_id,
            kind: RequestKind::from_code(self.kind).ok_or_else(unreadable)?,
            contact: self.contact_id.into(),
            reason: RefusalReason::from_code(self.reason).ok_or_else(unreadable)?,
            text: self.text,
            recorded_at: from_micros(self.recorded_at),
            actor: self.actor.read()?,
        })
    }
}

/// What this caller recorded by this request.
pub async fn refused_of_request(
    tx: &mut Tx,
    caller: &str,
    request: RequestId,
) -> Result<Option<RefusedRequest>, StoreError> {
    let row = tx
        .scoped(select_refused!("caller = $2 AND request_id = $3"))
        .bind(caller)
        .bind(request.uuid())
        .fetch_optional::<RefusedRow>()
        .await?;
    row.map(RefusedRow::read).transpose()
}

/// Records a refused request, with the next number; the row of the business is held.
pub async fn add_refused(
    tx: &mut Tx,
    new: &NewRefused,
    id: Uuid,
    (caller, actor): (&str, &yinyom_consent::Actor),
    now: i64,
) -> Result<(), StoreError> {
    let (kind, actor_id, actor_name, role) = rows::actor(actor);
    tx.scoped(
        "INSERT INTO refused_requests (business_id, number, refused_id, kind, contact_id, reason, text,
             recorded_at, actor_kind, actor_id, actor_name, actor_role, caller, request_id)
         SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
         FROM refused_requests WHERE business_id = $1",
    )
    .bind(id)
    .bind(new.kind.code())
    .bind(new.contact.uuid())
    .bind(new.reason.code())
    .bind(new.text.clone())
    .bind(now)
    .bind(i32::try_from(kind).unwrap_or_default())
    .bind(actor_id)
    .bind(actor_name.map(str::to_owned))
    .bind(role.and_then(|role| i32::try_from(role).ok()))
    .bind(caller)
    .bind(new.request.uuid())
    .execute()
    .await?;
    Ok(())
}

/// Refused requests, newest first, before the one of that number.
pub async fn refused(
    tx: &mut Tx,
    contact: Option<ContactId>,
    kind: Option<RequestKind>,
    before: Option<i64>,
    size: PageSize,
) -> Result<Vec<RefusedRequest>, StoreError> {
    let rows = tx
        .scoped(select_refused!(
            "number < $2 AND ($3 IS NULL OR contact_id = $3) AND ($4 IS NULL OR kind = $4)
             ORDER BY number DESC LIMIT $5"
        ))
        .bind(before.unwrap_or(i64::MAX))
        .bind(contact.map(ContactId::uuid))
        .bind(kind.map(RequestKind::code))
        .bind(size.fetch())
        .fetch_all::<RefusedRow>()
        .await?;
    rows.into_iter().map(RefusedRow::read).collect()
}
