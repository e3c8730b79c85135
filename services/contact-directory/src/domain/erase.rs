//! What an erasure destroys, and what it records (PDPA s.33; TRAPS 10).
//!
//! Nobody's mask and no plan refuses an erasure. Who may ask for one is not decided here.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, Channel, ChannelChange};

use super::Consent;
use super::delete::gone;

/// Something in the directory by which a person could be found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trace {
    /// First and last name, and what they are sorted and searched by.
    Names,
    /// The business's own key.
    ExternalId,
    /// Phone numbers and e-mail addresses.
    Points,
    /// What points are found by.
    PointIndex,
    /// What an import finds the contact by.
    ImportIdentity,
    /// The hashes that a deletion left of refused addresses.
    RefusedAddresses,
    /// The contact's own key, and with it the evidence and the salt of its commitments.
    ContactKey,
    /// Fingerprints of requests that held any of the above.
    RequestFingerprints,
}

impl Trace {
    /// Everything that an erasure destroys: all of it.
    pub const ALL: &'static [Self] = &[
        Self::Names,
        Self::ExternalId,
        Self::Points,
        Self::PointIndex,
        Self::ImportIdentity,
        Self::RefusedAddresses,
        Self::ContactKey,
        Self::RequestFingerprints,
    ];
}

/// A contact that is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Always [`Cause::Erased`].
    pub cause: Cause,
    /// Both channels: gone now, or gone already.
    pub changes: Vec<ChannelChange>,
    /// What is to be destroyed in the same transaction.
    pub destroys: &'static [Trace],
}

/// Erases a contact, one that was deleted already (`None`) included.
pub fn erase(consents: Option<&ByChannel<Consent>>, now: Timestamp) -> Erasure {
    let changes = match consents {
        Some(consents) => gone(consents, now),
        None => (Channel::ALL.iter())
            .map(|channel| super::consent::change(*channel, None, None))
            .collect(),
    };
    Erasure { cause: Cause::Erased, changes, destroys: Trace::ALL }
}

#[cfg(test)]
mod tests {
    use yinyom_consent::ConsentState::{Denied, Granted};

    use super::*;
    use crate::domain::samples::{at, of};

    #[test]
    fn an_erasure_is_recorded_and_leaves_no_trace() {
        let erasure = erase(Some(&of(Denied, Granted)), at(1));
        assert_eq!(erasure.cause, Cause::Erased);
        let ends: Vec<_> = erasure.changes.iter().map(|c| (c.from, c.to)).collect();
        assert_eq!(ends, [(Some(Denied), None), (Some(Granted), None)]);
        assert_eq!(erasure.destroys, Trace::ALL);
        assert!(erasure.destroys.contains(&Trace::RefusedAddresses), "kept until erasure only");
    }

    #[test]
    fn a_contact_that_was_deleted_can_still_be_erased() {
        let erasure = erase(None, at(1));
        assert!(erasure.changes.iter().all(|c| (c.from, c.to) == (None, None)));
        assert_eq!((erasure.changes.len(), erasure.destroys), (2, Trace::ALL));
    }
}
