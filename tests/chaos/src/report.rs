//! What a run prints.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clients::Clients;
use crate::verdict::Findings;

/// How many findings of a kind are printed; all are in the file.
const MOST: usize = 10;

/// What happened.
pub struct Report<'a> {
    pub seed: u64,
    pub faults: BTreeMap<&'static str, usize>,
    /// Deaths at failpoints, which are no faults of the plan.
    pub deaths: usize,
    /// Starts that failed, for want of a database.
    pub refusals: usize,
    pub ledger: usize,
    /// Audit events that the manager has.
    pub audit: i64,
    pub clients: &'a Clients,
    pub broken_for: Duration,
    pub came_to_rest: Duration,
    pub lasted: Duration,
    pub findings: &'a Findings,
}

impl Report<'_> {
    /// Prints it as a table.
    pub fn print(&self) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed).to_string();
        let (clients, reads) = (self.clients, &self.clients.reads);
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let mut lines = vec![("seed", self.seed.to_string())];
        lines.push(("faults", self.faults.values().sum::<usize>().to_string()));
        let indented = |kind| format!("  {kind}");
        let kinds: Vec<_> = self.faults.iter().map(|(kind, n)| (indented(kind), n)).collect();
        lines.extend(kinds.iter().map(|(kind, count)| (kind.as_str(), count.to_string())));
        lines.push(("deaths at failpoints", self.deaths.to_string()));
        lines.push(("starts without a database", self.refusals.to_string()));
        lines.push(("changes of consent acknowledged", of(&clients.acknowledged)));
        lines.push(("changes of rules acknowledged", of(&clients.rules)));
        lines.push(("attempts", of(&clients.calls.attempts)));
        lines.push(("  of unknown outcome, repeated", of(&clients.calls.unknown)));
        lines.push(("rows in the ledger", self.ledger.to_string()));
        lines.push(("audit events", self.audit.to_string()));
        lines.push(("reads answered", of(&reads.answered)));
        lines.push(("  unanswered", of(&reads.unanswered)));
        lines.push(("  addresses that had to be hidden", of(&reads.hidden)));
        lines.push(("  addresses shown by right", of(&reads.shown)));
        lines.push(("  states that had to be the last", of(&reads.settled)));
        lines.push(("taking a right away, p50 p99 max", self.taking()));
        lines.push(("time under faults", seconds(self.broken_for)));
        lines.push(("time to come to rest", seconds(self.came_to_rest)));
        lines.push(("time in all", seconds(self.lasted)));
        for (kind, findings) in self.findings.kinds() {
            lines.push((kind, findings.len().to_string()));
        }
        for (name, value) in lines {
            println!("{name:<34} {value}");
        }
        for (kind, findings) in self.findings.kinds() {
            for finding in findings.iter().take(MOST) {
                println!("{kind}: {finding}");
            }
        }
    }

    /// Of calls whose first attempt was answered.
    fn taking(&self) -> String {
        let mut times = self.clients.taking.lock().unwrap_or_else(PoisonError::into_inner).clone();
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(place).copied().unwrap_or_default().as_millis()
        };
        format!("{} {} {} ms", at(50), at(99), at(100))
    }
}
