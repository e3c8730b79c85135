//! Contacts.

use jiff::Timestamp;
use yinyom_consent::wire::timestamp;
use yinyom_consent::{ByChannel, CONTACTS, Channel, wire};
use yinyom_kernel::{BusinessId, Etag, InvalidInput, PointId, Violations, one_line};
use yinyom_privacy::{Address, Email, Phone};
use yinyom_proto::directory::v1 as pb;

use super::read;
use crate::commands::contacts::{ContactPatch, NamePatch, NewContact};
use crate::commands::{Look, Receipt, Seen, Written};
use crate::domain::contact::{ContactName, ExternalId, search_key};
use crate::domain::points::{Point, PointInput, WantedPoint, channel_of, read_points};
use crate::domain::{Contact, Sight, SightReason};
use crate::store::find::Wanted;

const PATHS: &[&str] = &["external_id", "first_name", "last_name", "phones", "emails"];

/// A contact as its viewer may see it. The only place that an address leaves by.
pub fn contact(business: BusinessId, contact: &Contact, look: &Look) -> pb::Contact {
    let (sights, now) = (look.sights(contact), look.now());
    let points = |channel: Channel| {
        let sight = *sights.get(channel);
        let state = contact.consents.get(channel).state_at(now).to_wire();
        contact.points_of(channel).map(|p| point(p, sight, state)).collect()
    };
    pb::Contact {
        name: CONTACTS.format(business, contact.id),
        external_id: text(contact.external_id.as_ref().map(ExternalId::text)),
        first_name: text(contact.name.first()),
        last_name: text(contact.name.last()),
        phones: points(Channel::Phone),
        emails: points(Channel::Email),
        consents: consents(contact, now),
        create_time: Some(timestamp(contact.created_at)),
        update_time: Some(timestamp(contact.updated_at)),
        etag: contact.etag().to_string(),
    }
}

/// One point of a contact as its viewer may see it, if the contact has it still.
pub fn one_point(contact: &Contact, id: PointId, look: &Look) -> Option<pb::ContactPoint> {
    let of = contact.points.iter().find(|point| point.id == id)?;
    let channel = channel_of(&of.address);
    let state = contact.consents.get(channel).state_at(look.now()).to_wire();
    Some(point(of, *look.sights(contact).get(channel), state))
}

/// A part of a name, empty if there is none.
pub fn text(part: Option<&yinyom_privacy::Personal>) -> String {
    part.map(|part| part.expose().clone()).unwrap_or_default()
}

/// Several contacts as their viewer may see them.
pub fn contacts(business: BusinessId, seen: &Seen<Vec<Contact>>) -> Vec<pb::Contact> {
    seen.what().iter().map(|one| contact(business, one, seen.look())).collect()
}

/// What was written, as the writer may see it now. A repeated request has the etag that it had.
pub fn written(business: BusinessId, seen: &Seen<Written<Contact>>) -> pb::Contact {
    written_as(business, seen.what(), seen.look())
}

/// The same, where it is not all that was written.
pub fn written_as(business: BusinessId, written: &Written<Contact>, look: &Look) -> pb::Contact {
    received(business, &written.receipt, written.now.as_ref(), look)
}

/// What a receipt is of, with what is there now.
pub fn received(
    business: BusinessId,
    receipt: &Receipt,
    now: Option<&Contact>,
    look: &Look,
) -> pb::Contact {
    let now = now.map(|c| contact(business, c, look));
    pb::Contact {
        name: CONTACTS.format(business, receipt.id),
        etag: Etag::of(receipt.revision).to_string(),
        ..now.unwrap_or_default()
    }
}

fn point(point: &Point, sight: Sight, consent_state: i32) -> pb::ContactPoint {
    let visibility = if sight.visible { pb::Visibility::Visible } else { pb::Visibility::Masked };
    pb::ContactPoint {
        id: point.id.to_string(),
        value: point.shown(sight),
        visibility: visibility.into(),
        reason: reason(sight.reason).into(),
        consent_state,
    }
}

const fn reason(reason: SightReason) -> pb::VisibilityReason {
    match reason {
        SightReason::EnforcementOff => pb::VisibilityReason::EnforcementOff,
        SightReason::Privileged => pb::VisibilityReason::Privileged,
        SightReason::ScopedService => pb::VisibilityReason::ScopedService,
        SightReason::Granted => pb::VisibilityReason::Granted,
        SightReason::NotSetShown => pb::VisibilityReason::NotSetShown,
        SightReason::NotSetMasked => pb::VisibilityReason::NotSetMasked,
        SightReason::Denied => pb::VisibilityReason::Denied,
        SightReason::UnscopedService => pb::VisibilityReason::UnscopedService,
        SightReason::PolicyUnavailable => pb::VisibilityReason::PolicyUnavailable,
        SightReason::RevealNotRecorded => pb::VisibilityReason::RevealNotRecorded,
    }
}

