//! What the manager takes: goal 7.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;
use yinyom_consent::CONTACTS;
use yinyom_identity::Subject;
use yinyom_kernel::{BusinessId, Clock, ContactId, MemberId, Name, SystemClock};
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::{ChangeCause, Channel, ConsentState, EvidenceMethod, Surface};

use crate::goal::{Bar, Goal, Sides};
use crate::load::Large;
use crate::stage::{OnPostgres, Stage};

const RECORD: &str = "/yinyom.manager.v1.LedgerService/RecordConsentChanges";
/// Rows of one statement, and changes of one request.
const BATCH: usize = 500;
/// Connections of either side.
const AT_ONCE: usize = 4;
/// Changes of a contact.
const OF_A_CONTACT: usize = 5;
/// More than there is time for, in changes a second.
const PLENTY: usize = 40_000;

struct Ingestion {
    on: Rc<OnPostgres>,
    server: String,
}

#[tonic::async_trait(?Send)]
impl Sides for Ingestion {
    async fn limit(&mut self, lasts: Duration) -> f64 {
        let mut server = PgConnection::connect(&self.server).await.expect("the server");
        let table = "DROP TABLE IF EXISTS limit_of_rows;
            CREATE TABLE limit_of_rows (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                business_id UUID NOT NULL, payload BYTEA NOT NULL)";
        server.execute(table).await.expect("a table");
        let (began, mut writers) = (Instant::now(), JoinSet::new());
        for _ in 0..AT_ONCE {
            let mut there = PgConnection::connect(&self.server).await.expect("a connection");
            writers.spawn(async move {
                let (ids, payloads) = (vec![Uuid::nil(); BATCH], vec![vec![0xab_u8; 200]; BATCH]);
                let mut rows = 0_usize;
                while began.elapsed() < lasts {
                    let insert = "INSERT INTO limit_of_rows (business_id, payload)
                        SELECT * FROM UNNEST($1::uuid[], $2::bytea[])";
                    let written = sqlx::query(insert).bind(&ids).bind(&payloads);
                    written.execute(&mut there).await.expect("rows");
                    rows += BATCH;
                }
                rows
            });
        }
        let rows: usize = writers.join_all().await.into_iter().sum();
        rows as f64 / began.elapsed().as_secs_f64()
    }

    async fn service(&mut self, lasts: Duration) -> f64 {
        let changes = PLENTY * lasts.as_secs().max(1) as usize;
        let messages = (0..AT_ONCE).map(|_| ledger(changes / AT_ONCE)).collect();
        let large = Large {
            to: self.on.services.manager,
            path: RECORD,
            token: self.on.services.token(&Subject::named("directory")),
            messages,
            once: true,
        };
        let done = large.run(lasts).await;
        for answer in &done.last {
            let answer = man::RecordConsentChangesResponse::decode(&answer[..]).expect("an answer");
            let taken = man::RecordOutcome::Recorded;
            assert!(answer.results.iter().all(|result| result.outcome() == taken), "not taken");
        }
        done.calls as f64 * BATCH as f64 / done.took.as_secs_f64()
    }
}

/// Goal 7.
pub async fn ingestion(stage: &mut Stage) -> Goal {
    let on = stage.postgres().await;
    let server = stage.server().to_owned();
    Goal {
        id: "7",
        what: "ledger ingestion, 500 a request, 4 businesses",
        against: "UNNEST of 500 rows, 4 connections",
        unit: "changes/s",
        bar: Bar::AtLeast(0.12),
        sides: Box::new(Ingestion { on, server }),
    }
}

/// The ledger of a new business, in requests.
fn ledger(changes: usize) -> Vec<Vec<u8>> {
    let business = BusinessId::generate();
    let contacts: Vec<_> =
        (0..changes.div_ceil(OF_A_CONTACT)).map(|_| ContactId::generate()).collect();
    let actor = format!("{}/members/{}", Name::format_business(business), MemberId::generate());
    let now = SystemClock.now();
    let all: Vec<_> = (1..=OF_A_CONTACT)
        .flat_map(|seq| contacts.iter().map(move |contact| (*contact, seq)))
        .map(|(contact, seq)| change(business, contact, seq, &actor, now))
        .collect();
    let requests = all.chunks_exact(BATCH).map(|changes| man::RecordConsentChangesRequest {
        parent: Name::format_business(business),
        changes: changes.to_vec(),
        ..Default::default()
    });
    requests.map(|request| request.encode_to_vec()).collect()
}

fn change(
    business: BusinessId,
    contact: ContactId,
    seq: usize,
    actor: &str,
    now: Timestamp,
) -> man::ConsentChange {
    let states = [ConsentState::NotSet, ConsentState::Granted, ConsentState::Denied];
    let state = |seq: usize| states[seq % states.len()];
    let channel = |channel: Channel| man::ChannelChange {
        channel: channel.into(),
        from_state: if seq == 1 { 0 } else { state(seq - 1).into() },
        to_state: state(seq).into(),
        expire_time: None,
    };
    man::ConsentChange {
        contact: CONTACTS.format(business, contact),
        seq: i64::try_from(seq).expect("few"),
        record_time: Some(prost_types::Timestamp {
            seconds: now.as_second(),
            nanos: now.subsec_nanosecond() / 1_000 * 1_000,
        }),
        cause: if seq == 1 { ChangeCause::Created } else { ChangeCause::Set }.into(),
        surface: if seq == 1 { Surface::Import } else { Surface::Contacts }.into(),
        actor: actor.to_owned(),
        actor_role: 3,
        channels: [Channel::Phone, Channel::Email].map(channel).to_vec(),
        method: EvidenceMethod::Form.into(),
        ..Default::default()
    }
}
