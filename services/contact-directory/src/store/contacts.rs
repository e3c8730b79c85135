//! Contacts and their points, some hundreds in one statement.

mod points;

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::{ByChannel, Channel, ConsentState};
use yinyom_db::{DbError, Record, Rows, Tx};
use yinyom_kernel::{ContactId, from_micros};
use yinyom_privacy::Personal;

use super::keys::seal_key;
use super::paging::Source;
use super::{BusinessKeys, StoreError};
use crate::domain::contact::{ContactName, ExternalId};
use crate::domain::{Consent, Contact, NotRead};
use points::{PointRow, open};

pub use points::{insert_points, remove_points, with_points};

macro_rules! columns { () => { "c.contact_id, c.external_id, c.first_name, c.last_name, c.sort_name, c.revision,
    c.consent_seq, c.phone_state, c.phone_expires_at, c.phone_set_at, c.phone_refused_before, c.email_state,
    c.email_expires_at, c.email_set_at, c.email_refused_before, c.merges, c.subject_key, c.created_at,
    c.updated_at" } }

const SELECT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM contacts c WHERE c.business_id = $1 AND c.contact_id IN {list} ORDER BY c.contact_id",
);

const SELECT_PLAIN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM contacts c WHERE c.business_id = $1 AND c.contact_id = $2",
);

const SELECT_ONE: &str = concat!(
    "SELECT ",
    columns!(),
    ", p.point_id, p.channel, p.sealed FROM contacts c
     LEFT JOIN contact_points p ON p.business_id = $1 AND p.contact_id = $2
     WHERE c.business_id = $1 AND c.contact_id = $2",
);

/// Lists of contacts.
pub const SOURCE: Source = Source {
    from: "contacts c",
    columns: columns!(),
    id: "c.contact_id",
    name: "c.sort_name",
    created_at: "c.created_at",
    updated_at: "c.updated_at",
    business: "c.business_id",
};

