//! What an import may say about consent, and how a row finds its contact (PRODUCT.md, "Import").
//!
//! An old file must not resurrect anybody: it can take consent away, and give it only where nobody ever refused.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, ConsentState};
use yinyom_privacy::{Address, BlindIndexKey};

use super::carry::{Coming, carry, start};
use super::consent::change;
use super::contact::ContactName;
use super::expiry::settle;
use super::{Consent, Outcome};

/// What became of a row's word on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The channel takes it.
    Taken,
    /// The channel stays as it is.
    Kept(Kept),
    /// The row says nothing, or what is so already.
    Nothing,
}

/// Why a row's word was not taken; the protobuf enum `ImportConsentKept` has the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing moves a channel out of `DENIED`.
    Denied,
    /// `NOT_SET` never replaces `GRANTED`.
    Granted,
    /// The channel, or one that was merged into it, has refused before.
    RefusedBefore,
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Says {
    pub states: ByChannel<Option<ConsentState>>,
    /// When a grant of it runs out: the business's word, a row has none of its own.
    pub granted_until: Option<Timestamp>,
}

impl From<ByChannel<Option<ConsentState>>> for Says {
    fn from(states: ByChannel<Option<ConsentState>>) -> Self {
        Self { states, granted_until: None }
    }
}

/// Whether a channel takes what a row `says`.
pub fn weigh(consent: &Consent, says: Option<ConsentState>, now: Timestamp) -> Word {
    use ConsentState::{Denied, Granted, NotSet};
    let Some(says) = says else {
        return Word::Nothing;
    };
    match (consent.state_at(now), says) {
        (NotSet, NotSet) | (Granted, Granted) | (Denied, Denied) => Word::Nothing,
        (Denied, NotSet | Granted) => Word::Kept(Kept::Denied),
        (Granted, NotSet) => Word::Kept(Kept::Granted),
        (NotSet, Granted) if consent.ever_refused() => Word::Kept(Kept::RefusedBefore),
        (NotSet | Granted, Denied) | (NotSet, Granted) => Word::Taken,
    }
}

/// What a row makes of a contact's consents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub words: ByChannel<Word>,
    /// `None` if nothing was taken.
    pub outcome: Option<Outcome>,
}

/// What a row that `says` this makes of a contact's consents. Run [`carry`](super::carry::carry) for the
/// row's addresses first.
pub fn import(consents: &ByChannel<Consent>, says: impl Into<Says>, now: Timestamp) -> Imported {
    let Says { states, granted_until } = says.into();
    let words =
        ByChannel::from_fn(|channel| weigh(consents.get(channel), *states.get(channel), now));
    let taken = words.map(|_, word| word == Word::Taken);
    let after = consents.map(|channel, before| match states.get(channel) {
        Some(state) if *taken.get(channel) => before.say(*state, granted_until, now),
        _ => before,
    });
    let outcome = Outcome::of(Cause::Imported, consents, after, taken, now).unless_empty();
    Imported { words, outcome }
}

/// What a row makes of a contact as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    pub words: ByChannel<Word>,
    /// In the order in which they are to be recorded, each under its own number; empty if nothing changes.
    pub outcomes: Vec<Outcome>,
}

/// How a contact that a row creates starts: as every new one does ([`start`]), with the row's words weighed on
/// top like those on a contact that was never asked.
///
/// That is one change, `IMPORTED` from nothing. It is two where a deleted contact had refused an address: that
/// its channel starts `DENIED` is not the row's word and does not rest on the row's evidence.
pub fn new_contact(refused: ByChannel<bool>, says: impl Into<Says>, now: Timestamp) -> Weighed {
    let mut started = start(refused, now);
    let Imported { words, outcome } = import(&started.consents, says, now);
    let outcomes = match outcome {
        None => vec![started],
        Some(imported) if refused.phone || refused.email => vec![started, imported],
        Some(imported) => {
            started.cause = imported.cause;
            started.consents = imported.consents;
            started.changes = (started.consents.iter())
                .map(|(channel, consent)| change(channel, None, Some(consent)))
                .collect();
            vec![started]
        }
    };
    Weighed { words, outcomes }
}

/// What a row makes of a contact that is there: first what its addresses do ([`carry`]), then its words. A grant
/// that has run out is recorded before, but not for a row that changes nothing.
pub fn known_contact(
    consents: &ByChannel<Consent>,
    coming: ByChannel<Coming>,
    says: impl Into<Says>,
    now: Timestamp,
) -> Weighed {
    let settled = settle(consents, now);
    let mut current = settled.as_ref().map_or(*consents, |outcome| outcome.consents);
    let mut outcomes = carry(&current, coming, now);
    if let Some(last) = outcomes.last() {
        current = last.consents;
    }
    let Imported { words, outcome } = import(&current, says, now);
    outcomes.extend(outcome);
    if !outcomes.is_empty() {
        outcomes.splice(0..0, settled);
    }
    Weighed { words, outcomes }
}

