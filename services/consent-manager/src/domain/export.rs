//! What an export holds, fixed when it begins: so it is the same file however long it takes.

use jiff::Timestamp;
use yinyom_consent::{Actor, ByChannel, Channel, ChannelChange, Role};
use yinyom_kernel::ContactId;
use yinyom_transparency::Hash;

use super::consent::{ends, next};
use super::{ChangeFilter, Consent, ConsentFilter, ConsentRecord, Entry, Recorded};

/// Which rows are exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Changes(ChangeFilter),
    Consents(ConsentFilter),
}

impl Wanted {
    /// Whether everything is.
    pub fn is_all(&self) -> bool {
        match self {
            Self::Changes(filter) => *filter == ChangeFilter::default(),
            Self::Consents(filter) => *filter == ConsentFilter::default(),
        }
    }
}

/// The moment that an export is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// How many changes the ledger had.
    pub end: i64,
    /// Leaf hash of the last of them: the ledger of another day has another one there.
    pub last: Option<Hash>,
    pub at: Timestamp,
    /// IANA name of the business's time zone.
    pub zone: String,
}

/// The last row that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The rows of the change at this index.
    Change(i64),
    Consent(ContactId, Channel),
}

/// One row, or the two of a change that carries both channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The change; of a consent the one that made it so.
    pub entry: Entry,
    /// One row each, or one row without a channel if there are none. Of a consent `to` is its state at the moment of
    /// the export, and `expires_at` its expiry.
    pub channels: Vec<ChannelChange>,
}

impl ConsentRecord {
    /// As a row says it.
    pub fn as_change(&self) -> ChannelChange {
        ChannelChange {
            channel: self.channel,
            from: None,
            to: Some(self.state),
            expires_at: self.consent.expires_at,
        }
    }
}

/// Makes the consents of one contact from its changes, in the order of their numbers, as the ledger did when it took them.
#[derive(Debug)]
pub struct Fold {
    contact: ContactId,
    consents: Option<ByChannel<Consent>>,
    made_by: ByChannel<Option<Recorded>>,
}

impl Fold {
    /// A contact without a change yet.
    pub fn begin(contact: ContactId) -> Self {
        Self { contact, consents: None, made_by: ByChannel::default() }
    }

    /// Whose consents they are.
    pub const fn contact(&self) -> ContactId {
        self.contact
    }

    /// The next change.
    pub fn take(&mut self, recorded: &Recorded) {
        let (change, before) = (&recorded.change, self.consents.take());
        if ends(change) {
            self.made_by = ByChannel::default();
            return;
        }
        let consents = ByChannel::from_fn(|channel| {
            let before = before.as_ref().map(|contact| contact.get(channel));
            let carried = change.channels.iter().find(|carried| carried.channel == channel);
            match (before, carried) {
                (Some(before), None) => before.clone(),
                _ => next(before, carried, change),
            }
        });
        let seq = recorded.change.seq;
        let made: Vec<Channel> =
            consents.iter().filter(|(_, one)| one.seq == seq).map(|(channel, _)| channel).collect();
        for channel in made {
            *self.made_by.get_mut(channel) = Some(recorded.clone());
        }
        self.consents = Some(consents);
    }

    /// The consents at `at`, phone first, each with the change that made it so. None of a contact that is gone.
    pub fn finish(self, at: Timestamp) -> Vec<(ConsentRecord, Recorded)> {
        let Self { contact, consents, made_by } = self;
        let Some(ByChannel { phone, email }) = consents else { return Vec::new() };
        [(Channel::Phone, phone, made_by.phone), (Channel::Email, email, made_by.email)]
            .into_iter()
            .filter_map(|(channel, consent, made)| {
                made.map(|made| (ConsentRecord::at(at, contact, channel, consent), made))
            })
            .collect()
    }
}

