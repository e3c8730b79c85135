//! What leaves the directory of a contact: what its reader may see at this moment, and nothing of that by privilege
//! alone before it is on record who sees it (TRAPS 6, 18).
//!
//! A contact is rendered with a [`Look`], and only [`Directory::seen`] gives one.

use std::sync::LazyLock;

use jiff::Timestamp;
use opentelemetry::global;
use opentelemetry::metrics::Counter;
use yinyom_audit::{Act, Reveal, RevealedContact, What};
use yinyom_consent::{Actor, ByChannel, ConsentState};
use yinyom_identity::Caller;

use super::request::Written;
use super::session::Looker;
use super::{Directory, Error, Session};
use crate::domain::{Contact, Sight, View};

/// Phones and e-mails that went out as masks.
static MASKED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("contact-directory")
        .u64_counter("yinyom.values.masked")
        .with_description("Phone numbers and e-mail addresses that were answered as masks")
        .build()
});

/// Phones and e-mails that went out by privilege alone.
static REVEALED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("contact-directory")
        .u64_counter("yinyom.values.revealed")
        .with_description("Phone numbers and e-mail addresses that were shown by privilege alone")
        .build()
});

/// Who asks, through which method, in which call.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub caller: &'a Caller,
    /// The method's path.
    pub method: &'static str,
    /// The call's `x-request-id`.
    pub call_id: &'a str,
}

/// What may be seen at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    view: View,
    now: Timestamp,
}

impl Look {
    /// What is seen of both channels of a contact.
    pub fn sights(&self, contact: &Contact) -> ByChannel<Sight> {
        self.view.sights(&contact.consents, self.now)
    }

    /// The moment.
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

/// What a reader gets: contacts, and what may be seen of them.
#[derive(Debug, Clone)]
pub struct Seen<T> {
    what: T,
    look: Look,
}

impl<T> Seen<T> {
    /// The contacts.
    pub const fn what(&self) -> &T {
        &self.what
    }

    /// What may be seen of them.
    pub const fn look(&self) -> &Look {
        &self.look
    }

    /// Whether as much is shown as `view` shows.
    pub fn is_as(&self, view: &View) -> bool {
        self.look.view == *view
    }
}

impl Seen<Vec<Contact>> {
    /// The contacts that `keep` wants to keep, with what it leaves of them.
    #[must_use]
    pub(crate) fn keep(mut self, keep: impl FnMut(&mut Contact) -> bool) -> Self {
        self.what.retain_mut(keep);
        self
    }
}

/// Something that shows contacts.
pub(crate) trait Shows {
    fn contacts(&self) -> &[Contact];
}

impl Shows for Contact {
    fn contacts(&self) -> &[Contact] {
        std::slice::from_ref(self)
    }
}

impl Shows for Vec<Contact> {
    fn contacts(&self) -> &[Contact] {
        self
    }
}

impl Shows for Written<Contact> {
    fn contacts(&self) -> &[Contact] {
        self.now.as_slice()
    }
}

impl Directory {
    /// Wraps what was read in what the caller may see of it at this moment. What privilege alone shows is recorded
    /// first, as one event. If that fails it is masked, and the caller gets the rest.
    pub(crate) async fn seen<T: Shows>(
        &self,
        session: &Session,
        asked: Asked<'_>,
        what: T,
    ) -> Result<Seen<T>, Error> {
        let (looker, now) = (session.look_closely(self, asked.caller).await?, self.now());
        let mut view = looker.view;
        let contacts = revealed(view, what.contacts(), now);
        if !contacts.is_empty() {
            let recorded = match act(looker, asked, contacts, now) {
                Some(act) => self.reveals.record(session.scope, act).await,
                None => false,
            };
            // That took a while: whoever lost a right meanwhile is shown no more than what holds now, and nothing by
            // a right that is not the recorded one.
            let after = session.look(self, asked.caller).await?;
            view = if recorded && after == view { after } else { after.unrecorded() };
        }
        let look = Look { view, now };
        count(look, what.contacts());
        Ok(Seen { what, look })
    }
}

fn count(look: Look, contacts: &[Contact]) {
    let (mut masked, mut revealed) = (0, 0);
    for contact in contacts {
        let sights = look.sights(contact);
        for (channel, consent) in contact.consents.iter() {
            let points = contact.points_of(channel).count() as u64;
            if !sights.get(channel).visible {
                masked += points;
            } else if look.view.reveals(consent.state_at(look.now)) {
                revealed += points;
            }
        }
    }
    MASKED.add(masked, &[]);
    REVEALED.add(revealed, &[]);
}

/// What `view` shows of the contacts by privilege alone.
fn revealed(view: View, contacts: &[Contact], now: Timestamp) -> Vec<RevealedContact> {
    let states = [ConsentState::NotSet, ConsentState::Granted, ConsentState::Denied];
    if !states.into_iter().any(|state| view.reveals(state)) {
        return Vec::new();
    }
    let reveal = |contact: &Contact| {
        let channels = ByChannel::from_fn(|channel| {
            view.reveals(contact.consents.get(channel).state_at(now))
                && contact.points_of(channel).next().is_some()
        });
        let any = channels.phone || channels.email;
        any.then_some(RevealedContact { contact: contact.id, channels })
    };
    contacts.iter().filter_map(reveal).collect()
}

/// `None` if nothing gives the looker a right; then nothing is revealed, either.
fn act(
    looker: Looker,
    asked: Asked<'_>,
    mut contacts: Vec<RevealedContact>,
    now: Timestamp,
) -> Option<Act> {
    // Who asks for a contact twice sees it once.
    contacts.sort_unstable_by_key(|revealed| revealed.contact);
    contacts.dedup_by_key(|revealed| revealed.contact);
    let actor = match looker.actor {
        Actor::Member { member, role } => yinyom_audit::Actor::Member { member, role },
        Actor::Service { name } => yinyom_audit::Actor::Service { name },
    };
    let privilege = looker.privilege?;
    Some(Act {
        at: now,
        actor,
        method: asked.method.to_owned(),
        call_id: asked.call_id.to_owned(),
        what: What::Reveal(Reveal { privilege, contacts }),
    })
}