/// A contact without its points.
#[derive(Debug, Record)]
pub struct ContactRow {
    pub contact_id: Uuid,
    external_id: Option<String>,
    first_name: String,
    last_name: String,
    pub sort_name: String,
    revision: i64,
    consent_seq: i64,
    phone_state: i32,
    phone_expires_at: Option<i64>,
    phone_set_at: i64,
    phone_refused_before: bool,
    email_state: i32,
    email_expires_at: Option<i64>,
    email_set_at: i64,
    email_refused_before: bool,
    merges: i64,
    subject_key: Vec<u8>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A contact with one of its points, if it has any.
#[derive(Record)]
struct WithPoint {
    #[record(flatten)]
    contact: ContactRow,
    point_id: Option<Uuid>,
    channel: Option<i32>,
    sealed: Option<Vec<u8>>,
}

/// The contact of that id, if the business has it: in one statement, so that its consents and its points are of one
/// moment in a plain read, too.
pub async fn find(
    tx: &mut Tx,
    keys: &BusinessKeys,
    id: ContactId,
) -> Result<Option<Contact>, StoreError> {
    let rows: Vec<WithPoint> = tx.scoped(SELECT_ONE).bind(id.uuid()).fetch_all().await?;
    let mut points = Vec::with_capacity(rows.len());
    let mut contact = None;
    for row in rows {
        if let (Some(point_id), Some(channel), Some(sealed)) =
            (row.point_id, row.channel, row.sealed)
        {
            points
                .push(open(keys, &PointRow { contact_id: id.uuid(), point_id, channel, sealed })?);
        }
        contact = Some(row.contact);
    }
    points.sort_unstable_by_key(|point| point.id);
    contact.map(|row| row.into_contact(points)).transpose()
}

/// The contact of that id, if the business has it, without a look at its addresses: nothing is opened.
pub async fn find_without_points(
    tx: &mut Tx,
    id: ContactId,
) -> Result<Option<Contact<NotRead>>, StoreError> {
    let row: Option<ContactRow> = tx.scoped(SELECT_PLAIN).bind(id.uuid()).fetch_optional().await?;
    row.map(|row| row.into_contact(NotRead)).transpose()
}

/// The contacts of those ids that the business has, by id.
pub async fn load(
    tx: &mut Tx,
    keys: &BusinessKeys,
    ids: &[ContactId],
) -> Result<Vec<Contact>, StoreError> {
    let rows = tx.scoped(SELECT).long_list(&uuids(ids)).fetch_all().await?;
    with_points(tx, keys, rows).await
}

/// Like [`load`], and nobody else changes them until this unit of work ends. Locks by id, so that two units
/// never wait for each other.
pub async fn lock(
    tx: &mut Tx,
    keys: &BusinessKeys,
    ids: &[ContactId],
) -> Result<Vec<Contact>, StoreError> {
    let rows = tx.scoped(SELECT).list(&uuids(ids)).for_update().fetch_all().await?;
    with_points(tx, keys, rows).await
}

/// Like [`load`], without a look at their addresses: nothing is opened.
pub async fn load_without_points(
    tx: &mut Tx,
    ids: &[ContactId],
) -> Result<Vec<Contact<NotRead>>, StoreError> {
    without_points(tx.scoped(SELECT).long_list(&uuids(ids)).fetch_all().await?)
}

/// Like [`lock`], for what customers say of them.
pub async fn lock_to_hear(
    tx: &mut Tx,
    ids: &[ContactId],
) -> Result<Vec<Contact<NotRead>>, StoreError> {
    let rows = tx.scoped(SELECT).list(&uuids(ids)).for_update().fetch_all().await?;
    without_points(rows)
}

/// The same, but without those that somebody else has locked: nobody is waited for.
pub async fn lock_free_to_hear(
    tx: &mut Tx,
    ids: &[ContactId],
) -> Result<Vec<Contact<NotRead>>, StoreError> {
    let rows = tx.scoped(SELECT).list(&uuids(ids)).for_update_skip_locked().fetch_all().await?;
    without_points(rows)
}

fn without_points(rows: Vec<ContactRow>) -> Result<Vec<Contact<NotRead>>, StoreError> {
    rows.into_iter().map(|row| row.into_contact(NotRead)).collect()
}

/// Which of those contacts the business has. They stay until this unit of work ends.
pub async fn hold(tx: &mut Tx, ids: &[ContactId]) -> Result<Vec<Uuid>, DbError> {
    tx.scoped(
        "SELECT contact_id FROM contacts
         WHERE business_id = $1 AND contact_id IN {list} ORDER BY contact_id",
    )
    .list(&uuids(ids))
    .for_update()
    .scalars()
    .await
}

impl ContactRow {
    fn into_contact<P>(self, points: P) -> Result<Contact<P>, StoreError> {
        let consent = |state: i32, expires_at: Option<i64>, set_at: i64, refused_before: bool| {
            Ok::<_, StoreError>(Consent {
                state: ConsentState::from_code(narrow(state))?,
                expires_at: expires_at.map(from_micros),
                updated_at: from_micros(set_at),
                refused_before,
            })
        };
        let text = |text: String| (!text.is_empty()).then(|| Personal::new(text));
        Ok(Contact {
            id: self.contact_id.into(),
            external_id: self.external_id.map(Personal::new).map(ExternalId::restore),
            name: ContactName::restore(text(self.first_name), text(self.last_name)),
            points,
            consents: ByChannel {
                phone: consent(
                    self.phone_state,
                    self.phone_expires_at,
                    self.phone_set_at,
                    self.phone_refused_before,
                )?,
                email: consent(
                    self.email_state,
                    self.email_expires_at,
                    self.email_set_at,
                    self.email_refused_before,
                )?,
            },
            consent_seq: self.consent_seq,
            revision: self.revision,
            merges: self.merges,
            subject_key: self.subject_key,
            created_at: from_micros(self.created_at),
            updated_at: from_micros(self.updated_at),
        })
    }
}

/// Which contacts have those external ids.
pub async fn by_external_id(
    tx: &mut Tx,
    external_ids: &[String],
) -> Result<Vec<(String, ContactId)>, DbError> {
    let found = tx
        .scoped(
            "SELECT external_id, contact_id FROM contacts
             WHERE business_id = $1 AND external_id IN {list}",
        )
        .list(external_ids)
        .fetch_all::<(String, Uuid)>()
        .await?;
    Ok(found.into_iter().map(|(external_id, id)| (external_id, id.into())).collect())
}

/// Stores new contacts with their points.
pub async fn insert(
    tx: &mut Tx,
    keys: &BusinessKeys,
    contacts: &[&Contact],
) -> Result<(), StoreError> {
    if contacts.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(contacts);
    let has = |channel| contacts.iter().map(move |c| c.points_of(channel).next().is_some());
    tx.scoped(
        "INSERT INTO contacts (business_id, contact_id, external_id, first_name, last_name, sort_name,
             sort_last_name, revision, consent_seq, phone_state, phone_expires_at, phone_set_at,
             phone_refused_before, email_state, email_expires_at, email_set_at, email_refused_before,
             merges, subject_key, seal_key, created_at, updated_at, has_phone, has_email)
         SELECT $1, contact_id, external_id, first_name, last_name, sort_name, sort_last_name, revision,
             consent_seq, phone_state, phone_expires_at, phone_set_at, phone_refused_before, email_state,
             email_expires_at, email_set_at, email_refused_before, merges, subject_key, seal_key, created_at,
             updated_at, has_phone, has_email
         FROM {rows}",
    )
    .rows(
        columns
            .rows(contacts)
            .bytes("subject_key", contacts.iter().map(|c| &c.subject_key[..]))
            .ints("seal_key", contacts.iter().map(|c| i64::from(seal_key(&c.subject_key))))
            .ints("created_at", contacts.iter().map(|c| c.created_at.as_microsecond()))
            // Afterwards the triggers know.
            .flags("has_phone", has(Channel::Phone))
            .flags("has_email", has(Channel::Email)),
    )
    .execute()
    .await?;
    let points: Vec<_> =
        contacts.iter().flat_map(|c| c.points.iter().map(|point| (c.id, point))).collect();
    insert_points(tx, keys, &points).await
}

