//! The directory against PRODUCT.md: random steps by random callers, through its gRPC server and its database, and
//! the same steps through a reference that is the rules written down once more ([`reference`]). Every answer
//! must be the same: outcome and reason, states, what is shown of each point and why, its value or the mask, revision
//! and number; and, at the end, everything that is on its way to the ledger.
//!
//! `PROPTEST_CASES` says how many cases (`PROPTEST_RNG_SEED`, which). For thousands, without nextest, which ends a
//! test after three minutes: `PROPTEST_CASES=3000 cargo test -p contact-directory --test directory the_product_says_on_sqlite`.

mod case;
pub mod house;
mod reference;
mod steps;
mod world;

use std::collections::BTreeSet;

use contact_directory::MIGRATIONS;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Handle;
use yinyom_db::{Db, DbConfig, Durability};
use yinyom_testkit::{TestDb, on_postgres, on_sqlite};

use case::Case;
use house::House;
use reference::World;
use steps::{Does, EVERYBODY, LEASE_SECONDS, Step, Who, steps};

/// As many as a debug build runs while nobody gets impatient.
const ON_SQLITE: u32 = 60;
const ON_POSTGRES: u32 = 15;
const MOST_STEPS: usize = 50;

#[test]
fn the_directory_does_what_the_product_says_on_sqlite() {
    on_sqlite(&MIGRATIONS, |db| agrees(db, ON_SQLITE));
}

#[test]
fn the_directory_does_what_the_product_says_on_postgres() {
    on_postgres(&MIGRATIONS, |db| agrees(db, ON_POSTGRES));
}

async fn agrees(db: TestDb, cases: u32) {
    // What a power cut would undo is not what this is about.
    let config = DbConfig { durability: Durability::ProcessDeath, ..db.config().clone() };
    let house = House::on(Db::connect(&config, &MIGRATIONS).await.unwrap(), LEASE_SECONDS).await;
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().unwrap());
    let failure_persistence = None;
    let config = Config { cases, failure_persistence, max_shrink_iters: 2_000, ..<_>::default() };
    let tried = tokio::task::block_in_place(|| {
        TestRunner::new(config)
            .run(&steps(MOST_STEPS), |steps| Handle::current().block_on(agree(&house, &steps)))
    });
    if let Err(failure) = tried {
        panic!("{failure}");
    }
}

/// Takes the steps, then enters each address anew, to see which are remembered, and has everybody look at all.
async fn agree(house: &House, steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut world, mut case) = (World::default(), Case::new(house).await);
    for step in steps.iter().cloned().chain(everything()) {
        let step = step.fit(world.contacts.len());
        let revision = step.does.contact().map_or(0, |contact| world.revision(contact));
        let expected = world.run(&step);
        let answered = case.run(&step, revision).await;
        if answered != expected {
            let told = format!("{step:?}\n  expected {expected:?}\n  answered {answered:?}");
            return Err(TestCaseError::fail(told));
        }
    }
    let (expected, sent) = (world.events(), case.events().await);
    if expected != sent {
        let told = format!("to the ledger\n  expected {expected:?}\n  sent     {sent:?}");
        return Err(TestCaseError::fail(told));
    }
    Ok(())
}

fn everything() -> impl Iterator<Item = Step> {
    let anew = [0, 1, 2].map(|address| Step {
        who: Who::Owner,
        business: 0,
        does: Does::Create { points: [0, 1].map(|_| BTreeSet::from([address])) },
    });
    let looks = [Does::List, Does::Check { channel: 0 }, Does::Check { channel: 1 }];
    let everybody = EVERYBODY.into_iter().flat_map(|who| [0, 1].map(|business| (who, business)));
    let looking = everybody
        .flat_map(move |(who, business)| looks.clone().map(|does| Step { who, business, does }));
    anew.into_iter().chain(looking)
}
