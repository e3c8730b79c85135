//! Addresses that several contacts have.

use yinyom_consent::{ByChannel, CONTACTS, Channel};
use yinyom_kernel::BusinessId;
use yinyom_proto::directory::v1 as pb;

use super::contacts::{one_point, text};
use crate::commands::Seen;
use crate::commands::shared_addresses::SharedAddresses;
use crate::store::counts::Shared;

/// A page of them, each address as it is seen of each contact.
pub fn shared_addresses(
    business: BusinessId,
    seen: &Seen<SharedAddresses>,
) -> Vec<pb::SharedAddress> {
    let contacts = seen.what().by_id();
    let of = seen.what().addresses.iter().map(|address| {
        let holders = address.points.iter().filter_map(|(id, point)| {
            let contact = contacts.get(id)?;
            let point = one_point(contact, *point, seen.look())?;
            Some(pb::SharedAddressHolder {
                contact: CONTACTS.format(business, *id),
                first_name: text(contact.name.first()),
                last_name: text(contact.name.last()),
                point: Some(point),
            })
        });
        let counts = address.holders;
        pb::SharedAddress {
            channel: address.channel.to_wire(),
            contact_count: counts.not_set + counts.granted + counts.denied,
            not_set_count: counts.not_set,
            granted_count: counts.granted,
            denied_count: counts.denied,
            conflict: counts.conflict(),
            holders: holders.collect(),
        }
    });
    of.collect()
}

/// How many there are.
pub fn summaries(of: &ByChannel<Shared>) -> Vec<pb::SharedAddressSummary> {
    let summary = |channel: &Channel| {
        let Shared { shared, conflicts } = *of.get(*channel);
        let channel = channel.to_wire();
        pb::SharedAddressSummary { channel, shared_count: shared, conflict_count: conflicts }
    };
    Channel::ALL.iter().map(summary).collect()
}