/// The consent of each channel.
pub fn consents<P>(contact: &Contact<P>, now: Timestamp) -> Vec<pb::ChannelConsent> {
    contact
        .consents
        .iter()
        .map(|(channel, consent)| pb::ChannelConsent {
            channel: channel.to_wire(),
            state: consent.state_at(now).to_wire(),
            expire_time: consent.expires_at.map(timestamp),
            update_time: Some(timestamp(consent.updated_at)),
        })
        .collect()
}

/// Reads who a new contact shall be.
pub fn new_contact(given: Option<&pb::Contact>) -> Result<NewContact, InvalidInput> {
    let mut wrong = Violations::new();
    let Some(given) = given else {
        wrong.missing("contact");
        return wrong.finish(None);
    };
    let name = wrong.nest("contact", ContactName::read(&given.first_name, &given.last_name));
    let external_id = wrong.nest("contact", ExternalId::read(&given.external_id));
    let phones = wrong.nest("contact", points_of(Channel::Phone, &given.phones));
    let emails = wrong.nest("contact", points_of(Channel::Email, &given.emails));
    let new = (|| {
        let addresses = phones?.into_iter().chain(emails?).map(|point| point.address).collect();
        Some(NewContact { external_id: external_id?, name: name?, addresses })
    })();
    wrong.finish(new)
}

/// Reads what of a contact shall change: what the mask names, and nothing else.
pub fn patch(
    given: &pb::Contact,
    mask: Option<&prost_types::FieldMask>,
) -> Result<ContactPatch, InvalidInput> {
    let mut wrong = Violations::new();
    let paths = read::mask(&mut wrong, mask, PATHS);
    let has = |path: &str| paths.contains(&path);
    let mut patch = ContactPatch::default();
    if has("external_id") {
        patch.external_id = wrong.nest("contact", ExternalId::read(&given.external_id));
    }
    for (path, text) in [("first_name", &given.first_name), ("last_name", &given.last_name)] {
        if has(path) {
            wrong.nest("contact", ContactName::read_part(path, text));
        }
    }
    if has("first_name") || has("last_name") {
        patch.name = Some(NamePatch {
            first: has("first_name").then(|| given.first_name.clone()),
            last: has("last_name").then(|| given.last_name.clone()),
        });
    }
    patch.points = ByChannel {
        phone: has("phones")
            .then(|| wrong.nest("contact", points_of(Channel::Phone, &given.phones)))
            .flatten(),
        email: has("emails")
            .then(|| wrong.nest("contact", points_of(Channel::Email, &given.emails)))
            .flatten(),
    };
    wrong.finish(Some(patch))
}

fn points_of(
    channel: Channel,
    given: &[pb::ContactPoint],
) -> Result<Vec<WantedPoint>, InvalidInput> {
    let inputs: Vec<_> =
        given.iter().map(|point| PointInput { id: &point.id, value: &point.value }).collect();
    read_points(channel, &inputs)
}

/// Reads what contacts are looked for.
pub fn wanted(given: &pb::SearchContactsRequest) -> Result<Wanted, InvalidInput> {
    let mut wrong = Violations::new();
    let mut addresses = Vec::new();
    if !given.phone.is_empty() {
        addresses.extend(wrong.take("phone", Phone::parse(&given.phone)).map(Address::Phone));
    }
    if !given.email.is_empty() {
        addresses.extend(wrong.take("email", Email::parse(&given.email)).map(Address::Email));
    }
    let states =
        wire::optional(&mut wrong, "state", yinyom_consent::ConsentState::from_wire(given.state));
    let channel = wire::optional(&mut wrong, "channel", Channel::from_wire(given.channel));
    let prefix = wrong.merge(one_line("name_prefix", &given.name_prefix, 400));
    let external_id = wrong.merge(one_line("external_id", &given.external_id, 200));
    let wanted = (|| {
        Some(Wanted {
            name_prefix: prefix?.map(|prefix| search_key(&prefix)),
            addresses,
            external_id: external_id?,
            state: states?,
            channel: channel?,
        })
    })();
    wrong.finish(wanted)
}
