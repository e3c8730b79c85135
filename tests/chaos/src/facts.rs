//! What holds at this moment for certain: has been acknowledged, with nothing under way that could change it.
//!
//! A reader looks before its read and after it. A fact that stood all the while was true for the read, whatever
//! happens elsewhere at the same time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::{Row, RowEnd};

/// `DENIED`, as ledger and wire have it.
pub const DENIED: i32 = 3;

/// The number of a moment. No two are alike.
static MOMENTS: AtomicU64 = AtomicU64::new(1);

/// A fact that stands or does not.
#[derive(Debug, Default)]
pub struct Fact(AtomicU64);

impl Fact {
    /// Since when it has stood; `None` if it is not certain.
    pub fn since(&self) -> Option<u64> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            since => Some(since),
        }
    }

    /// It was acknowledged.
    pub fn stands(&self) {
        self.0.store(MOMENTS.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Something is asked for that may end it.
    pub fn totters(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

/// Phone and e-mail of a contact, in this order wherever there are two of something.
pub const CHANNELS: usize = 2;

/// What is certain of a contact's consent.
#[derive(Debug, Default)]
pub struct Consent {
    known: Mutex<[Known; CHANNELS]>,
    /// The channel is `DENIED`.
    pub denied: [Fact; CHANNELS],
    /// Nothing is under way, so the channel is in the state that [`Consent::state`] tells.
    pub settled: [Fact; CHANNELS],
}

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    /// Changes under way.
    open: u32,
    /// Those of them that would not make it `DENIED`.
    loosening: u32,
    seq: i64,
    state: i32,
}

impl Consent {
    /// A change is asked for.
    pub fn begin(&self, row: &Row) {
        let mut known = self.known();
        for (channel, state) in said(row) {
            known[channel].open += 1;
            self.settled[channel].totters();
            if state != DENIED {
                known[channel].loosening += 1;
                self.denied[channel].totters();
            }
        }
    }

    /// It was answered, for good.
    pub fn end(&self, row: &Row, end: &RowEnd) {
        let mut known = self.known();
        for (channel, state) in said(row) {
            let this = &mut known[channel];
            this.open -= 1;
            this.loosening -= u32::from(state != DENIED);
            if let RowEnd::At(seq) = end
                && *seq > this.seq
            {
                (this.seq, this.state) = (*seq, state);
            }
            // Before the first acknowledged change nothing is known.
            if this.open == 0 && this.state != 0 {
                self.settled[channel].stands();
            }
            if this.loosening == 0 && this.state == DENIED && self.denied[channel].since().is_none()
            {
                self.denied[channel].stands();
            }
        }
    }

    /// The state of a channel by the acknowledged change with the highest number.
    pub fn state(&self, channel: usize) -> i32 {
        self.known()[channel].state
    }

    fn known(&self) -> MutexGuard<'_, [Known; CHANNELS]> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(row: &Row) -> impl Iterator<Item = (usize, i32)> {
    [row.phone, row.email].into_iter().enumerate().filter_map(|(i, state)| Some((i, state?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(state: i32) -> Row {
        Row { contact: uuid::Uuid::nil(), mark: String::new(), phone: Some(state), email: None }
    }

    #[test]
    fn a_refusal_stands_from_its_acknowledgement_until_something_else_is_asked_for() {
        let consent = Consent::default();
        consent.begin(&phone(DENIED));
        assert_eq!(consent.denied[0].since(), None);
        consent.end(&phone(DENIED), &RowEnd::At(2));
        let since = consent.denied[0].since();
        assert!(since.is_some() && consent.denied[1].since().is_none());
        consent.begin(&phone(DENIED));
        assert_eq!(consent.denied[0].since(), since, "another refusal changes nothing");
        consent.begin(&phone(2));
        assert_eq!(consent.denied[0].since(), None);
        consent.end(&phone(2), &RowEnd::Refused(String::new()));
        assert_ne!(consent.denied[0].since(), since);
    }

    #[test]
    fn of_two_changes_at_once_the_number_decides_and_not_who_answers_last() {
        let consent = Consent::default();
        consent.begin(&phone(DENIED));
        consent.begin(&phone(2));
        consent.end(&phone(2), &RowEnd::At(3));
        consent.end(&phone(DENIED), &RowEnd::At(2));
        assert_eq!((consent.state(0), consent.denied[0].since()), (2, None));
        assert!(consent.settled[0].since().is_some());
    }
}
