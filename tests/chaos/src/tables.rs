//! What is left in the three databases when everything has come to rest.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::Failure;
use crate::database::Database;
use crate::plan::Service;

/// The rows that the verdict rests on. Ids, marks, numbers and codes: no address.
#[derive(Debug, Default, Serialize)]
pub struct Tables {
    /// In the order of the ledger.
    pub ledger: Vec<LedgerRow>,
    pub contacts: Vec<ContactRow>,
    /// The manager's current state: contact and channel to state.
    pub consents: Vec<(Uuid, i32, i32)>,
    /// Changes that wait, and streams that were quarantined or are held back.
    pub waiting: i64,
    pub stalled: i64,
    /// Business and rule to its value; what is not there is `false`.
    pub rules: BTreeMap<(Uuid, String), String>,
    pub audit: Vec<AuditRow>,
    /// Where what the manager keeps beside its ledger is not what the ledger says.
    pub miscounted: Vec<String>,
}

/// A business's audit events, as their producer counted them and as the manager has them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AuditRow {
    pub business: Uuid,
    pub producer: &'static str,
    pub made: i64,
    pub kept: i64,
    /// The highest number that the manager has.
    pub last: i64,
}

/// A change in the ledger.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LedgerRow {
    pub contact: Uuid,
    pub seq: i64,
    pub mark: Option<String>,
    pub phone_from: Option<i32>,
    pub phone_to: Option<i32>,
    pub email_from: Option<i32>,
    pub email_to: Option<i32>,
}

/// A contact in the directory.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ContactRow {
    pub contact: Uuid,
    pub mark: String,
    pub consent_seq: i64,
    pub phone_state: i32,
    pub email_state: i32,
}

impl FromRow<'_, PgRow> for LedgerRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            contact: row.try_get("contact_id")?,
            seq: row.try_get("seq")?,
            mark: row.try_get("notice_version")?,
            phone_from: row.try_get("phone_from")?,
            phone_to: row.try_get("phone_to")?,
            email_from: row.try_get("email_from")?,
            email_to: row.try_get("email_to")?,
        })
    }
}

impl FromRow<'_, PgRow> for ContactRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            contact: row.try_get("contact_id")?,
            mark: row.try_get("last_name")?,
            consent_seq: row.try_get("consent_seq")?,
            phone_state: row.try_get("phone_state")?,
            email_state: row.try_get("email_state")?,
        })
    }
}

impl Tables {
    /// Reads them all. Nothing may be at work any more.
    pub async fn read(database: &Database) -> Result<Self, Failure> {
        let mut manager = database.open(Service::Manager).await?;
        let mut directory = database.open(Service::Directory).await?;
        let mut settings = database.open(Service::Settings).await?;
        let (waiting, stalled) = undelivered(&mut directory, &mut settings).await?;
        let mut audit = audit(&mut directory, &mut manager, Service::Directory).await?;
        audit.extend(self::audit(&mut settings, &mut manager, Service::Settings).await?);
        Ok(Self {
            audit,
            ledger: sqlx::query_as(
                "SELECT contact_id, seq, notice_version, phone_from, phone_to, email_from, email_to
                 FROM ledger ORDER BY business_id, ledger_index",
            )
            .fetch_all(&mut manager)
            .await?,
            contacts: sqlx::query_as(
                "SELECT contact_id, last_name, consent_seq, phone_state, email_state FROM contacts",
            )
            .fetch_all(&mut directory)
            .await?,
            consents: sqlx::query_as("SELECT contact_id, channel, state FROM consents")
                .fetch_all(&mut manager)
                .await?,
            waiting,
            stalled,
            rules: rules(&mut settings).await?,
            miscounted: Vec::new(),
        })
    }

    /// Keeps them for who looks into a failure.
    pub fn keep(&self, directory: &Path) -> Result<(), Failure> {
        keep(&directory.join("ledger.jsonl"), &self.ledger)?;
        keep(&directory.join("contacts.jsonl"), &self.contacts)?;
        keep(&directory.join("rules.jsonl"), &self.rules)
    }
}

/// One row a line.
fn keep<T: Serialize>(path: &Path, rows: impl IntoIterator<Item = T>) -> Result<(), Failure> {
    let lines: Result<Vec<_>, _> =
        rows.into_iter().map(|row| serde_json::to_string(&row)).collect();
    Ok(std::fs::write(path, lines?.join("\n"))?)
}

/// How many changes and audit events wait, and how many streams are held back.
pub async fn undelivered(
    directory: &mut PgConnection,
    settings: &mut PgConnection,
) -> Result<(i64, i64), Failure> {
    let consent = "SELECT (SELECT COUNT(*) FROM outbox), (SELECT COUNT(*) FROM outbox_stalls)";
    let audit =
        "SELECT (SELECT COUNT(*) FROM audit_outbox), (SELECT COUNT(*) FROM audit_outbox_stalls)";
    let mut undelivered = (0, 0);
    let counts: [(i64, i64); 3] = [
        sqlx::query_as(consent).fetch_one(&mut *directory).await?,
        sqlx::query_as(audit).fetch_one(directory).await?,
        sqlx::query_as(audit).fetch_one(settings).await?,
    ];
    for (waiting, stalled) in counts {
        undelivered = (undelivered.0 + waiting, undelivered.1 + stalled);
    }
    Ok(undelivered)
}

async fn audit(
    producer: &mut PgConnection,
    manager: &mut PgConnection,
    service: Service,
) -> Result<Vec<AuditRow>, Failure> {
    let made: Vec<(Uuid, i64)> =
        sqlx::query_as("SELECT business_id, last_seq FROM audit_heads").fetch_all(producer).await?;
    let kept: Vec<(Uuid, i64, i64)> = sqlx::query_as(
        "SELECT business_id, COUNT(*), MAX(seq) FROM audit_events WHERE producer = $1
         GROUP BY business_id",
    )
    .bind(service.name())
    .fetch_all(manager)
    .await?;
    let row = |(business, made): (Uuid, i64)| {
        let of = kept.iter().find(|(of, ..)| *of == business);
        let (kept, last) = of.map_or((0, 0), |(_, kept, last)| (*kept, *last));
        AuditRow { business, producer: service.name(), made, kept, last }
    };
    Ok(made.into_iter().map(row).collect())
}

async fn rules(settings: &mut PgConnection) -> Result<BTreeMap<(Uuid, String), String>, Failure> {
    let businesses: Vec<(Uuid, bool, i32)> =
        sqlx::query_as("SELECT business_id, enforcement, not_set_visibility FROM consent_settings")
            .fetch_all(&mut *settings)
            .await?;
    let members: Vec<(Uuid, Uuid, i32, bool)> =
        sqlx::query_as("SELECT business_id, member_id, role, listed_at IS NOT NULL FROM members")
            .fetch_all(settings)
            .await?;
    let mut rules = BTreeMap::new();
    let mut put = |business: Uuid, rule: String, value: bool| {
        rules.insert((business, rule), value.to_string());
    };
    for (business, enforcement, not_set_visibility) in businesses {
        put(business, "enforcement".to_owned(), enforcement);
        put(business, "not_set_masked".to_owned(), not_set_visibility == 2);
    }
    for (business, member, role, listed) in members {
        put(business, format!("member:{member}"), true);
        put(business, format!("admin:{member}"), role == 2);
        put(business, format!("listed:{member}"), listed);
    }
    Ok(rules)
}
