//! `make tamper`: how many crimes at the ledger's table are found, of how many. A crime that is not ends it.

use yinyom_tests::tamper;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|n| n.parse::<u64>());
    let mut number = |default| arguments.next().and_then(Result::ok).unwrap_or(default);
    let (cases, seed) = (number(10_000), number(1));
    let db = yinyom_testkit::sqlite(&consent_manager::MIGRATIONS).await;
    let tally = tamper::commit(&db, cases, seed).await;
    println!(
        "seed {seed}; {} records, a checkpoint of {}; all found, each record named:",
        tamper::RECORDS,
        tamper::KEPT
    );
    for (crime, times) in &tally {
        println!("{times:>8}  {crime}");
    }
    println!("{:>8}  in all", tally.values().sum::<u64>());
}
