//! A contact as a whole: who it is, how it can be reached, what it consents to.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Channel};
use yinyom_kernel::{ContactId, Etag};

use super::Consent;
use super::contact::{ContactName, ExternalId};
use super::points::{Point, channel_of};

/// A customer's person (ผู้ติดต่อ); or what is known of one whose addresses were [not read](NotRead).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact<P = Vec<Point>> {
    pub id: ContactId,
    pub external_id: Option<ExternalId>,
    pub name: ContactName,
    /// By id, which says nothing of the addresses.
    pub points: P,
    pub consents: ByChannel<Consent>,
    /// Number of the last consent change.
    pub consent_seq: i64,
    /// Counts every change.
    pub revision: i64,
    /// How many contacts were merged into it and can come out again.
    pub merges: i64,
    /// The contact's own key, sealed: what identifies in its evidence is under it.
    pub subject_key: Vec<u8>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// In place of a contact's points: what a customer says changes consents, and no address is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRead;

impl Contact {
    /// The points of one channel.
    pub fn points_of(&self, channel: Channel) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| channel_of(&point.address) == channel)
    }

    /// Whether there is an address, by channel.
    pub fn has_address(&self) -> ByChannel<bool> {
        ByChannel::from_fn(|channel| self.points_of(channel).next().is_some())
    }

    /// The contact without them.
    pub fn without_points(self) -> Contact<NotRead> {
        let Self { id, external_id, name, points: _, consents, consent_seq, .. } = self;
        let Self { revision, merges, subject_key, created_at, updated_at, .. } = self;
        Contact {
            id,
            external_id,
            name,
            points: NotRead,
            consents,
            consent_seq,
            revision,
            merges,
            subject_key,
            created_at,
            updated_at,
        }
    }
}

impl<P> Contact<P> {
    /// The etag: of the revision, never of the content.
    pub const fn etag(&self) -> Etag {
        Etag::of(self.revision)
    }
}
