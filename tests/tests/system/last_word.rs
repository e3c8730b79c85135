//! The last word: whatever happens to contacts, in whatever order and by whomever, nobody who last said no is `GRANTED`
//! until somebody who may says that they said yes; and in the end the ledger and the directory agree.
//!
//! Random steps through the three services; some of them are operations that go on beside the steps that follow, or are
//! cancelled on their way. A witness listens to the answers alone: what was said of whom, and who came with
//! an address that was refused. `SEQUENCES` and `STEPS` say how many; `SEED`, which: `make last-word SEQUENCES=1000`.

mod bulk;
mod steps;
mod witness;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use yinyom_kernel::ManualClock;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_tests::{Database, House, Plan, TestBusiness, eventually};

use self::steps::Town;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_last_said_no_is_granted_on_sqlite() {
    whatever_happens(Database::Sqlite, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_last_said_no_is_granted_on_postgres() {
    whatever_happens(Database::Postgres, 2).await;
}

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).map_or(or, |text| text.parse().unwrap_or(or))
}

async fn whatever_happens(database: Database, sequences: u64) {
    let clock = Arc::new(ManualClock::at(jiff::Timestamp::constant(1_800_000_000, 0)));
    let house = House::build(Plan { clock: clock.clone(), ..Plan::on(database) }).await;
    let first = number("SEED", 1);
    let (mut done, mut refused, mut beside) = (0, 0, 0);
    for seed in first..first + number("SEQUENCES", sequences) {
        println!("SEED={seed}");
        let business = house.found().await;
        let mut town = Town::new(&house, &clock, &business, StdRng::seed_from_u64(seed)).await;
        for _ in 0..number("STEPS", 60) {
            town.step().await;
        }
        town.rest().await;
        agree(&business).await;
        (done, refused) = (done + town.done, refused + town.refused);
        beside += town.beside;
    }
    println!("{done} steps were taken and {refused} refused; {beside} times an operation went on");
    assert!(done > refused, "a witness of refusals alone has seen nothing");
    house.close().await;
}

/// What each channel of each contact is.
type States = BTreeMap<(String, Channel), ConsentState>;

async fn agree(business: &TestBusiness) {
    let asked = async || (told(business).await, are(business).await);
    let same = |(told, are): &(States, States)| told == are;
    let (told, _) = eventually(asked, same).await;
    assert!(!told.is_empty());
}

/// As the ledger tells it.
async fn told(business: &TestBusiness) -> States {
    let (mut told, mut page_token) = (States::new(), String::new());
    loop {
        let parent = business.name.clone();
        let request =
            man::ListConsentsRequest { parent, page_size: 1_000, page_token, ..Default::default() };
        let mut ledger = business.owner.ledger.clone();
        let page = ledger.list_consents(request).await.unwrap().into_inner();
        for of in page.consents {
            told.insert((of.contact.clone(), of.channel()), of.state());
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return told;
        }
    }
}

/// As the directory has it.
async fn are(business: &TestBusiness) -> States {
    let each = |contact: dir::Contact| {
        let name = contact.name;
        let of = contact.consents.into_iter();
        of.map(move |of| ((name.clone(), of.channel()), of.state())).collect::<Vec<_>>()
    };
    steps::all(business).await.into_iter().flat_map(each).collect()
}
