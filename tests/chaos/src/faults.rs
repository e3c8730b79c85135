//! Carries out the plan: what a fault does, and how it is undone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::Failure;
use crate::clients::Clients;
use crate::house::House;
use crate::journal::Entry;
use crate::plan::{Fault, Path, Planned, Replica, Service};

/// How many faults are at work at the same time, at most.
const AT_ONCE: usize = 3;
/// A fault waits for the clients to have made their share of the changes, but not for longer than this: with much
/// broken there may be none.
const SHARE_WAIT: Duration = Duration::from_millis(1_500);

/// Carries out the plan while the clients make `changes`; how many faults of each kind there were.
pub async fn carry_out(
    house: &Arc<House>,
    clients: &Clients,
    plan: &[Planned],
    changes: u64,
) -> Result<BTreeMap<&'static str, usize>, Failure> {
    let mut done = BTreeMap::new();
    let mut at_work: JoinSet<Result<(), Failure>> = JoinSet::new();
    let begun = clients.acknowledged.load(Ordering::Relaxed);
    for (i, planned) in plan.iter().enumerate() {
        sleep(planned.after).await;
        while at_work.len() >= AT_ONCE {
            ended(at_work.join_next().await)?;
        }
        let share = begun + changes * i as u64 / plan.len().max(1) as u64;
        let until = Instant::now() + SHARE_WAIT;
        while clients.acknowledged.load(Ordering::Relaxed) < share && Instant::now() < until {
            sleep(Duration::from_millis(10)).await;
        }
        if !clients.going() {
            break;
        }
        *done.entry(planned.fault.kind()).or_insert(0) += 1;
        let (house, journal, planned) = (Arc::clone(house), clients.journal.clone(), *planned);
        at_work.spawn(async move {
            let what = format!("{:?} for {} ms", planned.fault, planned.lasts.as_millis());
            journal.write(Entry::Fault { what: what.clone(), over: false }).await?;
            carry(&house, planned).await?;
            journal.write(Entry::Fault { what, over: true }).await
        });
    }
    while let Some(joined) = at_work.join_next().await {
        ended(Some(joined))?;
    }
    Ok(done)
}

fn ended(
    joined: Option<Result<Result<(), Failure>, tokio::task::JoinError>>,
) -> Result<(), Failure> {
    match joined {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(failure))) => Err(failure),
        Some(Err(_)) => Err(Failure::Setup("a fault could not be carried out".into())),
    }
}

/// One fault, from its beginning until it is undone. What it is done to has one fault at a time.
async fn carry(house: &House, planned: Planned) -> Result<(), Failure> {
    let lasts = planned.lasts;
    match planned.fault {
        Fault::Kill(replica) => kill(house, &[replica], lasts).await,
        Fault::Dead(service) => {
            let all = (0..service.replicas()).map(|number| Replica { service, number });
            kill(house, &all.collect::<Vec<_>>(), lasts).await
        }
        Fault::Freeze(replica) => {
            let process = house.process(replica);
            let _one = process.fault.lock().await;
            process.signal(Signal::STOP).await;
            sleep(lasts).await;
            process.signal(Signal::CONT).await;
            Ok(())
        }
        Fault::Harm(path, harm) => {
            let link = house.link(path);
            link.harm(harm);
            sleep(lasts).await;
            link.heal();
            Ok(())
        }
        Fault::Estrange(number, harm) => {
            let link = house.link(Path::Settings(Replica { service: Service::Directory, number }));
            link.harm(harm);
            sleep(lasts).await;
            link.heal();
            Ok(())
        }
        Fault::RestartDatabase(how) => {
            let _one = house.database.fault.lock().await;
            house.database.restart(how).await
        }
        Fault::FreezeDatabase => {
            let _one = house.database.fault.lock().await;
            house.database.signal(Signal::STOP);
            sleep(lasts).await;
            house.database.signal(Signal::CONT);
            Ok(())
        }
    }
}

async fn kill(house: &House, replicas: &[Replica], dead_for: Duration) -> Result<(), Failure> {
    let mut faults = Vec::new();
    // In one order everywhere, so that two faults never wait for each other.
    for replica in replicas {
        faults.push(house.process(*replica).fault.lock().await);
    }
    for replica in replicas {
        house.process(*replica).kill().await;
    }
    sleep(dead_for).await;
    for replica in replicas {
        house.process(*replica).start().await?;
    }
    Ok(())
}
