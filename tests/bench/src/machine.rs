//! The machine: what it is, and how much of it somebody else used meanwhile.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use yinyom_tests::cores::{can_pin, cores};

/// Whoever uses more than this share of the machine spoils a sample.
const QUIET: f64 = 0.05;

/// How this was compiled.
pub const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// What was measured on.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub postgres: String,
    pub profile: &'static str,
    pub pinned: bool,
}

impl Machine {
    /// This one.
    pub fn here(postgres: String) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let line = |text: &str, begins: &str| {
            let found = text.lines().find(|line| line.starts_with(begins));
            found.and_then(|line| line.split(':').nth(1)).unwrap_or("?").trim().to_owned()
        };
        let memory = line(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = memory.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default();
        Self {
            processor: line(&read("/proc/cpuinfo"), "model name"),
            cores: cores(),
            memory_mib: kib / 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            postgres,
            profile: PROFILE,
            pinned: can_pin(),
        }
    }
}

/// Looks at all processes, and knows which are ours.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Their descendants are ours, too.
    roots: Vec<u32>,
}

/// What had been used when it was looked at, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// All that there was to be had.
    total: u64,
    by_anybody: u64,
    by_us: u64,
}

impl Watch {
    /// Counts this process, the database server and all that they start as ours.
    pub fn new(database_server: Option<u32>) -> Self {
        Self { roots: std::iter::once(std::process::id()).chain(database_server).collect() }
    }

    /// What was used until now.
    pub fn look(&self) -> Used {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
        let at = |i: usize| ticks.get(i).copied().unwrap_or_default();
        // Interrupts are nobody's. What a neighbour on the host takes is somebody else's, like any other's.
        let by_anybody = at(0) + at(1) + at(2) + at(7);
        Used { total: ticks.iter().take(8).sum(), by_anybody, by_us: self.by_us() }
    }

    fn by_us(&self) -> u64 {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut ticks: HashMap<u32, u64> = HashMap::new();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        for id in ids {
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
            // The name is in parentheses, and may have any in it.
            let Some((_, rest)) = stat.rsplit_once(')') else { continue };
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let number =
                |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or_default();
            children.entry(number(1) as u32).or_default().push(id);
            // Its own, and those of its children that have ended.
            ticks.insert(id, (11..15).map(number).sum());
        }
        let (mut ours, mut left) = (HashSet::new(), self.roots.clone());
        while let Some(id) = left.pop() {
            if ours.insert(id) {
                left.extend(children.remove(&id).unwrap_or_default());
            }
        }
        ours.iter().filter_map(|id| ticks.get(id)).sum()
    }
}

impl Used {
    /// The share of the machine that others used since then.
    pub fn by_others_until(self, later: Self) -> f64 {
        let total = later.total.saturating_sub(self.total).max(1) as f64;
        let anybody = later.by_anybody.saturating_sub(self.by_anybody) as f64;
        let us = later.by_us.saturating_sub(self.by_us) as f64;
        ((anybody - us) / total).max(0.0)
    }
}

/// Whether a sample during which others used this share is one.
pub fn is_quiet(by_others: f64) -> bool {
    by_others <= QUIET
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(total: u64, by_anybody: u64, by_us: u64) -> Used {
        Used { total, by_anybody, by_us }
    }

    #[test]
    fn what_we_use_ourselves_spoils_nothing() {
        let share = used(1_000, 500, 100).by_others_until(used(1_200, 700, 300));
        assert!(is_quiet(share), "{share}");
    }

    #[test]
    fn what_others_use_does() {
        let share = used(1_000, 500, 100).by_others_until(used(1_200, 700, 280));
        assert!((share - 0.1).abs() < 1e-9 && !is_quiet(share), "{share}");
    }

    #[test]
    fn this_process_is_ours() {
        let watch = Watch::new(None);
        let before = watch.look();
        let mut number = 1_u64;
        while watch.look().by_us < before.by_us + 5 {
            for _ in 0..100_000 {
                number = std::hint::black_box(number.wrapping_mul(31));
            }
        }
    }
}
