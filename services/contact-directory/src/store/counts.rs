//! Counts that are kept by triggers (migration 0011), as they count at an instant; and the same, counted.

use std::collections::HashMap;

use yinyom_consent::{ByChannel, Channel, ConsentState};
use yinyom_db::{Record, Tx};

use super::StoreError;
use super::contacts::narrow;
use crate::domain::preview::{Kind, Tally};

/// How many conflicts of a channel were one until grants ran out.
macro_rules! ended {
    ($name:literal, $channel:literal) => {
        concat!(
            "SELECT COUNT(*) FROM (
                 SELECT p.blind_index, COUNT(*) AS ended FROM contacts c
                 CROSS JOIN contact_points p
                 WHERE c.business_id = $1 AND c.",
            $name,
            "_state = 2 AND c.",
            $name,
            "_expires_at <= $2 AND p.business_id = $1 AND p.contact_id = c.contact_id AND p.channel = ",
            $channel,
            " GROUP BY p.blind_index
             ) d
             CROSS JOIN address_tallies t
             WHERE t.business_id = $1 AND t.channel = ",
            $channel,
            " AND t.blind_index = d.blind_index AND t.denied > 0 AND t.granted = d.ended",
        )
    };
}

/// Kinds of contacts of which there are any.
pub type Kinds = HashMap<Kind, Tally>;

#[derive(Record)]
struct Row {
    phone_state: i32,
    email_state: i32,
    has_phone: bool,
    has_email: bool,
    contacts: i64,
    phones: i64,
    emails: i64,
}

/// Contacts with a grant that has run out and is not recorded.
#[derive(Record)]
#[expect(clippy::struct_excessive_bools, reason = "columns of a query")]
struct DueRow {
    phone_state: i32,
    email_state: i32,
    phone_out: bool,
    email_out: bool,
    has_phone: bool,
    has_email: bool,
    contacts: i64,
    phones: i64,
    emails: i64,
}

/// How many contacts of each kind the business has at `now` (microseconds). What has run out since it was last recorded is
/// counted; there is little of it.
pub async fn kinds(tx: &mut Tx, now: i64) -> Result<Kinds, StoreError> {
    let kept = tx
        .scoped(
            "SELECT phone_state, email_state, has_phone, has_email, CAST(SUM(contacts) AS BIGINT) AS contacts,
                 CAST(SUM(phones) AS BIGINT) AS phones, CAST(SUM(emails) AS BIGINT) AS emails
             FROM contact_counts WHERE business_id = $1
             GROUP BY phone_state, email_state, has_phone, has_email",
        )
        .fetch_all::<Row>()
        .await?;
    let mut kinds = Kinds::new();
    for row in kept {
        *kinds.entry(row.kind()?).or_default() += row.tally();
    }
    for row in due(tx, now).await? {
        let tally = row.tally();
        *kinds.entry(row.kind(false)?).or_default() += -tally;
        *kinds.entry(row.kind(true)?).or_default() += tally;
    }
    kinds.retain(|_, tally| *tally != Tally::default());
    Ok(kinds)
}

async fn due(tx: &mut Tx, now: i64) -> Result<Vec<DueRow>, StoreError> {
    let due = tx.scoped(
        "SELECT phone_state, email_state, phone_out, email_out, phones > 0 AS has_phone, emails > 0 AS has_email,
             COUNT(*) AS contacts, CAST(SUM(phones) AS BIGINT) AS phones, CAST(SUM(emails) AS BIGINT) AS emails
         FROM (
             SELECT c.phone_state, c.email_state,
                 c.phone_state = 2 AND COALESCE(c.phone_expires_at <= $2, FALSE) AS phone_out,
                 c.email_state = 2 AND COALESCE(c.email_expires_at <= $2, FALSE) AS email_out,
                 (SELECT COUNT(*) FROM contact_points p WHERE p.business_id = c.business_id
                      AND p.contact_id = c.contact_id AND p.channel = 1) AS phones,
                 (SELECT COUNT(*) FROM contact_points p WHERE p.business_id = c.business_id
                      AND p.contact_id = c.contact_id AND p.channel = 2) AS emails
             FROM contacts c WHERE c.business_id = $1 AND c.contact_id IN (
                 SELECT contact_id FROM contacts
                 WHERE business_id = $1 AND phone_state = 2 AND phone_expires_at <= $2
                 UNION
                 SELECT contact_id FROM contacts
                 WHERE business_id = $1 AND email_state = 2 AND email_expires_at <= $2
             )
         ) due GROUP BY phone_state, email_state, phone_out, email_out, phones > 0, emails > 0",
    );
    Ok(due.bind(now).fetch_all().await?)
}

