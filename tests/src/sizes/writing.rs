//! Writes ledgers: one through the door, as a directory does; many more as copies of it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::AssertSqlSafe;
use tonic::service::interceptor::InterceptedService;
use uuid::Uuid;
use yinyom_consent::CONTACTS;
use yinyom_db::{DbError, Rows};
use yinyom_kernel::{BusinessId, ContactId, MemberId, Name};
use yinyom_proto::manager::v1 as man;
use yinyom_proto::manager::v1::ledger_service_client::LedgerServiceClient;
use yinyom_proto::types::v1::{ChangeCause, Channel, ConsentState, EvidenceMethod, Surface};

use crate::House;

/// Changes of one contact.
pub const OF_A_CONTACT: usize = 5;
/// In one request.
const BATCH: usize = 1_000;
/// How many people made them.
const ACTORS: usize = 20;
/// How far back they go.
const SPAN: Duration = Duration::from_hours(24 * 730);

/// Sends `changes` of the last two years, evenly spread and in the order of time, in the name of the directory.
pub async fn write_ledger(house: &House, business: BusinessId, changes: usize) {
    let bearer = house.tokens.named("contact-directory");
    let manager = InterceptedService::new(house.manager.clone(), bearer);
    let mut ledger = LedgerServiceClient::new(manager);
    let contacts: Vec<_> =
        (0..changes.div_ceil(OF_A_CONTACT)).map(|_| ContactId::generate()).collect();
    let actors: Vec<_> = (0..ACTORS).map(|_| MemberId::generate()).collect();
    let begin = house.clock.now() - SignedDuration::try_from(SPAN).expect("two years");
    let step = SPAN / u32::try_from(changes).expect("a number of changes");
    let mut at = begin;
    // All contacts have their first change, then all their second one: as in a business that grows old.
    let mut numbers = (1..=OF_A_CONTACT).flat_map(|seq| contacts.iter().map(move |c| (*c, seq)));
    loop {
        let some = numbers.by_ref().take(BATCH).map(|(contact, seq)| {
            at += step;
            change(business, contact, seq, at, actors[contact.uuid().as_u128() as usize % ACTORS])
        });
        let changes: Vec<_> = some.collect();
        if changes.is_empty() {
            return;
        }
        let parent = Name::format_business(business);
        let request = man::RecordConsentChangesRequest { parent, changes, ..<_>::default() };
        let results = ledger.record_consent_changes(request).await.expect("it is taken");
        let taken = man::RecordOutcome::Recorded;
        assert!(results.into_inner().results.iter().all(|result| result.outcome() == taken));
    }
}

fn change(
    business: BusinessId,
    contact: ContactId,
    seq: usize,
    at: Timestamp,
    actor: MemberId,
) -> man::ConsentChange {
    let states = [ConsentState::NotSet, ConsentState::Granted, ConsentState::Denied];
    let state = |seq: usize| states[(contact.uuid().as_u128() as usize + seq) % states.len()];
    let channel = |channel: Channel| man::ChannelChange {
        channel: channel.into(),
        from_state: if seq == 1 { 0 } else { state(seq - 1).into() },
        to_state: state(seq).into(),
        expire_time: None,
    };
    let methods = [EvidenceMethod::Form, EvidenceMethod::Call, EvidenceMethod::Paper];
    man::ConsentChange {
        contact: CONTACTS.format(business, contact),
        seq: i64::try_from(seq).expect("few"),
        record_time: Some(prost_types::Timestamp {
            seconds: at.as_second(),
            nanos: at.subsec_nanosecond() / 1_000 * 1_000,
        }),
        cause: if seq == 1 { ChangeCause::Created } else { ChangeCause::Set }.into(),
        surface: if seq == 1 { Surface::Import } else { Surface::Contacts }.into(),
        actor: format!("{}/members/{actor}", Name::format_business(business)),
        actor_role: 3,
        channels: [Channel::Phone, Channel::Email].map(channel).to_vec(),
        method: methods[seq % methods.len()].into(),
        ..Default::default()
    }
}

/// Copies everything that the manager has of `business` to `copies` businesses that nobody founded. Their leaves are the
/// original's: they are there to make the tables large.
///
/// # Panics
/// If the database does not do it.
pub async fn clone_business(house: &House, business: BusinessId, copies: usize) {
    let db = house.databases[2].unbound().await;
    let of = business.uuid();
    let ids: Vec<Uuid> = (0..copies).map(|_| BusinessId::generate().uuid()).collect();
    let mut tx = db.read_unscoped().await.expect("a database");
    let tables: Vec<(String, String)> = tx
        .query(
            "SELECT table_name::text, string_agg(quote_ident(column_name), ', ')
             FROM information_schema.columns
             WHERE table_schema = 'public' AND column_name <> 'business_id'
               AND table_name NOT LIKE 'audit%' AND table_name IN
                   (SELECT table_name FROM information_schema.columns
                    WHERE table_schema = 'public' AND column_name = 'business_id')
             GROUP BY table_name ORDER BY table_name",
        )
        .fetch_all()
        .await
        .expect("its tables");
    drop(tx);
    for (table, columns) in tables {
        let sql = format!(
            "INSERT INTO {table} (business_id, {columns})
             SELECT batch.copy, {columns} FROM {{rows}} CROSS JOIN {table}
             WHERE {table}.business_id = $1 ON CONFLICT DO NOTHING"
        );
        // A statement has its time: not more at once than it can write on a busy machine.
        for some in ids.chunks(2) {
            let (sql, some) = (AssertSqlSafe(sql.clone()), some.to_vec());
            let written = db.write_unscoped(move |mut tx| async move {
                let rows = Rows::new().uuids("copy", some);
                tx.query(sql).bind(of).rows(rows).execute().await?;
                tx.done::<_, DbError>(())
            });
            written.await.expect("copies");
        }
    }
}
