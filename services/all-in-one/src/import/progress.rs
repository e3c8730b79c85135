//! How far an import is: a bar on a terminal, else a line every few seconds. On standard error, so
//! that standard output holds the result alone.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::time::Instant;

use super::source::Place;
use super::tally::{Tally, grouped};

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Shows the progress of one import.
pub struct Progress {
    bar: Option<ProgressBar>,
    start: Instant,
    last_line: Instant,
}

impl Progress {
    /// From now on.
    pub fn start() -> Self {
        let start = Instant::now();
        let bar = std::io::stderr().is_terminal().then(bar);
        Self { bar, start, last_line: start }
    }

    /// After each batch.
    pub fn update(&mut self, place: Place, tally: &Tally) {
        let rate = rate(tally.answered(), self.start.elapsed());
        if let Some(bar) = &self.bar {
            bar.set_length(place.total.max(place.done));
            bar.set_position(place.done);
            bar.set_message(format!(
                "{} rows, {} rows/s, {} rejected",
                grouped(tally.answered()),
                grouped(rate),
                grouped(tally.rejected)
            ));
        } else if self.last_line.elapsed() >= EVERY {
            self.last_line = Instant::now();
            eprintln!("{}", line(place, tally, self.start.elapsed()));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// How long it has taken.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

fn bar() -> ProgressBar {
    // The length comes with the first batch.
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    let template = "{bar:30} {percent:>3} %  {msg}  {left}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.with_key(
        "left",
        |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // Nobody can do anything about a line that cannot be drawn.
            let _ = write!(out, "{} left", spoken(state.eta()));
        },
    ));
    bar
}

fn line(place: Place, tally: &Tally, elapsed: Duration) -> String {
    let mut line = format!("import: {} rows", grouped(tally.answered()));
    if let Some(percent) = (place.done * 100).checked_div(place.total) {
        line = format!("{line}, {percent} %");
    }
    line = format!("{line}, {} rows/s", grouped(rate(tally.answered(), elapsed)));
    if let Some(left) = left(place, elapsed) {
        line = format!("{line}, {} left", spoken(left));
    }
    line
}

/// The time that the rest takes at the pace so far.
fn left(place: Place, elapsed: Duration) -> Option<Duration> {
    if place.done == 0 || place.total < place.done {
        return None;
    }
    let millis =
        elapsed.as_millis() * u128::from(place.total - place.done) / u128::from(place.done);
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// Rows a second.
pub fn rate(rows: u64, elapsed: Duration) -> u64 {
    let per_second = u128::from(rows) * 1000 / elapsed.as_millis().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(done: u64, total: u64, rows: u64) -> String {
        let tally = Tally { created: rows, ..Tally::default() };
        line(Place { done, total }, &tally, Duration::from_secs(10))
    }

    #[test]
    fn a_line_tells_rate_and_time_left() {
        assert_eq!(after(25, 100, 1_250), "import: 1,250 rows, 25 %, 125 rows/s, 30 s left");
        assert_eq!(after(1, 400, 50), "import: 50 rows, 0 %, 5 rows/s, 1 h 6 min left");
    }

    #[test]
    fn a_file_of_unknown_length_has_no_share() {
        assert_eq!(after(25, 0, 50), "import: 50 rows, 5 rows/s");
        assert_eq!(rate(5, Duration::ZERO), 5_000);
    }
}
