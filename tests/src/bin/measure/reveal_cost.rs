//! What does it cost to record who sees by privilege?
//!
//! `GetContact` of a contact that allowed everything, by a user, by the users of many businesses in turn (a connection
//! to PostgreSQL then has to be told each time for whom it works) and by the owner, and of one that refused, by the
//! owner, which is recorded before it is answered: in turns, so that whatever else the machine does meets all of them.
//! First one call after the other, then many at once, who share commits.
//!
//! `make reveal-cost ROUNDS=20`; PostgreSQL as for the tests.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use yinyom_proto::directory::v1::{GetContactRequest, VisibilityReason};
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{Database, House, Person, TestBusiness};

/// Calls of a kind in a round.
const CALLS: usize = 100;
/// Callers at once.
const CALLERS: usize = 32;
/// Businesses, where there are many.
const BUSINESSES: usize = 32;

pub async fn run(rounds: usize) {
    println!("GetContact: {rounds} rounds of {CALLS} calls of each kind");
    println!(
        "database   who, what                  alone p50 µs   {CALLERS} at once, calls/s   masked"
    );
    for database in [Database::Sqlite, Database::Postgres] {
        measure(database, rounds).await;
    }
}

struct Kind {
    /// Who asks, and for which contact.
    asks: Vec<(Person, String)>,
    name: &'static str,
    alone: Vec<Duration>,
    together: Vec<f64>,
    masked: usize,
}

async fn measure(database: Database, rounds: usize) {
    let house = House::start(database).await;
    let business = house.found().await;
    let granted = contact(&business, ConsentState::Granted).await;
    let denied = contact(&business, ConsentState::Denied).await;
    let mut many = Vec::with_capacity(BUSINESSES);
    for _ in 0..BUSINESSES {
        let business = house.found().await;
        many.push((business.user.clone(), contact(&business, ConsentState::Granted).await));
    }
    let kind = |asks: Vec<(Person, String)>, name| Kind {
        asks,
        name,
        alone: Vec::new(),
        together: Vec::new(),
        masked: 0,
    };
    let mut kinds = [
        kind(vec![(business.user.clone(), granted.clone())], "user, granted"),
        kind(many, "users in turn, granted"),
        kind(vec![(business.owner.clone(), granted)], "owner, granted"),
        kind(vec![(business.owner.clone(), denied)], "owner, denied: recorded"),
    ];
    for _ in 0..rounds {
        for kind in &mut kinds {
            kind.round().await;
        }
    }
    for kind in &mut kinds {
        kind.alone.sort_unstable();
        kind.together.sort_unstable_by(f64::total_cmp);
        println!(
            "{:<10} {:<26} {:>12.0} {:>26.0} {:>8}",
            format!("{database:?}"),
            kind.name,
            kind.alone[kind.alone.len() / 2].as_secs_f64() * 1_000_000.0,
            kind.together[kind.together.len() / 2],
            kind.masked,
        );
    }
    house.close().await;
}

impl Kind {
    async fn round(&mut self) {
        for (who, contact) in self.asks.iter().cycle().take(CALLS) {
            let asked = Instant::now();
            let masked = get(who.clone(), contact.clone()).await;
            self.alone.push(asked.elapsed());
            self.masked += masked;
        }
        let (began, mut callers) = (Instant::now(), JoinSet::new());
        for caller in 0..CALLERS {
            let asks = self.asks.clone();
            callers.spawn(async move {
                let mut masked = 0;
                for (who, contact) in asks.iter().cycle().skip(caller).take(CALLS / 4) {
                    masked += get(who.clone(), contact.clone()).await;
                }
                masked
            });
        }
        self.masked += callers.join_all().await.into_iter().sum::<usize>();
        let calls = u32::try_from(CALLERS * (CALLS / 4)).expect("few");
        self.together.push(f64::from(calls) / began.elapsed().as_secs_f64());
    }
}

async fn contact(business: &TestBusiness, state: ConsentState) -> String {
    let name = business.contact(&["+66812345678"], &["somying@example.co.th"]).await.name;
    for channel in [Channel::Phone, Channel::Email] {
        business.say(&name, channel, state).await;
    }
    name
}

/// 1 if it could not be recorded.
async fn get(who: Person, contact: String) -> usize {
    let mut contacts = who.contacts;
    let answer = contacts.get_contact(GetContactRequest { name: contact }).await;
    let contact = answer.expect("an answer").into_inner().contact.expect("a contact");
    usize::from(contact.phones[0].reason() == VisibilityReason::RevealNotRecorded)
}
