//! Current consents: two rows for each contact that there is.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;
use yinyom_consent::{ByChannel, Channel};
use yinyom_db::{Rows, Tx};
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

#[derive(Debug, sqlx::FromRow)]
struct ConsentRow {
    contact_id: Uuid,
    channel: i32,
    state: i32,
    expires_at: Option<i64>,
    seq: i64,
    updated_at: i64,
    cause: i32,
    surface: i32,
    #[sqlx(flatten)]
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

/// Consents that match `filter` at `now`, by contact and channel, after those of `after`.
pub async fn page(
    tx: &mut Tx,
    filter: &ConsentFilter,
    now: Timestamp,
    after: Option<(ContactId, Channel)>,
    size: PageSize,
) -> Result<Vec<(ContactId, Channel, Consent)>, StoreError> {
    let (actor_id, actor_name) = rows::wanted(filter.actor.as_ref());
    let (contact, channel) =
        after.map_or((Uuid::nil(), 0), |(contact, channel)| (contact.uuid(), channel.code()));
    let rows = tx
        // A grant that ran out (2, past) is NOT_SET (1).
        .scoped(select!(
            "(contact_id, channel) > ($2, $3)
             AND ($4 IS NULL OR channel = $4)
             AND ($5 IS NULL OR CASE WHEN state = 2 AND expires_at <= $6 THEN 1 ELSE state END = $5)
             AND ($7 IS NULL OR surface = $7)
             AND ($8 IS NULL OR actor_id = $8)
             AND ($9 IS NULL OR actor_name = $9)
             AND ($10 IS NULL OR updated_at >= $10)
             AND ($11 IS NULL OR updated_at < $11)
             ORDER BY contact_id, channel LIMIT $12"
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
        .bind(size.fetch())
        .fetch_all::<ConsentRow>()
        .await?;
    rows.into_iter().map(ConsentRow::read).collect()
}

/// Writes the consents of contacts as they are now.
pub async fn put(
    tx: &mut Tx,
    consents: &[(ContactId, ByChannel<Consent>)],
) -> Result<(), StoreError> {
    let all: Vec<_> = consents
        .iter()
        .flat_map(|(contact, both)| both.iter().map(|(channel, one)| (*contact, channel, one)))
        .map(|(contact, channel, one)| (contact, channel, one, rows::actor(&one.actor)))
        .collect();
    tx.scoped(
        "INSERT INTO consents (business_id, contact_id, channel, state, expires_at, seq, updated_at,
                               cause, surface, actor_kind, actor_id, actor_name, actor_role)
         SELECT $1, contact_id, channel, state, expires_at, seq, updated_at,
                cause, surface, actor_kind, actor_id, actor_name, actor_role
         FROM {rows} WHERE true
         ON CONFLICT (business_id, contact_id, channel) DO UPDATE SET
             state = excluded.state, expires_at = excluded.expires_at, seq = excluded.seq,
             updated_at = excluded.updated_at, cause = excluded.cause, surface = excluded.surface,
             actor_kind = excluded.actor_kind, actor_id = excluded.actor_id,
             actor_name = excluded.actor_name, actor_role = excluded.actor_role",
    )
    .rows(
        Rows::new()
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
            .ints("actor_role", all.iter().map(|(.., actor)| actor.3)),
    )
    .execute()
    .await?;
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
