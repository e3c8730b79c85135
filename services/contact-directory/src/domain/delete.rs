//! What a deletion records, and what it leaves behind (the end of PRODUCT.md's "Import").

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, ChannelChange, ConsentState};

use super::consent::change;
use super::{Consent, Refusal, View, guard};

/// A contact that is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Always [`Cause::Deleted`].
    pub cause: Cause,
    /// Both channels, gone.
    pub changes: Vec<ChannelChange>,
    /// The channels whose addresses leave a keyed hash, so that who comes back with one starts `DENIED`.
    pub keeps_refusal: ByChannel<bool>,
}

/// Deletes a contact, unless the actor sees one of its points masked: who deletes and enters anew would lift
/// their own mask.
pub fn delete(
    actor: &View,
    consents: &ByChannel<Consent>,
    has_address: ByChannel<bool>,
    now: Timestamp,
) -> Result<Deletion, Refusal> {
    guard::refuse_masked(actor, consents, has_address, now)?;
    let keeps_refusal = consents.map(|_, consent| keeps_refusal(&consent, now));
    Ok(Deletion { cause: Cause::Deleted, changes: gone(consents, now), keeps_refusal })
}

/// Both channels of a contact that is gone.
pub(super) fn gone(consents: &ByChannel<Consent>, now: Timestamp) -> Vec<ChannelChange> {
    consents.iter().map(|(channel, c)| change(channel, Some(c.state_at(now)), None)).collect()
}

/// A refusal outlives the contact where it stands, and where it was taken back without a yes: else a
/// deletion and an old file would together make the grant that the file alone is refused.
pub fn keeps_refusal(consent: &Consent, now: Timestamp) -> bool {
    match consent.state_at(now) {
        ConsentState::Denied => true,
        ConsentState::NotSet => consent.ever_refused(),
        ConsentState::Granted => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use yinyom_consent::ConsentState::{Denied, Granted, NotSet};

    use super::*;
    use crate::domain::samples::{EVERYWHERE, SHOW, admin, at, of, said, until, user};

    fn keeps(phone: Consent) -> bool {
        let consents = ByChannel { phone, email: said(NotSet) };
        delete(&admin(SHOW), &consents, EVERYWHERE, at(10)).unwrap().keeps_refusal.phone
    }

    #[test]
    fn a_contact_with_a_masked_point_is_not_deleted() {
        let refused = delete(&user(SHOW), &of(Denied, Granted), EVERYWHERE, at(1));
        assert_eq!(refused, Err(Refusal::ContactPointMasked));
    }

    #[test]
    fn a_refusal_outlives_the_contact() {
        assert!(keeps(said(Denied)));
        assert!(keeps(said(Denied).say(NotSet, None, at(1))), "taken back without a yes");
        let ran_out = said(Denied).say(Granted, Some(at(10)), at(1));
        assert!(keeps(ran_out), "the yes that took it back has run out");
    }

    #[test]
    fn what_was_not_refused_leaves_nothing() {
        assert!(!keeps(said(NotSet)) && !keeps(said(Granted)) && !keeps(until(10)));
        assert!(!keeps(said(Denied).say(Granted, None, at(1))), "the last word was yes");
    }

    #[test]
    fn the_record_says_that_both_channels_are_gone() {
        let consents = ByChannel { phone: until(10), email: said(Denied) };
        let deletion = delete(&admin(SHOW), &consents, EVERYWHERE, at(10)).unwrap();
        assert_eq!(deletion.cause, Cause::Deleted);
        let ends: Vec<_> = deletion.changes.iter().map(|c| (c.from, c.to, c.expires_at)).collect();
        assert_eq!(ends, [(Some(NotSet), None, None), (Some(Denied), None, None)]);
    }
}
