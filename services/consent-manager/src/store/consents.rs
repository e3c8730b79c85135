//! Current consents: two rows for each contact that there is.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::{ByChannel, Channel};
use yinyom_db::{Record, Rows, Tx};
use yinyom_kernel::{ContactId, PageSize, from_micros};

use super::StoreError;
use super::rows::{self, ActorColumns, instant, micros};
use crate::domain::{Consent, ConsentFilter};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT contact_id, channel, state, expires_at, seq, updated_at, cause, surface,
                    actor_kind, actor_id, actor_name, actor_role
             FROM consents WHERE business_id = $1 AND ",
            $rest
        )
    };
}

#[derive(Debug, Record)]
struct ConsentRow {
    contact_id: Uuid,
    channel: i32,
    state: i32,
    expires_at: Option<i64>,
    seq: i64,
    updated_at: i64,
    cause: i32,
    surface: i32,
    #[record(flatten)]
    actor: ActorColumns,
}

impl ConsentRow {
    fn read(self) -> Result<(ContactId, Channel, Consent), StoreError> {
        let consent = Consent {
            state: rows::state(self.state)?,
            expires_at: instant(self.expires_at),
            seq: self.seq,
            updated_at: from_micros(self.updated_at),
            cause: rows::cause(self.cause)?,
            surface: rows::surface(self.surface)?,
            actor: self.actor.read()?,
        };
        Ok((self.contact_id.into(), rows::channel(self.channel)?, consent))
    }
}

/// The consents of these contacts; contacts that are not there are left out.
pub async fn of(
    tx: &mut Tx,
    contacts: &[Uuid],
) -> Result<HashMap<ContactId, ByChannel<Consent>>, StoreError> {
    let rows = if tx.is_postgres() {
        // Contact by contact, by the key: while the planner knows nothing of the table yet it would read the whole
        // business.
        tx.scoped(concat!(
            "SELECT c.* FROM {rows} CROSS JOIN LATERAL (",
            select!("contact_id = batch.contact_id OFFSET 0"),
            ") AS c"
        ))
        .rows(Rows::new().uuids("contact_id", contacts.iter().copied()))
        .fetch_all::<ConsentRow>()
        .await?
    } else {
        tx.scoped(select!("contact_id IN {list}")).list(contacts).fetch_all::<ConsentRow>().await?
    };
    let mut found: HashMap<ContactId, ByChannel<Option<Consent>>> = HashMap::new();
    for row in rows {
        let (contact, channel, consent) = row.read()?;
        *found.entry(contact).or_default().get_mut(channel) = Some(consent);
    }
    found
        .into_iter()
        .map(|(contact, consents)| match (consents.phone, consents.email) {
            (Some(phone), Some(email)) => Ok((contact, ByChannel { phone, email })),
            _ => Err(StoreError::Unreadable("a contact with one channel")),
        })
        .collect()
}

/// Consents that match `filter` at `now`, by contact and channel, after those of `after`. Walks along the key, and over
/// what does not match, but for `contact`; and for `expires_…` with `state` GRANTED, which have an index on PostgreSQL.
pub async fn page(
    tx: &mut Tx,
    filter: &ConsentFilter,
    now: Timestamp,
    after: Option<(ContactId, Channel)>,
    size: PageSize,
) -> Result<Vec<(ContactId, Channel, Consent)>, StoreError> {
    let (actor_id, actor_name) = rows::wanted(filter.actor.as_ref());
    let (parent_kind, parent_id) = rows::wanted_parent(filter.surface_parent);
    let (contact, channel) =
        after.map_or((Uuid::nil(), 0), |(contact, channel)| (contact.uuid(), channel.code()));
    let rows = tx
        // A grant that ran out (2, past) is NOT_SET (1).
        .scoped(select!(
            "(contact_id, channel) > ($2, $3)
             AND ($4 IS NULL OR channel = $4)
             AND ($5 IS NULL
                  OR ($5 = 1 AND (state = 1 OR (state = 2 AND expires_at <= $6)))
                  OR ($5 = 2 AND state = 2 AND (expires_at IS NULL OR expires_at > $6))
                  OR ($5 = 3 AND state = 3))
             AND ($7 IS NULL OR surface = $7)
             AND ($8 IS NULL OR actor_id = $8)
             AND ($9 IS NULL OR actor_name = $9)
             AND ($10 IS NULL OR updated_at >= $10)
             AND ($11 IS NULL OR updated_at < $11)
             AND ($12 IS NULL OR contact_id = $12)
             AND ($13 IS NULL OR cause = $13)
             AND ($14 IS NULL OR actor_role = $14)
             AND ($15 IS NULL OR expires_at >= $15)
             AND ($16 IS NULL OR expires_at < $16)
             AND (($17 IS NULL AND $19 IS NULL AND $20 IS NULL) OR EXISTS (
                  SELECT 1 FROM ledger l
                  WHERE l.business_id = $1 AND l.contact_id = consents.contact_id
                    AND l.seq = consents.seq
                    AND ($17 IS NULL OR (l.parent_kind = $17 AND l.parent_id = $18))
                    AND ($19 IS NULL OR l.method = $19)
                    AND ($20 IS NULL OR l.notice_version = $20)))
             ORDER BY contact_id, channel LIMIT $21"
        ))
        .bind(contact)
        .bind(i32::from(channel))
        .bind(filter.channel.map(|channel| i32::from(channel.code())))
        .bind(filter.state.map(|state| i32::from(state.code())))
        .bind(now.as_microsecond())
        .bind(filter.surface.map(|surface| i32::from(surface.code())))
        .bind(actor_id)
        .bind(actor_name)
        .bind(micros(filter.since))
        .bind(micros(filter.before))
        .bind(filter.contact.map(ContactId::uuid))
        .bind(filter.cause.map(|cause| i32::from(cause.code())))
        .bind(filter.actor_role.map(|role| i32::from(role.code())))
        .bind(micros(filter.expires_since))
        .bind(micros(filter.expires_before))
        .bind(parent_kind)
        .bind(parent_id)
        .bind(filter.method.map(|method| i32::from(method.code())))
        .bind(filter.notice_version.clone())
        .bind(size.fetch())
        .plan_for_values()
        .fetch_all::<ConsentRow>()
        .await?;
    rows.into_iter().map(ConsentRow::read).collect()
}

