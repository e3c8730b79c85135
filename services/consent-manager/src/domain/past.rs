//! How a contact stood at a past moment, from the last of its changes that had been recorded by then.

use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, Channel, ConsentState};

use super::consent::{ends, next};
use super::{Consent, ConsentRecord, Fold, Recorded};

/// A consent, with the change that made it so.
pub type Made = (ConsentRecord, Recorded);

/// How a contact stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stood {
    /// It was not there.
    Absent,
    /// Phone first.
    So(Vec<Made>),
    /// Its last changes do not tell: all of them have to be asked.
    AskAll,
}

/// How a contact stood at `at`, from the last of its changes by then, and the last of those for each channel. A contact
/// that goes, goes in both channels.
pub fn stood(last: &Recorded, of: &ByChannel<Option<&Recorded>>, at: Timestamp) -> Stood {
    if ends(&last.change) {
        return Stood::Absent;
    }
    let made = |channel: Channel| {
        let made = (*of.get(channel))?;
        let carried = made.change.channels.iter().find(|carried| carried.channel == channel)?;
        // A channel of a contact that came back may not have been named, and an expiry may not say when.
        let says = match carried.to? {
            ConsentState::NotSet if made.change.cause == Cause::Expired => {
                carried.expires_at.is_some()
            }
            _ => true,
        };
        let consent: Consent = next(None, Some(carried), &made.change);
        let record = ConsentRecord::at(at, made.change.contact, channel, consent);
        says.then(|| (record, made.clone()))
    };
    match (made(Channel::Phone), made(Channel::Email)) {
        (Some(phone), Some(email)) => Stood::So(vec![phone, email]),
        _ => Stood::AskAll,
    }
}

/// How a contact stood at `at`, from all of its changes by then.
pub fn stood_after(changes: &[Recorded], at: Timestamp) -> Vec<Made> {
    let Some(first) = changes.first() else { return Vec::new() };
    let mut fold = Fold::begin(first.change.contact);
    for recorded in changes {
        fold.take(recorded);
    }
    fold.finish(at)
}
