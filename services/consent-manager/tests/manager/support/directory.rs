//! The directory's side: contacts whose changes are numbered and sent.

use jiff::Timestamp;
use yinyom_consent::{
    Actor, ByChannel, CONTACTS, Cause, Channel, ChannelChange, ConsentChange, ConsentState,
    EvidenceMethod, PersonalEvidence, Role, Surface, seal_evidence, wire,
};
use yinyom_kernel::{BusinessId, ContactId, MemberId};
use yinyom_privacy::{DataKey, Personal};
use yinyom_proto::manager::v1 as pb;

pub use ConsentState::{Denied, Granted, NotSet};

/// What a change does to a channel.
#[derive(Clone, Copy)]
pub enum To {
    Same,
    State(ConsentState),
    Nothing,
}

/// A contact as the directory has it.
#[derive(Clone)]
pub struct Contact {
    pub business: BusinessId,
    pub id: ContactId,
    pub key: DataKey,
    pub actor: Actor,
    pub surface: Surface,
    pub seq: i64,
    states: ByChannel<Option<ConsentState>>,
}

impl Contact {
    pub fn new(business: BusinessId) -> Self {
        Self {
            business,
            id: ContactId::generate(),
            key: DataKey::generate(),
            actor: Actor::Member { member: MemberId::generate(), role: Some(Role::User) },
            surface: Surface::Contacts,
            seq: 0,
            states: ByChannel::default(),
        }
    }

    pub fn name(&self) -> String {
        CONTACTS.format(self.business, self.id)
    }

    /// The next change, in the domain's words.
    pub fn change(
        &mut self,
        at: Timestamp,
        cause: Cause,
        to: ByChannel<To>,
        expires_at: Option<Timestamp>,
    ) -> ConsentChange {
        self.seq += 1;
        let channels = [(Channel::Phone, to.phone), (Channel::Email, to.email)]
            .into_iter()
            .filter_map(|(channel, to)| {
                let to = match to {
                    To::Same => return None,
                    To::State(state) => Some(state),
                    To::Nothing => None,
                };
                let from = std::mem::replace(self.states.get_mut(channel), to);
                let grant = to == Some(Granted) || cause == Cause::Expired;
                Some(ChannelChange { channel, from, to, expires_at: expires_at.filter(|_| grant) })
            })
            .collect();
        ConsentChange {
            business: self.business,
            contact: self.id,
            seq: self.seq,
            recorded_at: at,
            cause,
            surface: self.surface,
            surface_parent: None,
            actor: self.actor.clone(),
            channels,
            method: None,
            notice_version: None,
            claimed_at: None,
            evidence_commitment: None,
        }
    }

    /// Created with both channels in these states.
    pub fn created(
        &mut self,
        at: Timestamp,
        phone: ConsentState,
        email: ConsentState,
    ) -> pb::ConsentChange {
        let to = ByChannel { phone: To::State(phone), email: To::State(email) };
        wire::change_to_wire(&self.change(at, Cause::Created, to, None))
    }

    /// The phone channel set.
    pub fn phone(&mut self, at: Timestamp, to: ConsentState) -> pb::ConsentChange {
        let to = ByChannel { phone: To::State(to), email: To::Same };
        wire::change_to_wire(&self.change(at, Cause::Set, to, None))
    }

    /// The phone channel granted until `expiry`.
    pub fn phone_until(&mut self, at: Timestamp, expiry: Timestamp) -> pb::ConsentChange {
        let to = ByChannel { phone: To::State(Granted), email: To::Same };
        wire::change_to_wire(&self.change(at, Cause::Set, to, Some(expiry)))
    }

    /// The expiry of the phone channel's grant, recorded.
    pub fn phone_expired(&mut self, at: Timestamp, expiry: Timestamp) -> pb::ConsentChange {
        let to = ByChannel { phone: To::State(NotSet), email: To::Same };
        wire::change_to_wire(&self.change(at, Cause::Expired, to, Some(expiry)))
    }

    /// Gone, by `cause`.
    pub fn gone(&mut self, at: Timestamp, cause: Cause) -> pb::ConsentChange {
        let to = ByChannel { phone: To::Nothing, email: To::Nothing };
        wire::change_to_wire(&self.change(at, cause, to, None))
    }

    /// The phone channel set, with evidence.
    pub fn phone_with_note(
        &mut self,
        at: Timestamp,
        to: ConsentState,
        note: &str,
    ) -> pb::ConsentChange {
        let to = ByChannel { phone: To::State(to), email: To::Same };
        let mut change = self.change(at, Cause::Set, to, None);
        let evidence = PersonalEvidence {
            reference: Some(Personal::new("ticket 7".to_owned())),
            note: Some(Personal::new(note.to_owned())),
        };
        let sealed =
            seal_evidence(&self.key, self.business, self.id, change.seq, &evidence).unwrap();
        change.method = Some(EvidenceMethod::Call);
        change.notice_version = Some("3".to_owned());
        change.evidence_commitment = Some(sealed.commitment);
        pb::ConsentChange {
            sealed_evidence: sealed.ciphertext,
            subject_key: self.key.expose().to_vec(),
            ..wire::change_to_wire(&change)
        }
    }
}
