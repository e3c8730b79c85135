//! Contacts that became one.
//!
//! Merges of a business take turns with each other and with its imports ([`import::take_turn`](super::import::take_turn)), so
//! that nothing here has to be locked.

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::ByChannel;
use yinyom_db::{DbError, Record, Tx};
use yinyom_kernel::{BusinessId, ContactId, MergeId, from_micros};

use super::contacts::uuids;
use super::keys::seal_key;
use crate::domain::merge::Since;

/// Two contacts that are one.
#[derive(Debug, Clone)]
pub struct Merge {
    pub id: MergeId,
    pub survivor: ContactId,
    pub absorbed: ContactId,
    pub at: Timestamp,
    pub undo_until: Timestamp,
    /// Number of the change that says so, in the survivor's stream.
    pub survivor_seq: i64,
    /// What has been said of the survivor since.
    pub since: ByChannel<Since>,
    /// What an undo needs; `None` once there is nothing to undo any more.
    pub sealed: Option<Sealed>,
}

/// What an undo needs, sealed.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Under the absorbed contact's own key.
    pub record: Vec<u8>,
    /// That key, sealed under the business's.
    pub subject_key: Vec<u8>,
}

#[expect(clippy::struct_excessive_bools, reason = "as the table has them")]
#[derive(Record)]
struct MergeRow {
    merge_id: Uuid,
    survivor_id: Uuid,
    absorbed_id: Uuid,
    merged_at: i64,
    undo_until: i64,
    survivor_seq: i64,
    phone_refused: bool,
    phone_asked_anew: bool,
    email_refused: bool,
    email_asked_anew: bool,
    record: Option<Vec<u8>>,
    subject_key: Option<Vec<u8>>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT m.merge_id, m.survivor_id, m.absorbed_id, m.merged_at, m.undo_until, m.survivor_seq,
                 m.phone_refused, m.phone_asked_anew, m.email_refused, m.email_asked_anew, m.record,
                 m.subject_key
             FROM merges m WHERE m.business_id = $1 AND ",
            $rest
        )
    };
}

impl From<MergeRow> for Merge {
    fn from(row: MergeRow) -> Self {
        Self {
            id: row.merge_id.into(),
            survivor: row.survivor_id.into(),
            absorbed: row.absorbed_id.into(),
            at: from_micros(row.merged_at),
            undo_until: from_micros(row.undo_until),
            survivor_seq: row.survivor_seq,
            since: ByChannel {
                phone: Since { refused: row.phone_refused, asked_anew: row.phone_asked_anew },
                email: Since { refused: row.email_refused, asked_anew: row.email_asked_anew },
            },
            sealed: (row.record.zip(row.subject_key))
                .map(|(record, subject_key)| Sealed { record, subject_key }),
        }
    }
}

/// Notes that two contacts are one, and when what is kept of that has to go.
pub async fn insert(tx: &mut Tx, merge: &Merge) -> Result<(), DbError> {
    let (record, key) =
        merge.sealed.as_ref().map(|it| (&it.record[..], &it.subject_key[..])).unzip();
    let until = merge.undo_until.as_microsecond();
    tx.scoped(
        "INSERT INTO merges (business_id, merge_id, survivor_id, absorbed_id, merged_at, undo_until,
             survivor_seq, phone_refused, phone_asked_anew, email_refused, email_asked_anew, record,
             subject_key, seal_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8, $8, $9, $10, $11)",
    )
    .bind(merge.id.uuid())
    .bind(merge.survivor.uuid())
    .bind(merge.absorbed.uuid())
    .bind(merge.at.as_microsecond())
    .bind(until)
    .bind(merge.survivor_seq)
    .bind(false)
    .bind(record.map(<[u8]>::to_vec))
    .bind(key.map(<[u8]>::to_vec))
    .bind(key.map(seal_key))
    .execute()
    .await?;
    tx.scoped(
        "INSERT INTO due_work (business_id, kind, due_at) VALUES ($1, 'merges', $2)
         ON CONFLICT (business_id, kind) DO UPDATE SET
             due_at = CASE WHEN due_work.due_at < excluded.due_at THEN due_work.due_at ELSE excluded.due_at END",
    )
    .bind(until)
    .execute()
    .await?;
    Ok(())
}

