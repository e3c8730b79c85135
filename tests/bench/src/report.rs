//! One table for people, one file for programs.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::goal::Outcome;
use crate::machine::Machine;

/// What `target/bench/<time>.json` holds.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When it ended, UTC.
    pub time: String,
    pub machine: Machine,
    pub goals: Vec<Outcome>,
}

impl Report {
    /// Prints the table.
    pub fn print(&self) {
        let Machine { processor, cores, postgres, pinned, profile, .. } = &self.machine;
        let pinned = if *pinned {
            "servers of goal 2 on core 0, their callers on core 1"
        } else {
            "nothing pinned"
        };
        println!("\n{processor}, {cores} cores, {postgres}, {profile}, {pinned}");
        println!(
            "{:<10} {:>12} {:>12} {:<12} {:>7} {:>15} {:>8}     what ÷ against",
            "goal", "service", "limit", "unit", "ratio", "from – to", "bar"
        );
        for goal in &self.goals {
            println!("{}", row(goal));
        }
        if self.goals.iter().any(|goal| !goal.quiet) {
            println!(
                "~ somebody else used the machine during samples that count: not to be quoted"
            );
        }
    }

    /// Writes the file, named after the time.
    pub fn write(&self, directory: &Path) -> std::io::Result<PathBuf> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join(format!("{}.json", self.time.replace(':', "")));
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }
}

/// The line of a goal.
pub fn row(goal: &Outcome) -> String {
    let spread = format!("{} – {}", number(goal.ratio_from), number(goal.ratio_to));
    let mark = match (goal.met, goal.quiet) {
        (true, true) => "  ",
        (true, false) => "~ ",
        (false, true) => "✗ ",
        (false, false) => "✗~",
    };
    format!(
        "{:<10} {:>12} {:>12} {:<12} {:>7} {:>15} {:>8} {mark}  {} ÷ {}",
        goal.id,
        number(goal.value),
        number(goal.limit),
        goal.unit,
        number(goal.ratio),
        spread,
        goal.bar,
        goal.what,
        goal.against
    )
}

fn number(of: f64) -> String {
    match of.abs() {
        size if size >= 1_000.0 => format!("{of:.0}"),
        size if size >= 100.0 => format!("{of:.1}"),
        _ => format!("{of:.3}"),
    }
}