/// The same, contact by contact: for who doubts the counts. Costs what the business has contacts.
pub async fn recount(tx: &mut Tx, now: i64) -> Result<Kinds, StoreError> {
    let counted = tx
        .scoped(
            "SELECT phone_state, email_state, phones > 0 AS has_phone, emails > 0 AS has_email,
                 COUNT(*) AS contacts, CAST(SUM(phones) AS BIGINT) AS phones, CAST(SUM(emails) AS BIGINT) AS emails
             FROM (
                 SELECT CASE WHEN c.phone_state = 2 AND c.phone_expires_at <= $2 THEN 1 ELSE c.phone_state END
                         AS phone_state,
                     CASE WHEN c.email_state = 2 AND c.email_expires_at <= $2 THEN 1 ELSE c.email_state END
                         AS email_state,
                     (SELECT COUNT(*) FROM contact_points p WHERE p.business_id = c.business_id
                          AND p.contact_id = c.contact_id AND p.channel = 1) AS phones,
                     (SELECT COUNT(*) FROM contact_points p WHERE p.business_id = c.business_id
                          AND p.contact_id = c.contact_id AND p.channel = 2) AS emails
                 FROM contacts c WHERE c.business_id = $1
             ) counted GROUP BY phone_state, email_state, phones > 0, emails > 0",
        )
        .bind(now)
        .fetch_all::<Row>()
        .await?;
    counted.into_iter().map(|row| Ok((row.kind()?, row.tally()))).collect()
}

/// How many addresses of a channel several contacts have, and of these how many are in conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shared {
    pub shared: i64,
    pub conflicts: i64,
}

/// Of each channel, at `now` (microseconds).
pub async fn shared(tx: &mut Tx, now: i64) -> Result<ByChannel<Shared>, StoreError> {
    let kept = tx
        .scoped(
            "SELECT channel, CAST(SUM(shared) AS BIGINT), CAST(SUM(conflicts) AS BIGINT)
             FROM shared_address_counts WHERE business_id = $1 GROUP BY channel",
        )
        .fetch_all::<(i32, i64, i64)>()
        .await?;
    let mut all = ByChannel::<Shared>::default();
    for (channel, shared, conflicts) in kept {
        *all.get_mut(Channel::from_code(narrow(channel))?) = Shared { shared, conflicts };
    }
    // Addresses whose last grants have run out are in conflict no more. These are few, and no plan for any instant knows it.
    for (channel, sql) in
        [(Channel::Phone, ended!("phone", "1")), (Channel::Email, ended!("email", "2"))]
    {
        let ended = tx.scoped(sql).plan_for_values().bind(now).scalar::<i64>();
        all.get_mut(channel).conflicts -= ended.await?;
    }
    Ok(all)
}

/// The same, address by address.
pub async fn recount_shared(tx: &mut Tx, now: i64) -> Result<ByChannel<Shared>, StoreError> {
    let counted = tx
        .scoped(
            "SELECT channel, SUM(CASE WHEN holders > 1 THEN 1 ELSE 0 END),
                 SUM(CASE WHEN granted > 0 AND denied > 0 THEN 1 ELSE 0 END)
             FROM (
                 SELECT p.channel, COUNT(*) AS holders,
                     SUM(CASE WHEN p.channel = 1 AND c.phone_state = 2 AND (c.phone_expires_at IS NULL
                             OR c.phone_expires_at > $2)
                         OR p.channel = 2 AND c.email_state = 2 AND (c.email_expires_at IS NULL
                             OR c.email_expires_at > $2) THEN 1 ELSE 0 END) AS granted,
                     SUM(CASE WHEN p.channel = 1 AND c.phone_state = 3 OR p.channel = 2 AND c.email_state = 3
                         THEN 1 ELSE 0 END) AS denied
                 FROM contact_points p
                 JOIN contacts c ON c.business_id = p.business_id AND c.contact_id = p.contact_id
                 WHERE p.business_id = $1 GROUP BY p.channel, p.blind_index
             ) addresses GROUP BY channel",
        )
        .bind(now)
        .fetch_all::<(i32, i64, i64)>()
        .await?;
    let mut all = ByChannel::<Shared>::default();
    for (channel, shared, conflicts) in counted {
        *all.get_mut(Channel::from_code(narrow(channel))?) = Shared { shared, conflicts };
    }
    Ok(all)
}

impl Row {
    fn kind(&self) -> Result<Kind, StoreError> {
        let state = |code| ConsentState::from_code(narrow(code));
        Ok(Kind {
            states: ByChannel { phone: state(self.phone_state)?, email: state(self.email_state)? },
            has_address: ByChannel { phone: self.has_phone, email: self.has_email },
        })
    }

    const fn tally(&self) -> Tally {
        let points = ByChannel { phone: self.phones, email: self.emails };
        Tally { contacts: self.contacts, points }
    }
}

impl DueRow {
    /// As it is stored, or as it counts.
    fn kind(&self, settled: bool) -> Result<Kind, StoreError> {
        let state = |code, out| {
            let stored = ConsentState::from_code(narrow(code))?;
            Ok::<_, StoreError>(if settled && out { ConsentState::NotSet } else { stored })
        };
        Ok(Kind {
            states: ByChannel {
                phone: state(self.phone_state, self.phone_out)?,
                email: state(self.email_state, self.email_out)?,
            },
            has_address: ByChannel { phone: self.has_phone, email: self.has_email },
        })
    }

    const fn tally(&self) -> Tally {
        let points = ByChannel { phone: self.phones, email: self.emails };
        Tally { contacts: self.contacts, points }
    }
}