/// The merge of that id.
pub async fn find(tx: &mut Tx, id: MergeId) -> Result<Option<Merge>, DbError> {
    let row = tx.scoped(select!("m.merge_id = $2")).bind(id.uuid()).fetch_optional::<MergeRow>();
    Ok(row.await?.map(Merge::from))
}

/// Which of the survivor's merges is the last.
pub async fn latest_of(tx: &mut Tx, survivor: ContactId) -> Result<Option<MergeId>, DbError> {
    let found = tx
        .scoped(
            "SELECT merge_id FROM merges WHERE business_id = $1 AND survivor_id = $2
             ORDER BY survivor_seq DESC LIMIT 1",
        )
        .bind(survivor.uuid())
        .scalar_optional::<Uuid>()
        .await?;
    Ok(found.map(MergeId::from))
}

/// How many contacts were merged into this one, those that came with them not counted.
pub async fn count_of(tx: &mut Tx, survivor: ContactId) -> Result<i64, DbError> {
    tx.scoped("SELECT COUNT(*) FROM merges WHERE business_id = $1 AND survivor_id = $2")
        .bind(survivor.uuid())
        .scalar()
        .await
}

/// Merges whose survivor is there, of one alone if it is given, latest first, after that time and merge.
pub async fn page(
    tx: &mut Tx,
    survivor: Option<ContactId>,
    after: Option<(i64, Uuid)>,
    fetch: i64,
) -> Result<Vec<Merge>, DbError> {
    let (time, id) = after.unwrap_or((i64::MAX, Uuid::max()));
    let query = match survivor {
        None => tx
            .scoped(select!(
                "(m.merged_at, m.merge_id) < ($2, $3)
                 AND EXISTS (SELECT 1 FROM contacts c
                     WHERE c.business_id = $1 AND c.contact_id = m.survivor_id)
                 ORDER BY m.merged_at DESC, m.merge_id DESC LIMIT $4"
            ))
            .bind(time)
            .bind(id)
            .bind(fetch),
        Some(survivor) => tx
            .scoped(select!(
                "(m.merged_at, m.merge_id) < ($2, $3) AND m.survivor_id = $5
                 AND EXISTS (SELECT 1 FROM contacts c
                     WHERE c.business_id = $1 AND c.contact_id = m.survivor_id)
                 ORDER BY m.merged_at DESC, m.merge_id DESC LIMIT $4"
            ))
            .bind(time)
            .bind(id)
            .bind(fetch)
            .bind(survivor.uuid()),
    };
    Ok(query.fetch_all::<MergeRow>().await?.into_iter().map(Merge::from).collect())
}

/// Forgets the merge: it is undone.
pub async fn remove(tx: &mut Tx, id: MergeId) -> Result<(), DbError> {
    tx.scoped("DELETE FROM merges WHERE business_id = $1 AND merge_id = $2")
        .bind(id.uuid())
        .execute()
        .await?;
    Ok(())
}

/// What was said of a merged contact was said of everybody who comes out of it.
pub async fn pass_on(
    tx: &mut Tx,
    survivor: ContactId,
    since: &ByChannel<Since>,
) -> Result<(), DbError> {
    tx.scoped(
        "UPDATE merges SET phone_refused = phone_refused OR $3, phone_asked_anew = phone_asked_anew OR $4,
             email_refused = email_refused OR $5, email_asked_anew = email_asked_anew OR $6
         WHERE business_id = $1 AND survivor_id = $2",
    )
    .bind(survivor.uuid())
    .bind(since.phone.refused)
    .bind(since.phone.asked_anew)
    .bind(since.email.refused)
    .bind(since.email.asked_anew)
    .execute()
    .await?;
    Ok(())
}

/// Like [`pass_on`], of a refusal that is no change and that the trigger does not see.
pub async fn refuse(
    tx: &mut Tx,
    survivor: ContactId,
    refused: ByChannel<bool>,
) -> Result<(), DbError> {
    let since = refused.map(|_, refused| Since { refused, asked_anew: false });
    pass_on(tx, survivor, &since).await
}