impl ConsentFilter {
    /// Whether this consent is asked for, which `made` made what it is. Every field has its say here: one that is new
    /// does not compile until it has.
    pub fn admits(&self, record: &ConsentRecord, made: &Recorded) -> bool {
        let Self {
            contact,
            channel,
            state,
            expires_since,
            expires_before,
            surface,
            surface_parent,
            actor,
            actor_role,
            cause,
            method,
            notice_version,
            since,
            before,
        } = self;
        let change = &made.change;
        is(contact.as_ref(), &record.contact)
            && is(channel.as_ref(), &record.channel)
            && is(state.as_ref(), &record.state)
            && within(*expires_since, *expires_before, record.consent.expires_at)
            && is(surface.as_ref(), &change.surface)
            && has(surface_parent.as_ref(), change.surface_parent.as_ref())
            && actor.as_ref().is_none_or(|actor| same(actor, &change.actor))
            && has(actor_role.as_ref(), role(&change.actor).as_ref())
            && is(cause.as_ref(), &change.cause)
            && has(method.as_ref(), change.method.as_ref())
            && has(notice_version.as_ref(), change.notice_version.as_ref())
            && within(*since, *before, Some(record.consent.updated_at))
    }
}

impl ChangeFilter {
    /// Which channels of a change are asked for; `None` if the change itself is not. Every field has its say here.
    pub fn rows_of(&self, recorded: &Recorded) -> Option<Vec<ChannelChange>> {
        let Self {
            contact,
            channel,
            state,
            from_state,
            expires_since,
            expires_before,
            surface,
            surface_parent,
            actor,
            actor_role,
            cause,
            method,
            notice_version,
            since,
            before,
        } = self;
        let change = &recorded.change;
        let asked = is(contact.as_ref(), &change.contact)
            && is(surface.as_ref(), &change.surface)
            && has(surface_parent.as_ref(), change.surface_parent.as_ref())
            && actor.as_ref().is_none_or(|actor| same(actor, &change.actor))
            && has(actor_role.as_ref(), role(&change.actor).as_ref())
            && is(cause.as_ref(), &change.cause)
            && has(method.as_ref(), change.method.as_ref())
            && has(notice_version.as_ref(), change.notice_version.as_ref())
            && within(*since, *before, Some(change.recorded_at));
        let fits = |carried: &ChannelChange| {
            is(channel.as_ref(), &carried.channel)
                && has(state.as_ref(), carried.to.as_ref())
                && has(from_state.as_ref(), carried.from.as_ref())
                && within(*expires_since, *expires_before, carried.expires_at)
        };
        let any = channel.is_none()
            && state.or(*from_state).is_none()
            && expires_since.or(*expires_before).is_none();
        let mut channels: Vec<_> = change.channels.iter().copied().filter(fits).collect();
        channels.sort_unstable_by_key(|carried| carried.channel);
        (asked && (any || !channels.is_empty())).then_some(channels)
    }
}

fn is<T: PartialEq>(asked: Option<&T>, has: &T) -> bool {
    asked.is_none_or(|asked| asked == has)
}

fn has<T: PartialEq>(asked: Option<&T>, has: Option<&T>) -> bool {
    asked.is_none() || asked == has
}

/// Where nothing is asked for, nothing need be there.
fn within(since: Option<Timestamp>, before: Option<Timestamp>, at: Option<Timestamp>) -> bool {
    since.is_none_or(|since| at.is_some_and(|at| at >= since))
        && before.is_none_or(|before| at.is_some_and(|at| at < before))
}

fn role(actor: &Actor) -> Option<Role> {
    match actor {
        Actor::Member { role, .. } => *role,
        Actor::Service { .. } => None,
    }
}

/// Whatever the role was.
fn same(asked: &Actor, has: &Actor) -> bool {
    match (asked, has) {
        (Actor::Member { member: asked, .. }, Actor::Member { member: has, .. }) => asked == has,
        (Actor::Service { name: asked }, Actor::Service { name: has }) => asked == has,
        _ => false,
    }
}
