//! What an operation says, as it is kept until its contacts have had their turns.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use uuid::Uuid;
use yinyom_consent::{
    Channel, ConsentState, EvidenceMethod, PersonalEvidence, Surface, SurfaceParent,
};
use yinyom_kernel::{OperationId, from_micros};
use yinyom_privacy::Personal;

use super::Said;
use crate::domain::evidence::Evidence;
use crate::domain::set::{AssignmentInput, Assignments};
use crate::domain::surface::Place;
use crate::store::{BusinessKeys, StoreError};

/// Numbers, ids, and the version of a notice.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Word {
    #[n(0)]
    surface: i16,
    #[n(1)]
    lead: Option<ByteArray<16>>,
    #[n(2)]
    account: Option<ByteArray<16>>,
    /// Channel, state, and when a grant runs out.
    #[n(3)]
    assignments: Vec<(i16, i16, Option<i64>)>,
    #[n(4)]
    method: Option<i16>,
    #[n(5)]
    notice_version: Option<String>,
    #[n(6)]
    claimed_at: Option<i64>,
}

/// What is said, without what may identify somebody.
pub fn write(said: &Said) -> Vec<u8> {
    let (mut lead, mut account) = (None, None);
    match said.place.parent() {
        Some(SurfaceParent::Lead(id)) => lead = Some(id.uuid().into_bytes().into()),
        Some(SurfaceParent::Account(id)) => account = Some(id.uuid().into_bytes().into()),
        Some(SurfaceParent::Contact(_)) | None => {}
    }
    let assignments = said.assignments.inputs().into_iter().filter_map(|of| {
        Some((
            of.channel?.code(),
            of.state?.code(),
            of.expires_at.map(jiff::Timestamp::as_microsecond),
        ))
    });
    let evidence = &said.evidence;
    let word = Word {
        surface: said.place.surface().code(),
        lead,
        account,
        assignments: assignments.collect(),
        method: evidence.method.map(EvidenceMethod::code),
        notice_version: evidence.notice_version.clone(),
        claimed_at: evidence.claimed_at.map(jiff::Timestamp::as_microsecond),
    };
    minicbor::to_vec(&word).unwrap_or_default()
}

/// What may identify somebody, sealed; `None` if there is nothing.
pub fn seal(
    keys: &BusinessKeys,
    operation: OperationId,
    personal: &PersonalEvidence,
) -> Option<Vec<u8>> {
    if *personal == PersonalEvidence::default() {
        return None;
    }
    let text = |of: &Option<Personal>| of.as_ref().map(|text| text.expose().clone());
    let plain = minicbor::to_vec((text(&personal.reference), text(&personal.note))).ok()?;
    Some(keys.seal_word(operation, &plain))
}

/// What was written and sealed.
pub fn read(
    keys: &BusinessKeys,
    operation: OperationId,
    word: &[u8],
    sealed: Option<&[u8]>,
) -> Result<Said, StoreError> {
    let word: Word = minicbor::decode(word).map_err(|_| StoreError::Unreadable)?;
    let mut inputs = Vec::with_capacity(word.assignments.len());
    for (channel, state, expires_at) in word.assignments {
        inputs.push(AssignmentInput {
            channel: Some(Channel::from_code(channel)?),
            state: Some(ConsentState::from_code(state)?),
            expires_at: expires_at.map(from_micros),
        });
    }
    let id = |id: ByteArray<16>| Uuid::from_bytes(*id);
    let (lead, account) = (word.lead.map(id), word.account.map(id));
    let surface = Some(Surface::from_code(word.surface)?);
    let personal = match sealed {
        None => PersonalEvidence::default(),
        Some(sealed) => {
            let plain = keys.open_word(operation, sealed)?;
            let (reference, note): (Option<String>, Option<String>) =
                minicbor::decode(&plain).map_err(|_| StoreError::Unreadable)?;
            let (reference, note) = (reference.map(Personal::new), note.map(Personal::new));
            PersonalEvidence { reference, note }
        }
    };
    Ok(Said {
        place: Place::read(surface, lead.map(Into::into), account.map(Into::into))
            .map_err(|_| StoreError::Unreadable)?,
        assignments: Assignments::read(&inputs).map_err(|_| StoreError::Unreadable)?,
        evidence: Evidence {
            method: word.method.map(EvidenceMethod::from_code).transpose()?,
            notice_version: word.notice_version,
            personal,
            claimed_at: word.claimed_at.map(from_micros),
        },
    })
}
