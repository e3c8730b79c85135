//! The short form of `make mutate`.

#![allow(clippy::large_futures)]

use yinyom_tests::mutated::{self, Logs};
use yinyom_tests::{Database, Plan};

const REQUESTS: u64 = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_is_refused_as_the_callers_fault_and_says_nothing_of_anybody() {
    let seed = rand::random();
    println!("SEED={seed}");
    let logs = Logs::listen("debug");
    let report = mutated::run(Plan::on(Database::Sqlite), REQUESTS, seed).await;
    println!("{}", report.table());
    assert_eq!(report.wrong, Vec::<String>::new());
    let (lines, wrong) = logs.heard();
    assert!(lines > 0, "nothing was logged");
    assert_eq!(wrong, Vec::<String>::new());
    let methods = yinyom_tests::ask::methods();
    let never = methods.iter().filter(|method| !report.by_method.contains_key(method.name()));
    assert_eq!(
        never.map(prost_reflect::MethodDescriptor::name).collect::<Vec<_>>(),
        Vec::<&str>::new()
    );
}