macro_rules! insert {
    ($rest:literal) => {
        concat!(
            "INSERT INTO consents (business_id, contact_id, channel, state, expires_at, seq, updated_at,
                                   cause, surface, actor_kind, actor_id, actor_name, actor_role)
             SELECT $1, contact_id, channel, state, expires_at, seq, updated_at,
                    cause, surface, actor_kind, actor_id, actor_name, actor_role
             FROM {rows} WHERE true",
            $rest
        )
    };
}

/// Writes the consents of contacts that were not there. That costs half of what it costs to look for them, too.
pub async fn add(
    tx: &mut Tx,
    consents: &[(ContactId, ByChannel<Consent>)],
) -> Result<(), StoreError> {
    write(tx, insert!(""), consents).await
}

/// Writes the consents of contacts as they are now.
pub async fn put(
    tx: &mut Tx,
    consents: &[(ContactId, ByChannel<Consent>)],
) -> Result<(), StoreError> {
    let sql = insert!(
        " ON CONFLICT (business_id, contact_id, channel) DO UPDATE SET
              state = excluded.state, expires_at = excluded.expires_at, seq = excluded.seq,
              updated_at = excluded.updated_at, cause = excluded.cause, surface = excluded.surface,
              actor_kind = excluded.actor_kind, actor_id = excluded.actor_id,
              actor_name = excluded.actor_name, actor_role = excluded.actor_role"
    );
    write(tx, sql, consents).await
}

async fn write(
    tx: &mut Tx,
    sql: &'static str,
    consents: &[(ContactId, ByChannel<Consent>)],
) -> Result<(), StoreError> {
    if consents.is_empty() {
        return Ok(());
    }
    let all: Vec<_> = consents
        .iter()
        .flat_map(|(contact, both)| both.iter().map(|(channel, one)| (*contact, channel, one)))
        .map(|(contact, channel, one)| (contact, channel, one, rows::actor(&one.actor)))
        .collect();
    let rows = Rows::new()
        .uuids("contact_id", all.iter().map(|(contact, ..)| contact.uuid()))
        .ints("channel", all.iter().map(|(_, channel, ..)| i64::from(channel.code())))
        .ints("state", all.iter().map(|(.., one, _)| i64::from(one.state.code())))
        .ints("expires_at", all.iter().map(|(.., one, _)| micros(one.expires_at)))
        .ints("seq", all.iter().map(|(.., one, _)| one.seq))
        .ints("updated_at", all.iter().map(|(.., one, _)| one.updated_at.as_microsecond()))
        .ints("cause", all.iter().map(|(.., one, _)| i64::from(one.cause.code())))
        .ints("surface", all.iter().map(|(.., one, _)| i64::from(one.surface.code())))
        .ints("actor_kind", all.iter().map(|(.., actor)| actor.0))
        .uuids("actor_id", all.iter().map(|(.., actor)| actor.1))
        .texts("actor_name", all.iter().map(|(.., actor)| actor.2))
        .ints("actor_role", all.iter().map(|(.., actor)| actor.3));
    tx.scoped(sql).rows(rows).execute().await?;
    Ok(())
}

/// Removes the consents of contacts that are gone.
pub async fn remove(tx: &mut Tx, contacts: &[Uuid]) -> Result<(), StoreError> {
    tx.scoped("DELETE FROM consents WHERE business_id = $1 AND contact_id IN {list}")
        .list(contacts)
        .execute()
        .await?;
    Ok(())
}

/// The current consents of contacts after `after`, up to and with `to`, in order: for who compares them.
pub async fn between(
    tx: &mut Tx,
    after: Option<ContactId>,
    to: Option<ContactId>,
    last: Option<(ContactId, Channel)>,
    most: i64,
) -> Result<Vec<(ContactId, Channel, Consent)>, StoreError> {
    let after = after.map_or(Uuid::nil(), ContactId::uuid);
    let (contact, channel) =
        last.map_or((after, i16::MAX), |(contact, channel)| (contact.uuid(), channel.code()));
    let rows = tx
        .scoped(select!(
            "(contact_id, channel) > ($2, $3) AND ($4 IS NULL OR contact_id <= $4)
             ORDER BY contact_id, channel LIMIT $5"
        ))
        .bind(contact)
        .bind(i32::from(channel))
        .bind(to.map(ContactId::uuid))
        .bind(most)
        .fetch_all::<ConsentRow>()
        .await?;
    rows.into_iter().map(ConsentRow::read).collect()
}

/// Removes all current consents of the business: they are about to be made anew.
pub async fn forget(tx: &mut Tx) -> Result<(), StoreError> {
    tx.scoped("DELETE FROM consents WHERE business_id = $1").execute().await?;
    Ok(())
}