/// Whether it is what a row says, and not what follows from that by itself: only the former rests on the row's claims.
pub fn is_word(outcome: &Outcome) -> bool {
    outcome.cause == Cause::Imported
}

/// What a row without an `external_id` is matched by: a keyed hash of the normalised name and of all its
/// addresses, whatever their order. Never of an address alone: families share those.
pub fn identity(key: &BlindIndexKey, name: &ContactName, addresses: &[Address]) -> [u8; 32] {
    let name = name.sort_key();
    let mut addresses: Vec<_> =
        addresses.iter().map(|address| address.canonical().expose().as_bytes()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let mut parts = vec![name.expose().as_bytes()];
    parts.extend(addresses);
    key.digest("yinyom/import-identity/v1", &parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use rstest::rstest;
    use yinyom_consent::ConsentState::{Denied, Granted, NotSet};
    use yinyom_privacy::{DataKey, Phone};

    use super::*;
    use crate::domain::samples::{
        NOWHERE, any_consents, any_state, at, by_channel, now, said, states, until,
    };

    const DENIED: Word = Word::Kept(Kept::Denied);
    const GRANTED: Word = Word::Kept(Kept::Granted);
    const REFUSED: Word = Word::Kept(Kept::RefusedBefore);

    fn refused(state: ConsentState) -> Consent {
        Consent { refused_before: true, ..said(state) }
    }

    /// Old state × whether it ever refused × what the row says: nothing, `GRANTED`, `NOT_SET`, `DENIED`.
    #[rstest]
    #[case::new(said(NotSet), [Word::Nothing, Word::Taken, Word::Nothing, Word::Taken])]
    #[case::refused_once(refused(NotSet), [Word::Nothing, REFUSED, Word::Nothing, Word::Taken])]
    #[case::granted(said(Granted), [Word::Nothing, Word::Nothing, GRANTED, Word::Taken])]
    #[case::regranted(refused(Granted), [Word::Nothing, Word::Nothing, GRANTED, Word::Taken])]
    #[case::denied(said(Denied), [Word::Nothing, DENIED, DENIED, Word::Nothing])]
    #[case::denied_again(refused(Denied), [Word::Nothing, DENIED, DENIED, Word::Nothing])]
    #[case::ran_out(until(10), [Word::Nothing, Word::Taken, Word::Nothing, Word::Taken])]
    #[case::ran_out_after_a_refusal(
        Consent { refused_before: true, ..until(10) },
        [Word::Nothing, REFUSED, Word::Nothing, Word::Taken]
    )]
    #[case::not_yet_run_out(until(11), [Word::Nothing, Word::Nothing, GRANTED, Word::Taken])]
    fn what_a_row_may_say(#[case] old: Consent, #[case] words: [Word; 4]) {
        let says = [None, Some(Granted), Some(NotSet), Some(Denied)];
        for (says, word) in says.into_iter().zip(words) {
            assert_eq!(weigh(&old, says, at(10)), word, "{says:?}");
            let both = ByChannel { phone: old, email: said(NotSet) };
            let imported = import(&both, ByChannel { phone: says, email: None }, at(10));
            let Some(outcome) = imported.outcome else {
                assert_ne!(word, Word::Taken);
                continue;
            };
            assert_eq!((word, outcome.cause), (Word::Taken, Cause::Imported));
            assert_eq!(Some(outcome.consents.phone.state), says);
            assert_eq!(outcome.changes.len(), 1, "only what was taken is a change");
        }
    }

    proptest! {
        #[test]
        fn importing_twice_changes_nothing_the_second_time(
            consents in any_consents(),
            says in by_channel(prop::option::of(any_state())),
        ) {
            let first = import(&consents, says, now());
            let after = first.outcome.map_or(consents, |outcome| outcome.consents);
            let second = import(&after, says, now());
            prop_assert_eq!(second.outcome, None);
            for (channel, word) in second.words.iter() {
                prop_assert!(*word != Word::Taken);
                prop_assert!(*first.words.get(channel) == Word::Taken || word == first.words.get(channel));
            }
        }

        #[test]
        fn an_import_never_gives_consent_where_it_was_ever_refused(
            consents in any_consents(),
            phone in any_state(),
            email in any_state(),
        ) {
            let says = ByChannel { phone: Some(phone), email: Some(email) };
            let imported = import(&consents, says, now());
            let after = imported.outcome.map_or(consents, |outcome| outcome.consents);
            for (channel, before) in consents.iter().filter(|(_, c)| c.ever_refused()) {
                let granted = after.get(channel).state_at(now()) == Granted;
                prop_assert!(!granted || before.state_at(now()) == Granted);
            }
        }
    }

    const SILENT: ByChannel<Option<ConsentState>> = ByChannel { phone: None, email: None };

    fn phone_says(state: ConsentState) -> ByChannel<Option<ConsentState>> {
        ByChannel { phone: Some(state), email: None }
    }

    #[test]
    fn a_new_contact_starts_as_its_row_says_in_one_change() {
        let weighed = new_contact(NOWHERE, phone_says(Granted), at(1));
        let [outcome] = &weighed.outcomes[..] else { unreachable!("one change") };
        assert_eq!(outcome.cause, Cause::Imported);
        assert_eq!(states(&outcome.consents, at(1)), (Granted, NotSet));
        let spoken: Vec<_> =
            outcome.changes.iter().map(|change| (change.from, change.to)).collect();
        assert_eq!(spoken, [(None, Some(Granted)), (None, Some(NotSet))], "both channels start");
    }

    #[test]
    fn a_row_that_says_nothing_new_creates_as_anybody_does() {
        for says in [SILENT, phone_says(NotSet)] {
            let weighed = new_contact(NOWHERE, says, at(1));
            assert_eq!(weighed.outcomes, [start(NOWHERE, at(1))]);
        }
    }

    #[test]
    fn no_row_grants_what_a_deleted_contact_refused() {
        let refused = ByChannel { phone: true, email: false };
        let both = ByChannel { phone: Some(Granted), email: Some(Granted) };
        let weighed = new_contact(refused, both, at(1));
        assert_eq!(weighed.words, ByChannel { phone: DENIED, email: Word::Taken });
        let causes: Vec<_> = weighed.outcomes.iter().map(|outcome| outcome.cause).collect();
        assert_eq!(causes, [Cause::Created, Cause::Imported]);
        assert_eq!(states(&weighed.outcomes[1].consents, at(1)), (Denied, Granted));
        assert_eq!(weighed.outcomes[1].changes.len(), 1, "the refusal is not the row's word");
    }

    #[test]
    fn an_address_asks_a_grant_anew_before_the_row_is_heard() {
        let coming =
            ByChannel { phone: Coming { any: true, refused: false }, email: Coming::default() };
        let before = ByChannel { phone: said(Granted), email: said(NotSet) };
        let heard = |says| known_contact(&before, coming, says, at(1)).outcomes;
        assert_eq!(heard(SILENT).len(), 1);
        let granted = heard(phone_says(Granted));
        let causes: Vec<_> = granted.iter().map(|outcome| outcome.cause).collect();
        assert_eq!(causes, [Cause::ContactPointChanged, Cause::Imported]);
        let refused = ByChannel { phone: refused(Granted), email: said(NotSet) };
        let kept = known_contact(&refused, coming, phone_says(Granted), at(1));
        assert_eq!(kept.words.phone, REFUSED, "asked anew, and by a person: it refused before");
        assert_eq!(states(&kept.outcomes[0].consents, at(1)), (NotSet, NotSet));
    }

    #[test]
    fn an_expiry_is_recorded_before_a_change_and_not_for_nothing() {
        let before = ByChannel { phone: until(10), email: said(NotSet) };
        let heard = |says| known_contact(&before, ByChannel::default(), says, at(10));
        assert_eq!(heard(phone_says(NotSet)).outcomes, [], "nothing changes");
        let granted = heard(phone_says(Granted)).outcomes;
        let causes: Vec<_> = granted.iter().map(|outcome| outcome.cause).collect();
        assert_eq!(causes, [Cause::Expired, Cause::Imported]);
        assert_eq!(granted[1].changes[0].from, Some(NotSet), "the chain is whole");
    }

    #[test]
    fn a_row_is_matched_by_name_and_addresses_together() {
        let key = BlindIndexKey::of(&DataKey::generate());
        let name = |first: &str| ContactName::read(first, "").unwrap();
        let phone = |text: &str| Address::from(Phone::parse(text).unwrap());
        let (one, two) = (phone("081-234-5678"), phone("081-234-5679"));
        let id = |n: &str, addresses: &[&Address]| {
            let addresses: Vec<_> = addresses.iter().copied().cloned().collect();
            identity(&key, &name(n), &addresses)
        };
        assert_eq!(id("Somchai  JAIDEE", &[&one, &two, &one]), id("somchai jaidee", &[&two, &one]));
        assert_ne!(id("Somchai", &[&one]), id("Somsri", &[&one]), "never by address alone");
        assert_ne!(id("Somchai", &[&one]), id("Somchai", &[&two]));
        assert_ne!(id("Somchai", &[&one]), id("Somchai", &[]));
    }
}
