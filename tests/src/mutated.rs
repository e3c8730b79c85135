//! Requests that are wrong below what a client library lets through: bytes turned over, cut off and spliced, frames and
//! headers that lie. By everybody there is and by nobody, over several connections with many calls under way.
//!
//! Whatever comes, the servers must refuse it as the caller's fault: no panic, no `INTERNAL`, no `UNKNOWN`, and no word
//! of what was stored or sent in an error or in a log.

#![allow(clippy::large_futures, reason = "a house is founded now and then")]

mod bytes;
mod call;
mod logs;
mod sent;
mod town;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use crate::ask::methods;
use crate::{House, Plan};
use call::{Heard, Line};
pub use logs::Logs;
use sent::{Sender, Sent};
use town::Town;

/// Stand in every text that is sent and stored; neither errors nor logs may hold them.
pub const CANARIES: [&str; 5] = ["817776661", "kanari", "คานารี่", "818887771", "zubrov"];
/// Of these, what is stored where only those who see everything see it.
/// Far from the others: a few flipped bits make none of them into another.
const HIDDEN: [&str; 2] = ["818887771", "zubrov"];

/// Calls under way at a time.
const UNDER_WAY: u64 = 48;
const CONNECTIONS: usize = 4;
/// Requests to one town: owners leave and contacts are deleted on the way.
const OF_A_TOWN: u64 = 8_000;

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// By method and by code; a code below zero is an HTTP status.
    pub by_method: BTreeMap<String, BTreeMap<i32, u64>>,
    /// Calls that were given up, or that ended with their connection.
    pub unanswered: BTreeMap<String, u64>,
    /// What must not be, with the request.
    pub wrong: Vec<String>,
}

impl Report {
    fn add(&mut self, other: Self) {
        for (method, codes) in other.by_method {
            let of = self.by_method.entry(method).or_default();
            for (code, times) in codes {
                *of.entry(code).or_default() += times;
            }
        }
        for (why, times) in other.unanswered {
            *self.unanswered.entry(why).or_default() += times;
        }
        self.wrong.extend(other.wrong);
    }

    fn hear(&mut self, sent: &Sent, heard: Heard) {
        let code = match heard {
            Heard::Broken(why) => {
                *self.unanswered.entry(why).or_default() += 1;
                return;
            }
            Heard::Http(status) => {
                if status >= 500 {
                    self.wrong.push(format!("HTTP {status}: {sent:?}"));
                }
                -i32::from(status)
            }
            Heard::Answer { code, told } => {
                let forbidden: &[&str] = if code != 0 {
                    &CANARIES
                } else if sent.sees_everything {
                    &[]
                } else {
                    &HIDDEN
                };
                if let Some(found) = forbidden.iter().find(|word| told.contains(**word)) {
                    self.wrong.push(format!("{found} in {code} {told:?}: {sent:?}"));
                }
                if matches!(code, 2 | 13 | 15) || !(0..=16).contains(&code) {
                    self.wrong.push(format!("code {code} {told:?}: {sent:?}"));
                }
                code
            }
        };
        *self.by_method.entry(sent.method.clone()).or_default().entry(code).or_default() += 1;
    }

    /// Requests that were answered.
    pub fn answered(&self) -> u64 {
        self.by_method.values().flat_map(BTreeMap::values).sum()
    }

    /// By method and code, for who reads it.
    pub fn table(&self) -> String {
        let mut lines = Vec::new();
        let mut all: BTreeMap<i32, u64> = BTreeMap::new();
        for (method, codes) in &self.by_method {
            for (code, times) in codes {
                *all.entry(*code).or_default() += times;
            }
            lines.push(format!("  {method}: {}", counts(codes)));
        }
        lines.insert(0, format!("{} answers: {}", self.answered(), counts(&all)));
        lines.push(format!("unanswered: {:?}", self.unanswered));
        lines.join("\n")
    }
}

fn counts(codes: &BTreeMap<i32, u64>) -> String {
    let name = |code: i32| {
        if code < 0 { format!("HTTP {}", -code) } else { format!("{:?}", tonic::Code::from(code)) }
    };
    let each: Vec<_> =
        codes.iter().map(|(code, times)| format!("{} {times}", name(*code))).collect();
    each.join(", ")
}

/// Sends so many to the servers of a house of their own.
pub async fn run(plan: Plan, requests: u64, seed: u64) -> Report {
    let house = House::build(plan).await;
    let lines: Vec<Arc<Line>> = (0..CONNECTIONS).map(|_| Arc::new(Line::to(&house))).collect();
    let methods = Arc::new(methods());
    let (mut report, mut town) = (Report::default(), Arc::new(Town::found(&house).await));
    let left = Arc::new(AtomicU64::new(requests));
    let mut round = 0;
    while left.load(Ordering::Relaxed) > 0 {
        let of_this = Arc::new(AtomicU64::new(OF_A_TOWN.min(left.load(Ordering::Relaxed))));
        let mut tasks = JoinSet::new();
        for task in 0..UNDER_WAY {
            let line = Arc::clone(&lines[usize::try_from(task).unwrap() % lines.len()]);
            let dice = StdRng::seed_from_u64(seed ^ (round * UNDER_WAY + task).rotate_left(32));
            let sender = Sender::new(dice, Arc::clone(&methods), Arc::clone(&town));
            tasks.spawn(send(sender, line, Arc::clone(&of_this), Arc::clone(&left)));
        }
        let ended = async {
            let mut report = Report::default();
            while let Some(of_task) = tasks.join_next().await {
                report.add(of_task.expect("a task"));
            }
            report
        };
        // The next one is founded meanwhile, by people whose requests are good: they are served.
        let another = left.load(Ordering::Relaxed) > OF_A_TOWN;
        let next = async { if another { Some(Arc::new(Town::found(&house).await)) } else { None } };
        let (of_round, next) = tokio::join!(ended, next);
        report.add(of_round);
        town = next.unwrap_or(town);
        round += 1;
        if round.is_multiple_of(10) {
            println!("{} to go, {} wrong", left.load(Ordering::Relaxed), report.wrong.len());
        }
        if report.wrong.len() > 50 {
            break;
        }
    }
    // After all that it serves.
    drop(Town::found(&house).await);
    house.close().await;
    report
}

async fn send(
    mut sender: Sender,
    line: Arc<Line>,
    of_this: Arc<AtomicU64>,
    left: Arc<AtomicU64>,
) -> Report {
    let mut report = Report::default();
    let take = |from: &AtomicU64| {
        from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    };
    while take(&of_this) && take(&left) {
        let sent = sender.next();
        let answer = tokio::time::timeout(Duration::from_mins(1), line.call(&sent)).await;
        match answer {
            Ok(heard) => report.hear(&sent, heard),
            Err(_) => report.wrong.push(format!("no answer in a minute: {sent:?}")),
        }
    }
    report
}
