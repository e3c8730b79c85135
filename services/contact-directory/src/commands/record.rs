//! A consent change on its way: into the contact, and into the outbox.

use jiff::Timestamp;
use prost::Message;
use yinyom_consent::{Actor, ConsentChange, Surface, SurfaceParent, seal_evidence, wire};
use yinyom_kernel::Scope;
use yinyom_outbox::Event;

use crate::domain::evidence::Evidence;
use crate::domain::{Contact, Outcome};
use crate::store::{BusinessKeys, StoreError};

/// What is the same for every change of one call.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    pub scope: Scope,
    pub keys: &'a BusinessKeys,
    pub actor: &'a Actor,
    pub surface: Surface,
    pub parent: Option<SurfaceParent>,
    pub evidence: Option<&'a Evidence>,
    pub now: Timestamp,
}

/// Makes `outcome` the contact's consent under the next `consent_seq`, and gives the event that tells the
/// ledger. The contact is locked and is saved, and the event is enqueued, in the same unit of work (TRAPS 1).
pub fn record<P>(
    change: &Change<'_>,
    contact: &mut Contact<P>,
    outcome: Outcome,
) -> Result<Event, StoreError> {
    let business = change.scope.business();
    contact.consents = outcome.consents;
    contact.consent_seq += 1;
    let seq = contact.consent_seq;
    let mut sealed = Vec::new();
    let mut commitment = None;
    if let Some(evidence) = change.evidence {
        let key = change.keys.unwrap_subject(contact.id, &contact.subject_key)?;
        if let Some(personal) = seal_evidence(&key, business, contact.id, seq, &evidence.personal) {
            sealed = personal.ciphertext;
            commitment = Some(personal.commitment);
        }
    }
    let evidence = change.evidence;
    let recorded = ConsentChange {
        business,
        contact: contact.id,
        seq,
        recorded_at: change.now,
        cause: outcome.cause,
        surface: change.surface,
        surface_parent: change.parent,
        actor: change.actor.clone(),
        channels: outcome.changes,
        method: evidence.and_then(|e| e.method),
        notice_version: evidence.and_then(|e| e.notice_version.clone()),
        claimed_at: evidence.and_then(|e| e.claimed_at),
        evidence_commitment: commitment,
    };
    Ok(event(contact, &recorded, sealed))
}

/// The event. The contact's key goes along sealed: it must still be there when the contact is not.
fn event<P>(contact: &Contact<P>, recorded: &ConsentChange, sealed: Vec<u8>) -> Event {
    let mut message = wire::change_to_wire(recorded);
    if !sealed.is_empty() {
        message.sealed_evidence = sealed;
        message.subject_key.clone_from(&contact.subject_key);
    }
    Event {
        stream: contact.id.uuid(),
        seq: recorded.seq,
        payload: message.encode_to_vec().into(),
        created_at: recorded.recorded_at,
        trace_parent: yinyom_telemetry::trace_parent(),
    }
}
