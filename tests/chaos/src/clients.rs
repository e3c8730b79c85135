//! What all clients share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::call::Calls;
use crate::journal::{Journal, Row, mark};
use crate::town::Town;

/// What all clients share.
pub struct Clients {
    pub town: Town,
    pub journal: Journal,
    pub calls: Calls,
    /// Acknowledged changes of consent.
    pub acknowledged: AtomicU64,
    /// Acknowledged changes of rules.
    pub rules: AtomicU64,
    /// Set when it is enough.
    pub enough: AtomicBool,
    pub reads: Reads,
    /// How long it took to take rights away, where the first attempt was answered.
    pub taking: Mutex<Vec<Duration>>,
    numbers: AtomicU64,
    marks: AtomicU64,
}

/// What readers did.
#[derive(Debug, Default)]
pub struct Reads {
    pub answered: AtomicU64,
    pub unanswered: AtomicU64,
    /// Addresses that had to be hidden, and looked for.
    pub hidden: AtomicU64,
    /// Addresses that were shown, rightly.
    pub shown: AtomicU64,
    /// States that had to be those of the last acknowledged change.
    pub settled: AtomicU64,
}

impl Clients {
    pub fn new(town: Town, journal: Journal) -> Self {
        Self {
            town,
            journal,
            calls: Calls::default(),
            acknowledged: AtomicU64::default(),
            rules: AtomicU64::default(),
            enough: AtomicBool::default(),
            reads: Reads::default(),
            taking: Mutex::default(),
            numbers: AtomicU64::default(),
            marks: AtomicU64::default(),
        }
    }

    /// The number of the next thing that is asked for.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A row that says nothing yet, with a mark of its own.
    pub fn row(&self, contact: Uuid) -> Row {
        let mark = mark(self.marks.fetch_add(1, Ordering::Relaxed));
        Row { contact, mark, phone: None, email: None }
    }

    /// Whether to go on.
    pub fn going(&self) -> bool {
        !self.enough.load(Ordering::Relaxed) && !self.calls.broken.load(Ordering::Relaxed)
    }

    pub fn took(&self, time: Duration) {
        self.taking.lock().unwrap_or_else(PoisonError::into_inner).push(time);
    }
}
