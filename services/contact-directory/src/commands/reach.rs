//! Whom marketing may reach in a channel, through a whole business (PRODUCT.md, "May we use it?").
//!
//! Goes by contact id, so that nobody comes twice and nobody who could be reached all along is missed. A stretch of ids is read
//! when the subscriber has taken the message before, and looked at once more when everything else is done. Between two messages
//! nothing is held but a place among [`Streams`].

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use yinyom_consent::Channel;
use yinyom_db::Tx;
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, Code, ContactId, Fault, Text};
use yinyom_policy::{Rules, SharedAddressPolicy};

use super::{Asked, Directory, Error, Seen, Session};
use crate::domain::Contact;
use crate::domain::check::check;
use crate::domain::points::channel_of;
use crate::domain::viewer::may_use_address_equality;
use crate::store::{check as rows, contacts};

/// Contacts that are looked at together.
const STRETCH: i64 = 200;

/// After so many stretches in which nobody may be reached the subscriber is told how far it is.
const SILENT: usize = 50;

/// How much of all streams those of one business may be.
const SHARE: usize = 4;

/// The streams that are under way, of this replica.
#[derive(Default)]
pub(crate) struct Streams(Mutex<HashMap<BusinessId, usize>>);

/// There are as many streams as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many streams")]
pub struct TooManyStreams;

impl Fault for TooManyStreams {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn reason(&self) -> &'static str {
        "TOO_MANY_STREAMS"
    }

    fn text(&self) -> Text {
        Text::new(
            "There are as many streams as this server takes. End one, or try again later.",
            "มีสตรีมครบจำนวนที่ระบบรองรับแล้ว กรุณาปิดบางรายการหรือลองใหม่ภายหลัง",
        )
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }
}

impl Streams {
    fn take(self: &Arc<Self>, business: BusinessId, most: usize) -> Result<Taken, TooManyStreams> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.entry(business).or_default();
        if all >= most || *own >= (most / SHARE).max(1) {
            if *own == 0 {
                open.remove(&business);
            }
            return Err(TooManyStreams);
        }
        *own += 1;
        Ok(Taken { streams: Arc::clone(self), business })
    }
}

/// A place among the streams.
struct Taken {
    streams: Arc<Streams>,
    business: BusinessId,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.business) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.business);
            }
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub business: BusinessId,
    pub channel: Channel,
    pub with_addresses: bool,
}

/// A stream under way.
pub struct Reach {
    directory: Directory,
    question: Question,
    after: Option<ContactId>,
    ended: bool,
    /// Contacts that are looked at together.
    together: i64,
    _place: Taken,
}

/// What a message says.
pub struct Reached {
    pub contacts: Vec<ContactId>,
    /// The same contacts with their points of the channel, if they were asked for.
    pub seen: Option<Seen<Vec<Contact>>>,
    /// Where the next message begins.
    pub after: ContactId,
}

impl Reach {
    /// Begins after that contact, or with the first one; one of `most` streams.
    pub async fn open(
        directory: &Directory,
        caller: &Caller,
        question: Question,
        after: Option<ContactId>,
        most: usize,
    ) -> Result<Self, Error> {
        let session = Session::open(directory, caller, question.business).await?;
        may(&session)?;
        let place = directory.streams.take(question.business, most)?;
        let (directory, together) = (directory.clone(), STRETCH);
        Ok(Self { directory, question, after, ended: false, together, _place: place })
    }

    /// With so many contacts looked at together.
    #[must_use]
    pub const fn in_stretches_of(mut self, contacts: i64) -> Self {
        self.together = contacts;
        self
    }

