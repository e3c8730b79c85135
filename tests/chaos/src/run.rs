//! A run from the first process to the verdict.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clients::Clients;
use crate::house::{House, Plot};
use crate::journal::{self, Journal};
use crate::plan::{Service, plan};
use crate::recount::recount;
use crate::report::Report;
use crate::tables::{Tables, undelivered};
use crate::town::Town;
use crate::verdict::compare;
use crate::{Args, Failure, faults};

/// How long it may take until every change has been delivered, once all is well.
const REST: Duration = Duration::from_secs(90);

/// Runs; whether all is as it was promised.
pub async fn run(args: Args) -> Result<bool, Failure> {
    let begun = Instant::now();
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::rng().random::<u32>()));
    println!("chaos: seed {seed}, {} faults, {} changes", args.faults, args.changes);
    let program = std::fs::canonicalize(&args.program)?;
    let directory = args.directory.clone();
    let failpoints = args.failpoints.clone();
    let failpoints = move |service| failpoints.clone().unwrap_or_else(|| usual(service));
    let plot = Plot { program, directory, failpoints: Box::new(failpoints) };
    let house = Arc::new(House::build(plot).await?);
    let ran = tokio::select! {
        ran = under_faults(&args, seed, &house, begun) => ran,
        () = told_to_stop() => Err(Failure::Setup("told to stop".to_owned())),
    };
    house.close().await;
    if !matches!(ran, Ok(true)) {
        let _ = std::fs::copy(house.database.log(), house.directory.join("postgresql.log"));
        eprintln!("chaos: everything is kept in {}", house.directory.display());
    }
    ran
}

/// Faults from within, for a program that has failpoints. Seldom: the rest must have its turn, too.
fn usual(service: Service) -> String {
    let points = match service {
        Service::Settings => "db::after_commit=0.1%return(abort)->0.2%return",
        Service::Directory => {
            "db::before_commit=0.05%return(abort)->0.3%return;\
             db::after_commit=0.05%return(abort)->0.3%return;\
             outbox::after_send=0.2%return(abort)->1%return"
        }
        Service::Manager => {
            "db::before_commit=0.05%return(abort)->0.3%return;\
             db::after_commit=0.1%return(abort)->0.5%return;\
             manager::after_ingest=0.2%return(abort)->1%return"
        }
    };
    points.to_owned()
}

async fn under_faults(
    args: &Args,
    seed: u64,
    house: &Arc<House>,
    begun: Instant,
) -> Result<bool, Failure> {
    let file = house.directory.join("journal.jsonl");
    let town = Town::found(house).await?;
    let mut clients = Clients::new(town, Journal::create(file.clone())?);
    let mut rng = StdRng::seed_from_u64(seed);
    clients.staff(&mut rng).await?;
    clients.populate(&mut rng).await?;
    let clients = Arc::new(clients);
    println!("chaos: up after {:.1} s", begun.elapsed().as_secs_f64());

    let broken = Instant::now();
    let at_work = set_to_work(&clients, seed, args.writers);
    let plan = plan(seed, args.faults);
    let faults = faults::carry_out(house, &clients, &plan, args.changes).await;
    house.heal().await;
    while clients.acknowledged.load(Ordering::Relaxed) < args.changes && clients.going() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    clients.enough.store(true, Ordering::Relaxed);
    let worked = all_done(at_work).await;
    let broken_for = broken.elapsed();
    let healed = Instant::now();
    let rested = come_to_rest(house).await;
    let came_to_rest = healed.elapsed();

    let mut tables = Tables::read(&house.database).await?;
    tables.miscounted = recount(&args.program, &house.database).await?;
    tables.keep(&house.directory)?;
    let findings = compare(&journal::read(&file)?, &tables);
    let report = Report {
        seed,
        faults: faults?,
        deaths: house.processes().map(|process| process.deaths()).sum(),
        refusals: house.processes().map(|process| process.refusals()).sum(),
        ledger: tables.ledger.len(),
        audit: tables.audit.iter().map(|row| row.kept).sum(),
        clients: &clients,
        broken_for,
        came_to_rest,
        lasted: begun.elapsed(),
        findings: &findings,
    };
    report.print();
    keep_findings(&house.directory, &findings)?;
    worked?;
    rested?;
    proves_something(&clients)?;
    Ok(findings.none())
}

fn set_to_work(clients: &Arc<Clients>, seed: u64, writers: u64) -> JoinSet<Result<(), Failure>> {
    let mut at_work = JoinSet::new();
    let mut number = 0;
    let mut rng = || {
        number += 1;
        StdRng::seed_from_u64(seed.wrapping_add(number))
    };
    for _ in 0..writers {
        let (clients, rng) = (Arc::clone(clients), rng());
        at_work.spawn(async move { clients.keep_changing(rng).await });
    }
    for replica in 0..Service::Directory.replicas() {
        let (clients, rng) = (Arc::clone(clients), rng());
        at_work.spawn(async move { clients.keep_reading(rng, replica).await });
    }
    for firm in 0..clients.town.firms.len() {
        let (clients, rng) = (Arc::clone(clients), rng());
        at_work.spawn(async move { clients.keep_ruling(rng, &clients.town.firms[firm]).await });
    }
    at_work
}

async fn all_done(mut at_work: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    let mut failure = None;
    while let Some(joined) = at_work.join_next().await {
        let ended = joined.unwrap_or_else(|_| Err(Failure::Setup("a client panicked".into())));
        // Who only gave up because of another's failure is not the one to report.
        match ended {
            Err(Failure::GivenUp) if failure.is_some() => {}
            Err(error) => failure = Some(error),
            Ok(()) => {}
        }
    }
    failure.map_or(Ok(()), Err)
}

/// Waits until every change has been delivered.
async fn come_to_rest(house: &House) -> Result<(), Failure> {
    let until = Instant::now() + REST;
    let mut directory = house.database.open(Service::Directory).await?;
    let mut settings = house.database.open(Service::Settings).await?;
    while Instant::now() < until {
        if undelivered(&mut directory, &mut settings).await? == (0, 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The verdict counts what waits.
    Ok(())
}

/// A run in which nobody looked proves nothing.
fn proves_something(clients: &Clients) -> Result<(), Failure> {
    let reads = &clients.reads;
    for (count, what) in [
        (&clients.acknowledged, "no change was acknowledged"),
        (&reads.hidden, "no address had to be hidden"),
        (&reads.shown, "no address was ever shown"),
        (&reads.settled, "no state was certain"),
    ] {
        if count.load(Ordering::Relaxed) == 0 {
            return Err(Failure::Setup(what.to_owned()));
        }
    }
    Ok(())
}

fn keep_findings(directory: &Path, findings: &crate::verdict::Findings) -> Result<(), Failure> {
    let kinds = findings.kinds();
    let lines =
        kinds.iter().flat_map(|(kind, all)| all.iter().map(move |f| format!("{kind}: {f}")));
    let lines: Vec<_> = lines.collect();
    Ok(std::fs::write(directory.join("findings.txt"), lines.join("\n"))?)
}

async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
