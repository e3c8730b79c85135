//! What became of the rows. The four outcomes add up to the rows, or the import has failed.

use yinyom_proto::directory::v1::{ImportConsentKept, ImportOutcome, ImportRowResult};

/// Counts of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that the file has, but for blank ones.
    pub rows: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub rejected: u64,
    /// Rows in which nothing was written.
    pub blank: u64,
    /// Consents that an import does not move out of a refusal.
    pub kept_denied: u64,
    /// Consents that were given before and that "not set" does not take away.
    pub kept_granted: u64,
    /// Consents of channels that had refused once, where an import does not ask again.
    pub kept_refused_before: u64,
    /// Contacts that refuse by an opt-out.
    pub denied_contacts: u64,
    /// Addresses of opt-outs that nobody has.
    pub kept_addresses: u64,
}

/// The directory answered something that this version does not know.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory answered with an outcome that this version does not know")]
pub struct UnknownOutcome;

impl Tally {
    /// Counts what the directory says of a row.
    pub fn count(&mut self, result: &ImportRowResult) -> Result<(), UnknownOutcome> {
        match result.outcome() {
            ImportOutcome::Created => self.created += 1,
            ImportOutcome::Updated => self.updated += 1,
            ImportOutcome::Unchanged => self.unchanged += 1,
            ImportOutcome::Rejected => self.rejected += 1,
            ImportOutcome::Unspecified => return Err(UnknownOutcome),
        }
        for kept in [result.phone_consent_kept(), result.email_consent_kept()] {
            match kept {
                ImportConsentKept::Denied => self.kept_denied += 1,
                ImportConsentKept::Granted => self.kept_granted += 1,
                ImportConsentKept::RefusedBefore => self.kept_refused_before += 1,
                ImportConsentKept::Unspecified => {}
            }
        }
        self.denied_contacts += u64::try_from(result.denied_contacts).unwrap_or_default();
        self.kept_addresses += u64::try_from(result.kept_addresses).unwrap_or_default();
        Ok(())
    }

    /// Whether every row has one outcome.
    pub const fn adds_up(&self) -> bool {
        self.answered() == self.rows
    }

    /// Rows that have an outcome.
    pub const fn answered(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.rejected
    }

    /// Consents that stayed as they were because the person had refused.
    pub const fn kept_for_refusal(&self) -> u64 {
        self.kept_denied + self.kept_refused_before
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_that_is_not_known_is_not_counted_as_any() {
        let mut tally = Tally { rows: 1, ..Tally::default() };
        let odd = ImportRowResult { outcome: 99, ..Default::default() };
        assert_eq!(tally.count(&odd), Err(UnknownOutcome));
        assert_eq!(tally.count(&ImportRowResult::default()), Err(UnknownOutcome));
        assert!(!tally.adds_up());
    }

    #[test]
    fn refusals_that_were_kept_are_counted_by_channel() {
        let mut tally = Tally { rows: 1, ..Tally::default() };
        let result = ImportRowResult {
            outcome: ImportOutcome::Unchanged.into(),
            phone_consent_kept: ImportConsentKept::Denied.into(),
            email_consent_kept: ImportConsentKept::RefusedBefore.into(),
            ..Default::default()
        };
        assert_eq!(tally.count(&result), Ok(()));
        assert!(tally.adds_up());
        assert_eq!((tally.kept_for_refusal(), tally.kept_granted), (2, 0));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