    /// The next of those who may be reached; `None` at the end. Can be cancelled.
    pub async fn next(&mut self, asked: Asked<'_>) -> Result<Option<Reached>, Error> {
        let mut silent = 0;
        while !self.ended {
            let session =
                Session::open(&self.directory, asked.caller, self.question.business).await?;
            may(&session)?;
            let Some((reached, policy)) = self.stretch(&session, asked).await? else {
                self.ended = true;
                break;
            };
            // What was read before a right was taken away is not told after it (TRAPS 6), nor is what was read under a policy
            // that heeds others less.
            let view = session.look(&self.directory, asked.caller).await?;
            may_use_address_equality(view.viewer(), view.rules())?;
            if view.rules().shared_address_policy != policy {
                continue;
            }
            self.after = Some(reached.after);
            silent += 1;
            if !reached.contacts.is_empty() || silent >= SILENT {
                return Ok(Some(reached));
            }
        }
        Ok(None)
    }

    /// The next stretch, and under which policy it was looked at; `None` if there is none.
    async fn stretch(
        &self,
        session: &Session,
        asked: Asked<'_>,
    ) -> Result<Option<(Reached, SharedAddressPolicy)>, Error> {
        let Self { directory, question, .. } = self;
        let rules = *session.view().rules();
        let mut tx = directory.db.snapshot(session.scope).await?;
        let ids = rows::after(&mut tx, self.after, self.together).await?;
        let Some(after) = ids.last().copied() else { return Ok(None) };
        let mut reachable = self.reachable(&mut tx, &ids, &rules).await?;
        drop(tx);
        let mut seen = None;
        if question.with_addresses && !reachable.is_empty() {
            let shown = self.with_points(session, &reachable).await?;
            seen = Some(directory.seen(session, asked, shown).await?);
        }
        let shown_now = match &seen {
            Some(_) => self.with_points(session, &reachable).await?,
            None => Vec::new(),
        };
        if !reachable.is_empty() {
            // All else that may take a while is done: whoever has said no by now is left out.
            let mut tx = directory.db.snapshot(session.scope).await?;
            reachable = self.reachable(&mut tx, &reachable, &rules).await?;
        }
        let still: HashSet<_> = reachable.iter().copied().collect();
        let seen = seen.map(|shown| shown.keep(|contact| is_still(contact, &still, &shown_now)));
        let reached = Reached { contacts: reachable, seen, after };
        Ok(Some((reached, rules.shared_address_policy)))
    }

    /// Who of `contacts` may be reached at this moment, in their order.
    async fn reachable(
        &self,
        tx: &mut Tx,
        contacts: &[ContactId],
        rules: &Rules,
    ) -> Result<Vec<ContactId>, Error> {
        let channel = self.question.channel;
        let found = rows::channels(tx, channel, contacts, rules.heeds_others()).await?;
        let now = self.directory.now();
        let mut reachable: Vec<_> = (found.into_iter())
            .filter(|row| check(&row.consent, row.reach, rules, now).allowed())
            .map(|row| row.contact)
            .collect();
        reachable.sort_unstable();
        Ok(reachable)
    }

    /// The contacts with their points of the channel alone: what is not shown is not on record as seen.
    async fn with_points(
        &self,
        session: &Session,
        ids: &[ContactId],
    ) -> Result<Vec<Contact>, Error> {
        let keys = self.directory.keys_of(session).await?;
        let mut tx = self.directory.db.snapshot(session.scope).await?;
        let mut contacts = contacts::load(&mut tx, &keys, ids).await?;
        for contact in &mut contacts {
            contact.points.retain(|point| channel_of(&point.address) == self.question.channel);
        }
        Ok(contacts)
    }
}

/// Whether a contact may be told still; of its points, those that it has still.
fn is_still(contact: &mut Contact, still: &HashSet<ContactId>, now: &[Contact]) -> bool {
    let Some(now) = now.iter().find(|now| now.id == contact.id) else { return false };
    contact.points.retain(|point| now.points.contains(point));
    still.contains(&contact.id)
}

fn may(session: &Session) -> Result<(), Error> {
    Ok(may_use_address_equality(session.view().viewer(), session.view().rules())?)
}
