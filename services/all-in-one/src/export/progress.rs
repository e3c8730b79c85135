//! How far an export is: a bar on a terminal, else a line every few seconds. On standard error, so that standard output holds
//! the result alone.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;
use yinyom_proto::manager::v1::ExportProgress;

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Shows the progress of one export.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Progress {
    /// From now on.
    pub(super) fn start() -> Self {
        Self { bar: std::io::stderr().is_terminal().then(bar), last_line: Instant::now() }
    }

    /// After each message.
    pub(super) fn update(&mut self, progress: &ExportProgress) {
        let (read, total) = (number(progress.changes_read), number(progress.changes_total));
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(read);
            bar.set_message(said(progress));
        } else if self.last_line.elapsed() >= EVERY {
            self.last_line = Instant::now();
            eprintln!("export: {}", line(progress));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    let template = "{bar:30} {percent:>3} %  {msg}  {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar
}

fn said(progress: &ExportProgress) -> String {
    format!("{} rows, {}", HumanCount(number(progress.rows)), HumanBytes(number(progress.bytes)))
}

fn line(progress: &ExportProgress) -> String {
    let (read, total) = (number(progress.changes_read), number(progress.changes_total));
    match (read * 100).checked_div(total) {
        Some(percent) => format!("{percent} %, {}", said(progress)),
        None => said(progress),
    }
}

fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_much_of_the_ledger_was_read() {
        let progress = ExportProgress {
            bytes: 2048,
            rows: 1_500,
            changes_read: 1_000,
            changes_total: 4_000,
            ..ExportProgress::default()
        };
        assert_eq!(line(&progress), "25 %, 1,500 rows, 2.00 KiB");
        assert_eq!(line(&ExportProgress::default()), "0 rows, 0 B", "of an empty ledger");
    }
}