/// Stores contacts that were locked and changed, without their points.
pub async fn update<P: Sync>(tx: &mut Tx, contacts: &[&Contact<P>]) -> Result<(), StoreError> {
    if contacts.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(contacts);
    tx.scoped(
        "UPDATE contacts SET external_id = batch.external_id, first_name = batch.first_name,
             last_name = batch.last_name, sort_name = batch.sort_name,
             sort_last_name = batch.sort_last_name, revision = batch.revision,
             consent_seq = batch.consent_seq, phone_state = batch.phone_state,
             phone_expires_at = batch.phone_expires_at, phone_set_at = batch.phone_set_at,
             phone_refused_before = batch.phone_refused_before, email_state = batch.email_state,
             email_expires_at = batch.email_expires_at, email_set_at = batch.email_set_at,
             email_refused_before = batch.email_refused_before, merges = batch.merges,
             updated_at = batch.updated_at
         FROM {rows}
         WHERE contacts.business_id = $1 AND contacts.contact_id = batch.contact_id
           AND contacts.contact_id IN {list}",
    )
    // SQLite begins at the contacts, and would hold each that the business has against the batch.
    .list(&contacts.iter().map(|contact| contact.id.uuid()).collect::<Vec<_>>())
    .rows(columns.rows(contacts))
    .execute()
    .await?;
    Ok(())
}

/// Texts of contacts that statements borrow.
struct Columns {
    sort_names: Vec<Personal>,
    sort_last_names: Vec<Option<Personal>>,
}

impl Columns {
    fn of<P>(contacts: &[&Contact<P>]) -> Self {
        Self {
            sort_names: contacts.iter().map(|c| c.name.sort_key()).collect(),
            sort_last_names: contacts.iter().map(|c| c.name.last_key()).collect(),
        }
    }

    fn rows<'a, P>(&'a self, contacts: &'a [&Contact<P>]) -> Rows<'a> {
        fn text(part: Option<&Personal>) -> &str {
            part.map_or("", |part| part.expose())
        }
        let rows = Rows::new()
            .uuids("contact_id", contacts.iter().map(|c| c.id.uuid()))
            .texts(
                "external_id",
                contacts
                    .iter()
                    .map(|c| c.external_id.as_ref().map(|id| id.text().expose().as_str())),
            )
            .texts("first_name", contacts.iter().map(|c| text(c.name.first())))
            .texts("last_name", contacts.iter().map(|c| text(c.name.last())))
            .texts("sort_name", self.sort_names.iter().map(|name| name.expose().as_str()))
            .texts("sort_last_name", self.sort_last_names.iter().map(|name| text(name.as_ref())))
            .ints("revision", contacts.iter().map(|c| c.revision))
            .ints("consent_seq", contacts.iter().map(|c| c.consent_seq))
            .ints("merges", contacts.iter().map(|c| c.merges))
            .ints("updated_at", contacts.iter().map(|c| c.updated_at.as_microsecond()));
        let names: [(Channel, [&'static str; 4]); 2] = [
            (
                Channel::Phone,
                ["phone_state", "phone_expires_at", "phone_set_at", "phone_refused_before"],
            ),
            (
                Channel::Email,
                ["email_state", "email_expires_at", "email_set_at", "email_refused_before"],
            ),
        ];
        names.into_iter().fold(rows, |rows, (channel, [state, expires_at, set_at, refused])| {
            let consents = || contacts.iter().map(move |c| c.consents.get(channel));
            rows.ints(state, consents().map(|c| i64::from(c.state.code())))
                .ints(expires_at, consents().map(|c| c.expires_at.map(Timestamp::as_microsecond)))
                .ints(set_at, consents().map(|c| c.updated_at.as_microsecond()))
                .flags(refused, consents().map(|c| c.refused_before))
        })
    }
}

/// Deletes a contact with its points, links and fingerprints.
pub async fn delete(tx: &mut Tx, contact: ContactId) -> Result<(), DbError> {
    tx.scoped("DELETE FROM contacts WHERE business_id = $1 AND contact_id = $2")
        .bind(contact.uuid())
        .execute()
        .await?;
    Ok(())
}

/// Ids as they are bound.
pub fn uuids(ids: &[ContactId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.uuid()).collect()
}

/// A stored number as a word's code; one that does not fit is none of them.
pub fn narrow(code: i32) -> i16 {
    i16::try_from(code).unwrap_or_default()
}
