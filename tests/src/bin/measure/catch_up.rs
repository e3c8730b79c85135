//! The manager was down while changes piled up. How fast does it catch up, and who notices?
//!
//! `make catch-up` runs it in release on PostgreSQL: the three services, each on a thread of its own, real connections
//! between them. A backlog is put on the directory's disk while the manager is down: of one business, or a few changes
//! of each of many. Then the manager comes back, while somebody in another business goes on with their work.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use tokio::time::Instant;
use yinyom_consent::CONTACTS;
use yinyom_db::DbError;
use yinyom_kernel::{BusinessId, ContactId, Scope};
use yinyom_outbox::{Event, enqueue};
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::{ChangeCause, Channel, ConsentState, Surface};
use yinyom_tests::{Database, House, Person, Plan, assign};

/// Changes of one contact.
const OF_A_CONTACT: i64 = 5;
/// Rows in one unit of work.
const BATCH: usize = 500;
/// Between two changes of the one who goes on with their work.
const PACE: Duration = Duration::from_millis(25);
const ALONE: usize = 200;

pub async fn run(changes: usize, many: usize) {
    println!("{changes} changes are on disk while the manager is down; then it comes back");
    println!(
        "businesses   changes/s   another's change in the ledger: p50, p99, max ms   its write: p99 ms before, during"
    );
    for businesses in [1, many.max(1)] {
        measure(changes, businesses).await;
    }
}

async fn measure(changes: usize, businesses: usize) {
    let mut house = House::build(Plan::on(Database::Postgres)).await;
    let business = house.found().await;
    let contact = business.contact(&["0812345678"], &[]).await.name;
    let mut owner = business.owner.clone();
    until(&mut owner, &contact, 1).await;
    let mut work = Work { owner, contact, writes: Vec::new(), delays: Vec::new() };
    for _ in 0..ALONE {
        work.one_change().await;
    }
    let before = at(&mut work.writes, 99);
    work = Work { writes: Vec::new(), delays: Vec::new(), ..work };

    house.managers[0].stop().await;
    let of_each = changes.div_ceil(businesses);
    let mut left = Vec::new();
    for _ in 0..businesses {
        left.push(pile_up(&house, of_each).await);
    }
    let waiting = of_each * businesses;
    let began = Instant::now();
    house.managers[0].start().await;
    house.managers[0].policies().ready().await;
    while !is_empty(&house, &mut left).await {
        work.one_change().await;
    }
    let took = began.elapsed();
    println!(
        "{businesses:>10} {:>11} {:>40.1} {:>6.1} {:>6.1} {:>21.1} {:>6.1}",
        waiting * 1_000 / usize::try_from(took.as_millis().max(1)).unwrap(),
        at(&mut work.delays, 50),
        at(&mut work.delays, 99),
        at(&mut work.delays, 100),
        before,
        at(&mut work.writes, 99),
    );
    house.close().await;
}

/// Somebody who goes on with their work.
struct Work {
    owner: Person,
    contact: String,
    /// How long a change took.
    writes: Vec<Duration>,
    /// How long after it was acknowledged it was in the ledger.
    delays: Vec<Duration>,
}

impl Work {
    async fn one_change(&mut self) {
        let next = Instant::now() + PACE;
        let state = if self.writes.len().is_multiple_of(2) {
            ConsentState::Granted
        } else {
            ConsentState::Denied
        };
        let began = Instant::now();
        let words = assign(&self.contact, &[(Channel::Phone, state)]);
        // On a busy machine a lease may run out: the owner is somebody else until it is renewed.
        let set = loop {
            match self.owner.consents.set_contact_consents(words.clone()).await {
                Ok(set) => break set.into_inner(),
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        self.writes.push(began.elapsed());
        let returned = Instant::now();
        let seq = set.contact_consents.expect("consents").consent_seq;
        until(&mut self.owner, &self.contact, seq).await;
        self.delays.push(returned.elapsed());
        tokio::time::sleep_until(next).await;
    }
}

/// Asks until the ledger has the contact's change `seq`.
async fn until(owner: &mut Person, contact: &str, seq: i64) {
    loop {
        let question = man::GetContactHistoryRequest {
            contact: contact.to_owned(),
            page_size: 1,
            ..Default::default()
        };
        let answer = owner.ledger.get_contact_history(question).await;
        if answer.is_ok_and(|a| a.into_inner().entries.first().is_some_and(|e| e.seq >= seq)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Commits `changes` of a new business that nobody wakes the relay for: what another replica left behind.
async fn pile_up(house: &House, changes: usize) -> BusinessId {
    let business = BusinessId::generate();
    let now = house.clock.now();
    let contacts = (0..).map(|_| ContactId::generate());
    let mut events = contacts
        .flat_map(|contact| (1..=OF_A_CONTACT).map(move |seq| event(business, contact, seq, now)))
        .take(changes);
    loop {
        let some: Vec<_> = events.by_ref().take(BATCH).collect();
        if some.is_empty() {
            return business;
        }
        let put = house.databases[1].write(scope(business), move |mut tx| async move {
            enqueue(&mut tx, &some).await?;
            tx.done::<_, DbError>(())
        });
        put.await.expect("it waits");
    }
}

fn event(business: BusinessId, contact: ContactId, seq: i64, now: Timestamp) -> Event {
    let state = |seq: i64| if seq % 2 == 0 { ConsentState::Granted } else { ConsentState::Denied };
    let channel = |channel: Channel| man::ChannelChange {
        channel: channel.into(),
        from_state: if seq == 1 { 0 } else { state(seq - 1).into() },
        to_state: state(seq).into(),
        expire_time: None,
    };
    let channels =
        if seq == 1 { vec![Channel::Phone, Channel::Email] } else { vec![Channel::Phone] };
    let change = man::ConsentChange {
        contact: CONTACTS.format(business, contact),
        seq,
        record_time: Some(prost_types::Timestamp {
            seconds: now.as_second(),
            nanos: now.subsec_nanosecond() / 1_000 * 1_000,
        }),
        cause: if seq == 1 { ChangeCause::Created } else { ChangeCause::Set }.into(),
        surface: Surface::Api.into(),
        actor: "services/mailer".to_owned(),
        channels: channels.into_iter().map(channel).collect(),
        ..Default::default()
    };
    Event {
        stream: contact.uuid(),
        seq,
        payload: Bytes::from(change.encode_to_vec()),
        created_at: now,
        trace_parent: None,
    }
}

/// Whether nothing waits in these businesses. Those in which nothing does are not asked again.
async fn is_empty(house: &House, left: &mut Vec<BusinessId>) -> bool {
    while let Some(business) = left.last() {
        let mut tx = house.databases[1].read(scope(*business)).await.expect("a database");
        let one = tx.scoped("SELECT seq FROM outbox WHERE business_id = $1 LIMIT 1");
        if one.scalar_optional::<i64>().await.expect("a number").is_some() {
            return false;
        }
        left.pop();
    }
    true
}

#[expect(clippy::disallowed_methods, reason = "the measurement is the caller")]
fn scope(business: BusinessId) -> Scope {
    Scope::assume(business)
}

/// A percentile, in milliseconds.
fn at(durations: &mut [Duration], percent: usize) -> f64 {
    durations.sort_unstable();
    let place = (durations.len() * percent / 100).min(durations.len() - 1);
    durations[place].as_secs_f64() * 1_000.0
}
