//! The consent settings of a business.

use std::time::Duration;

use uuid::Uuid;
use yinyom_db::{DbError, Record, Tx};
use yinyom_kernel::from_micros;
use yinyom_policy::{NotSetVisibility, Rules, SharedAddressPolicy};

use super::StoreError;
use crate::domain::Settings;

#[derive(Record)]
struct Row {
    business_id: Uuid,
    enforcement: bool,
    not_set_visibility: i32,
    members_may_regrant: bool,
    shared_address_policy: i32,
    default_grant_lifetime: Option<i64>,
    revision: i64,
    updated_at: i64,
}

impl TryFrom<Row> for Settings {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let rules = Rules {
            enforcement: row.enforcement,
            not_set_visibility: match row.not_set_visibility {
                1 => NotSetVisibility::Show,
                2 => NotSetVisibility::Mask,
                _ => return Err(StoreError::Unknown("visibility")),
            },
            members_may_regrant: row.members_may_regrant,
            shared_address_policy: match row.shared_address_policy {
                1 => SharedAddressPolicy::RecordOnly,
                2 => SharedAddressPolicy::MostRestrictive,
                _ => return Err(StoreError::Unknown("shared-address policy")),
            },
            default_grant_lifetime: (row.default_grant_lifetime)
                .map(|micros| Duration::from_micros(micros.unsigned_abs())),
        };
        Ok(Self {
            business: row.business_id.into(),
            rules,
            revision: row.revision,
            updated_at: from_micros(row.updated_at),
        })
    }
}

const fn visibility(visibility: NotSetVisibility) -> i32 {
    match visibility {
        NotSetVisibility::Show => 1,
        NotSetVisibility::Mask => 2,
    }
}

const fn shared_address(policy: SharedAddressPolicy) -> i32 {
    match policy {
        SharedAddressPolicy::RecordOnly => 1,
        SharedAddressPolicy::MostRestrictive => 2,
    }
}

fn micros(lifetime: Duration) -> i64 {
    i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX)
}

/// The settings of the business that this transaction is about.
pub async fn get(tx: &mut Tx) -> Result<Option<Settings>, StoreError> {
    tx.scoped(
        "SELECT business_id, enforcement, not_set_visibility, members_may_regrant,
             shared_address_policy, default_grant_lifetime, revision, updated_at
         FROM consent_settings WHERE business_id = $1",
    )
    .fetch_optional::<Row>()
    .await?
    .map(Settings::try_from)
    .transpose()
}

/// Stores new or changed settings.
pub async fn save(tx: &mut Tx, settings: &Settings) -> Result<(), DbError> {
    tx.scoped(
        "INSERT INTO consent_settings (business_id, enforcement, not_set_visibility,
             members_may_regrant, shared_address_policy, revision, updated_at, default_grant_lifetime)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (business_id) DO UPDATE SET enforcement = $2, not_set_visibility = $3,
             members_may_regrant = $4, shared_address_policy = $5, revision = $6, updated_at = $7,
             default_grant_lifetime = $8",
    )
    .bind(settings.rules.enforcement)
    .bind(visibility(settings.rules.not_set_visibility))
    .bind(settings.rules.members_may_regrant)
    .bind(shared_address(settings.rules.shared_address_policy))
    .bind(settings.revision)
    .bind(settings.updated_at.as_microsecond())
    .bind(settings.rules.default_grant_lifetime.map(micros))
    .execute()
    .await
    .map(drop)
}
