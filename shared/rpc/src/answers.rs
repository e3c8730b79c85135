//! Answers that wait for their clients. hyper asks for the next part of a body when the client has room for it: as long
//! as it does not ask, it is the client who keeps everybody waiting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The answers that are going out over a connection.
#[derive(Default, Clone)]
pub(crate) struct Answers(Arc<Mutex<Vec<Waiting>>>);

struct Waiting {
    number: u64,
    /// Since when the client could have read on; `None` while it waits for us.
    since: Option<Instant>,
}

impl Answers {
    /// An answer whose head is out.
    pub(crate) fn begin(&self) -> Answer {
        let mut answers = self.lock();
        let number = answers.last().map_or(0, |last| last.number + 1);
        answers.push(Waiting { number, since: Some(Instant::now()) });
        drop(answers);
        Answer { of: self.clone(), number }
    }

    /// Since when the client has not read on that has kept us waiting the longest.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.lock().iter().filter_map(|answer| answer.since).min()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is going out, until this is dropped.
pub(crate) struct Answer {
    of: Answers,
    number: u64,
}

impl Answer {
    /// The client has room: it waits for us.
    pub(crate) fn polled(&self) {
        self.set(None);
    }

    /// It has something to read.
    pub(crate) fn handed_over(&self) {
        self.set(Some(Instant::now()));
    }

    fn set(&self, since: Option<Instant>) {
        let mut answers = self.of.lock();
        if let Some(waiting) = answers.iter_mut().find(|waiting| waiting.number == self.number) {
            waiting.since = since;
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.of.lock().retain(|waiting| waiting.number != self.number);
    }
}
