//! What a customer said: goals 5 and 6.

use std::rc::Rc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor};
use tokio::time::Instant;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};

use super::load;
use crate::goal::{Bar, Goal, Sides};
use crate::load::Load;
use crate::pgbench::{CLIENTS, Pgbench};
use crate::stage::{OnPostgres, Stage};

const SET: &str = "/yinyom.directory.v1.ConsentService/SetContactConsents";
/// Contacts of the limit, whose ids can be reckoned.
const NUMBERED: usize = 4_000;

/// Each contact is asked in turn, and says no, then yes, then no.
pub fn sayings(contacts: &[String]) -> Vec<dir::SetContactConsentsRequest> {
    let say = |contact: &String, state: ConsentState| dir::SetContactConsentsRequest {
        contact: contact.clone(),
        surface: Surface::Contacts.into(),
        assignments: vec![dir::ConsentAssignment {
            channel: Channel::Phone.into(),
            state: state.into(),
            expire_time: None,
        }],
        ..Default::default()
    };
    // So that the part of each connection has both words of its contacts and nobody else's.
    let parts = contacts.chunks((contacts.len() / CLIENTS).max(1)).take(CLIENTS);
    let words = parts.flat_map(|part| {
        let all = |state| part.iter().map(move |contact| say(contact, state));
        all(ConsentState::Denied).chain(all(ConsentState::Granted))
    });
    words.collect()
}

/// A load of them.
pub fn set(on: &OnPostgres) -> Load {
    let sayings = sayings(&on.town.changing);
    load(on.services.directory, SET, Some(&on.town.owner), sayings)
}

struct Committed {
    pgbench: Pgbench,
    load: Load,
    on: Rc<OnPostgres>,
}

impl Committed {
    async fn make(stage: &mut Stage) -> Self {
        let on = stage.postgres().await;
        let script = number_contacts(&on).await;
        Self { pgbench: Pgbench::new(&on.limit, &[script]), load: set(&on), on }
    }

    async fn limit(&mut self, lasts: Duration) -> f64 {
        let mut there = self.on.limits_session().await;
        there.execute("TRUNCATE outbox, outbox_payloads").await.expect("an empty outbox");
        self.pgbench.run(CLIENTS, lasts).await
    }
}

#[tonic::async_trait(?Send)]
impl Sides for Committed {
    async fn limit(&mut self, lasts: Duration) -> f64 {
        Committed::limit(self, lasts).await
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        // What follows a commit is another goal's.
        self.on.services.pause_manager();
        let done = self.load.run(lasts).await;
        self.on.services.resume_manager();
        self.on.town.until_in_the_ledger(&self.on.services).await;
        done.per_second()
    }
}

/// The same until the ledger has it.
struct Sustained(Committed);

#[tonic::async_trait(?Send)]
impl Sides for Sustained {
    async fn limit(&mut self, lasts: Duration) -> f64 {
        self.0.limit(lasts).await
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        let Committed { load, on, .. } = &self.0;
        let began = Instant::now();
        let done = load.run(lasts).await;
        on.town.until_in_the_ledger(&on.services).await;
        done.calls as f64 / began.elapsed().as_secs_f64()
    }
}

/// Goal 6.
pub async fn sustained(stage: &mut Stage) -> Goal {
    Goal {
        id: "6",
        what: "SetContactConsents, until all are in the ledger, 8 clients",
        against: "pgbench, the same writes, -c 8",
        unit: "changes/s",
        bar: Bar::AtLeast(0.35),
        sides: Box::new(Sustained(Committed::make(stage).await)),
    }
}

/// Goal 5.
pub async fn committed(stage: &mut Stage) -> Goal {
    Goal {
        id: "5",
        what: "SetContactConsents, committed, 8 clients, manager paused",
        against: "pgbench, the same writes, -c 8",
        unit: "calls/s",
        bar: Bar::AtLeast(0.70),
        sides: Box::new(Committed::make(stage).await),
    }
}

/// Gives the copy of the directory contacts whose ids can be reckoned from a number, and makes the transaction that writes
/// what `SetContactConsents` writes: the contact, with what its triggers keep, and both tables of the outbox.
async fn number_contacts(on: &OnPostgres) -> String {
    let business = on.town.business.uuid();
    let id = |number: &str| {
        format!("('00000000-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid")
    };
    let of_number = id("n");
    let mut there = on.limits_session().await;
    for statement in [
        // As often as this is called.
        format!("DELETE FROM contacts WHERE business_id = '{business}' AND contact_id < '00000000-0000-7000-9000-000000000000'"),
        "CREATE TEMPORARY TABLE those AS SELECT * FROM contacts LIMIT 0".to_owned(),
        format!(
            "INSERT INTO those SELECT * FROM contacts WHERE business_id = '{business}' AND phone_state = 2
             ORDER BY contact_id LIMIT {NUMBERED}"
        ),
        format!(
            "CREATE TEMPORARY TABLE numbered AS SELECT contact_id AS original, {of_number} AS reckoned
             FROM (SELECT contact_id, row_number() OVER (ORDER BY contact_id)::int AS n FROM those) numbers"
        ),
        "UPDATE those SET contact_id = reckoned, external_id = NULL FROM numbered WHERE contact_id = original".to_owned(),
        "INSERT INTO contacts SELECT * FROM those".to_owned(),
        "INSERT INTO contact_points (business_id, contact_id, point_id, channel, sealed, seal_key, blind_index)
         SELECT business_id, reckoned, point_id, channel, sealed, seal_key,
             decode(md5(reckoned::text || encode(blind_index, 'hex')), 'hex')
         FROM contact_points JOIN numbered ON contact_id = original".to_owned(),
        "VACUUM ANALYZE".to_owned(),
    ] {
        there.execute(AssertSqlSafe(statement)).await.expect("numbered contacts");
    }
    let (business, contact) = (format!("'{business}'"), id(":n::int"));
    format!(
        "\\set n random(1, {NUMBERED})
        \\set state random(2, 3)
        \\set now random(1, 1000000000)
        BEGIN;
        UPDATE contacts SET revision = revision + 1, consent_seq = consent_seq + 1, phone_state = :state,
            phone_set_at = :now, phone_refused_before = true, updated_at = :now
        WHERE business_id = {business} AND contact_id = {contact} RETURNING consent_seq \\gset
        WITH said AS (
            INSERT INTO outbox_payloads (business_id, stream_id, seq, payload)
            VALUES ({business}, {contact}, :consent_seq, decode(repeat('ab', 260), 'hex'))
        )
        INSERT INTO outbox (business_id, stream_id, seq, created_at, due_at)
        VALUES ({business}, {contact}, :consent_seq, :now, :now);
        COMMIT;\n"
    )
}