/// All that were merged into this one, and into these, by id.
pub async fn predecessors(tx: &mut Tx, of: ContactId) -> Result<Vec<ContactId>, DbError> {
    let found = tx
        .scoped(
            "WITH RECURSIVE into_it (contact_id) AS (
                 SELECT absorbed_id FROM merges WHERE business_id = $1 AND survivor_id = $2
                 UNION
                 SELECT m.absorbed_id FROM merges m JOIN into_it i ON m.survivor_id = i.contact_id
                 WHERE m.business_id = $1)
             SELECT contact_id FROM into_it ORDER BY contact_id",
        )
        .bind(of.uuid())
        .scalars::<Uuid>()
        .await?;
    Ok(found.into_iter().map(ContactId::from).collect())
}

/// What this contact was merged into, and that into, at last; itself if it was not.
pub async fn survivor_of(tx: &mut Tx, contact: ContactId) -> Result<ContactId, DbError> {
    let mut last = contact;
    loop {
        let into = tx
            .scoped("SELECT survivor_id FROM merges WHERE business_id = $1 AND absorbed_id = $2")
            .bind(last.uuid())
            .scalar_optional::<Uuid>()
            .await?;
        match into {
            Some(into) => last = into.into(),
            None => return Ok(last),
        }
    }
}

/// Forgets what undoing these contacts' merges into others would need.
pub async fn forget_records(tx: &mut Tx, absorbed: &[ContactId]) -> Result<(), DbError> {
    if absorbed.is_empty() {
        return Ok(());
    }
    tx.scoped(
        "UPDATE merges SET record = NULL, subject_key = NULL, seal_key = NULL
         WHERE business_id = $1 AND absorbed_id IN {list}",
    )
    .list(&uuids(absorbed))
    .execute()
    .await?;
    Ok(())
}

/// Forgets everything about the contact's merges.
pub async fn forget(tx: &mut Tx, contact: ContactId) -> Result<(), DbError> {
    tx.scoped(
        "DELETE FROM merges WHERE business_id = $1 AND (survivor_id = $2 OR absorbed_id = $2)",
    )
    .bind(contact.uuid())
    .execute()
    .await?;
    Ok(())
}

/// Businesses with something to forget by `now` (microseconds), longest first. Read across businesses.
pub async fn due(tx: &mut Tx, now: i64, most: i64) -> Result<Vec<BusinessId>, DbError> {
    let found = tx
        .query(
            "SELECT business_id FROM due_work WHERE kind = 'merges' AND due_at <= $1
             ORDER BY due_at, business_id LIMIT $2",
        )
        .bind(now)
        .bind(most)
        .scalars::<Uuid>()
        .await?;
    Ok(found.into_iter().map(BusinessId::from).collect())
}

/// Forgets what can be undone no more at `now` (microseconds), and notes when the next is due; of how many merges.
pub async fn forget_ended(tx: &mut Tx, now: i64) -> Result<u64, DbError> {
    // Whoever merges waits here, and then sees what is noted.
    tx.scoped("SELECT due_at FROM due_work WHERE business_id = $1 AND kind = 'merges'")
        .for_update()
        .scalar_optional::<i64>()
        .await?;
    let forgotten = tx
        .scoped(
            "UPDATE merges SET record = NULL, subject_key = NULL, seal_key = NULL
             WHERE business_id = $1 AND record IS NOT NULL AND undo_until <= $2",
        )
        .bind(now)
        .execute()
        .await?;
    let (next,) = tx
        .scoped("SELECT MIN(undo_until) FROM merges WHERE business_id = $1 AND record IS NOT NULL")
        .fetch_one::<(Option<i64>,)>()
        .await?;
    match next {
        Some(next) => {
            tx.scoped("UPDATE due_work SET due_at = $2 WHERE business_id = $1 AND kind = 'merges'")
                .bind(next)
                .execute()
                .await?
        }
        None => {
            let sql = "DELETE FROM due_work WHERE business_id = $1 AND kind = 'merges'";
            tx.scoped(sql).execute().await?
        }
    };
    Ok(forgotten)
}

/// A contact that is back is gone no more: the number of its last change; `None` if it was erased meanwhile.
pub async fn come_back(tx: &mut Tx, contact: ContactId) -> Result<Option<i64>, DbError> {
    tx.scoped(
        "DELETE FROM departed_contacts WHERE business_id = $1 AND contact_id = $2
         RETURNING consent_seq",
    )
    .bind(contact.uuid())
    .scalar_optional()
    .await
}
