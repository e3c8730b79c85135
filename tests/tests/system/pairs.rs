//! Masks that cannot be reasoned around (TRAPS 8): pairs of businesses that differ only in what a viewer may not see,
//! and the same random requests to both. Everything that the viewer is told must be the same, byte for byte, but for
//! ids and the text of page tokens, which are compared by when they first came up and by length.
//!
//! `PAIRS` says how many, `SEED` which; `make pairs PAIRS=10000`. A pair that failed prints a number: `PAIRS=1 PAIR=…`
//! asks it again.

mod house;
mod pair;
mod pointed;
mod side;
mod story;

use std::collections::{BTreeMap, BTreeSet};

use contact_directory::MIGRATIONS;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use yinyom_db::{Db, DbConfig, Durability};
use yinyom_tests::ask::{methods, service};

use self::house::House;
use self::pair::{Came, Counts, Pair};
use self::story::Viewer;

/// As many as a debug build runs while nobody gets impatient.
const ON_SQLITE: u64 = 40;
const ON_POSTGRES: u64 = 10;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

/// Printed, so that a run can be made again.
fn seed() -> u64 {
    let seed = number("SEED").unwrap_or_else(rand::random);
    println!("SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_see_a_value_is_answered_as_if_it_were_another_on_sqlite() {
    let (pairs, seed) = (number("PAIRS").unwrap_or(ON_SQLITE), seed());
    // Two databases, for two cores.
    let halves = [(pairs / 2, seed), (pairs - pairs / 2, !seed)].map(|(half, seed)| async move {
        let db = yinyom_testkit::sqlite(&MIGRATIONS).await;
        all_alike(db.config().clone(), half, seed).await
    });
    let mut counts = Counts::default();
    for half in halves.map(tokio::spawn) {
        counts.add(half.await.unwrap());
    }
    report(pairs, &counts);
    if pairs >= ON_SQLITE {
        everything_was_asked(&counts);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_see_a_value_is_answered_as_if_it_were_another_on_postgres() {
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let pairs = number("PAIRS").map_or(ON_POSTGRES, |pairs| pairs.div_ceil(10));
    report(pairs, &all_alike(db.config().clone(), pairs, seed()).await);
}

/// The same pairs are told apart, method by method, by somebody who sees what differs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pairs_differ_for_who_may_see() {
    let db = yinyom_testkit::sqlite(&MIGRATIONS).await;
    let house = House::on(fast(db.config().clone()).await).await;
    let mut apart = BTreeSet::from([
        "BatchCheckConsent",
        "BatchGetContacts",
        "GetContact",
        "ImportContacts",
        "ListAccountContacts",
        "ListContacts",
        "ListLeadContacts",
        "SearchContacts",
        "UpdateContact",
    ]);
    for seed in 0..1_000 {
        let pair = Pair::new(&house, seed, Viewer::Listed).asking(|name| apart.contains(name));
        if let Came::Different(method, _) = pair.run(&mut Counts::default()).await {
            apart.remove(&method[..]);
        }
        if apart.is_empty() {
            return;
        }
    }
    panic!("not by {apart:?}");
}

async fn fast(config: DbConfig) -> Db {
    // What a power cut would undo is not what this is about.
    let config = DbConfig { durability: Durability::ProcessDeath, ..config };
    Db::connect(&config, &MIGRATIONS).await.unwrap()
}

async fn all_alike(config: DbConfig, pairs: u64, seed: u64) -> Counts {
    let house = House::on(fast(config).await).await;
    let mut seeds = StdRng::seed_from_u64(seed);
    let (mut counts, mut untold) = (Counts::default(), 0);
    for i in 0..pairs {
        // One that failed is run alone with the seed that it prints.
        let seed = number("PAIR").unwrap_or_else(|| seeds.random());
        let viewer = Viewer::MASKED[usize::try_from(seed % 4).unwrap()];
        match Pair::new(&house, seed, viewer).run(&mut counts).await {
            Came::Alike => {}
            Came::Untold => untold += 1,
            Came::Different(_, told) => panic!("pair {i}, PAIR={seed}\n{told}"),
        }
        if i % 500 == 499 {
            println!("{} of {pairs}", i + 1);
        }
    }
    assert!(untold * 20 <= pairs, "{untold} of {pairs} stories came to different states");
    counts
}

/// Every method was asked, and those that a masked viewer may call were carried out.
fn everything_was_asked(counts: &Counts) {
    // Whoever does not see addresses may not use what rests on them, and the outbox is for owner and admin.
    let refused = [
        "BatchCheckConsent",
        // Open to services.
        "EraseSubject",
        "GetOutboxStatus",
        "GetSharedAddressSummary",
        "ImportContacts",
        "ListSharedAddresses",
        "PreviewSharedAddressPolicy",
        "PreviewVisibility",
        "RetryQuarantinedStreams",
        "StreamReachable",
    ];
    for method in methods() {
        if service(method.parent_service().full_name()) != "directory" {
            continue;
        }
        let codes = counts.0.get(method.name()).cloned().unwrap_or_default();
        let asked: u64 = codes.values().sum();
        assert!(asked > 0, "{} was never asked", method.name());
        let done = codes.get(&0).copied().unwrap_or_default();
        let refused = refused.contains(&method.name());
        // The outbox is open to services.
        assert!(refused || asked < 40 || done > 0, "{} was never carried out", method.name());
    }
}

fn report(pairs: u64, counts: &Counts) {
    let all = counts.0.values().flat_map(BTreeMap::values).sum::<u64>();
    let done = counts.0.values().filter_map(|codes| codes.get(&0)).sum::<u64>();
    println!("{pairs} pairs, {all} requests to both, {done} carried out; by method and code:");
    for (method, codes) in &counts.0 {
        let each: Vec<_> = codes
            .iter()
            .map(|(code, times)| format!("{:?} {times}", tonic::Code::from_i32(*code)))
            .collect();
        println!("  {method}: {}", each.join(", "));
    }
}
