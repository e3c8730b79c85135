//! What the servers log meanwhile.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use yinyom_telemetry::TelemetryConfig;

use super::CANARIES;

/// How a panic and an `INTERNAL` are logged. A store or rules that cannot be had in time are no fault of a request.
const OF_OURS: [&str; 2] = ["panic", "\"INTERNAL\""];

/// The log lines of this process, read and forgotten but for those that must not be.
#[derive(Debug, Clone, Default)]
pub struct Logs(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    lines: u64,
    wrong: Vec<String>,
}

impl Logs {
    /// Listens from now on, at the level that `filter` says.
    pub fn listen(filter: &str) -> Self {
        let logs = Self::default();
        let config =
            TelemetryConfig { filter: filter.to_owned(), ..TelemetryConfig::new("mutated") };
        let to = logs.clone();
        let guard = yinyom_telemetry::init_to(&config, move || Writer(to.clone()));
        std::mem::forget(guard.expect("nobody else listens"));
        logs
    }

    /// How many lines there were, and which hold a canary or tell of an error or a panic.
    pub fn heard(&self) -> (u64, Vec<String>) {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (heard.lines, heard.wrong.clone())
    }
}

struct Writer(Logs);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        let mut heard = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.lines += 1;
        let bad = CANARIES.iter().chain(&OF_OURS).any(|word| line.contains(word));
        if bad && heard.wrong.len() < 50 {
            heard.wrong.push(line.trim_end().to_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
