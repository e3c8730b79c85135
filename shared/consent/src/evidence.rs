//! Evidence that can identify a person: reference and note, under the contact's own key (TRAPS 10).
//!
//! The ledger's leaf holds a commitment; the text itself travels and rests encrypted. The salt of the commitment is
//! derived from the same key, so destroying the key leaves a proof of nobody.

use yinyom_kernel::{BusinessId, ContactId};
use yinyom_privacy::{BlindIndexKey, DataKey, Personal};

/// What identifies, in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonalEvidence {
    pub reference: Option<Personal>,
    pub note: Option<Personal>,
}

/// What identifies, sealed, and what the ledger's leaf says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEvidence {
    pub ciphertext: Vec<u8>,
    pub commitment: [u8; 32],
}

/// The ciphertext does not belong to this key, this contact or this change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed evidence cannot be opened")]
pub struct UnreadableEvidence;

/// Seals the evidence of change `seq` under the contact's key. Nothing to seal is `None`.
pub fn seal_evidence(
    key: &DataKey,
    business: BusinessId,
    contact: ContactId,
    seq: i64,
    evidence: &PersonalEvidence,
) -> Option<SealedEvidence> {
    if *evidence == PersonalEvidence::default() {
        return None;
    }
    let text = |of: &Option<Personal>| of.as_ref().map(|t| t.expose().clone());
    let (reference, note) = (text(&evidence.reference), text(&evidence.note));
    let plain = minicbor::to_vec((&reference, &note)).ok()?;
    Some(SealedEvidence {
        commitment: BlindIndexKey::of(&key.derive("yinyom evidence salt v1"))
            .digest("evidence v1", &[&plain]),
        ciphertext: key.seal(&context(business, contact, seq), &plain),
    })
}

/// Opens what [`seal_evidence`] sealed.
pub fn open_evidence(
    key: &DataKey,
    business: BusinessId,
    contact: ContactId,
    seq: i64,
    ciphertext: &[u8],
) -> Result<PersonalEvidence, UnreadableEvidence> {
    let plain =
        key.open(&context(business, contact, seq), ciphertext).map_err(|_| UnreadableEvidence)?;
    let (reference, note): (Option<String>, Option<String>) =
        minicbor::decode(&plain).map_err(|_| UnreadableEvidence)?;
    Ok(PersonalEvidence { reference: reference.map(Personal::new), note: note.map(Personal::new) })
}

fn context(business: BusinessId, contact: ContactId, seq: i64) -> Vec<u8> {
    let mut context = b"yinyom evidence v1".to_vec();
    context.extend_from_slice(business.uuid().as_bytes());
    context.extend_from_slice(contact.uuid().as_bytes());
    context.extend_from_slice(&seq.to_be_bytes());
    context
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn evidence() -> PersonalEvidence {
        PersonalEvidence {
            reference: None,
            note: Some(Personal::new("said so at the fair".to_owned())),
        }
    }

    fn sealed(key: &DataKey, business: BusinessId, contact: ContactId) -> SealedEvidence {
        seal_evidence(key, business, contact, 7, &evidence()).unwrap()
    }

    #[test]
    fn only_the_contacts_own_key_opens_it_at_its_own_change() {
        let (business, contact) = (BusinessId::generate(), ContactId::generate());
        let key = DataKey::generate();
        let sealed = sealed(&key, business, contact);
        let other = DataKey::generate();
        let open = |key: &DataKey, contact, seq| {
            open_evidence(key, business, contact, seq, &sealed.ciphertext)
        };
        assert_eq!(open(&key, contact, 7), Ok(evidence()));
        assert_eq!(open(&other, contact, 7), Err(UnreadableEvidence));
        assert_eq!(open(&key, ContactId::generate(), 7), Err(UnreadableEvidence));
        assert_eq!(open(&key, contact, 8), Err(UnreadableEvidence));
    }

    #[test]
    fn the_commitment_needs_the_key_so_without_it_nobody_can_guess_the_text() {
        let (business, contact) = (BusinessId::generate(), ContactId::generate());
        let key = DataKey::generate();
        let one = sealed(&key, business, contact);
        assert_eq!(one.commitment, sealed(&key, business, contact).commitment);
        assert_ne!(one.commitment, sealed(&DataKey::generate(), business, contact).commitment);
    }

    #[test]
    fn nothing_personal_is_nothing_sealed() {
        let key = DataKey::generate();
        let none = PersonalEvidence::default();
        let (business, contact) = (BusinessId::generate(), ContactId::generate());
        assert_eq!(seal_evidence(&key, business, contact, 1, &none), None);
    }
}
